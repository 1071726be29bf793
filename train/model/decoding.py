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
from .configuration_rajniti import RajnitiConfig
from .windows import EncodedText, Window

# Probabilities below this are not worth averaging over windows.
_FLOOR = 0.02
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
    config: RajnitiConfig,
    given: Sequence[Span] | None = None,
) -> dict[str, Any]:
    """The document of a text, in the corpus's form without its id. With `given` mentions, only pairs are decoded."""
    spans = list(given) if given is not None else choose_spans(encoded, windows, config)
    pairs = _PairScores(spans, windows, config)
    clusters = cluster(spans, encoded, pairs.identities, config.identity_threshold)
    return _document(encoded, spans, clusters, pairs.relations(), config)


def choose_spans(encoded: EncodedText, windows: Sequence[WindowScores], config: RajnitiConfig) -> list[Span]:
    """Spans whose best type reaches the threshold, in text order.

    The better of two spans stays where they cross, where one nests in the other with types that never do in the training
    data, and no span goes on over a sentence's end.
    """
    probabilities: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
    seen = {
        (int(start) + scores.window.first, int(start) + int(width) + scores.window.first)
        for scores in windows
        for start, width in np.argwhere(scores.mentions.max(-1, initial=0.0) > _FLOOR)
    }
    for first, last in seen:
        for scores in windows:
            if scores.window.first <= first and last < scores.window.last:
                probabilities[first, last].append(scores.mentions[first - scores.window.first, last - first])
    found = []
    calibration = config.calibration_of("mentions")
    for (first, last), stack in probabilities.items():
        mean = np.mean(stack, axis=0)
        type_ = int(mean.argmax())
        score = float(calibrated(mean[type_], calibration[type_]))
        if score >= config.mention_threshold and encoded.sentence[first] == encoded.sentence[last]:
            found.append(Span(first, last, type_, score, float(mean[type_])))
    found.sort(key=lambda span: (-span.score, span.first, span.last))
    kept: list[Span] = []
    for span in found:
        if not any(_excluded(span, other, config) for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: (span.first, -span.last))


def _excluded(a: Span, b: Span, config: RajnitiConfig) -> bool:
    if a.last < b.first or b.last < a.first:
        return False
    outer, inner = (a, b) if a.first <= b.first and b.last <= a.last else (b, a)
    nests = config.nestings is None or [config.mention_types[outer.type], config.mention_types[inner.type]] in config.nestings
    return _crossing(a, b) or not nests


def _crossing(a: Span, b: Span) -> bool:
    return a.first < b.first <= a.last < b.last or b.first < a.first <= b.last < a.last


class _PairScores:
    """Mean probabilities of the pairs of spans that some window saw together."""

    def __init__(self, spans: Sequence[Span], windows: Sequence[WindowScores], config: RajnitiConfig):
        self.spans, self.config = spans, config
        self._relations: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
        self._statuses: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
        links: dict[tuple[int, int], list[float]] = defaultdict(list)
        for scores in windows:
            place = {int(candidate): k for k, candidate in enumerate(scores.candidates)}
            here = [
                (i, place[key])
                for i, span in enumerate(spans)
                if (key := (span.first - scores.window.first) * config.max_span_width + span.last - span.first) in place
                and scores.window.first <= span.first
                and span.last < scores.window.last
            ]
            for i, a in here:
                for j, b in here:
                    if i == j:
                        continue
                    self._relations[i, j].append(scores.relations[a, b])
                    self._statuses[i, j].append(scores.statuses[a, b])
                    if spans[i].type == spans[j].type:
                        links[i, j].append(float(scores.identities[a, b]))
        self.identities = {pair: float(np.mean(values)) for pair, values in links.items()}

    def relations(self) -> list[tuple[int, int, int, int, float]]:
        """(head, tail, relation, status, score) by indices; the score is that of the whole triple, mentions included."""
        types = len(self.config.mention_types)
        allowed = np.array(self.config.allowed_pairs(), dtype=bool).reshape(-1, types, types)
        symmetric = np.array(self.config.symmetric_relations(), dtype=bool)
        calibration = np.array(self.config.calibration_of("relations")).reshape(-1, 2)
        means = {pair: np.mean(values, axis=0) for pair, values in self._relations.items()}
        found = []
        for (i, j), mean in means.items():
            head, tail = self.spans[i], self.spans[j]
            fits = allowed[:, head.type, tail.type]
            either = symmetric & fits & allowed[:, tail.type, head.type]
            mean = np.where(either, (mean + means[j, i]) / 2, mean)
            confidence = calibrated(mean * (head.probability * tail.probability), calibration)
            for r in np.flatnonzero(fits & (confidence >= self.config.relation_threshold)):
                if either[r] and i > j:
                    continue
                statuses = np.mean(self._statuses[i, j], axis=0)
                if either[r]:
                    statuses = statuses + np.mean(self._statuses[j, i], axis=0)
                found.append((i, j, int(r), int(statuses.argmax()), float(confidence[r])))
        return sorted(found, key=lambda f: (max(f[0], f[1]), f[0], f[1], f[2]))


def cluster(spans: Sequence[Span], encoded: EncodedText, links: dict[tuple[int, int], float], threshold: float) -> list[int]:
    """The entity number of each span: in text order each joins the entity of its type that holds its best link, or founds one.

    Best-first clustering (Ng and Cardie 2002, "Improving Machine Learning Approaches to Coreference Resolution"). Pairs that no
    window saw together are linked where their bare names are equal.
    """
    names = [_name(encoded, span) for span in spans]
    of: list[int] = []
    founded = 0
    for i, span in enumerate(spans):
        best, best_link = founded, threshold
        for m in range(i):
            if spans[m].type == span.type and (link := _link(links.get((m, i)), names[m], names[i])) >= best_link:
                best, best_link = of[m], link
        founded += best == founded
        of.append(best)
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
    config: RajnitiConfig,
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
