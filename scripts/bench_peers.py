"""Other people's taggers beside ours: the same documents, the same encoder where they take one, the same scores.

python scripts/bench_peers.py ours conll04 --data ../data/conll04
python scripts/bench_peers.py spert conll04 --data ../data/conll04 --code ../spert --set learning_rate=2e-4
python scripts/bench_peers.py table conll04

Systems: ours (train.py on the dataset's config), spert (github.com/lavis-nlp/spert), hf (transformers'
run_ner_no_trainer.py), spacy (its `train` command, by the Python of --code), dictionary (of training names). --code is the
peer's own code as its authors publish it; train/peers/ says what is patched there so that it runs on today's libraries.

Each seed's predictions and scores stay in --out and are not made again; `table` prints all that were. A plus-minus is the
95 % interval of the mean over seeds (Student's t). With --against NAME, as for ablations, the table also says how far each
setting is from that one: on the lowest seed of both, with the 95 % interval of a paired bootstrap over documents. The last
line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import yaml

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

if TYPE_CHECKING:
    from train.document import Document
    from train.peers.common import Task

DATASETS = ("bundled", "conll04", "rifat", "bannerd")
JOINT = ("ours", "spert")  # the others know no relations
VOCABULARIES = {"conll04": "all"}
CONFIGS = {"bundled": "quickstart.yaml"}
FIGURES = {"mentions": "mention F1", "relations": "relation F1", "relations macro": "relation F1, macro"}
DIFFERENCES = {"mentions": "mentions.strict.f1", "relations": "relations.strict.f1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", choices=(*SYSTEMS, "table"))
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the dataset's files; not needed for bundled")
    parser.add_argument("--code", type=Path, metavar="PATH", help="the peer's own code")
    parser.add_argument("--seeds", type=int, nargs="+", default=[13, 14, 15])
    parser.add_argument("--name", help="what to call this setting (default: the system)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the system")
    parser.add_argument("--against", metavar="NAME", help="a setting that the others are compared with")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    arguments = parser.parse_args()
    folder = arguments.out / arguments.dataset
    if arguments.system != "table":
        _run(arguments, folder)
    rows = _rows(folder)
    if arguments.against:
        _compare(rows, arguments, folder)
    print(_table(rows))
    print(json.dumps({"dataset": arguments.dataset, "rows": rows}, ensure_ascii=False))


def _run(arguments: argparse.Namespace, folder: Path) -> None:
    """One result file a seed; what lies there already stays."""
    from train.corpora import jsonl
    from train.files import atomic_write
    from train.peers.data import load
    from train.scoring import score

    task = load(arguments.dataset, arguments.data)
    name = arguments.name or arguments.system
    for seed in arguments.seeds:
        place = folder / name / str(seed)
        if (place / "result.json").exists():
            continue
        shutil.rmtree(place, ignore_errors=True)  # of a run that was interrupted
        place.mkdir(parents=True)
        started = time.perf_counter()
        found = SYSTEMS[arguments.system](task, arguments, place, seed)
        seconds = time.perf_counter() - started
        scores = score(task.test, found, task.schema, layers=task.layers, resamples=0)
        jsonl.write(place / "test.jsonl", found)
        result: dict[str, Any] = {"system": arguments.system, "set": arguments.set, "seed": seed, "seconds": round(seconds)}
        for layer in ("mentions", "relations") if arguments.system in JOINT else ("mentions",):
            if layer in scores:
                result[layer] = scores[layer]["strict"]["micro"]["f1"]
                result[f"{layer} macro"] = scores[layer]["strict"]["macro"]["f1"]
        with atomic_write(place / "result.json") as file:
            json.dump(result, file)


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for place in sorted(p for p in folder.glob("*") if p.is_dir()):
        results = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(place.glob("*/result.json"))]
        if results:
            row: dict[str, Any] = {"name": place.name, "seeds": [r["seed"] for r in results], "set": results[0]["set"]}
            for key in (*FIGURES, "seconds"):
                if values := [r[key] for r in results if key in r]:
                    row[key] = {"mean": mean(values), "interval": _half_width(values), "values": values}
            rows.append(row)
    return rows


def _compare(rows: list[dict[str, Any]], arguments: argparse.Namespace, folder: Path) -> None:
    """Give each row its `difference` to the setting --against: {mentions, relations: {mean, low, high, p}}."""
    from train.analysis.compare import compare
    from train.corpora import jsonl
    from train.peers.data import load

    base = next((row for row in rows if row["name"] == arguments.against), None)
    if base is None:
        raise InputError(f"--against: expected one of {', '.join(row['name'] for row in rows)}, got {arguments.against}")
    task = load(arguments.dataset, arguments.data)
    for row in rows:
        shared = sorted(set(row["seeds"]) & set(base["seeds"]))
        places = [folder / name / str(seed) / "test.jsonl" for seed in shared[:1] for name in (row["name"], base["name"])]
        if row is base or not places or not all(place.exists() for place in places):
            continue
        ours, theirs = (jsonl.read(place, None) for place in places)  # a peer may predict what the schema forbids
        found = compare(task.test, ours, theirs, task.schema)
        row["difference"] = {
            layer: {"mean": found[name]["difference"], "low": found[name]["interval"][0], "high": found[name]["interval"][1]}
            for layer, name in DIFFERENCES.items()
            if layer in row
        }


def _half_width(values: list[float]) -> float | None:
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5 if len(values) > 1 else None


def _table(rows: list[dict[str, Any]]) -> str:
    compared = [layer for layer in DIFFERENCES if any(layer in row.get("difference", {}) for row in rows)]
    titles = ["system", "seeds", *FIGURES.values(), *(f"{layer}: difference" for layer in compared), "minutes"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in rows:
        cells = [row["name"], str(len(row["seeds"])), *(_cell(row.get(key)) for key in FIGURES)]
        cells += [_difference(row.get("difference", {}).get(layer)) for layer in compared]
        lines.append(f"| {' | '.join(cells)} | {row['seconds']['mean'] / 60:.1f} |")
    return "\n".join(lines)


def _cell(value: dict[str, Any] | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value['mean']:.1f}" + (f" ± {100 * value['interval']:.1f}" if value["interval"] is not None else "")


def _difference(value: dict[str, float] | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value['mean']:+.1f} ({100 * value['low']:+.1f} to {100 * value['high']:+.1f})"


def _ours(task: Task, arguments: argparse.Namespace, folder: Path, seed: int) -> list[Document]:
    from train.corpora import jsonl
    from train.peers import data
    from train.peers.common import run

    config = HERE.parent / "configs" / CONFIGS.get(arguments.dataset, f"benchmarks/{arguments.dataset}.yaml")
    settings = [f"output_dir={folder / 'run'}", f"seed={seed}", "trackers=[]", *arguments.set]
    if arguments.dataset != "bundled":
        data.write(task, folder / "data")
        settings += [f"sources.0.path={folder / 'data'}", "sources.0.format=jsonl"]
    run([HERE / "train.py", config, *settings], log=folder / "log.txt")
    return jsonl.read(folder / "run" / "predictions" / "test.jsonl", task.schema)


def _spert(task: Task, arguments: argparse.Namespace, folder: Path, seed: int) -> list[Document]:
    from train.peers import spert

    return spert.predict(task, _encoder(arguments), folder, code=_code(arguments), seed=seed, **_options(arguments))


def _hf(task: Task, arguments: argparse.Namespace, folder: Path, seed: int) -> list[Document]:
    from train.peers import hf

    return hf.predict(task, _encoder(arguments), folder, code=_code(arguments), seed=seed, **_options(arguments))


def _spacy(task: Task, arguments: argparse.Namespace, folder: Path, seed: int) -> list[Document]:
    from train.peers import spacy_ner

    return spacy_ner.predict(task, folder, python=_code(arguments), seed=seed, **_options(arguments))


def _dictionary(task: Task, arguments: argparse.Namespace, folder: Path, seed: int) -> list[Document]:
    from train.baseline import Dictionary

    return Dictionary.learn(task.train).tag(task.test)


def _encoder(arguments: argparse.Namespace) -> Path:
    from train.encoders import offline

    return offline.convert(layers=6, vocabulary=VOCABULARIES.get(arguments.dataset, "bangla-latin"))  # type: ignore[arg-type]


def _code(arguments: argparse.Namespace) -> Path:
    if arguments.code is None or not arguments.code.exists():
        raise InputError(f"--code: expected where {arguments.system}'s own code is, got {arguments.code}")
    return arguments.code


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    pairs = [text.partition("=") for text in arguments.set]
    return {key: yaml.safe_load(value) for key, _, value in pairs}


SYSTEMS: dict[str, Callable[[Any, argparse.Namespace, Path, int], Any]] = {
    "ours": _ours,
    "spert": _spert,
    "hf": _hf,
    "spacy": _spacy,
    "dictionary": _dictionary,
}


if __name__ == "__main__":
    run(main)
