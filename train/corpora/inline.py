"""A compact markup that people write annotated documents in by hand, one sentence a line.

    ## gov-001 | 2024-03-05 | diplomacy | ঢাকায় চীনের মন্ত্রী
    = cn GPE চীন
    = wang PER ওয়াং ই
    = fm POST পররাষ্ট্রমন্ত্রী
    = dhaka GPE ঢাকা

    {চীনের|cn} {পররাষ্ট্রমন্ত্রী|fm} {ওয়াং ই|wang} {ঢাকায়|dhaka} পৌঁছেছেন।
    - wang holds_post fm
    - fm post_in cn
    - wang visits dhaka

The `##` line holds id, date, topic and title (all but the id may be empty), an `=` line declares an entity with its
type and bare name, and `{surface|entity}` marks a mention, nested ones included. Lines of text are joined by a
space, an empty line between them becomes a line break. A `-` line states a relation: head, type, tail and a status
where it is not the default. Head and tail name entities: `cn` is its first mention in the sentence above or else
the nearest one before it (or else after it), `cn.2` its second mention in that sentence, `cn@3` its third in the
document. A backslash takes the next character as it is, white space at the end of a line included; `\\n` is a line
break inside a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import regex

from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.model.bangla import sentences
from train.schema import Schema

_KEY = regex.compile(r"[^\s.@|}]+")
_REFERENCE = regex.compile(r"(?P<entity>[^\s.@|}]+)(?:\.(?P<nth>[1-9]\d*)|@(?P<absolute>[1-9]\d*))?")


def parse(markup: str, schema: Schema, *, source: str = "markup") -> list[Document]:
    """Documents of a markup text; raises InputError with `source`, line and what was expected."""
    documents: list[Document] = []
    lines: dict[str | int, int] = {}
    for block in _blocks(markup, source):
        document, line = _Builder(schema, source).build(block), block[0][0]
        if document.id in lines:
            raise InputError(f"{source}:{line}: id {document.id!r} is already the id of line {lines[document.id]}")
        lines[document.id] = line
        documents.append(document)
    return documents


def _blocks(markup: str, source: str) -> Iterator[list[tuple[int, str]]]:
    block: list[tuple[int, str]] = []
    # Not str.splitlines, which also splits at characters that a text may hold.
    for number, line in enumerate(markup.split("\n"), 1):
        if line.startswith("## "):
            if block:
                yield block
            block = [(number, line)]
        elif block:
            block.append((number, line))
        elif line.strip():
            raise InputError(f"{source}:{number}: expected a line '## id | date | topic | title' before the text")
    if block:
        yield block


@dataclass(frozen=True)
class _Stated:
    """A relation line, with the range of text of the sentence above it."""

    line: int
    start: int
    end: int
    parts: tuple[str, ...]


@dataclass
class _Builder:
    """Reads one document; the fields grow line by line."""

    schema: Schema
    source: str
    line: int = 0
    text: str = ""
    entities: dict[str, Entity] = field(default_factory=dict)
    declared: dict[str, int] = field(default_factory=dict)
    mentions: list[Mention] = field(default_factory=list)
    stated: list[_Stated] = field(default_factory=list)
    sentence_start: int = 0

    def fail(self, message: str) -> InputError:
        return InputError(f"{self.source}:{self.line}: {message}")

    def build(self, block: list[tuple[int, str]]) -> Document:
        self.line, header = block[0]
        fields = [part.strip() or None for part in header[3:].split("|", 3)]
        id_, date, topic, title = fields + [None] * (4 - len(fields))
        if not id_:
            raise self.fail("expected an id after '##'")
        separator = ""
        for self.line, line in block[1:]:
            if line.startswith("= "):
                self._entity(line)
            elif line.startswith("- "):
                self.stated.append(_Stated(self.line, self.sentence_start, len(self.text), tuple(line[2:].split())))
            elif not line.strip():
                separator = "\n" if self.text else ""
            else:
                self._sentence(_stripped(line), separator)
                separator = " "
        mentioned = {m.entity for m in self.mentions}
        if unused := [key for key in self.entities if key not in mentioned]:
            self.line = self.declared[unused[0]]
            raise self.fail(f"entity {unused[0]!r} is declared but never mentioned")
        ordered = sorted(self.mentions, key=lambda m: (m.start, -m.end))
        self.mentions = [replace(m, id=f"m{i}") for i, m in enumerate(ordered, 1)]
        relations = tuple(self._relation(stated) for stated in self.stated)
        document = Document(id_, self.text, tuple(self.mentions), tuple(self.entities.values()), relations, title, date, topic)
        try:
            document.check(self.schema)
        except InputError as error:
            raise InputError(f"{self.source}:{block[0][0]}: {id_}: {error}") from None
        return document

    def _entity(self, line: str) -> None:
        parts = line[2:].split(None, 2)
        if len(parts) != 3:
            raise self.fail("expected '= key TYPE name'")
        key, type_, name = parts
        if not _KEY.fullmatch(key):
            raise self.fail(f"entity {key!r}: expected a key without any of . @ | }}")
        if key in self.entities:
            raise self.fail(f"entity {key!r} is declared twice")
        if type_ not in self.schema.mentions:
            raise self.fail(
                f"unknown mention type {type_!r}; expected one of {', '.join(self.schema.mentions)} (schema {self.schema.name})"
            )
        self.entities[key] = Entity(key, type_, name.strip())
        self.declared[key] = self.line

    def _sentence(self, line: str, separator: str) -> None:
        self.text += separator
        self.sentence_start = len(self.text)
        opened: list[int] = []
        i = 0
        while i < len(line):
            c = line[i]
            if c == "\\" and i + 1 < len(line):
                i += 1
                self.text += "\n" if line[i] == "n" else line[i]
            elif c == "{":
                opened.append(len(self.text))
            elif c == "|" and opened:
                close = line.find("}", i)
                key = line[i + 1 : close]
                if close < 0 or key not in self.entities:
                    raise self.fail(f"expected '|entity}}' with a declared entity, got {line[i : i + 20]!r}")
                self.mentions.append(Mention("", opened.pop(), len(self.text), self.entities[key].type, key))
                i = close
            elif c == "}":
                raise self.fail("'}' without '{surface|entity'")
            else:
                self.text += c
            i += 1
        if opened:
            raise self.fail("'{' is never closed; expected '{surface|entity}'")

    def _relation(self, stated: _Stated) -> Relation:
        self.line = stated.line
        if len(stated.parts) not in (3, 4):
            raise self.fail("expected '- head type tail [status]'")
        head_ref, type_, tail_ref, *rest = stated.parts
        head, tail = (self._resolve(reference, stated) for reference in (head_ref, tail_ref))
        if type_ not in self.schema.relations:
            raise self.fail(
                f"unknown relation type {type_!r}; expected one of {', '.join(self.schema.relations)} "
                f"(schema {self.schema.name})"
            )
        if not self.schema.relations[type_].allows(head.type, tail.type):
            raise self.fail(f"{type_} cannot hold from {head.type} {head_ref!r} to {tail.type} {tail_ref!r}")
        status = rest[0] if rest else self.schema.default_status
        if status not in self.schema.statuses:
            raise self.fail(f"unknown status {status!r}; expected one of {', '.join(self.schema.statuses)}")
        return Relation(type_, head.id, tail.id, status)

    def _resolve(self, reference: str, stated: _Stated) -> Mention:
        match = _REFERENCE.fullmatch(reference)
        if not match or match["entity"] not in self.entities:
            raise self.fail(f"{reference!r} names no declared entity; expected entity, entity.1 or entity@1")
        everywhere = [m for m in self.mentions if m.entity == match["entity"]]
        here = [m for m in everywhere if stated.start <= m.start < stated.end]
        if match["absolute"]:
            chosen = everywhere[int(match["absolute"]) - 1 :][:1]
        elif match["nth"]:
            chosen = here[int(match["nth"]) - 1 :][:1]
        else:
            before = [m for m in everywhere if m.start < stated.start]
            chosen = here[:1] or before[-1:] or everywhere[:1]
        if not chosen:
            raise self.fail(f"{reference!r}: there is no such mention")
        return chosen[0]


def _stripped(line: str) -> str:
    """The line without white space at its edges, but for what a backslash takes as it is."""
    stripped = line.strip()
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    kept = line[line.index(stripped) + len(stripped) :][: backslashes % 2]
    return stripped + kept


def write(documents: Iterable[Document], schema: Schema) -> str:
    """The markup of documents; `parse` gives equal ones back, up to mentions' ids and what order lists are in.

    Scores are left out. Raises InputError for what else the markup cannot hold: a mention without an entity, a field outside
    the form, a whole number as id, and line breaks or its own signs in ids, names and headers.
    """
    return "\n".join(_write_one(document, schema) for document in documents)


def _write_one(document: Document, schema: Schema) -> str:
    lines = [_header(document)]
    for entity in document.entities:
        if not _KEY.fullmatch(entity.id):
            raise InputError(f"{document.id}: entity id {entity.id!r} cannot be written; it holds white space or . @ | }}")
        lines.append(f"= {entity.id} {entity.type} {_plain(document, entity.name, 'entity name')}")
    lines.append("")
    mentions = document.mention_by_id()
    stated = list(document.relations)
    for start, end, separator in _segments(document):
        if separator == "\n":
            lines.append("")
        lines.append(_guarded(_marked(document, start, end)))
        done = [r for r in stated if max(mentions[r.head].end, mentions[r.tail].end) <= end]
        lines += [_relation_line(document, r, schema) for r in done]
        stated = [r for r in stated if r not in done]
    return "\n".join(lines) + "\n"


def _header(document: Document) -> str:
    if document.extra:
        where = "the markup has no place for it, as JSON Lines, Label Studio and brat have"
        raise InputError(f"{document.id}: field {next(iter(document.extra))!r} cannot be written; {where}")
    if not isinstance(document.id, str):
        raise InputError(
            f"{document.id}: id {document.id!r} cannot be written; it is a number, and would come back as a string"
        )
    fields = []
    for name in ("id", "date", "topic", "title"):
        value = getattr(document, name)
        fields.append("" if value is None else _plain(document, str(value), name))
        if "|" in fields[-1] and name != "title":
            raise InputError(f"{document.id}: {name} {value!r} cannot be written; it holds |")
    while not fields[-1]:
        fields.pop()
    return "## " + " | ".join(fields)


def _plain(document: Document, value: str, name: str) -> str:
    if not value or value != value.strip() or "\n" in value:
        what = "it is empty, has white space at its edge or holds a line break"
        raise InputError(f"{document.id}: {name} {value!r} cannot be written; {what}")
    return value


def _segments(document: Document) -> list[tuple[int, int, str]]:
    """What stands on a line each: start, end and the one character before it that the line's own break stands for."""
    text = document.text
    cuts = [
        start
        for start, _ in sentences(text)
        if start > 1
        and text[start - 1] in " \n"
        and not text[start - 2].isspace()
        and not any(m.start < start < m.end for m in document.mentions)
    ]
    starts = [0, *cuts] if text else []
    ends = [*(cut - 1 for cut in cuts), len(text)]
    return [(a, b, text[a - 1] if a else "") for a, b in zip(starts, ends, strict=False)]


def _marked(document: Document, start: int, end: int) -> str:
    text = document.text
    opens: dict[int, int] = {}
    closes: dict[int, list[Mention]] = {}
    for m in document.mentions:
        if m.entity is None:
            raise InputError(f"{document.id}: mention {m.id!r} cannot be written; it has no entity")
        opens[m.start] = opens.get(m.start, 0) + 1
        closes.setdefault(m.end, []).append(m)
    body = text[start:end].strip()
    first = start + text[start:end].index(body)
    line = ""
    for i in range(start, end):
        line += "{" * opens.get(i, 0) + _escaped(text[i], at_edge=not first <= i < first + len(body))
        line += "".join(f"|{m.entity}}}" for m in sorted(closes.get(i + 1, ()), key=lambda m: m.end - m.start))
    return line


def _escaped(c: str, *, at_edge: bool) -> str:
    return "\\n" if c == "\n" else f"\\{c}" if at_edge or c in "{}|\\" else c


def _guarded(line: str) -> str:
    return "\\" + line if line.startswith(("- ", "= ", "## ")) else line


def _relation_line(document: Document, relation: Relation, schema: Schema) -> str:
    ordered = sorted(document.mentions, key=lambda m: (m.start, -m.end))

    def reference(id_: str) -> str:
        entity = document.mention_by_id()[id_].entity
        return f"{entity}@{[m.id for m in ordered if m.entity == entity].index(id_) + 1}"

    status = "" if relation.status == schema.default_status else f" {relation.status}"
    return f"- {reference(relation.head)} {relation.type} {reference(relation.tail)}{status}"
