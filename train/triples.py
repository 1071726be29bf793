"""Relations as rows of a CSV file, each with all that a spreadsheet needs to be read by itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from train.document import Document
from train.sentences import sentence_of, sentence_spans

COLUMNS = (
    "document", "date", "head", "head_type", "relation", "status", "tail", "tail_type", "score", "head_start", "head_end",
    "tail_start", "tail_end", "head_entity", "tail_entity", "sentence",
)  # fmt: skip


def to_csv(documents: Iterable[Document]) -> Iterator[str]:
    """The lines of the columns' names, then of each document's relations, as in RFC 4180 (with CR LF at their ends).

    `head` and `tail` are the mentions as they are written, `head_entity` and `tail_entity` their entities' names;
    `sentence` is what states the relation, two joined by … where one holds the head and another the tail. White space in
    these is single spaces. Offsets count characters of the text; a document without relations gives no line.
    """
    yield _lines([COLUMNS])
    for document in documents:
        yield _lines(_rows(document))


def _lines(rows: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _rows(document: Document) -> Iterator[tuple[object, ...]]:
    mentions, spans = document.mention_by_id(), sentence_spans(document)
    names = {entity.id: entity.name for entity in document.entities}
    for r in document.relations:
        head, tail = mentions[r.head], mentions[r.tail]
        places = sorted({sentence_of(head, spans), sentence_of(tail, spans)})
        yield (
            document.id, document.date, _flat(document.surface(head)), head.type, r.type, r.status,
            _flat(document.surface(tail)), tail.type, r.score, head.start, head.end, tail.start, tail.end,
            names.get(head.entity or ""), names.get(tail.entity or ""),
            " … ".join(_flat(document.text[slice(*spans[i])]) for i in places),
        )  # fmt: skip


def _flat(text: str) -> str:
    return " ".join(text.split())
