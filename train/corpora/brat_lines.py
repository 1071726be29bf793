"""The lines of one brat .ann file, both ways; `train.corpora.brat` describes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import regex

from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.model.bangla import bare_name
from train.schema import Schema

NOTES = "brat_notes"
_MENTION_ID = regex.compile(r"m(0|[1-9]\d*)")
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_MENTION_NOTE = regex.compile(
    rf"(?=.)(?:id=(?P<id>\S*)(?: |$))?(?:score=(?P<score>{_NUMBER})(?: |$))?"
    r"(?:entity=(?P<entity>\S*)(?: |$))?(?:name=(?P<name>.*))?"
)
_RELATION_NOTE = regex.compile(rf"score=(?P<score>{_NUMBER})")


def parse(content: str, blank: Document, schema: Schema, *, path: Path) -> Document:
    """`blank`, a document without annotation, with that of an .ann file's `content`.

    Raises InputError that names `path` and the line.
    """
    annotations = _Annotations(path, schema, blank.text)
    annotations.parse(content)
    return annotations.onto(blank)


@dataclass(slots=True)
class _Note:
    line: int
    type: str
    target: str
    text: str


@dataclass(slots=True)
class _Annotations:
    """The lines of one .ann file by brat's ids, with line numbers; relations and classes name mentions by these ids."""

    path: Path
    schema: Schema
    text: str
    mentions: dict[str, Mention] = field(default_factory=dict)
    relations: dict[str, tuple[int, Relation]] = field(default_factory=dict)
    statuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    classes: list[tuple[int, list[str]]] = field(default_factory=list)
    notes: list[_Note] = field(default_factory=list)
    entity_ids: dict[str, str] = field(default_factory=dict)
    entity_names: dict[str, str] = field(default_factory=dict)

    def fail(self, line: int, message: str) -> InputError:
        return InputError(f"{self.path}:{line}: {message}")

    def parse(self, content: str) -> None:
        readers = {"T": self._mention, "R": self._relation, "A": self._status, "*": self._class, "#": self._note}
        for number, line in enumerate(content.split("\n"), 1):
            fields = line.rstrip("\r").split("\t", 2)
            if fields == [""]:
                continue
            if fields[0][:1] not in readers:
                raise self.fail(number, f"expected a line of kind T, R, A, * or #, got {line[:40]!r}")
            if len(fields) < 2:
                raise self.fail(number, f"expected an id and a tab before the rest, got {line[:40]!r}")
            readers[fields[0][0]](number, fields)

    def _mention(self, line: int, fields: list[str]) -> None:
        key, (type_, _, span) = fields[0], fields[1].partition(" ")
        if ";" in span:
            raise self.fail(line, f"{key} is discontinuous ({span}); expected one span of text")
        match = regex.fullmatch(r"(\d+) (\d+)", span)
        if not match or len(fields) != 3:
            raise self.fail(line, f"expected 'T1<tab>TYPE start end<tab>text', got {' '.join(fields)[:60]!r}")
        start, end = int(match[1]), int(match[2])
        if not 0 <= start < end <= len(self.text):
            raise self.fail(line, f"offsets {start}:{end} lie outside the text of {len(self.text)} characters")
        surface = _one_line(self.text[start:end])
        if fields[2] != surface:
            raise self.fail(line, f"{key} says {fields[2]!r}, but the text at {start}:{end} is {surface!r}")
        if type_ not in self.schema.mentions:
            raise self.fail(line, f"unknown type {type_!r}; expected one of {', '.join(self.schema.mentions)}")
        if key in self.mentions:
            raise self.fail(line, f"{key} is given twice")
        self.mentions[key] = Mention(f"m{key[1:]}", start, end, type_)

    def _relation(self, line: int, fields: list[str]) -> None:
        key, match = fields[0], regex.fullmatch(r"(\S+) Arg1:(\S+) Arg2:(\S+)", fields[1].strip())
        if not match:
            raise self.fail(line, f"expected 'R1<tab>TYPE Arg1:T1 Arg2:T2', got {' '.join(fields)[:60]!r}")
        if match[1] not in self.schema.relations:
            raise self.fail(line, f"unknown type {match[1]!r}; expected one of {', '.join(self.schema.relations)}")
        if key in self.relations:
            raise self.fail(line, f"{key} is given twice")
        self.relations[key] = line, Relation(match[1], match[2], match[3], self.schema.default_status)

    def _status(self, line: int, fields: list[str]) -> None:
        name, target, value = [*fields[1].split(), "", "", ""][:3]
        if name != "Status" or not target.startswith("R"):
            raise self.fail(line, f"expected the attribute 'Status' of a relation, got {fields[1][:60]!r}")
        if value not in self.schema.statuses:
            raise self.fail(line, f"unknown status {value!r}; expected one of {', '.join(self.schema.statuses)}")
        if target in self.statuses:
            raise self.fail(line, f"{target} has a second status")
        self.statuses[target] = line, value

    def _class(self, line: int, fields: list[str]) -> None:
        name, *members = fields[1].split()
        if name not in ("Alias", "Equiv") or len(members) < 2:
            raise self.fail(line, f"expected '*<tab>Alias T1 T2 …', got {' '.join(fields)[:60]!r}")
        self.classes.append((line, members))

    def _note(self, line: int, fields: list[str]) -> None:
        type_, _, target = fields[1].partition(" ")
        self.notes.append(_Note(line, type_, target, fields[2] if len(fields) == 3 else ""))

    def onto(self, blank: Document) -> Document:
        """The document, once all lines are parsed, since a line may name annotations that follow it."""
        self._check_targets()
        links = {key: {key} for key in self.mentions}
        for _, members in self.classes:
            _merge(links, members)
        free = [note for note in self.notes if not self._understood(note, links)]
        entities = self._entities(links)
        ids = {key: m.id for key, m in self.mentions.items()}
        return replace(
            blank,
            mentions=tuple(self.mentions.values()),
            entities=entities,
            relations=tuple(replace(r, head=ids[r.head], tail=ids[r.tail]) for _, r in self.relations.values()),
            extra={**blank.extra, NOTES: [self._kept(note) for note in free]} if free else blank.extra,
        )

    def _check_targets(self) -> None:
        named = [(line, key) for line, r in self.relations.values() for key in (r.head, r.tail)]
        named += [(line, key) for line, members in self.classes for key in members]
        for line, key in named:
            if key not in self.mentions:
                raise self.fail(line, f"{key!r} is not among the mentions")
        for key, (line, status) in self.statuses.items():
            if key not in self.relations:
                raise self.fail(line, f"{key!r} is not among the relations")
            stated_at, relation = self.relations[key]
            self.relations[key] = stated_at, replace(relation, status=status)

    def _understood(self, note: _Note, links: dict[str, set[str]]) -> bool:
        """Whether the note is of the form that `lines` writes; what it says is then taken over."""
        of_mention = note.target in self.mentions
        if not of_mention and note.target not in self.relations:
            raise self.fail(note.line, f"note on {note.target!r}, which is no mention and no relation")
        match = (_MENTION_NOTE if of_mention else _RELATION_NOTE).fullmatch(note.text)
        if note.type != "AnnotatorNotes" or not match:
            return False
        value = {name: _decoded(text) for name, text in match.groupdict().items() if text is not None}
        if "score" in value:
            score = float(value["score"])
            if of_mention:
                self.mentions[note.target] = replace(self.mentions[note.target], score=score)
            else:
                line, relation = self.relations[note.target]
                self.relations[note.target] = line, replace(relation, score=score)
        if "id" in value:
            self.mentions[note.target] = replace(self.mentions[note.target], id=value["id"])
        if "entity" in value:
            _merge(links, [note.target, *(key for key, id_ in self.entity_ids.items() if id_ == value["entity"])])
        for name, known in (("entity", self.entity_ids), ("name", self.entity_names)):
            if name not in value:
                continue
            for key in links[note.target]:
                if known.get(key, value[name]) != value[name]:
                    what = f"{name} {value[name]!r} on {note.target}, but {known[key]!r} on its alias {key}"
                    raise self.fail(note.line, what)
            known[note.target] = value[name]
        return True

    def _kept(self, note: _Note) -> dict[str, Any]:
        target: dict[str, Any]
        if note.target in self.mentions:
            target = {"mention": self.mentions[note.target].id}
        else:
            target = {"relation": list(self.relations).index(note.target)}
        return {**target, "type": note.type, "text": _decoded(note.text)}

    def _entities(self, links: dict[str, set[str]]) -> tuple[Entity, ...]:
        """An entity for each class of mentions and each mention whose note gives one, in the order of the notes."""
        entities: list[Entity] = []
        placed: set[str] = set()
        noted = [note.target for note in self.notes if note.target in {*self.entity_ids, *self.entity_names}]
        for key in dict.fromkeys([*noted, *self.mentions]):
            members = [k for k in self.mentions if k in links[key]]
            if key in placed or (len(members) == 1 and key not in noted):
                continue
            placed.update(members)
            id_ = next((self.entity_ids[k] for k in members if k in self.entity_ids), self._free_id(entities))
            longest = max((self.mentions[k] for k in members), key=lambda m: m.end - m.start)
            fallback = bare_name(self.text[longest.start : longest.end])
            name = next((self.entity_names[k] for k in members if k in self.entity_names), fallback)
            entities.append(Entity(id_, longest.type, name))
            for k in members:
                self.mentions[k] = replace(self.mentions[k], entity=id_)
        return tuple(entities)

    def _free_id(self, entities: list[Entity]) -> str:
        taken = {*self.entity_ids.values(), *(e.id for e in entities)}
        return next(f"e{n}" for n in range(1, len(taken) + 2) if f"e{n}" not in taken)


def lines(document: Document, schema: Schema) -> list[str]:
    """The lines of the .ann file for a document that keeps the invariants."""
    keys = _keys(document)
    relation_keys = [f"R{i}" for i in range(1, len(document.relations) + 1)]
    result = [f"{keys[m.id]}\t{m.type} {m.start} {m.end}\t{_one_line(document.surface(m))}" for m in document.mentions]
    result += [
        f"{key}\t{r.type} Arg1:{keys[r.head]} Arg2:{keys[r.tail]}"
        for key, r in zip(relation_keys, document.relations, strict=True)
    ]
    marked = [(key, r) for key, r in zip(relation_keys, document.relations, strict=True) if r.status != schema.default_status]
    result += [f"A{i}\tStatus {key} {r.status}" for i, (key, r) in enumerate(marked, 1)]
    for entity in document.entities:
        members = [keys[m.id] for m in document.mentions if m.entity == entity.id]
        if len(members) > 1:
            result.append(f"*\tAlias {' '.join(members)}")
    notes = _notes(document, keys, relation_keys)
    return result + [f"#{i}\t{type_} {target}\t{text}" for i, (type_, target, text) in enumerate(notes, 1)]


def _keys(document: Document) -> dict[str, str]:
    """brat's id of each mention: T3 for m3; ids of another form get the numbers after the highest."""
    keys = {m.id: f"T{match[1]}" for m in document.mentions if (match := _MENTION_ID.fullmatch(m.id))}
    number = max((int(key[1:]) for key in keys.values()), default=0)
    for m in document.mentions:
        if m.id not in keys:
            number += 1
            keys[m.id] = f"T{number}"
    return keys


def _notes(document: Document, keys: dict[str, str], relation_keys: list[str]) -> list[tuple[str, str, str]]:
    first: dict[str, Entity] = {}
    for entity in document.entities:
        first[next(m.id for m in document.mentions if m.entity == entity.id)] = entity
    by_id = document.mention_by_id()
    notes = []
    # Entities in their own order, which is the one that they are read back in.
    for id_ in dict.fromkeys([*first, *by_id]):
        m, parts = by_id[id_], []
        if not _MENTION_ID.fullmatch(m.id):
            parts.append(f"id={_encoded(m.id, spaces=True)}")
        if m.score is not None:
            parts.append(f"score={float(m.score)!r}")
        if id_ in first:
            parts.append(f"entity={_encoded(first[id_].id, spaces=True)} name={_encoded(first[id_].name)}")
        if parts:
            notes.append(("AnnotatorNotes", keys[id_], " ".join(parts)))
    for key, relation in zip(relation_keys, document.relations, strict=True):
        if relation.score is not None:
            notes.append(("AnnotatorNotes", key, f"score={float(relation.score)!r}"))
    for kept in document.extra.get(NOTES, ()):
        try:
            target = keys[kept["mention"]] if "mention" in kept else relation_keys[kept["relation"]]
            notes.append((kept["type"], target, _encoded(kept["text"], tabs=True)))
        except (KeyError, IndexError, TypeError):
            raise InputError(f"{document.id}: {NOTES}: no note of a mention or relation here: {kept!r}") from None
    return notes


def _merge(links: dict[str, set[str]], members: list[str]) -> None:
    merged = set().union(*(links[key] for key in members))
    for key in merged:
        links[key] = merged


def _one_line(text: str) -> str:
    """The text as a T line shows it; its own line breaks would end the line."""
    return regex.sub(r"[\r\n\t]", " ", text)


def _encoded(value: str, *, spaces: bool = False, tabs: bool = False) -> str:
    """The value without what would end the line, the field or (with `spaces`) the word."""
    inner = range(1, len(value) - 1)

    def plain(i: int, c: str) -> bool:
        if c == " ":
            return not spaces and i in inner
        return (c == "\t" and tabs) or not (c == "\\" or c.isspace())

    return "".join(c if plain(i, c) else f"\\{ord(c):x};" for i, c in enumerate(value))


def _decoded(value: str) -> str:
    return regex.sub(r"\\([0-9a-f]{1,6});", lambda match: chr(int(match[1], 16)), value)
