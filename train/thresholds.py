"""Decision thresholds, chosen on validation data once the weights are fixed, and kept in the checkpoint's configuration.

Sigmoid outputs trained on sparse positives are seldom best cut at 0.5, and relation types differ in how sure a model gets of
them (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from train.corpora.load import Part
from train.document import Document
from train.schema import Schema
from train.scoring import score
from train.tagger import Scored, Tagger

MENTION_GRID = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
RELATION_GRID = tuple(float(round(t, 2)) for t in np.arange(0.1, 0.75, 0.05))
# A relation type with fewer gold relations than this takes the threshold that is best for all types together.
ENOUGH = 30


def fit(tagger: Tagger, part: Part) -> None:
    """Set the mention threshold, the relation threshold and those of frequent relation types by F1 on the part."""
    config = tagger.config
    scored = tagger.scored(part.documents)
    config.mention_threshold = _best_mention_threshold(tagger, part, scored)
    if "relations" not in part.layers:
        return
    config.relation_thresholds, config.relation_threshold = {}, min(RELATION_GRID)
    gold = Counter(r.type for d in part.documents for r in d.relations)
    confidences = _confidences(part, tagger.decoded(scored), tagger.schema)
    config.relation_threshold = _best(gold.total(), [c for found in confidences.values() for c in found])
    config.relation_thresholds = {
        name: _best(gold[name], confidences[name]) for name in config.relation_types if gold[name] >= ENOUGH
    }


def _best_mention_threshold(tagger: Tagger, part: Part, scored: Sequence[Scored]) -> float:
    scores: dict[float, float] = {}
    for threshold in MENTION_GRID:
        tagger.config.mention_threshold = threshold
        found = score(
            part.documents, tagger.decoded(scored), tagger.schema, layers=("mentions",), types=part.types, resamples=0
        )
        scores[threshold] = found["mentions"]["strict"]["micro"]["f1"]
    return max(MENTION_GRID, key=lambda t: (scores[t], -abs(t - 0.5)))


def _confidences(part: Part, predicted: Sequence[Document], schema: Schema) -> dict[str, list[tuple[float, bool]]]:
    """For each type the confidence of each predicted relation, and whether it is right."""
    found: dict[str, list[tuple[float, bool]]] = {name: [] for name in schema.relations}
    for gold, ours in zip(part.documents, predicted, strict=True):
        right = set(_keys(gold, schema))
        for r, key in zip(ours.relations, _keys(ours, schema), strict=True):
            found[r.type].append((r.score or 0.0, key in right))
    return found


def _keys(document: Document, schema: Schema) -> list[tuple[Any, ...]]:
    """Each relation by type and by position and type of its mentions, in the order of the document."""
    at = document.mention_by_id()
    keys: list[tuple[Any, ...]] = []
    for r in document.relations:
        ends = [(m.start, m.end, m.type) for m in (at[r.head], at[r.tail])]
        if schema.relations[r.type].either_order(ends[0][2], ends[1][2]):
            ends.sort()
        keys.append((r.type, *ends))
    return keys


def _best(gold: int, confidences: Sequence[tuple[float, bool]]) -> float:
    """The threshold of the grid with the highest F1; of equal ones that nearest to 0.5."""

    def f1(threshold: float) -> float:
        kept = [right for confidence, right in confidences if confidence >= threshold]
        return 2 * sum(kept) / max(1, len(kept) + gold)

    return max(RELATION_GRID, key=lambda t: (f1(t), -abs(t - 0.5)))
