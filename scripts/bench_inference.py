"""How fast a checkpoint tags, with torch and with its ONNX graphs: words a second, start-up, sizes, and what it costs in F1.

python scripts/export.py runs/quickstart exported --onnx
python scripts/bench_inference.py exported train/corpora/bundled/test.jsonl

Each way first tags all documents once and is scored; then the ways take turns, and medians are shown, for articles one by
one and many at a time. A start is a new process of predict.py with one short article. Threads: OMP_NUM_THREADS, else the
cores that the process may use. The last line is one line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402

if TYPE_CHECKING:
    from train.document import Document
    from train.tagger import Backend, Tagger

BACKENDS: "tuple[Backend, ...]" = ("torch", "onnx")
SCORES = {"mentions": "mentions.strict.f1", "relations": "relations.strict.f1", "identities": "identities.conll_f1"}
ARTICLE = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন।"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a folder with ONNX graphs, as export.py --onnx writes it")
    parser.add_argument("data", help="annotated documents, .jsonl")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--documents", type=int, default=24, help="that are timed (default: %(default)s)")
    arguments = parser.parse_args()
    from train.corpora import jsonl
    from train.onnx.model import threads
    from train.tagger import Tagger

    taggers = {backend: Tagger.load(arguments.checkpoint, backend=backend) for backend in BACKENDS}
    documents = jsonl.read(arguments.data, taggers["torch"].schema)
    result: dict = {"threads": threads(), "documents": len(documents), "f1": {}, "words_per_second": {}, "start": {}}
    for backend, tagger in taggers.items():
        result["f1"][backend] = scores(tagger, documents)
        print(backend, result["f1"][backend], file=sys.stderr)
    timed = documents[: arguments.documents]
    for at_once in (1, len(timed)):
        result["words_per_second"][str(at_once)] = speeds(taggers, timed, at_once=at_once, rounds=arguments.rounds)
    for backend in BACKENDS:
        result["start"][backend] = round(median(start(arguments.checkpoint, backend) for _ in range(arguments.rounds)), 2)
    names = {"torch": ("model.safetensors",), "onnx": ("reader.onnx", "pairs.onnx")}
    folder = Path(arguments.checkpoint)
    result["megabytes"] = {b: round(sum((folder / n).stat().st_size for n in names[b]) / 1e6, 1) for b in BACKENDS}
    for name, values in result.items():
        print(f"{name}: {values}")
    print(json.dumps(result))


def scores(tagger: "Tagger", documents: "list[Document]") -> dict[str, float]:
    from train.bootstrap import mean_f1
    from train.scoring import document_counts

    counts = document_counts(documents, tagger.tag(documents), tagger.schema)
    return {name: round(float(mean_f1(counts[key].sum(axis=0))), 4) for name, key in SCORES.items()}


def speeds(taggers: "Mapping[Any, Tagger]", documents: "list[Document]", *, at_once: int, rounds: int) -> dict[str, float]:
    """Median words a second of each tagger, taking turns."""
    words = sum(len(document.text.split()) for document in documents)
    seconds: dict[str, list[float]] = {backend: [] for backend in taggers}
    for _ in range(rounds):
        for backend, tagger in taggers.items():
            began = time.perf_counter()
            for i in range(0, len(documents), at_once):
                tagger.tag(documents[i : i + at_once])
            seconds[backend].append(time.perf_counter() - began)
    return {backend: round(words / median(values)) for backend, values in seconds.items()}


def start(checkpoint: str, backend: str) -> float:
    """Seconds from the start of predict.py to the end of it, with one short article."""
    with tempfile.TemporaryDirectory() as folder:
        article = Path(folder) / "article.txt"
        article.write_text(ARTICLE, encoding="utf-8")
        command = [sys.executable, str(HERE / "predict.py"), checkpoint, str(article), "--backend", backend]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
        return time.perf_counter() - began


if __name__ == "__main__":
    run(main)
