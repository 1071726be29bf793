"""How fast a checkpoint tags, with torch and with its ONNX graphs: words a second, start-up, sizes, and what it costs in F1.

python scripts/export.py runs/quickstart exported --onnx
python scripts/bench_inference.py exported train/corpora/bundled/test.jsonl
python scripts/bench_inference.py runs/banglabert test.jsonl --device cuda --precision bf16

Each way first tags all documents once and is scored; then the ways take turns, and medians are shown, for articles one by
one and many at a time. Shares are those of the time from raw text to documents: into pieces, the model with what prepares its
batches, decoding. A start is a new process of predict.py with one short article. On a GPU only torch runs, and no start is
measured. Threads: OMP_NUM_THREADS, else the cores that the process may use. The last line is one line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

if TYPE_CHECKING:
    from train.document import Document
    from train.tagger import Backend, Tagger

FILES: "dict[Backend, tuple[str, ...]]" = {"torch": ("model.safetensors",), "onnx": ("reader.onnx", "pairs.onnx")}
SCORES = {"mentions": "mentions.strict.f1", "relations": "relations.strict.f1", "identities": "identities.conll_f1"}
ARTICLE = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন।"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a folder with ONNX graphs, as export.py --onnx writes it")
    parser.add_argument("data", help="annotated documents, .jsonl")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--documents", type=int, default=24, help="that are timed (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda … (default: %(default)s)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of torch (default: %(default)s)")
    arguments = parser.parse_args()
    from train.corpora import jsonl
    from train.onnx.model import threads

    taggers = loaded(arguments)
    documents = jsonl.read(arguments.data, taggers["torch"].schema)
    result: dict = {"device": arguments.device, "precision": arguments.precision, "threads": threads()}
    result |= {"documents": len(documents), "f1": {}, "words_per_second": {}, "shares": {}, "start": {}, "megabytes": {}}
    for backend, tagger in taggers.items():
        result["f1"][backend] = scores(tagger, documents)
        print(backend, result["f1"][backend], file=sys.stderr)
    timed = documents[: arguments.documents]
    for at_once in (1, len(timed)):
        result["words_per_second"][str(at_once)] = speeds(taggers, timed, at_once=at_once, rounds=arguments.rounds)
    for backend, tagger in taggers.items():
        result["shares"][backend] = shares(tagger, timed, rounds=arguments.rounds)
        if arguments.device == "cpu":
            result["start"][backend] = round(median(start(arguments.checkpoint, backend) for _ in range(arguments.rounds)), 2)
        files = (Path(arguments.checkpoint) / name for name in FILES[backend])
        result["megabytes"][backend] = round(sum(file.stat().st_size for file in files) / 1e6, 1)
    for name, values in result.items():
        print(f"{name}: {values}")
    print(json.dumps(result))


def loaded(arguments: argparse.Namespace) -> "dict[Backend, Tagger]":
    import torch

    from train.tagger import Tagger

    device, precision = arguments.device, arguments.precision
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter where torch is built without CUDA
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}") from None
    taggers: dict[Backend, Tagger] = {"torch": Tagger.load(arguments.checkpoint, device=device, precision=precision)}
    if device == "cpu":
        taggers["onnx"] = Tagger.load(arguments.checkpoint, backend="onnx")
    return taggers


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


def shares(tagger: "Tagger", documents: "list[Document]", *, rounds: int) -> dict[str, float]:
    """The share of the time that each step takes, of all documents at once; medians."""
    from train.model.tagging import score_windows
    from train.model.windows import encode_text

    seconds = []
    for _ in range(rounds):
        times = [time.perf_counter()]
        encoded = [encode_text(document.text, tagger.tokenizer) for document in documents]
        times.append(time.perf_counter())
        windows = score_windows(tagger.model, tagger.tokenizer, encoded, batch_tokens=tagger.batch_tokens)
        times.append(time.perf_counter())
        tagger.decoded(zip(documents, encoded, windows, strict=True))
        times.append(time.perf_counter())
        seconds.append([(b - a) / (times[-1] - times[0]) for a, b in pairwise(times)])
    steps = ("pieces", "model", "decoding")
    return {step: round(median(values), 3) for step, values in zip(steps, zip(*seconds, strict=True), strict=True)}


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
