"""Document: the one currency between readers, model, scores, writers and views.

A document is a text with mentions, the entities that these refer to, and relations between mentions. Offsets count
Unicode code points of `text` exactly as stored, end exclusive. Documents are immutable; `check` says whether one keeps
the invariants that the rest of the package relies on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from train.errors import InputError
from train.model.bangla import is_word_edge, words
from train.schema import Schema


@dataclass(frozen=True, slots=True)
class Mention:
    """A run of whole words `text[start:end]` of a type, referring to an entity by its id."""

    id: str
    start: int
    end: int
    type: str
    entity: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing in the document; `name` is its fullest name, in bare form without case ending."""

    id: str
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A typed pair of mentions (by their ids) with a status."""

    type: str
    head: str
    tail: str
    status: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its annotation. `extra` keeps the fields of a JSON line that this form does not know."""

    id: str | int
    text: str
    mentions: tuple[Mention, ...] = ()
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    title: str | None = None
    date: str | None = None
    topic: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def surface(self, mention: Mention) -> str:
        return self.text[mention.start : mention.end]

    def mention_by_id(self) -> dict[str, Mention]:
        return {mention.id: mention for mention in self.mentions}

    def entity_by_id(self) -> dict[str, Entity]:
        return {entity.id: entity for entity in self.entities}

    def check(self, schema: Schema) -> None:
        """Raise InputError, naming the field, at the first broken invariant."""
        _check_mentions(self, schema)
        _check_entities(self, schema)
        _check_relations(self, schema)


def crossing(a_start: int, a_end: int, b_start: int, b_end: int) -> bool:
    """Whether two spans overlap without one holding the other."""
    return a_start < b_start < a_end < b_end or b_start < a_start < b_end < a_end


def _check_mentions(document: Document, schema: Schema) -> None:
    seen: set[str] = set()
    spans: set[tuple[int, int]] = set()
    for i, m in enumerate(document.mentions):
        where = f"mentions[{i}]"
        if m.id in seen:
            raise InputError(f"{where}.id: {m.id!r} is used twice")
        seen.add(m.id)
        if m.type not in schema.mentions:
            raise InputError(
                f"{where}.type: unknown type {m.type!r}; expected one of {', '.join(schema.mentions)} (schema {schema.name})"
            )
        if not 0 <= m.start < m.end <= len(document.text):
            raise InputError(
                f"{where}: offsets {m.start}:{m.end} lie outside the text; expected 0 <= start < end <= {len(document.text)}"
            )
        if not (is_word_edge(document.text, m.start) and is_word_edge(document.text, m.end)):
            raise InputError(f"{where}: {m.start}:{m.end} {document.surface(m)!r} cuts a word; expected whole words")
        if document.surface(m) != document.surface(m).strip():
            raise InputError(f"{where}: {m.start}:{m.end} {document.surface(m)!r} has white space at its edge")
        if not words(document.surface(m)):
            raise InputError(f"{where}: {m.start}:{m.end} {document.surface(m)!r} holds no word")
        if (m.start, m.end) in spans:
            raise InputError(f"{where}: {m.start}:{m.end} {document.surface(m)!r} is annotated twice")
        spans.add((m.start, m.end))
    ordered = sorted(document.mentions, key=lambda m: (m.start, -m.end))
    open_spans: list[Mention] = []
    for m in ordered:
        while open_spans and open_spans[-1].end <= m.start:
            open_spans.pop()
        if open_spans and crossing(open_spans[-1].start, open_spans[-1].end, m.start, m.end):
            raise InputError(
                f"mentions: {document.surface(open_spans[-1])!r} ({open_spans[-1].id}) and "
                f"{document.surface(m)!r} ({m.id}) cross; expected nested or disjoint spans"
            )
        open_spans.append(m)


def _check_entities(document: Document, schema: Schema) -> None:
    types: dict[str, str] = {}
    for i, e in enumerate(document.entities):
        if e.id in types:
            raise InputError(f"entities[{i}].id: {e.id!r} is used twice")
        if e.type not in schema.mentions:
            raise InputError(
                f"entities[{i}].type: unknown type {e.type!r}; expected one of {', '.join(schema.mentions)} "
                f"(schema {schema.name})"
            )
        types[e.id] = e.type
    for i, m in enumerate(document.mentions):
        if m.entity is None:
            continue
        if m.entity not in types:
            raise InputError(f"mentions[{i}].entity: {m.entity!r} is not among the entities")
        if types[m.entity] != m.type:
            raise InputError(f"mentions[{i}].type: {m.type} differs from its entity's type {types[m.entity]}")
    if orphans := set(types) - {m.entity for m in document.mentions}:
        raise InputError(f"entities: {sorted(orphans)[0]!r} has no mention")


def _check_relations(document: Document, schema: Schema) -> None:
    mentions = document.mention_by_id()
    seen: set[tuple[str, str, str]] = set()
    for i, r in enumerate(document.relations):
        where = f"relations[{i}]"
        if r.type not in schema.relations:
            raise InputError(
                f"{where}.type: unknown type {r.type!r}; expected one of {', '.join(schema.relations)} (schema {schema.name})"
            )
        if r.status not in schema.statuses:
            raise InputError(f"{where}.status: unknown status {r.status!r}; expected one of {', '.join(schema.statuses)}")
        for side in ("head", "tail"):
            if getattr(r, side) not in mentions:
                raise InputError(f"{where}.{side}: {getattr(r, side)!r} is not among the mentions")
        if r.head == r.tail:
            raise InputError(f"{where}: head and tail are the same mention {r.head!r}")
        head, tail = mentions[r.head], mentions[r.tail]
        relation = schema.relations[r.type]
        if not relation.allows(head.type, tail.type):
            raise InputError(
                f"{where}: {r.type} cannot hold from {head.type} {document.surface(head)!r} "
                f"to {tail.type} {document.surface(tail)!r}"
            )
        key = (r.type, r.head, r.tail)
        if relation.either_order(head.type, tail.type):
            key = (r.type, *sorted((r.head, r.tail)))  # type: ignore[assignment]
        if key in seen:
            raise InputError(f"{where}: {r.type} from {r.head!r} to {r.tail!r} is stated twice")
        seen.add(key)
