"""Turn tagged articles into a graph of who holds which office, who met, backed or blamed whom.

    python scripts/graph.py tagged.jsonl --out graph.html
    python scripts/graph.py tagged.jsonl --out graph.graphml --min-score 0.8
    python scripts/graph.py tagged.jsonl --timeline ভারত চীন
    python scripts/graph.py tagged.jsonl --merges merges.jsonl
    python scripts/graph.py tagged.jsonl --out graph.html --undo wrong.jsonl

The input is what `predict.py --out tagged.jsonl` writes, an annotated corpus, or a folder of such files. The form follows
the ending of --out: .html (a page that opens without a network), .graphml, .gexf, .jsonld; a name without ending is a
folder for Parquet tables. --merges writes why entities of several documents became one node, a line each; lines of
it, given to --undo, are taken back.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

SCHEMA = HERE.parent / "configs" / "schema" / "politics.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", nargs="+", help="tagged.jsonl, a folder of such files, or -")
    parser.add_argument("--out", metavar="FILE", help="output file, or a folder for Parquet tables")
    parser.add_argument(
        "--schema", default=str(SCHEMA), help="the schema of the tags, such as a checkpoint's schema.yaml (default: politics)"
    )
    parser.add_argument("--min-score", type=float, default=0.0, metavar="S", help="leave out what scores less (0 to 1)")
    parser.add_argument("--merges", metavar="FILE", help="write the merges, one a line")
    parser.add_argument("--undo", metavar="FILE", help="merges to undo: lines of what --merges wrote")
    parser.add_argument(
        "--timeline", nargs=2, metavar="NAME", help="what was stated between two, by date; --out: .txt, .json or .html"
    )
    arguments = parser.parse_args()
    if not (arguments.out or arguments.merges or arguments.timeline):
        parser.error("give --out, --merges or --timeline")
    if not 0 <= arguments.min_score <= 1:
        raise InputError(f"--min-score: expected 0 to 1, got {arguments.min_score}")
    from train.graph.output import check_out, read_merges, timeline_text, write_graph, write_merges

    out = arguments.out or "-"
    if arguments.out == "-" and not arguments.timeline:
        raise InputError("--out: only a timeline goes to standard output; expected a file or a folder")
    check_out(out, timeline=bool(arguments.timeline))
    from train.graph.build import build
    from train.inputs import check_apart, read_articles
    from train.schema import Schema

    if arguments.merges:
        check_apart(Path(arguments.merges), arguments.input, "file")
    if arguments.out and not Path(out).suffix and out != "-":
        check_apart(Path(out), arguments.input, "folder")
    schema = Schema.load(arguments.schema)
    undo = read_merges(arguments.undo) if arguments.undo else frozenset()
    documents = read_articles(arguments.input)
    if not any(document.mentions for document in documents):
        raise InputError(f"{', '.join(arguments.input)}: no document has mentions; tag them first with scripts/predict.py")
    graph = build(documents, schema, min_score=arguments.min_score, undo=undo)
    if arguments.merges:
        write_merges(graph.merges, arguments.merges)
    if arguments.timeline:
        from train.graph.timeline import find_node

        a, b = (find_node(graph, name).id for name in arguments.timeline)
        _write(timeline_text(graph, (a, b), schema, out), out)
    elif arguments.out:
        write_graph(graph, schema, out)


def _write(text: str, out: str) -> None:
    from train.files import atomic_write

    if out == "-":
        sys.stdout.buffer.write(text.encode("utf-8"))
    else:
        with atomic_write(out) as file:
            file.write(text)


if __name__ == "__main__":
    run(main)
