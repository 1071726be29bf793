"""Score a checkpoint on annotated documents (JSON Lines in the corpus's form).

python scripts/evaluate.py runs/quickstart data/test.jsonl --json scores.json --report report/
python scripts/evaluate.py runs/new data/test.jsonl --against runs/old        # paired bootstrap of the difference
"""

import argparse
import json
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
    parser.add_argument("data", help="annotated documents, .jsonl")
    parser.add_argument("--json", metavar="FILE", help="write all scores here")
    parser.add_argument(
        "--report", metavar="DIR", help="write scores, predictions, pages to look at, and causes of errors here"
    )
    parser.add_argument("--against", metavar="CHECKPOINT", help="another checkpoint to compare with on the same documents")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples of the intervals (default 1000)")
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch", help="onnx scores their ONNX graphs")
    arguments = parser.parse_args()
    from train.corpora import jsonl
    from train.report import check_folder, summary, write_report
    from train.tagger import Tagger

    if arguments.report:
        check_folder(Path(arguments.report))
    tagger = Tagger.load(arguments.checkpoint, backend=arguments.backend)
    documents = jsonl.read(arguments.data, tagger.schema)
    if not documents:
        raise InputError(f"{arguments.data}: no documents in it; expected annotated ones")
    from train.config import LAYERS
    from train.corpora.load import Part
    from train.evaluation import full_scores
    from train.files import atomic_write

    other = Tagger.load(arguments.against, backend=arguments.backend) if arguments.against else None
    if other and (difference := tagger.schema.difference(other.schema)):
        raise InputError(f"{arguments.against}: another schema: {difference}")
    part = Part(str(arguments.data), "test", documents, LAYERS)
    scores, predicted, unreachable = full_scores(tagger, part, resamples=arguments.resamples, seed=0)
    print(summary(scores))
    if other:
        from train.analysis.compare import compare, to_text

        found = compare(documents, predicted, other.tag(documents), tagger.schema, resamples=arguments.resamples)
        print(f"\nagainst {arguments.against}:\n{to_text(found)}")
        scores["against"] = {"checkpoint": arguments.against, "scores": found}
    if arguments.json:
        with atomic_write(arguments.json) as file:
            json.dump(scores, file, ensure_ascii=False, indent=1)
    if arguments.report:
        write_report(Path(arguments.report), documents, predicted, scores, tagger.schema, unreachable=unreachable)


if __name__ == "__main__":
    run(main)
