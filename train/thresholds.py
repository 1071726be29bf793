"""Calibration and decision thresholds, fitted on validation data once the weights are fixed, and kept in the checkpoint.

For a calibrated model the cut with the highest F1 lies at half that F1, and it is the same for all types (Lipton et al. 2014,
"Optimal thresholding of classifiers to maximize F1 measure"). So there is one for mentions, and one for relations that cuts the
confidence of whole triples. On uncalibrated scores, thresholds by relation type, each chosen by its own F1, had brought the
quick start 0.011 in macro F1 and cost it 0.016 in micro F1 on half of the bundled test split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from train import calibration
from train.calibration import Observation
from train.corpora.load import Part
from train.tagger import Tagger

MENTION_GRID = tuple(float(round(t, 2)) for t in np.arange(0.3, 0.66, 0.02))
RELATION_GRID = tuple(float(round(t, 2)) for t in np.arange(0.1, 0.75, 0.02))
# Calibration looks at more than what will be kept, down to these scores.
_MENTION_FLOOR, _RELATION_FLOOR = 0.2, 0.05


def fit(tagger: Tagger, part: Part) -> None:
    """Calibrate mentions and relations on the part, and set the threshold of each by F1; without gold relations theirs stay."""
    config, schema = tagger.config, tagger.schema
    scored = tagger.scored(part.documents)

    def mentions() -> list[Observation]:
        return calibration.mention_observations(part, tagger.decoded(scored))

    def relations() -> list[Observation]:
        return calibration.relation_observations(part, tagger.decoded(scored), schema)

    kept = config.relation_threshold
    config.calibration, config.precisions = {}, {}
    config.mention_threshold, config.relation_threshold = _MENTION_FLOOR, 2.0
    config.calibration["mentions"] = calibration.fit(mentions(), config.mention_types)
    config.mention_threshold = min(MENTION_GRID)
    gold = sum(part.types is None or m.type in part.types for d in part.documents for m in d.mentions)
    seen = mentions()
    config.mention_threshold = _best(gold, seen, MENTION_GRID)
    config.precisions["mentions"] = calibration.precisions(seen)
    config.relation_threshold = kept
    gold = sum(len(d.relations) for d in part.documents)
    if "relations" in part.layers and gold:
        config.relation_threshold = _RELATION_FLOOR
        config.calibration["relations"] = calibration.fit(relations(), config.relation_types)
        config.relation_threshold = min(RELATION_GRID)
        seen = relations()
        config.relation_threshold = _best(gold, seen, RELATION_GRID)
        config.precisions["relations"] = calibration.precisions(seen)


def _best(gold: int, observations: Sequence[Observation], grid: Sequence[float]) -> float:
    """The threshold of the grid with the highest F1; of equal ones that nearest to 0.5."""

    def f1(threshold: float) -> float:
        kept = [o.right for o in observations if o.score >= threshold]
        return 2 * sum(kept) / max(1, len(kept) + gold)

    return max(grid, key=lambda t: (f1(t), -abs(t - 0.5)))
