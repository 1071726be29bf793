"""How fast an archive is tagged, and in how much memory, as it grows.

python scripts/bench_archive.py runs/quickstart
python scripts/bench_archive.py exported --backend onnx --short --documents 1000 10000 100000

The articles are the bundled corpus's texts over and over under new ids, one to four of them joined; with --short its sentences,
one to three, some 30 words. First an archive of at most 100 is compared with what Tagger.tag gives for them: the same
mentions and relations, and scores that differ by what float32 rounds at most; with graphs, the same articles. Then each size is
a process of its own, whose peak is its own. Reading and writing count, loading the model doesn't. The last line is one line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

if TYPE_CHECKING:
    from train.document import Document
    from train.tagger import Tagger

COMPARED = 100
# Scores are rounded to four places, which a rounding error of the last bit can tip over.
TOLERANCE = 2e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--documents", type=int, nargs="+", default=[1000, 10_000], metavar="N", help="default 1000 10000")
    threads = "of torch's forward pass on a CPU (default: as torch chooses); OMP_NUM_THREADS says those of the graphs"
    parser.add_argument("--threads", type=int, metavar="N", help=threads)
    parser.add_argument("--short", action="store_true", help="articles of some 30 words instead of some 400")
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch", help="default: %(default)s")
    arguments = parser.parse_args()
    if min(arguments.documents) < 1 or (arguments.threads or 1) < 1:
        raise InputError("--documents, --threads: expected 1 or more")
    alone(compare, arguments, min(COMPARED, max(arguments.documents)))
    print(f"{'articles':>10}{'words':>12}{'articles/s':>12}{'s/M words':>11}{'peak MiB':>10}")
    rows = []
    for count in arguments.documents:
        row = alone(measure, arguments, count)
        rows.append(row)
        figures = f"{row['articles_per_second']:>12.1f}{row['seconds_per_million_words']:>11.0f}{row['peak_mib']:>10.0f}"
        print(f"{count:>10}{row['words']:>12}{figures}", flush=True)
    about = {"checkpoint": arguments.checkpoint, "backend": arguments.backend, "short": arguments.short}
    print(json.dumps({**about, "sizes": rows}, ensure_ascii=False))


def alone(job: Callable[[argparse.Namespace, int], Any], *arguments: Any) -> Any:
    """What a job gives in a new process, whose memory is then its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(job, arguments)


def compare(arguments: argparse.Namespace, count: int) -> None:
    """Raise InputError if an archive's documents are not those of Tagger.tag."""
    from train.inputs import read_articles

    tagger = loaded(arguments)
    with TemporaryDirectory() as folder:
        archived(tagger, articles(count, short=arguments.short), count, Path(folder))
        found = read_articles([f"{folder}/archive"])
    for one, other in zip(found, tagger.tag(articles(count, short=arguments.short)), strict=True):
        same = (one.id, one.text) == (other.id, other.text)
        # 8 bits are scaled batch by batch, so graphs find a little else beside other texts.
        if same and tagger.backend == "torch":
            same = plain(one) == plain(other)
            same = same and all(abs(a - b) <= TOLERANCE for a, b in zip(scores(one), scores(other), strict=True))
        if not same:
            raise InputError(f"{arguments.checkpoint}: article {one.id} is tagged otherwise in an archive than by Tagger.tag")


def plain(document: Document) -> Any:
    """A document without scores."""
    mentions = [(m.id, m.start, m.end, m.type, m.entity) for m in document.mentions]
    relations = [(r.type, r.head, r.tail, r.status) for r in document.relations]
    return document.id, document.text, mentions, document.entities, relations


def scores(document: Document) -> list[float]:
    return [m.score or 0.0 for m in document.mentions] + [r.score or 0.0 for r in document.relations]


def measure(arguments: argparse.Namespace, count: int) -> dict[str, Any]:
    tagger = loaded(arguments)
    words = sum(len(document.text.split()) for document in articles(count, short=arguments.short))
    with TemporaryDirectory() as folder:
        seconds = archived(tagger, articles(count, short=arguments.short), count, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {
        "articles": count,
        "words": words,
        "seconds": round(seconds, 2),
        "articles_per_second": round(count / seconds, 2),
        "seconds_per_million_words": round(1e6 * seconds / words, 1),
        "peak_mib": round(peak, 1),
    }


def archived(tagger: Tagger, texts: Iterator[Document], count: int, folder: Path) -> float:
    """Fill `folder`/archive with `count` tagged articles; returns the seconds that it took."""
    from train.archive import Settings, tag_archive
    from train.corpora import jsonl
    from train.inputs import records

    jsonl.write(folder / "articles.jsonl", texts)
    start = time.perf_counter()
    done = tag_archive(records([str(folder / "articles.jsonl")]), tagger, folder / "archive", Settings("bench"))
    seconds = time.perf_counter() - start
    if (done.tagged, done.quarantined) != (count, 0):
        raise InputError(f"expected {count} articles tagged, got {done.tagged}, and {done.quarantined} set aside")
    written = sum(part.read_bytes().count(b"\n") for part in (folder / "archive").glob("part-*.jsonl"))
    if written != count:
        raise InputError(f"expected {count} articles in the archive, found {written}")
    return seconds


def articles(count: int, *, short: bool) -> Iterator[Document]:
    from train.corpora import jsonl
    from train.corpora.load import BUNDLED
    from train.document import Document
    from train.model.bangla import sentences

    texts = [document.text for path in sorted(BUNDLED.glob("*.jsonl")) for document in jsonl.iterate(path, None)]
    if short:
        texts = [text[start:end] for text in texts for start, end in sentences(text)]
    most, between = (3, " ") if short else (4, "\n\n")
    for i in range(count):
        chosen = (texts[(i + 7919 * k) % len(texts)] for k in range(1 + i * 31 % most))
        yield Document(f"article-{i:07}", between.join(chosen))


def loaded(arguments: argparse.Namespace) -> Tagger:
    from train.tagger import Tagger

    if arguments.threads:
        import torch

        torch.set_num_threads(arguments.threads)
    return Tagger.load(arguments.checkpoint, backend=arguments.backend)


if __name__ == "__main__":
    run(main)
