"""How fast a checkpoint tags, and in how much memory, beside what else one would take for names, on a CPU.

python scripts/bench_inference_peers.py exported train/corpora/bundled/test.jsonl
python scripts/bench_inference_peers.py exported train/corpora/bundled/test.jsonl --spacy-python FOLDER/bin/python

Ours (torch, onnx) finds names, relations, statuses and identities; all others names alone: transformers' own pipeline
("token-classification") over the checkpoint's very encoder (hf), and with --spacy-python spaCy's small network (spacy-small)
and that encoder in spacy-transformers (spacy-transformer). Speed hardly depends on what weights say, so the heads of the others
are random (hf) or trained for some steps on the same texts (spaCy's). Each is a process of its own, which tags all texts
once; then they take turns. Words are what stands between white space; medians are shown, and the peak of each process.
Long texts: hf with a stride of 64 pieces, as it would cut them off, and the fastest of batches of 1, 8 and 32; spaCy as
`spacy init config` sets it. `covered` is the share of the words that were read.

For spaCy: python3 -m venv FOLDER; FOLDER/bin/pip install spacy-transformers, which takes transformers older than 4.53.3. Where
it is installed, spaCy loads torch for its small network too, and that is memory: an environment with spacy alone is fair to it.
Threads: OMP_NUM_THREADS, else the cores that the process may use. The last line is one line of JSON.
"""

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

if TYPE_CHECKING:
    from train.document import Document
    from train.peers.speed import Worker

OURS, SPACY = ("torch", "onnx"), ("spacy-small", "spacy-transformer")
Spans = list[list[tuple[int, int, str]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a folder with ONNX graphs, as export.py --onnx writes it")
    parser.add_argument("data", help="annotated documents, .jsonl")
    parser.add_argument("--against", nargs="+", choices=("hf", *SPACY), metavar="WAY", help="hf spacy-small spacy-transformer")
    parser.add_argument("--spacy-python", type=Path, metavar="PATH", help="the interpreter of an environment with spaCy")
    parser.add_argument("--predictions", help="what the checkpoint found in DATA before, to see that it does so again")
    parser.add_argument("--documents", type=int, default=117, help="that are tagged (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    against = arguments.against or ["hf", *(SPACY if arguments.spacy_python else ())]
    if set(against) & set(SPACY) and not arguments.spacy_python:
        raise InputError("--spacy-python: expected the interpreter of an environment with spaCy")
    if min(arguments.documents, arguments.rounds) < 1:
        raise InputError("--documents, --rounds: expected 1 or more")
    from train.corpora import jsonl
    from train.onnx.model import threads
    from train.peers.speed import write_classifier
    from train.tagger import Tagger

    # torch would take fewer threads on a busy machine, and spaCy's own as many as it likes.
    os.environ["OMP_NUM_THREADS"] = str(threads())
    tagger = Tagger.load(arguments.checkpoint, device="cpu")
    documents = jsonl.read(arguments.data, tagger.schema)[: arguments.documents]
    before = jsonl.read(arguments.predictions, tagger.schema) if arguments.predictions else []
    with TemporaryDirectory() as folder, ExitStack() as stack:
        write_classifier(tagger, documents, Path(folder) / "encoder")
        language = "bn" if tagger.schema.language == "bn" else "xx"
        del tagger
        workers, failed = {}, {}
        for way in (*OURS, *against):
            print(f"{way} …", file=sys.stderr, flush=True)
            try:
                worker = started(way, arguments, documents, Path(folder), language)
                workers[way] = stack.enter_context(worker)
            except InputError as error:
                failed[way] = str(error)
        rounds = [{way: worker.ask({}) for way, worker in workers.items()} for _ in range(arguments.rounds)]
        words = sum(len(document.text.split()) for document in documents)
        ways = {way: figures(worker.about, [r[way] for r in rounds], words) for way, worker in workers.items()}
    for way in set(OURS) & set(ways):
        ways[way]["mentions_f1"] = agreement(workers[way].about["mentions"], documents)
        if before:
            ways[way]["as_before"] = agreement(workers[way].about["mentions"], before)
    result = {"threads": threads(), "documents": len(documents), "words": words, "ways": ways, "failed": failed}
    for way, values in ways.items():
        print(f"{way:18}{values['words_per_second']:>8} words/s{values['peak_mib']:>8} MiB  {values}")
    for way, why in failed.items():
        print(f"{way:18} cannot be run: {why}")
    print(json.dumps(result))


def started(way: str, arguments: argparse.Namespace, documents: "list[Document]", folder: Path, language: str) -> "Worker":
    """The process of a way, which has tagged all texts once."""
    from train.peers.speed import Worker

    given: dict[str, Any] = {"texts": [document.text for document in documents]}
    if way in OURS:
        given |= {"checkpoint": str(Path(arguments.checkpoint).resolve()), "backend": way}
        return Worker("ours", given, python=sys.executable, log=folder / way)
    given["encoder"] = str(folder / "encoder")
    if way == "hf":
        return Worker("hf", given, python=sys.executable, log=folder / way)
    python, model = arguments.spacy_python.absolute(), folder / f"{way}-model"
    given |= {"model": str(model), "language": language}
    training = {**given, "mentions": [[(m.start, m.end, m.type) for m in d.mentions] for d in documents]}
    if way == "spacy-small":
        del training["encoder"]
    with Worker("spacy-prepare", training, python=python, log=folder / f"{way}-training"):
        pass
    return Worker("spacy", given, python=python, log=folder / way)


def figures(about: dict[str, Any], rounds: list[dict[str, float]], words: int) -> dict[str, Any]:
    return {
        "words_per_second": round(words / median(r["seconds"] for r in rounds)),
        "peak_mib": round(max(r["peak_mib"] for r in rounds)),
        **about,
        "mentions": sum(map(len, about["mentions"])),
    }


def agreement(found: Spans, documents: "list[Document]") -> float:
    """The F1 of mentions by place and type."""
    theirs = [{(m.start, m.end, m.type) for m in document.mentions} for document in documents[: len(found)]]
    ours = [{tuple(span) for span in spans} for spans in found]
    shared = sum(len(a & b) for a, b in zip(ours, theirs, strict=True))
    return round(2 * shared / max(1, sum(map(len, ours)) + sum(map(len, theirs))), 4)


if __name__ == "__main__":
    run(main)
