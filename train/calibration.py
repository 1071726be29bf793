"""How far a tagger's scores can be trusted: calibrated on validation data by type, and checked on test data.

An observation is one predicted mention or relation: its type, its score, and whether it is right by the strict criterion. A
calibrated score of 0.8 is right four times in five.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from train.corpora.load import Part
from train.document import Document
from train.schema import Schema
from train.scoring import relation_keys

BINS = 15
PRECISIONS = tuple(round(p / 100, 2) for p in (*range(50, 95, 5), *range(95, 100)))
# Fewer predictions than this say too little of a precision.
_LEAST = 25
# How closely a type keeps to the slope and offset of all types: its weight against that of the type's own predictions.
# 0.3 to 10 calibrate the quick start equally well (within 0.005); without any, rare types follow a handful of predictions.
_PULL_SLOPE, _PULL_OFFSET = 30.0, 3.0


class Observation(NamedTuple):
    """A predicted mention or relation."""

    type: str
    score: float
    right: bool


def mention_observations(part: Part, predicted: Sequence[Document]) -> list[Observation]:
    """Of every predicted mention of a type that the part annotates."""
    found = []
    for gold, ours in zip(part.documents, predicted, strict=True):
        right = {(m.start, m.end, m.type) for m in gold.mentions}
        told = (m for m in ours.mentions if part.types is None or m.type in part.types)
        found += [Observation(m.type, m.score or 0.0, (m.start, m.end, m.type) in right) for m in told]
    return found


def relation_observations(part: Part, predicted: Sequence[Document], schema: Schema) -> list[Observation]:
    """Of every predicted relation between mentions of types that the part annotates."""
    found = []
    for gold, ours in zip(part.documents, predicted, strict=True):
        right = set(relation_keys(gold, schema))
        for r, key in zip(ours.relations, relation_keys(ours, schema), strict=True):
            if part.types is None or {key[1][2], key[2][2]} <= set(part.types):
                found.append(Observation(r.type, r.score or 0.0, key in right))
    return found


def fit(observations: Sequence[Observation], types: Iterable[str]) -> dict[str, list[float]]:
    """Slope and offset of the log odds for each type, by maximum likelihood (Platt 1999), each type drawn towards all.

    Types without a prediction get what all types get; without any prediction, slope 1 and offset 0.
    """
    scores = np.array([o.score for o in observations])
    right = np.array([o.right for o in observations], dtype=float)
    common = _logistic(scores, right, np.array([1.0, 0.0]), pull=np.array([0.1, 0.1]))
    fitted = {}
    for type_ in types:
        own = np.array([o.type == type_ for o in observations], dtype=bool)
        pull = np.array([_PULL_SLOPE, _PULL_OFFSET])
        fitted[type_] = [round(float(v), 4) for v in _logistic(scores[own], right[own], common, pull=pull)]
    return fitted


def _logistic(
    scores: NDArray[np.float64], right: NDArray[np.float64], prior: NDArray[np.float64], *, pull: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The slope and offset of the highest posterior, whose prior is normal around `prior` with precision `pull`."""
    from scipy.optimize import minimize

    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    odds = np.log(clipped / (1 - clipped))

    def loss(w: NDArray[np.float64]) -> float:
        z = w[0] * odds + w[1]
        return float((np.logaddexp(0, z) - right * z).sum() + 0.5 * (pull * (w - prior) ** 2).sum())

    return np.asarray(minimize(loss, prior).x)


def reliability(observations: Sequence[Observation]) -> dict[str, Any]:
    """The expected calibration error (Guo et al. 2017, "On calibration of modern neural networks") over 15 bins of equal
    width, and the bins that hold something: how many, their mean score and the share that is right.
    """
    scores = np.array([o.score for o in observations])
    right = np.array([o.right for o in observations], dtype=float)
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins = []
    for b in np.unique(place):
        here = place == b
        bins.append({"count": int(here.sum()), "score": float(scores[here].mean()), "right": float(right[here].mean())})
    total = max(1, len(observations))
    return {"ece": sum(b["count"] * abs(b["score"] - b["right"]) for b in bins) / total, "bins": bins}


def precisions(observations: Sequence[Observation]) -> list[list[float]]:
    """[precision, score]: the lowest score from which on that precision was reached, for each that was, in rising order."""
    ranked = sorted(observations, key=lambda o: -o.score)
    right = np.cumsum([o.right for o in ranked])
    reached = []
    for precision in PRECISIONS:
        enough = [i for i in range(_LEAST - 1, len(ranked)) if right[i] >= precision * (i + 1)]
        if enough:
            reached.append([precision, ranked[enough[-1]].score])
    return reached


def at_precisions(observations: Sequence[Observation], gold: int, reached: Sequence[Sequence[float]]) -> list[dict[str, float]]:
    """What asking for a precision gives on these predictions: the precision and recall of those that score high enough."""
    table = []
    for asked, threshold in reached:
        kept = [o.right for o in observations if o.score >= threshold]
        precision, recall = sum(kept) / max(1, len(kept)), sum(kept) / max(1, gold)
        table.append({"asked": asked, "precision": precision, "recall": recall})
    return table
