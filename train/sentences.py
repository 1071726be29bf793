"""Where a document's mentions stand: its sentences, and the ones that state a relation."""

from __future__ import annotations

from train.document import Document, Mention
from train.model.bangla import sentences


def sentence_spans(document: Document) -> list[tuple[int, int]]:
    """The document's sentences; those that a mention spans are joined, whatever its punctuation looks like."""
    joined: list[tuple[int, int]] = []
    for start, end in sentences(document.text):
        if joined and any(m.start < start < m.end for m in document.mentions):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def sentence_of(mention: Mention, spans: list[tuple[int, int]]) -> int:
    """The position among `spans` of the sentence that the mention begins in."""
    return next(i for i, (start, end) in enumerate(spans) if start <= mention.start < end)
