"""Decision thresholds, chosen on validation data once the weights are fixed, and kept in the checkpoint's configuration.

Sigmoid outputs trained on sparse positives are seldom best cut at 0.5: for a calibrated model the cut with the highest F1 lies
at half that F1 (Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure"). One cut serves all relation
types: with one for each, chosen by that type's own F1, the quick start gained in macro F1 (0.256 to 0.267 on half of the
bundled test split) and lost more in micro F1 (0.502 to 0.486).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from train.corpora.load import Part
from train.document import Document
from train.schema import Schema
from train.scoring import relation_keys, score
from train.tagger import Scored, Tagger

MENTION_GRID = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
RELATION_GRID = tuple(float(round(t, 2)) for t in np.arange(0.1, 0.75, 0.05))


def fit(tagger: Tagger, part: Part) -> None:
    """Set the mention threshold and that of relations, which cuts the confidence of whole triples, by F1 on the part."""
    scored = tagger.scored(part.documents)
    tagger.config.mention_threshold = _best_mention_threshold(tagger, part, scored)
    gold = sum(len(d.relations) for d in part.documents)
    if "relations" in part.layers and gold:
        tagger.config.relation_threshold = min(RELATION_GRID)
        tagger.config.relation_threshold = _best(gold, list(_confidences(part, tagger.decoded(scored), tagger.schema)))


def _best_mention_threshold(tagger: Tagger, part: Part, scored: Sequence[Scored]) -> float:
    scores: dict[float, float] = {}
    for threshold in MENTION_GRID:
        tagger.config.mention_threshold = threshold
        found = score(
            part.documents, tagger.decoded(scored), tagger.schema, layers=("mentions",), types=part.types, resamples=0
        )
        scores[threshold] = found["mentions"]["strict"]["micro"]["f1"]
    return max(MENTION_GRID, key=lambda t: (scores[t], -abs(t - 0.5)))


def _confidences(part: Part, predicted: Sequence[Document], schema: Schema) -> Iterable[tuple[float, bool]]:
    """The confidence of each predicted relation, and whether it is right."""
    for gold, ours in zip(part.documents, predicted, strict=True):
        right = set(relation_keys(gold, schema))
        for r, key in zip(ours.relations, relation_keys(ours, schema), strict=True):
            if part.types is None or {key[1][2], key[2][2]} <= set(part.types):  # the source says nothing of others
                yield r.score or 0.0, key in right


def _best(gold: int, confidences: Sequence[tuple[float, bool]]) -> float:
    """The threshold of the grid with the highest F1; of equal ones that nearest to 0.5."""

    def f1(threshold: float) -> float:
        kept = [right for confidence, right in confidences if confidence >= threshold]
        return 2 * sum(kept) / max(1, len(kept) + gold)

    return max(RELATION_GRID, key=lambda t: (f1(t), -abs(t - 0.5)))
