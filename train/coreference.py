"""Identity scores of one document: MUC, B³ and CEAF_φ4 between the gold and the predicted partition of mentions.

A mention is its exact span (start, end), whatever its type; an entity is the set of its mentions. Mentions that only
one side has are neither paired up nor removed, as settled by Pradhan et al. 2014 ("Scoring Coreference Partitions of
Predicted Mentions: A Reference Implementation"). Entities with one mention are kept like any other, unlike in
OntoNotes, so B³ and CEAF also reward names found that nothing else refers to. MUC counts links and sees none in them:
where gold has no two mentions of one thing, MUC is 0 and the CoNLL F1 of a perfect prediction 2/3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from train.document import Mention

Span = tuple[int, int]

MEASURES = ("muc", "b_cubed", "ceaf_e")
"""The rows of `identity_counts`."""


def clusters(mentions: Iterable[Mention]) -> list[frozenset[Span]]:
    """The spans of each entity, in order of first mention.

    A mention without an entity is one by itself. Of several mentions of one span the first counts.
    """
    seen: set[Span] = set()
    members: dict[object, set[Span]] = {}
    for mention in mentions:
        span = (mention.start, mention.end)
        if span in seen:
            continue
        seen.add(span)
        # The span, a tuple, never equals the id of an entity, a string.
        members.setdefault(span if mention.entity is None else mention.entity, set()).add(span)
    return [frozenset(spans) for spans in members.values()]


def identity_counts(gold: Sequence[frozenset[Span]], predicted: Sequence[frozenset[Span]]) -> NDArray[np.float64]:
    """Numerators and denominators of the measures, to be added up over documents before dividing.

    Takes two partitions, each of disjoint non-empty sets of spans. Returns an array of shape (3, 4): the rows are
    MEASURES, the columns recall's numerator and denominator, then precision's.
    """
    shared = _shared(gold, predicted)
    mirrored = {(j, i): count for (i, j), count in shared.items()}
    similarity = _ceaf_similarity(gold, predicted, shared)
    return np.array(
        [
            [*_muc(gold, shared), *_muc(predicted, mirrored)],
            [*_b_cubed(gold, shared), *_b_cubed(predicted, mirrored)],
            [similarity, len(gold), similarity, len(predicted)],
        ],
        dtype=np.float64,
    )


def _shared(gold: Sequence[frozenset[Span]], predicted: Sequence[frozenset[Span]]) -> dict[tuple[int, int], int]:
    """How many mentions gold entity i and predicted entity j have in common, where they have any."""
    home = {span: j for j, spans in enumerate(predicted) for span in spans}
    return dict(Counter((i, home[span]) for i, spans in enumerate(gold) for span in spans if span in home))


def _muc(entities: Sequence[frozenset[Span]], shared: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """Links kept and links in all, of `entities` against the other side (Vilain et al. 1995, "A Model-Theoretic
    Coreference Scoring Scheme"): Σ |S| - |p(S)| over Σ |S| - 1, where p(S) are the parts that the other side splits S
    into and a mention that the other side lacks is a part by itself."""
    parts, found = Counter(i for i, _ in shared), _found(shared)
    kept = sum(found[i] - parts[i] for i in range(len(entities)))
    return kept, sum(len(spans) - 1 for spans in entities)


def _b_cubed(entities: Sequence[frozenset[Span]], shared: Mapping[tuple[int, int], int]) -> tuple[float, int]:
    """Sum over the mentions of `entities` of the share of the mention's entity that the other side puts with it, and
    the number of mentions (Bagga and Baldwin 1998, "Algorithms for Scoring Coreference Chains"). A mention that the
    other side lacks adds nothing."""
    correct = sum(count * count / len(entities[i]) for (i, _), count in shared.items())
    return correct, sum(map(len, entities))


def _found(shared: Mapping[tuple[int, int], int]) -> Counter[int]:
    """How many mentions of each entity the other side has too."""
    found: Counter[int] = Counter()
    for (i, _), count in shared.items():
        found[i] += count
    return found


def _ceaf_similarity(
    gold: Sequence[frozenset[Span]], predicted: Sequence[frozenset[Span]], shared: Mapping[tuple[int, int], int]
) -> float:
    """The greatest sum of φ4(K, R) = 2 |K ∩ R| / (|K| + |R|) over one-to-one alignments of entities (Luo 2005, "On
    Coreference Resolution Performance Metrics")."""
    similarity = np.zeros((len(gold), len(predicted)))
    for (i, j), count in shared.items():
        similarity[i, j] = 2 * count / (len(gold[i]) + len(predicted[j]))
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    return float(similarity[rows, columns].sum())
