"""Documents of any length as overlapping windows of whole words; nothing is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bangla import is_punctuation, sentences, words

# A single "word" of more pieces (a web address, a line of dashes) keeps its first and last ones.
MAX_PIECES = 16


@dataclass(frozen=True)
class EncodedText:
    """A text as words, and each word as the encoder's pieces. Word offsets count code points of the raw text."""

    text: str
    words: list[tuple[int, int]]
    pieces: list[list[int]]
    sentence: list[int]
    edge: list[bool]  # whether a mention may start or end with this word (no punctuation mark)

    def cost(self, first: int, last: int) -> int:
        """Pieces of the words first..last, last excluded."""
        return sum(len(pieces) for pieces in self.pieces[first:last])


@dataclass(frozen=True)
class Window:
    """The words first..last (last excluded) of a text."""

    first: int
    last: int


def encode_text(text: str, tokenizer: Any) -> EncodedText:
    """Tokenise a raw text once, without special tokens, and hand each piece to the word that it starts in.

    The fast tokenizer keeps the map from its normalised text to the raw one, so offsets are right by construction. A word
    that normalisation empties is one unknown piece, so that every word has a place.
    """
    spans = words(text)
    encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    owner = [-1] * (len(text) + 1)
    for index, (start, end) in enumerate(spans):
        owner[start:end] = [index] * (end - start)
    for position in range(len(text) - 1, -1, -1):  # white space belongs to the word after it
        if owner[position] < 0:
            owner[position] = owner[position + 1]
    pieces: list[list[int]] = [[] for _ in spans]
    for id_, (start, _end) in zip(encoding.ids, encoding.offsets, strict=True):
        if owner[start] >= 0:
            pieces[owner[start]].append(id_)
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
    half = MAX_PIECES // 2
    pieces = [p if len(p) <= MAX_PIECES else p[:half] + p[-half:] for p in pieces]
    starts = [start for start, _ in sentences(text)]
    sentence, current = [], -1
    for start, _ in spans:
        while current + 1 < len(starts) and starts[current + 1] <= start:
            current += 1
        sentence.append(max(current, 0))
    edge = [not is_punctuation(text[start:end]) for start, end in spans]
    return EncodedText(text, spans, [p or [unknown] for p in pieces], sentence, edge)


def cut(encoded: EncodedText, *, max_tokens: int, overlap_tokens: int, special_tokens: int = 2) -> list[Window]:
    """Windows of at most `max_tokens` pieces that cover every word, each sentence whole in some window where one fits.

    A window starts with as many whole sentences of the one before as fit into `overlap_tokens`, so that most pairs of
    neighbouring sentences share a window. A sentence longer than a window is cut between words, with the same overlap.
    """
    budget = max_tokens - special_tokens
    n = len(encoded.words)
    starts = [i for i in range(n) if i == 0 or encoded.sentence[i] != encoded.sentence[i - 1]]
    windows: list[Window] = []
    first = 0
    while first < n:
        last = _grow(encoded, first, budget, starts)
        windows.append(Window(first, last))
        if last >= n:
            break
        back = _step_back(encoded, first, last, overlap_tokens, starts)
        first = back if _grow(encoded, back, budget, starts) > last else last
    return windows


def _grow(encoded: EncodedText, first: int, budget: int, starts: Sequence[int]) -> int:
    last, used = first, 0
    while last < len(encoded.words) and used + len(encoded.pieces[last]) <= budget:
        used += len(encoded.pieces[last])
        last += 1
    last = max(last, first + 1)
    if last == len(encoded.words):
        return last
    whole = [start for start in starts if first < start <= last]
    return whole[-1] if whole else last


def _step_back(encoded: EncodedText, first: int, last: int, overlap: int, starts: Sequence[int]) -> int:
    back, used = last, 0
    while back - 1 > first and used + len(encoded.pieces[back - 1]) <= overlap:
        back -= 1
        used += len(encoded.pieces[back])
    if last in starts:
        whole = [start for start in starts if back <= start <= last]
        return whole[0]
    return back


def collate(items: Sequence[tuple[EncodedText, Window]], tokenizer: Any) -> dict[str, np.ndarray]:
    """What RajnitiModel.forward takes for a batch of windows, as arrays padded to the longest."""
    rows = [_row(encoded, window, tokenizer) for encoded, window in items]
    batch = {}
    for name in rows[0]:
        fill = tokenizer.pad_token_id if name == "input_ids" else 0
        longest = max(len(row[name]) for row in rows)
        padded = [row[name] + [fill] * (longest - len(row[name])) for row in rows]
        batch[name] = np.array(padded, dtype=bool if name in ("word_mask", "edge_mask") else np.int64)
    return batch


def _row(encoded: EncodedText, window: Window, tokenizer: Any) -> dict[str, list[int]]:
    opening = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    closing = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    ids, firsts, lasts = [opening], [], []
    for pieces in encoded.pieces[window.first : window.last]:
        firsts.append(len(ids))
        ids.extend(pieces)
        lasts.append(len(ids) - 1)
    ids.append(closing)
    sentence = encoded.sentence[window.first : window.last]
    n = window.last - window.first
    ends, end = [n] * n, n
    for i in range(n - 1, -1, -1):
        if i + 1 < n and sentence[i + 1] != sentence[i]:
            end = i + 1
        ends[i] = end
    return {
        "input_ids": ids,
        "attention_mask": [1] * len(ids),
        "word_first": firsts,
        "word_last": lasts,
        "word_mask": [1] * n,
        "edge_mask": [int(edge) for edge in encoded.edge[window.first : window.last]],
        "sentence": sentence,
        "sentence_end": ends,
    }


def batches_by_tokens(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of similar lengths whose padded size stays within `budget` (or a single one that exceeds it)."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    batches: list[list[int]] = []
    for i in order:
        if batches and lengths[i] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
