"""Tag articles with mentions and relations.

    python scripts/predict.py runs/quickstart article.txt
    python scripts/predict.py runs/quickstart articles/ --out tagged.jsonl
    python scripts/predict.py runs/quickstart articles/ --min-precision 0.9 --out triples.csv
    python scripts/predict.py runs/quickstart '2024/**/*.jsonl.gz' --archive tagged/
    python scripts/predict.py runs/quickstart '2024/**/*.jsonl.gz' --archive tagged/ --engine local --workers 8
    cat article.txt | python scripts/predict.py runs/quickstart - --format html --out article.html

An input is a .txt file (one article, its path is its id), .jsonl or .parquet with `id` and `text` (and, where known, `title`,
`date`, `topic`; other fields are kept), a folder of such files, a pattern in quotes, or - for standard input (JSON Lines when
it starts with a brace, else one article). .txt and .jsonl may be gzipped. No id may come twice.

What goes to a file has the form of its ending: .jsonl and .parquet hold all that was found, .csv a line for each relation,
.html a page to read, .graphml one graph of all articles, .txt the table that goes to the terminal. Input is checked before
the first article is tagged, and the file appears when the last one is.

--archive fills a folder with parts that are each whole. The same command goes on where a run was stopped; records that are no
articles go to quarantine.jsonl there, with the reason, and do not stop it. --engine divides it among processes, or a cluster.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

if TYPE_CHECKING:  # late, so that --help comes at once
    from tqdm import tqdm

    from train.archive import State
    from train.tagger import Tagger


def main() -> None:
    arguments = parsed()
    from train.inputs import files

    files(arguments.input)  # what is not there is said at once
    if arguments.archive:
        to_archive(arguments)
    else:
        to_file(arguments)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a folder that train.py or export.py wrote, or OWNER/NAME[@REVISION] on the Hub")
    parser.add_argument("input", nargs="+", help="files, folders, patterns, or -")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", default="-", metavar="FILE", help="output file (default: standard output)")
    where.add_argument("--archive", metavar="FOLDER", help="a new folder for parts, or one to go on with")
    formats = ("table", "jsonl", "csv", "html", "graphml", "parquet")
    parser.add_argument("--format", choices=formats, help="default: by --out, else table; for --archive jsonl or parquet")
    parser.add_argument(
        "--min-precision",
        type=float,
        metavar="P",
        help="give only mentions and relations of such a score that this share of them was right on validation data",
    )
    parser.add_argument(
        "--backend",
        choices=("auto", "torch", "onnx"),
        default="auto",
        help="default: the checkpoint's ONNX graphs where it has them and there is no GPU, else torch",
    )
    parser.add_argument("--part-size", type=int, metavar="N", help="with --archive: records of input a part (default 1024)")
    parser.add_argument("--strict", action="store_true", help="with --archive: status 1 if anything was set aside")
    parser.add_argument("--engine", choices=("local", "slurm"), help="with --archive: several workers, here or by Slurm")
    parser.add_argument("--workers", type=int, metavar="N", help="with --engine (default: one a core; on Slurm no limit)")
    parser.add_argument("--slurm", metavar="FILE", help="YAML with time, partition and other options of the jobs")
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="articles a second and time left, on standard error"
    )
    arguments = parser.parse_args()
    if not arguments.archive and (arguments.strict or arguments.part_size is not None):
        parser.error("--part-size and --strict go with --archive")
    if arguments.engine and not arguments.archive:
        parser.error("--engine goes with --archive")
    if arguments.workers is not None and not arguments.engine:
        parser.error("--workers goes with --engine")
    if (arguments.slurm is not None) != (arguments.engine == "slurm"):
        parser.error("--engine slurm and --slurm go together")
    if arguments.archive and arguments.format not in (None, "jsonl", "parquet"):
        parser.error("--archive: parts are jsonl or parquet")
    if arguments.min_precision is not None and not 0 < arguments.min_precision <= 1:
        raise InputError(f"--min-precision: expected more than 0, at most 1, got {arguments.min_precision}")
    if arguments.part_size is not None and arguments.part_size < 1:
        raise InputError(f"--part-size: expected 1 or more, got {arguments.part_size}")
    if arguments.workers is not None and arguments.workers < 1:
        raise InputError(f"--workers: expected 1 or more, got {arguments.workers}")
    if arguments.progress is None:
        arguments.progress = sys.stderr.isatty() and (arguments.out != "-" or bool(arguments.archive))
    return arguments


def to_file(arguments: argparse.Namespace) -> None:
    from train.inputs import check_apart, iterate_articles, rereadable
    from train.outputs import chosen_format, write_documents

    format_ = chosen_format(arguments.out, arguments.format)
    if arguments.out != "-":
        check_apart(Path(arguments.out), arguments.input, "file")
    total = sum(1 for _ in iterate_articles(arguments.input)) if rereadable(arguments.input) else None
    tagger = loaded(arguments)
    with bar(arguments, total) as progress:
        articles = iterate_articles(arguments.input)
        found = tagger.tag_stream(articles, min_precision=arguments.min_precision, on_tagged=progress.update)
        write_documents(found, arguments.out, format_, tagger.schema)


def to_archive(arguments: argparse.Namespace) -> None:
    from train.archive import Settings, check_folder, checkpoint_digest, tag_archive
    from train.hub import resolve
    from train.inputs import count, records

    folder = Path(arguments.archive)
    check_folder(folder, arguments.input)
    total = count(arguments.input) if arguments.progress else None
    tagger, checkpoint = loaded(arguments), resolve(arguments.checkpoint)
    settings = Settings(
        checkpoint_digest(checkpoint),
        format=arguments.format or "jsonl",
        part_size=arguments.part_size or 1024,
        min_precision=arguments.min_precision,
        backend=tagger.backend,
    )
    with bar(arguments, total) as progress:
        if arguments.engine:
            from train.engine import fill
            from train.yamls import read_yaml

            slurm = read_yaml(arguments.slurm, "file for --slurm") if arguments.slurm else None
            chosen = {"engine": arguments.engine, "workers": arguments.workers, "slurm": slurm}
            done = fill(arguments.input, checkpoint, folder, settings, **chosen, on_done=progress.update)
        else:
            done = tag_archive(records(arguments.input), tagger, folder, settings, on_done=progress.update)
    report(done, folder, "task-*/" if arguments.engine else "")
    if arguments.strict and done.quarantined:
        sys.exit(1)


def report(done: "State", folder: Path, below: str) -> None:
    from train.inputs import QUARANTINE

    aside = f"{done.quarantined} set aside in {folder / below / QUARANTINE}" if done.quarantined else "none set aside"
    so_far = "" if done.complete else "; Slurm has the rest, and the same command says later how far it is"
    print(f"{folder}: {counted(done.tagged, 'article')} in {counted(done.parts, 'part')}, {aside}{so_far}", file=sys.stderr)


def loaded(arguments: argparse.Namespace) -> "Tagger":
    """The tagger; says so where the precision asked for leaves nothing to give."""
    from train.tagger import Tagger

    tagger, precision = Tagger.load(arguments.checkpoint, backend=arguments.backend), arguments.min_precision
    for line in tagger.unreached(precision) if precision is not None else ():
        print(line, file=sys.stderr)
    return tagger


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def bar(arguments: argparse.Namespace, total: int | None) -> "tqdm":
    from tqdm import tqdm

    return tqdm(total=total, unit=" articles", disable=not arguments.progress, file=sys.stderr)


if __name__ == "__main__":
    run(main)
