"""The same document in another spelling that means the same: what a robust model must not mind.

Each variant rewrites the text and moves the offsets of its mentions along.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

import regex

from train.document import Document

_BANGLA, _ASCII = "০১২৩৪৫৬৭৮৯", "0123456789"
_TO_ASCII = str.maketrans(_BANGLA, _ASCII)
_TO_BANGLA = str.maketrans(_ASCII, _BANGLA)
_STRAIGHT = str.maketrans("‘’“”", "''\"\"")
_COMPOSED = {"ড\u09bc": "\u09dc", "ঢ\u09bc": "\u09dd", "য\u09bc": "\u09df"}
_DECOMPOSED = {composed: pair for pair, composed in _COMPOSED.items()}


def rewrite(document: Document, pattern: str, replacement: Callable[[str], str]) -> Document:
    """The document with each match of `pattern` replaced. No offset may lie inside a match."""
    pieces: list[str] = []
    starts, shifts = [0], [0]  # from each start on, offsets move by this much
    cursor = length = 0
    for match in regex.finditer(pattern, document.text):
        new = replacement(match.group())
        pieces += [document.text[cursor : match.start()], new]
        length += match.start() - cursor + len(new)
        cursor = match.end()
        starts.append(cursor)
        shifts.append(length - cursor)
    text = "".join([*pieces, document.text[cursor:]])

    def moved(offset: int) -> int:
        return offset + shifts[bisect_right(starts, offset) - 1]

    mentions = tuple(replace(m, start=moved(m.start), end=moved(m.end)) for m in document.mentions)
    return replace(document, text=text, mentions=mentions)


VARIANTS: dict[str, Callable[[Document], Document]] = {
    "ASCII digits": lambda d: rewrite(d, "[০-৯]", lambda s: s.translate(_TO_ASCII)),
    "Bangla digits": lambda d: rewrite(d, "[0-9]", lambda s: s.translate(_TO_BANGLA)),
    "straight quotes": lambda d: rewrite(d, "[‘’“”]", lambda s: s.translate(_STRAIGHT)),
    "composed য় ড় ঢ়": lambda d: rewrite(d, "[ডঢয]\u09bc", _COMPOSED.__getitem__),
    "decomposed য় ড় ঢ়": lambda d: rewrite(d, "[\u09dc\u09dd\u09df]", _DECOMPOSED.__getitem__),
    "no joiners": lambda d: rewrite(d, "[\u200c\u200d]", lambda _: ""),
}
