"""The scores of `train.scoring` as a metric of the `evaluate` library, loaded by path and without network:

    metric = evaluate.load("train/metric/rajniti_metric.py", schema="configs/schema/politics.yaml")
    metric.compute(predictions=lines_of_predictions_jsonl, references=lines_of_gold_jsonl)

`evaluate` runs a copy of this file from a cache folder, so everything comes from the installed package `train`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import evaluate

from train.corpora.jsonl import from_dict
from train.document import Document
from train.errors import InputError
from train.schema import Schema
from train.scoring import LAYERS, headline, score

_DESCRIPTION = """\
Strict and boundary F1 of mentions and of relations between them, F1 of relations with their status, accuracy of the
status on matched relations, and CoNLL F1 of identities, with 95 % bootstrap intervals over documents.
"""

_CITATION = """\
@inproceedings{pradhan-etal-2014-scoring,
  title = "Scoring Coreference Partitions of Predicted Mentions: A Reference Implementation",
  author = "Pradhan, Sameer and Luo, Xiaoqiang and Recasens, Marta and Hovy, Eduard and Ng, Vincent and
    Strube, Michael",
  booktitle = "Proceedings of ACL 2014 (Volume 2: Short Papers)", year = "2014", pages = "30--35"}
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: JSON strings, one document each, in the form of a line of the project's JSON Lines.
    references: the gold documents in the same form, with the same ids and texts, in any order.
    schema: the annotation schema as path of a YAML file or as its content; may be given to `evaluate.load` instead.
    layers: which of "mentions", "identities" and "relations" to score; all by default.
    types: the mention types to score; all by default.
    resamples: bootstrap resamples behind the intervals, 0 for none.
    seed: of the bootstrap.
Returns:
    A dict of scores in 0..1, as far as their layers are scored: mention_strict_f1, mention_boundary_f1,
    relation_strict_f1, relation_boundary_f1, relation_status_f1, status_accuracy, conll_f1; and "intervals",
    [low, high] by the names that train.scoring.score gives them, as "mentions.strict.f1".
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class RajnitiMetric(evaluate.Metric):
    """Scores of documents; raises train.errors.InputError where documents or arguments are bad."""

    def __init__(self, *args: Any, schema: Schema | Mapping[str, Any] | str | Path | None = None, **kwargs: Any) -> None:
        self.schema = schema
        super().__init__(*args, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")}),
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        schema: Schema | Mapping[str, Any] | str | Path | None = None,
        layers: Collection[str] = LAYERS,
        types: Collection[str] | None = None,
        resamples: int = 1000,
        seed: int = 0,
    ) -> dict[str, Any]:
        scores = score(
            _documents(references, "references"),
            _documents(predictions, "predictions"),
            _schema(self.schema if schema is None else schema),
            layers=layers,
            types=types,
            resamples=resamples,
            seed=seed,
        )
        return {**headline(scores), "intervals": scores["intervals"]}


def _schema(schema: Schema | Mapping[str, Any] | str | Path | None) -> Schema:
    if schema is None:
        raise InputError("schema: expected the path or content of a schema, given to evaluate.load or to compute")
    if isinstance(schema, Schema):
        return schema
    return Schema.load(schema) if isinstance(schema, str | Path) else Schema.from_dict(schema)


def _documents(lines: Sequence[str], what: str) -> list[Document]:
    documents = []
    for i, line in enumerate(lines):
        try:
            data = json.loads(line)
        except (TypeError, ValueError) as error:
            raise InputError(f"{what}[{i}]: not valid JSON: {error}") from None
        documents.append(from_dict(data, where=f"{what}[{i}]"))
    return documents
