"""How far two annotations of the same texts agree, and where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from train.document import Document, Mention
from train.model.bangla import sentences
from train.schema import Schema
from train.scoring import headline, relation_keys, score


def agreement(
    first: Sequence[Document], second: Sequence[Document], schema: Schema, *, resamples: int = 1000
) -> dict[str, Any]:
    """The scores of the second annotation against the first (see train.scoring.score); F1 is the same both ways.

    F1 stands in for a chance-corrected measure, which would need the number of things that were left unmarked (Hripcsak
    and Rothschild 2005, "Agreement, the F-measure, and reliability in information retrieval"). Relations are also scored on
    those alone whose head and tail both annotations marked, so that one boundary is not counted against all its relations.
    Raises InputError when ids or texts differ.
    """
    scores = score(first, second, schema, resamples=resamples)
    shared = [_between_shared(a, b) for a, b in _pairs(first, second)]
    common = score([a for a, _ in shared], [b for _, b in shared], schema, layers=("relations",), resamples=0)
    return {
        **headline(scores),
        "relation_shared_mentions_f1": common["relations"]["strict"]["micro"]["f1"],
        "documents": scores["documents"],
        "scores": scores,
    }


def disagreements(first: Sequence[Document], second: Sequence[Document], schema: Schema) -> Iterator[str]:
    """A line for each mention, link between mentions and relation that only one has, and each status that differs.

    A link joins a mention to the one before it of its entity, where both annotations have both of these mentions.
    """
    for a, b in _pairs(first, second):
        marked = [{(m.start, m.end) for m in d.mentions} for d in (a, b)]
        ours, theirs = (_facts(d, schema, marked[0] & marked[1]) for d in (a, b))
        for place, fact in sorted(set(ours.items()) ^ set(theirs.items()), key=lambda item: (item[0][0], str(item))):
            side = "first" if ours.get(place) == fact else "second"
            yield f"{a.id}: {side} only: {fact}: {_context(a, place[0])}"


def _facts(document: Document, schema: Schema, shared: set[tuple[int, int]]) -> dict[tuple[Any, ...], str]:
    """What is stated, by its place: (offset, …)."""
    facts: dict[tuple[Any, ...], str] = {}
    last: dict[str, Mention] = {}
    for m in sorted(document.mentions, key=lambda m: m.start):
        facts[m.start, "mention", m.end] = f"{m.type} {document.surface(m)!r}"
        if m.entity is not None and (m.start, m.end) in shared:
            if before := last.get(m.entity):
                link = f"{document.surface(m)!r} is {document.surface(before)!r} at {before.start}"
                facts[m.start, "link", m.end] = link
            last[m.entity] = m
    for r, key in zip(document.relations, relation_keys(document, schema), strict=True):
        names = ", ".join(document.text[start:end] for start, end, _ in key[1:])
        facts[max(start for start, *_ in key[1:]), *key] = f"{r.type}({names}) {r.status}"
    return facts


def _context(document: Document, offset: int) -> str:
    for start, end in sentences(document.text):
        if start <= offset < end:
            return document.text[start:end].replace("\n", " ")
    return ""


def _pairs(first: Sequence[Document], second: Sequence[Document]) -> list[tuple[Document, Document]]:
    by_id = {d.id: d for d in second}
    return [(d, by_id[d.id]) for d in first if d.id in by_id]


def _between_shared(first: Document, second: Document) -> tuple[Document, Document]:

    marked = [{(m.start, m.end, m.type) for m in d.mentions} for d in (first, second)]
    shared = marked[0] & marked[1]

    def only(document: Document) -> Document:
        kept = {m.id for m in document.mentions if (m.start, m.end, m.type) in shared}
        return replace(document, relations=tuple(r for r in document.relations if r.head in kept and r.tail in kept))

    return only(first), only(second)
