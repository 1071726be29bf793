"""Scores of a text's windows to one document: mentions, then relations between them, then identities.

A span or a pair that several windows see gets the mean of their probabilities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bangla import bare_name, normalised
from .settings import Settings
from .windows import EncodedText, Window

# A span less likely than this is no mention, so it is neither averaged over windows nor, once trained, paired in one.
FLOOR = 0.02
# How far a link probability rises where two mentions have equal names, or where one name begins or ends the other (শিউলি,
# শিউলি ওরাওঁ): it is taken to this power. Chosen on the bundled validation split, where they and linking to the best mention
# lift the CoNLL F1 of the quick start from 0.774 to 0.803.
EQUAL_POWER, PART_POWER = 0.1, 0.25


@dataclass(frozen=True)
class WindowScores:
    """The model's probabilities for one window of n words and k candidates, as numpy arrays.

    mentions [n, W, T]; candidates [k], as n * W + w; relations [k, k, R]; statuses [k, k, S]; identities [k, k].
    """

    window: Window
    mentions: np.ndarray
    candidates: np.ndarray
    relations: np.ndarray
    statuses: np.ndarray
    identities: np.ndarray


@dataclass(frozen=True)
class Probabilities:
    """The model's for a batch of windows, padded: as in WindowScores with B in front; mask [B, K] of the candidates."""

    mentions: np.ndarray
    candidates: np.ndarray
    mask: np.ndarray
    relations: np.ndarray
    statuses: np.ndarray
    identities: np.ndarray

    def of(self, b: int, window: Window) -> WindowScores:
        """Those of one window of the batch, without padding."""
        n, keep = window.last - window.first, self.mask[b]
        pairs = [scores[b][keep][:, keep] for scores in (self.relations, self.statuses, self.identities)]
        return WindowScores(window, self.mentions[b, :n], self.candidates[b][keep], *pairs)


@dataclass(frozen=True)
class Span:
    """A mention in words first..last, both included, of type number `type`.

    `score` is how likely it is right; `probability` is the model's own, before calibration.
    """

    first: int
    last: int
    type: int
    score: float
    probability: float


def calibrated(probabilities: Any, calibration: Any) -> Any:
    """Probabilities as validation data showed them: a logistic function of their log odds with a slope and an offset.

    Platt 1999, "Probabilistic outputs for support vector machines". Arrays of one shape [...] and [..., 2], or scalars.
    """
    slope, offset = np.moveaxis(np.asarray(calibration), -1, 0)
    clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return 1 / (1 + np.exp(-(slope * np.log(clipped / (1 - clipped)) + offset)))


def decode(
    encoded: EncodedText,
    windows: Sequence[WindowScores],
    config: Settings,
    given: Sequence[Span] | None = None,
) -> dict[str, Any]:
    """The document of a text, in the corpus's form without its id. With `given` mentions, only pairs are decoded."""
    spans = list(given) if given is not None else choose_spans(encoded, windows, config)
    pairs = _PairScores.mean(spans, windows, config)
    clusters = cluster(spans, encoded, pairs.links(), config.identity_threshold)
    return _document(encoded, spans, clusters, pairs.triples(config), config)


def choose_spans(encoded: EncodedText, windows: Sequence[WindowScores], config: Settings) -> list[Span]:
    """Spans whose best type reaches the threshold, in text order.

    The better of two spans stays where they cross, where one nests in the other with types that never do in the training
    data, and no span goes on over a sentence's end.
    """
    places, means = _mean_mentions(windows)
    types = means.argmax(-1)
    best = np.take_along_axis(means, types[:, None], axis=1)[:, 0]
    scores = calibrated(best, np.array(config.calibration_of("mentions")).reshape(-1, 2)[types])
    found = [
        Span(int(first), int(last), int(type_), float(score), float(probability))
        for (first, last), type_, score, probability in zip(places, types, scores, best, strict=True)
        if score >= config.mention_threshold and encoded.sentence[first] == encoded.sentence[last]
    ]
    found.sort(key=lambda span: (-span.score, span.first, span.last))
    kept: list[Span] = []
    at_word: dict[int, list[Span]] = defaultdict(list)
    for span in found:
        words = range(span.first, span.last + 1)
        if not any(_excluded(span, other, config) for word in words for other in at_word[word]):
            kept.append(span)
            for word in words:
                at_word[word].append(span)
    return sorted(kept, key=lambda span: (span.first, -span.last))


def _mean_mentions(windows: Sequence[WindowScores]) -> tuple[np.ndarray, np.ndarray]:
    """Spans (first, last word) that some window finds likely enough [M, 2], and their mean probabilities [M, T]."""
    likely = []
    for scores in windows:
        first, width = np.nonzero(scores.mentions.max(-1, initial=0.0) > FLOOR)
        likely.append(np.stack([first, first + width], 1) + scores.window.first)
    places = np.unique(np.concatenate(likely), axis=0) if likely else np.zeros((0, 2), dtype=int)
    types = windows[0].mentions.shape[-1] if windows else 1
    sums, seen = np.zeros((len(places), types), dtype=np.float32), np.zeros(len(places))
    for scores in windows:
        low, high = np.searchsorted(places[:, 0], [scores.window.first, scores.window.last])
        here = low + np.flatnonzero(places[low:high, 1] < scores.window.last)
        first, last = places[here].T
        sums[here] += scores.mentions[first - scores.window.first, last - first]
        seen[here] += 1
    return places, sums / np.maximum(seen, 1)[:, None].astype(np.float32)


def _excluded(a: Span, b: Span, config: Settings) -> bool:
    if a.last < b.first or b.last < a.first:
        return False
    outer, inner = (a, b) if a.first <= b.first and b.last <= a.last else (b, a)
    nests = config.nestings is None or [config.mention_types[outer.type], config.mention_types[inner.type]] in config.nestings
    return _crossing(a, b) or not nests


def _crossing(a: Span, b: Span) -> bool:
    return a.first < b.first <= a.last < b.last or b.first < a.first <= b.last < a.last


@dataclass(frozen=True)
class _PairScores:
    """Mean probabilities of the P ordered pairs of spans that some window saw together.

    pairs [P, 2] places of head and tail, sorted; reverse [P] where the same two stand in the other order; relations [P, R];
    statuses [P, S]; identities [P].
    """

    spans: Sequence[Span]
    pairs: np.ndarray
    reverse: np.ndarray
    relations: np.ndarray
    statuses: np.ndarray
    identities: np.ndarray

    @classmethod
    def mean(cls, spans: Sequence[Span], windows: Sequence[WindowScores], config: Settings) -> _PairScores:
        keys, values = [], []
        for scores in windows:
            i, k = _places(spans, scores, config)
            apart = ~np.eye(len(i), dtype=bool)
            keys.append((i[:, None] * len(spans) + i)[apart])
            block = np.ix_(k, k)
            tables = (scores.relations[block], scores.statuses[block], scores.identities[block][..., None])
            values.append(np.concatenate([table[apart] for table in tables], axis=-1))
        if not keys:
            keys, values = [np.zeros(0, dtype=int)], [np.zeros((0, len(config.relation_types) + len(config.statuses) + 1))]
        unique, group, seen = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
        means = np.zeros((len(unique), values[0].shape[-1]), dtype=np.float32)
        np.add.at(means, group, np.concatenate(values))
        means /= seen[:, None].astype(np.float32)
        pairs = np.stack(np.divmod(unique, max(1, len(spans))), 1)
        reverse = np.searchsorted(unique, pairs[:, 1] * len(spans) + pairs[:, 0])
        r, s = len(config.relation_types), len(config.statuses)
        return cls(spans, pairs, reverse, means[:, :r], means[:, r : r + s], means[:, -1])

    def links(self) -> dict[tuple[int, int], float]:
        """The identity probability of each two spans of one type, the earlier one first."""
        types = np.array([span.type for span in self.spans], dtype=int)
        first, second = self.pairs.T
        chosen = (first < second) & (types[first] == types[second])
        return {(int(i), int(j)): float(p) for (i, j), p in zip(self.pairs[chosen], self.identities[chosen], strict=True)}

    def triples(self, config: Settings) -> list[tuple[int, int, int, int, float]]:
        """(head, tail, relation, status, score) by indices; the score is that of the whole triple, mentions included."""
        count = len(config.mention_types)
        allowed = np.array(config.allowed_pairs(), dtype=bool).reshape(-1, count, count).transpose(1, 2, 0)  # [T, T, R]
        types = np.array([span.type for span in self.spans], dtype=int)
        probability = np.array([span.probability for span in self.spans])
        head, tail = self.pairs.T
        fits = allowed[types[head], types[tail]]
        either = fits & allowed[types[tail], types[head]] & np.array(config.symmetric_relations(), dtype=bool)
        mean = np.where(either, (self.relations + self.relations[self.reverse]) / 2, self.relations)
        calibration = np.array(config.calibration_of("relations")).reshape(-1, 2)
        confidence = calibrated(mean * (probability[head] * probability[tail])[:, None], calibration)
        chosen = fits & (confidence >= config.relation_threshold) & ~(either & (head > tail)[:, None])
        found = []
        for p, r in np.argwhere(chosen):
            statuses = self.statuses[p] + (self.statuses[self.reverse[p]] if either[p, r] else 0)
            found.append((int(head[p]), int(tail[p]), int(r), int(statuses.argmax()), float(confidence[p, r])))
        return sorted(found, key=lambda f: (max(f[0], f[1]), f[0], f[1], f[2]))


def _places(spans: Sequence[Span], scores: WindowScores, config: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Which spans are candidates of a window, and the places of these among its candidates."""
    place = {int(candidate): k for k, candidate in enumerate(scores.candidates)}
    window, width = scores.window, config.max_span_width
    found = [
        (i, place[key])
        for i, span in enumerate(spans)
        if window.first <= span.first
        and span.last < window.last
        and (key := (span.first - window.first) * width + span.last - span.first) in place
    ]
    i, k = np.array(found, dtype=int).reshape(-1, 2).T
    return i, k


def cluster(spans: Sequence[Span], encoded: EncodedText, links: dict[tuple[int, int], float], threshold: float) -> list[int]:
    """The entity number of each span: in text order each joins the entity of its type that holds its best link, or founds one.

    Best-first clustering (Ng and Cardie 2002, "Improving Machine Learning Approaches to Coreference Resolution"). Pairs that no
    window saw together are linked where their bare names are equal.
    """
    names = [_name(encoded, span) for span in spans]
    linked: list[set[int]] = [set() for _ in spans]
    for earlier, later in links:
        linked[later].add(earlier)
    namesakes: dict[tuple[int, str], list[int]] = defaultdict(list)
    of: list[int] = []
    founded = 0
    for i, span in enumerate(spans):
        best, best_link = founded, threshold
        same = namesakes[span.type, names[i]]
        for m in sorted(linked[i].union(same)):
            if spans[m].type == span.type and (link := _link(links.get((m, i)), names[m], names[i])) >= best_link:
                best, best_link = of[m], link
        founded += best == founded
        of.append(best)
        same.append(i)
    return of


def _link(probability: float | None, a: str, b: str) -> float:
    """How sure two mentions are of one thing. Their names speak for it, which the pair scorer cannot see letter by letter."""
    if probability is None:
        return float(a == b)
    if a == b:
        return probability**EQUAL_POWER
    return probability**PART_POWER if _is_part(a, b) or _is_part(b, a) else probability


def _is_part(a: str, b: str) -> bool:
    """Whether the words of b begin or end with all of those of a."""
    short, long = a.split(), b.split()
    return len(short) < len(long) and short in (long[: len(short)], long[-len(short) :])


def _name(encoded: EncodedText, span: Span) -> str:
    return bare_name(_surface(encoded, span))


def _surface(encoded: EncodedText, span: Span) -> str:
    return encoded.text[encoded.words[span.first][0] : encoded.words[span.last][1]]


def _document(
    encoded: EncodedText,
    spans: Sequence[Span],
    clusters: Sequence[int],
    relations: Sequence[tuple[int, int, int, int, float]],
    config: Settings,
) -> dict[str, Any]:
    types, relation_types, statuses = config.mention_types, config.relation_types, config.statuses
    mentions = [
        {
            "id": f"m{i + 1}",
            "start": encoded.words[span.first][0],
            "end": encoded.words[span.last][1],
            "type": types[span.type],
            "entity": f"e{c + 1}",
            "score": round(span.score, 4),
        }
        for i, (span, c) in enumerate(zip(spans, clusters, strict=True))
    ]
    entities = []
    for c in range(max(clusters, default=-1) + 1):
        members = [spans[i] for i, of in enumerate(clusters) if of == c]
        entities.append({"id": f"e{c + 1}", "type": types[members[0].type], "name": _fullest(encoded, members)})
    return {
        "text": encoded.text,
        "mentions": mentions,
        "entities": entities,
        "relations": [
            {
                "type": relation_types[r],
                "head": f"m{i + 1}",
                "tail": f"m{j + 1}",
                "status": statuses[s],
                "score": round(score, 4),
            }
            for i, j, r, s, score in relations
        ],
    }


def _fullest(encoded: EncodedText, members: Sequence[Span]) -> str:
    """The longest name in bare form. A surface that another one is an inflection of is bare already."""
    surfaces = {normalised(_surface(encoded, span)) for span in members}
    bare = {s if any(o != s and o.startswith(s) and bare_name(o) == s for o in surfaces) else bare_name(s) for s in surfaces}
    return max(sorted(bare), key=len)
