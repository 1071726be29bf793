"""Two sets of predictions for the same gold documents: is the difference more than chance?

Paired bootstrap over documents (Efron 1979; Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation"):
both are scored on the same resamples, so what makes documents hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.bootstrap import LEVEL, mean_f1
from train.document import Document
from train.errors import InputError
from train.schema import Schema
from train.scoring import document_counts


def compare(
    gold: Sequence[Document],
    first: Sequence[Document],
    second: Sequence[Document],
    schema: Schema,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """For each score by its name in `score`'s intervals: {first, second, difference, interval, p}.

    `difference` is first less second with its 95 % interval; `p` is the share of resamples in which the difference is not on
    the side where it is on all documents, times two (a two-sided test), at most 1. Raises InputError as `score` does.
    """
    if resamples < 1:
        raise InputError(f"resamples: a comparison needs 1 or more, got {resamples}")
    sides = [document_counts(gold, predicted, schema) for predicted in (first, second)]
    draws = np.random.default_rng(seed).integers(len(gold), size=(resamples, len(gold)))
    return {name: _one(sides[0][name], sides[1][name], draws) for name in sides[0]}


def _one(first: Any, second: Any, draws: Any) -> dict[str, Any]:
    a, b = (float(mean_f1(counts.sum(axis=0))) for counts in (first, second))
    differences = np.array([float(mean_f1(first[d].sum(axis=0)) - mean_f1(second[d].sum(axis=0))) for d in draws])
    tail = (1 - LEVEL) / 2
    against = int(np.sum(differences <= 0 if a > b else differences >= 0))
    other = (against + 1) / (len(differences) + 1)  # never quite 0 (Davison and Hinkley 1997, section 4.2)
    return {
        "first": a,
        "second": b,
        "difference": a - b,
        "interval": [float(v) for v in np.quantile(differences, [tail, 1 - tail])],
        "p": min(1.0, 2 * other),
    }


def to_text(comparison: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{'score':<34}{'first':>8}{'second':>8}{'difference':>12}   95 % interval      p"]
    for name, row in comparison.items():
        low, high = row["interval"]
        cells = f"{row['first']:>8.3f}{row['second']:>8.3f}{row['difference']:>+12.3f}   {low:+.3f} – {high:+.3f}"
        lines.append(f"{name:<34}{cells}   {row['p']:.3f}")
    return "\n".join(lines)
