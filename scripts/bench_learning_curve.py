"""How much the data is worth: one config trained on growing shares of its first source, several seeds each, scored on test.

python scripts/bench_learning_curve.py configs/quickstart.yaml --out runs/curve
python scripts/bench_learning_curve.py configs/quickstart.yaml --out runs/curve --jobs 2   # two runs at once, a core each

Each share is drawn by the seed and lies within the next larger one; epochs are the config's, so a smaller share also means
fewer steps. Finished runs in --out are not trained again, so --out is for one config alone. Values are means and standard
deviations over the seeds. The last line is one line of JSON. Results stand in train/corpora/bundled/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

FIGURES = {
    "mentions": ("mentions", "strict", "micro", "f1"),
    "relations": ("relations", "strict", "micro", "f1"),
    "relations, macro": ("relations", "strict", "macro", "f1"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("override", nargs="*", help="key=value, as for train.py")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; the cores are shared out")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        raise InputError(f"--jobs: expected 1 or more, got {arguments.jobs}")
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    plan = [(share, seed) for seed in arguments.seeds for share in sorted(arguments.shares, reverse=True)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda job: train(arguments, share=job[0], seed=job[1], threads=threads), plan))
    found: dict[float, list[dict[str, Any]]] = {}
    for (share, _), result in zip(plan, results, strict=True):
        found.setdefault(share, []).append(result)
    print("| share | documents | " + " | ".join(f"{name}, F1" for name in FIGURES) + " |\n" + "|---" * (2 + len(FIGURES)) + "|")
    for share, rows in sorted(found.items()):
        cells = [f"{mean(r[name] for r in rows):.3f} ± {deviation([r[name] for r in rows]):.3f}" for name in FIGURES]
        print(f"| {share:.0%} | {rows[0]['documents']} | " + " | ".join(cells) + " |")
    print(json.dumps({"config": arguments.config, "seeds": arguments.seeds, "runs": {str(k): v for k, v in found.items()}}))


def train(arguments: argparse.Namespace, *, share: float, seed: int, threads: int) -> dict[str, Any]:
    """One run, and its scores on the test split of the first source."""
    folder = arguments.out / f"share-{share:g}-seed-{seed}"
    if not (folder / "scores.json").exists():
        if folder.exists():
            shutil.rmtree(folder)  # a run that was interrupted
        changes = [f"output_dir={folder}", f"seed={seed}", f"sources.0.share={share}", "trackers=[]", *arguments.override]
        command = [sys.executable, str(HERE / "train.py"), arguments.config, *changes]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise InputError(f"{folder}: training failed: {last}")
    scores, facts = (json.loads((folder / name).read_text(encoding="utf-8")) for name in ("scores.json", "run.json"))
    test = next(iter(scores["test"].values()))
    result: dict[str, Any] = {"documents": sum(part["documents"] for part in facts["data"]["train"].values())}
    for name, path in FIGURES.items():
        value: Any = test
        for key in path:
            value = value[key]
        result[name] = value
    return result


def deviation(values: list[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    run(main)
