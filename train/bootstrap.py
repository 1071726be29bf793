"""Precision, recall and F1 from counts, in all and by type, and percentile bootstrap intervals over documents.

All scores share one form of count: an array whose last axis holds recall's numerator, recall's denominator, precision's
numerator and precision's denominator. Counts of documents add up, so a resample of documents is a weighted sum of
theirs and nothing is ever matched twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.errors import InputError

LEVEL = 0.95
"""The coverage that `intervals` aims at."""


def precision_recall_f1(
    counts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1, each in 0..1, of counts of shape (..., 4); each result has shape (...).

    A share of nothing is 0, so F1 is 0 where there is nothing to find and nothing was predicted, as in seqeval.
    """
    recall = _share(counts[..., 0], counts[..., 1])
    precision = _share(counts[..., 2], counts[..., 3])
    return precision, recall, _share(2 * precision * recall, precision + recall)


def mean_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over m of the F1 of counts of shape (..., m, 4); the result has shape (...)."""
    return precision_recall_f1(counts)[2].mean(axis=-1)


def rows(table: NDArray[np.float64], types: Sequence[str]) -> dict[str, Any]:
    """Micro, macro and per type of counts of shape (documents, types, 4), each a dict of numbers.

    Micro adds counts up over documents and types; macro is the unweighted mean over the types that occur in gold.
    `support` and `predicted` are the two denominators.
    """
    total = table.sum(axis=0)
    per_type = {name: _row(total[i]) for i, name in enumerate(types)}
    micro = _row(total.sum(axis=0))
    in_gold = [row for row in per_type.values() if row["support"]]
    macro = {key: sum(row[key] for row in in_gold) / max(len(in_gold), 1) for key in ("precision", "recall", "f1")}
    return {
        "micro": micro,
        "macro": macro | {key: micro[key] for key in ("support", "predicted")},
        "per_type": per_type,
    }


def _row(counts: NDArray[np.float64]) -> dict[str, Any]:
    precision, recall, f1 = (float(value) for value in precision_recall_f1(counts))
    return {"precision": precision, "recall": recall, "f1": f1, "support": int(counts[1]), "predicted": int(counts[3])}


def intervals(counts: Mapping[str, NDArray[np.float64]], *, resamples: int = 1000, seed: int = 0) -> dict[str, list[float]]:
    """The 95 % percentile interval [low, high] of `mean_f1` for each named array of counts of shape (documents, m, 4).

    Documents are drawn with replacement, as many as there are (Efron 1979, "Bootstrap Methods: Another Look at the
    Jackknife"), and the same draws serve all scores. The seed fixes the result; without documents it is [0, 0], with
    `resamples` 0 there are no intervals. Raises InputError when `resamples` is negative.
    """
    if resamples < 0:
        raise InputError(f"resamples: expected 0 or more, got {resamples}")
    if not counts or resamples == 0:
        return {}
    documents = len(next(iter(counts.values())))
    if documents == 0:
        return {name: [0.0, 0.0] for name in counts}
    columns = np.concatenate([array.reshape(documents, -1) for array in counts.values()], axis=1)
    totals = _resampled_totals(columns, resamples, np.random.default_rng(seed))
    result, offset = {}, 0
    for name, array in counts.items():
        width = array[0].size
        values = mean_f1(totals[:, offset : offset + width].reshape(resamples, *array.shape[1:]))
        tail = (1 - LEVEL) / 2
        result[name] = [float(value) for value in np.quantile(values, [tail, 1 - tail])]
        offset += width
    return result


def _resampled_totals(columns: NDArray[np.float64], resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Column sums, shape (resamples, columns), of as many random resamples of the rows of (documents, columns)."""
    documents = len(columns)
    totals = np.empty((resamples, columns.shape[1]))
    # One resample at a time: a matrix of all weights would take gigabytes for large corpora and saves nothing.
    for i in range(resamples):
        weights = np.bincount(generator.integers(documents, size=documents), minlength=documents)
        totals[i] = weights @ columns
    return totals


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)
