"""From raw texts to documents: windows, batches, the model, decoding."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .decoding import Span, WindowScores, decode
from .settings import Settings
from .windows import EncodedText, Window, batches_by_tokens, collate, cut, encode_text

# A mention by characters: (start, end, type).
Given = tuple[int, int, str]


def tag(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    batch_tokens: int | None = None,
    given: Sequence[Sequence[Given]] | None = None,
    min_precision: float | None = None,
) -> list[dict[str, Any]]:
    """The documents of raw texts of any length, as plain data in the corpus's form (without ids), in the texts' order.

    `batch_tokens` bounds the padded tokens of a forward pass, by default as suits the model. With `given` mentions for each
    text, these are taken as they are and only relations and identities are predicted; one that does not start and end at
    words is a ValueError. With `min_precision`, mentions and relations are only given where those of such a score had that
    precision on validation data.
    """
    config = model.config if min_precision is None else at_precision(model.config, min_precision)
    encoded = [encode_text(text, tokenizer) for text in texts]
    spans = None if given is None else [_to_spans(e, g, model.config) for e, g in zip(encoded, given, strict=True)]
    scores = score_windows(model, tokenizer, encoded, batch_tokens=batch_tokens, spans=spans)
    return [decode(e, scores[i], config, None if spans is None else spans[i]) for i, e in enumerate(encoded)]


def at_precision(config: Settings, precision: float) -> Settings:
    """The configuration with the thresholds of a precision; ValueError if it is none."""
    if not 0 < precision <= 1:
        raise ValueError(f"precision {precision}: expected more than 0, at most 1")
    strict = copy.copy(config)
    strict.mention_threshold = config.threshold_at("mentions", precision)
    strict.relation_threshold = config.threshold_at("relations", precision)
    return strict


def score_windows(
    model: Any,
    tokenizer: Any,
    encoded: Sequence[EncodedText],
    *,
    batch_tokens: int | None = None,
    spans: Sequence[Sequence[Span]] | None = None,
) -> list[list[WindowScores]]:
    """The model's probabilities for the windows of each text; with `spans`, these are the candidates."""
    config: Settings = model.config
    items: list[tuple[int, Window]] = []
    for i, text in enumerate(encoded):
        windows = cut(text, max_tokens=config.window_tokens, overlap_tokens=config.overlap_tokens)
        items.extend((i, window) for window in windows)
    lengths = [encoded[i].cost(window.first, window.last) + 2 for i, window in items]
    scores: list[list[WindowScores]] = [[] for _ in encoded]
    batches = [[items[b] for b in batch] for batch in batches_by_tokens(lengths, batch_tokens or model.batch_tokens)]

    def forward(chosen: Sequence[tuple[int, Window]]) -> list[WindowScores]:
        return _forward(model, tokenizer, [(encoded[i], window) for i, window in chosen], _given_here(chosen, spans))

    with ThreadPoolExecutor(model.at_once) as pool:
        for chosen, result in zip(batches, (pool.map if model.at_once > 1 else map)(forward, batches), strict=True):
            for (i, _), window_scores in zip(chosen, result, strict=True):
                scores[i].append(window_scores)
    for of_text in scores:
        of_text.sort(key=lambda s: s.window.first)
    return scores


def _to_spans(encoded: EncodedText, given: Sequence[Given], config: Settings) -> list[Span]:
    starts = {start: i for i, (start, _) in enumerate(encoded.words)}
    ends = {end: i for i, (_, end) in enumerate(encoded.words)}
    spans = []
    for start, end, type_ in given:
        if start not in starts or end not in ends:
            raise ValueError(f"mention {start}:{end} does not start and end at words")
        spans.append(Span(starts[start], ends[end], config.mention_types.index(type_), score=1.0, probability=1.0))
    return spans


def _given_here(
    items: Sequence[tuple[int, Window]], spans: Sequence[Sequence[Span]] | None
) -> list[list[tuple[int, int, int]]] | None:
    """For each window the given spans that lie in it: first word in the window, width less one, type."""
    if spans is None:
        return None
    return [
        [
            (span.first - window.first, span.last - span.first, span.type)
            for span in spans[i]
            if window.first <= span.first and span.last < window.last
        ]
        for i, window in items
    ]


def _forward(
    model: Any,
    tokenizer: Any,
    items: Sequence[tuple[EncodedText, Window]],
    given: list[list[tuple[int, int, int]]] | None,
) -> list[WindowScores]:
    batch = collate(items, tokenizer)
    if given is not None:
        width = model.config.max_span_width
        fits = [[span for span in spans if span[1] < width] for spans in given]
        most = max(1, *(len(spans) for spans in fits))
        table = np.array([spans + [(-1, 0, 0)] * (most - len(spans)) for spans in fits])
        batch["given"] = np.where(table[..., 0] >= 0, table[..., 0] * width + table[..., 1], -1)
        batch["given_types"] = table[..., 2]
    found = model.probabilities(batch)
    return [found.of(b, window) for b, (_, window) in enumerate(items)]
