"""Work on annotated documents: check them, count them, compare two annotations, change their form.

python scripts/corpus.py check drafts.txt                         # what looks wrong
python scripts/corpus.py stats train/corpora/bundled              # figures, and the corpus's goals
python scripts/corpus.py agree first.txt second.txt               # agreement of two annotations of the same texts
python scripts/corpus.py convert drafts.txt drafts.jsonl          # the form follows the name
python scripts/corpus.py convert news/ tasks.json                 # articles, a .txt each, for Label Studio to annotate
python scripts/corpus.py split drafts.txt data/                   # into train, validation and test
python scripts/corpus.py interface                                # Label Studio's labelling configuration for the schema
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.corpora import formats  # noqa: E402
from train.errors import InputError  # noqa: E402
from train.schema import Schema  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schema", default=str(HERE.parent / "configs/schema/politics.yaml"), help="default: politics")
    common = argparse.ArgumentParser(add_help=False)  # --schema may stand after the command too
    common.add_argument("--schema", default=argparse.SUPPRESS, help="default: politics")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", parents=[common], help="print what looks wrong; status 1 with errors")
    check.add_argument("paths", nargs="+", help="annotated documents: " + formats.FORMS)
    stats = commands.add_parser("stats", parents=[common], help="print figures; of the bundled corpus also its goals")
    stats.add_argument("path")
    stats.add_argument("--against", metavar="TEXTS", help="other texts to stand beside: .jsonl, or .txt of one article each")
    agree = commands.add_parser("agree", parents=[common], help="agreement of two annotations of the same texts")
    agree.add_argument("first")
    agree.add_argument("second")
    agree.add_argument("--list", action="store_true", help="also print every disagreement")
    agree.add_argument("--json", metavar="FILE", help="write all scores here")
    convert = commands.add_parser("convert", parents=[common], help="change the form")
    convert.add_argument(
        "source", help=formats.FORMS + "; or a folder of articles without annotation, a .txt each, sub-folders too"
    )
    convert.add_argument("target")
    split = commands.add_parser("split", parents=[common], help="divide into train, validation and test .jsonl files")
    split.add_argument("source", help=formats.FORMS)
    split.add_argument("folder", help="documents that it has already stay in their split")
    split.add_argument("--shares", type=float, nargs=3, default=[0.8, 0.1, 0.1], metavar="S", help="default: 0.8 0.1 0.1")
    split.add_argument("--seed", type=int, default=13, help="draws the documents (default 13)")
    commands.add_parser("interface", parents=[common], help="print Label Studio's labelling configuration for the schema")
    arguments = parser.parse_args()
    schema = Schema.load(arguments.schema)
    COMMANDS[arguments.command](arguments, schema)


def check(arguments: argparse.Namespace, schema: Schema) -> None:
    from train.corpora.validation import validate

    parts = {f"{path}: {name}": part for path in arguments.paths for name, part in formats.read_parts(path, schema).items()}
    found = validate(parts, schema)
    for finding in found:
        print(finding)
    errors = sum(f.severity == "error" for f in found)
    print(f"{sum(map(len, parts.values()))} documents, {errors} errors, {len(found) - errors} warnings")
    if errors:
        raise InputError(f"{errors} errors found")


def stats(arguments: argparse.Namespace, schema: Schema) -> None:
    from train.corpora import statistics
    from train.corpora.load import BUNDLED
    from train.inputs import read_articles

    parts = formats.read_parts(arguments.path, schema)
    for layer, table in statistics.counts(parts, schema).items():
        print(f"\n{layer:<20}" + "".join(f"{split:>12}" for split in parts))
        for name, found in table.items():
            print(f"{name:<20}" + "".join(f"{found[split]:>12,}" for split in parts))
    ours = statistics.text_figures([d.text for part in parts.values() for d in part], arguments.path)
    others = [d.text for d in read_articles([arguments.against])] if arguments.against else []
    theirs = statistics.text_figures(others, arguments.against) if arguments.against else {}
    print(f"\n{'texts':<36}{'here':>10}" + (f"{'there':>10}{'ratio':>8}" if theirs else ""))
    for name, value in ours.items():
        other = f"{theirs[name]:>10.1f}{value / theirs[name]:>8.2f}" if theirs.get(name) else ""
        print(f"{name:<36}{value:>10.1f}{other}")
    if Path(arguments.path).resolve() == BUNDLED:
        print(f"\n{'goal':<42}{'value':>10}{'least':>10}")
        for goal in statistics.goals(parts, schema):
            print(f"{goal.name:<42}{goal.value:>10,.5g}{goal.least:>10,.5g}  {'met' if goal.met else 'NOT MET'}")


def agree(arguments: argparse.Namespace, schema: Schema) -> None:
    from train.corpora.agreement import agreement, disagreements
    from train.files import atomic_write

    first, second = formats.read(arguments.first, schema), formats.read(arguments.second, schema)
    found = agreement(first, second, schema)
    if arguments.list:
        for line in disagreements(first, second, schema):
            print(line)
    for name, value in found.items():
        if name != "scores":
            print(f"{name:<32}{value:.3f}" if isinstance(value, float) else f"{name:<32}{value}")
    if arguments.json:
        with atomic_write(arguments.json) as file:
            json.dump(found, file, ensure_ascii=False, indent=1)


def convert(arguments: argparse.Namespace, schema: Schema) -> None:
    plain = formats.read_plain(arguments.source)
    documents = formats.read(arguments.source, schema) if plain is None else plain
    formats.write(arguments.target, documents, schema)
    print(f"{arguments.target}: {len(documents)} documents")


def split(arguments: argparse.Namespace, schema: Schema) -> None:
    from train.corpora import splits

    folder = Path(arguments.folder)
    files = formats.split_paths(folder)
    before = formats.read_parts(folder, schema) if files else {}
    kept = {document.id: name for name, part in before.items() for document in part}
    documents = formats.read(arguments.source, schema)
    if lost := sorted(map(str, kept.keys() - {d.id for d in documents})):
        raise InputError(f"{folder}: holds document {lost[0]!r}, which {arguments.source} lacks; it would be lost")
    parts = splits.split(documents, arguments.shares, kept=kept, seed=arguments.seed)
    for name, part in parts.items():
        formats.write(files.get(name, folder / f"{name}.jsonl"), part, schema)
    print(f"{folder}: " + ", ".join(f"{len(part)} {name}" for name, part in parts.items()))


def interface(arguments: argparse.Namespace, schema: Schema) -> None:
    from train.corpora import label_studio

    print(label_studio.interface(schema), end="")


COMMANDS = {"check": check, "stats": stats, "agree": agree, "convert": convert, "split": split, "interface": interface}

if __name__ == "__main__":
    run(main)
