"""Tag articles with mentions and relations.

    python scripts/predict.py runs/quickstart article.txt
    python scripts/predict.py runs/quickstart articles/ --format jsonl --out tagged.jsonl
    python scripts/predict.py runs/quickstart articles/ --min-precision 0.9 --out sure.jsonl
    cat article.txt | python scripts/predict.py runs/quickstart - --format html --out article.html

An input is a .txt file (one article), a folder of them, a .jsonl file with `id` and `text`, or - for standard input (JSON
Lines when it starts with a brace, else one article). Without --format, what goes to a file is chosen by its
ending and what goes to the terminal is a table.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a folder that train.py or export.py wrote, or OWNER/NAME[@REVISION] on the Hub")
    parser.add_argument("input", nargs="+", help="article.txt, a folder, documents.jsonl, or -")
    parser.add_argument("--out", default="-", metavar="FILE", help="output file (default: standard output)")
    parser.add_argument("--format", choices=("jsonl", "html", "table"), help="default: by --out, else table")
    parser.add_argument(
        "--min-precision",
        type=float,
        metavar="P",
        help="give only mentions and relations of such a score that this share of them was right on validation data",
    )
    arguments = parser.parse_args()
    precision = arguments.min_precision
    if precision is not None and not 0 < precision <= 1:
        raise InputError(f"--min-precision: expected more than 0, at most 1, got {precision}")
    from train.inputs import read_articles

    articles = read_articles(arguments.input)
    from train.outputs import write_documents
    from train.tagger import Tagger

    tagger = Tagger.load(arguments.checkpoint)
    for line in tagger.unreached(precision) if precision is not None else ():
        print(line, file=sys.stderr)
    write_documents(tagger.tag(articles, min_precision=precision), arguments.out, arguments.format, tagger.schema)


if __name__ == "__main__":
    run(main)
