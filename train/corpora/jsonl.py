"""Documents as JSON Lines, one document a line. Reading streams, and names the line and field of what is wrong."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.files import atomic_write
from train.schema import Schema

_BOM = b"\xef\xbb\xbf"
_FIELDS = ("id", "title", "date", "topic", "text", "mentions", "entities", "relations")
_MISSING = object()


def read(path: str | Path, schema: Schema | None) -> list[Document]:
    """All documents of a file ("-" for standard input); see `iterate`."""
    return list(iterate(path, schema))


def iterate(path: str | Path | BinaryIO, schema: Schema | None) -> Iterator[Document]:
    """Documents of a file ("-" for standard input, which an open one is taken for), by line; empty lines are skipped.

    With a schema each document's invariants are checked. Raises InputError that names file, line and field at the first
    line that is no UTF-8 JSON of the documented form, and where two lines give documents of one id.
    """
    name = str(path) if isinstance(path, str | Path) and str(path) != "-" else "standard input"
    lines: dict[str | int, int] = {}
    with _opened(path, name) as file:
        for number, _, document in attempts(file, name):
            where = f"{name}:{number}"
            if isinstance(document, InputError):
                raise document
            if document.id in lines:
                raise InputError(f"{where}: id: {document.id!r} is already the id of line {lines[document.id]}")
            lines[document.id] = number
            if schema is not None:
                try:
                    document.check(schema)
                except InputError as error:
                    raise InputError(f"{where}: {error}") from None
            yield document


def attempts(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, bytes, Document | InputError]]:
    """Each line of a file `name` that is not empty: its number, its bytes, and its document or why it is none.

    A file open in binary gives such lines: split at line feeds alone, as JSON strings may hold U+2028 and its like.
    """
    offset = 0
    for number, raw in enumerate(lines, 1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        where, start = f"{name}:{number}", offset + len(raw) - len(line)
        offset += len(raw)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            at = start + error.start
            yield number, line, InputError(f"{where}: expected UTF-8, got other bytes at byte offset {at}")
            continue
        if not text.strip():
            continue
        try:
            found: Document | InputError = from_dict(loads(text.rstrip(), where=where), where=where)
        except InputError as error:
            found = error
        yield number, line, found


def write(path: str | Path, documents: Iterable[Document]) -> int:
    """Write documents to a file, which appears whole or not at all, or to standard output ("-"); returns how many."""
    if str(path) == "-":
        return _print(documents)
    count = 0
    with atomic_write(path) as file:
        for document in documents:
            file.write(to_line(document))
            count += 1
    return count


def _print(documents: Iterable[Document]) -> int:
    """To standard output in UTF-8, whatever the terminal's locale is."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    count = 0
    for document in documents:
        if binary is None:
            sys.stdout.write(to_line(document))
        else:
            binary.write(to_line(document).encode("utf-8"))
        count += 1
    sys.stdout.flush()
    return count


def from_dict(data: Any, *, where: str) -> Document:
    """The document of one line's JSON object; raises InputError that begins with `where` and names the field.

    `id` and `text` are required. Unknown fields of the object are kept in `extra`; unknown fields of a mention, entity
    or relation are refused, as these have no place to keep them.
    """
    if not isinstance(data, dict):
        _fail(where, "", "a JSON object", data)
    fields = _Fields(data, where, "")
    extra = {key: value for key, value in data.items() if key not in _FIELDS}
    try:
        json.dumps(extra, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: unknown fields cannot be kept as UTF-8 JSON: {error}") from None
    return Document(
        id=fields.document_id(),
        text=fields.string("text"),
        mentions=tuple(_mention(item) for item in fields.items("mentions", _MENTION_FIELDS)),
        entities=tuple(_entity(item) for item in fields.items("entities", _ENTITY_FIELDS)),
        relations=tuple(_relation(item) for item in fields.items("relations", _RELATION_FIELDS)),
        title=fields.optional_string("title"),
        date=fields.optional_string("date"),
        topic=fields.optional_string("topic"),
        extra=extra,
    )


def to_dict(document: Document) -> dict[str, Any]:
    """The JSON object of a document; `from_dict` gives an equal document back."""
    if clash := sorted(set(document.extra) & set(_FIELDS)):
        raise InputError(f"{document.id}: extra: {clash[0]!r} is a field of the form and cannot stand in extra")
    result: dict[str, Any] = {"id": document.id}
    for name in ("title", "date", "topic"):
        if (value := getattr(document, name)) is not None:
            result[name] = value
    result["text"] = document.text
    result["mentions"] = [_present(m, _MENTION_FIELDS) for m in document.mentions]
    result["entities"] = [_present(e, _ENTITY_FIELDS) for e in document.entities]
    result["relations"] = [_present(r, _RELATION_FIELDS) for r in document.relations]
    return {**result, **document.extra}


def loads(text: str, *, where: str) -> Any:
    """The value of a JSON text; raises InputError that begins with `where`, also for a field given twice and for NaN."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise InputError(f"{where}: field {twice!r} is given twice")
        return result

    def no_constant(name: str) -> NoReturn:
        raise InputError(f"{where}: {name} is no JSON number")

    try:
        return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise InputError(f"{where}: not valid JSON: {error.msg} at {line}column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON: {error}") from None


_MENTION_FIELDS = ("id", "start", "end", "type", "entity", "score")
_ENTITY_FIELDS = ("id", "type", "name")
_RELATION_FIELDS = ("type", "head", "tail", "status", "score")


def _present(item: Mention | Entity | Relation, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(item, name)) is not None}


def _mention(item: _Fields) -> Mention:
    return Mention(
        id=item.string("id"),
        start=item.integer("start"),
        end=item.integer("end"),
        type=item.string("type"),
        entity=item.optional_string("entity"),
        score=item.optional_number("score"),
    )


def _entity(item: _Fields) -> Entity:
    return Entity(id=item.string("id"), type=item.string("type"), name=item.string("name"))


def _relation(item: _Fields) -> Relation:
    return Relation(
        type=item.string("type"),
        head=item.string("head"),
        tail=item.string("tail"),
        status=item.string("status"),
        score=item.optional_number("score"),
    )


class _Fields:
    """The fields of one JSON object, read with checks; `prefix` ("mentions[0].") leads to it in errors."""

    def __init__(self, data: Mapping[str, Any], where: str, prefix: str) -> None:
        self.data, self.where, self.prefix = data, where, prefix

    def document_id(self) -> str | int:
        value = self.data.get("id", _MISSING)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if not isinstance(value, str) or not value:
            self._fail("id", "a non-empty string or an integer", value)
        return self.string("id")

    def string(self, name: str) -> str:
        value = self.data.get(name, _MISSING)
        if not isinstance(value, str):
            self._fail(name, "a string", value)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            lone = f"half a surrogate pair at offset {error.start}"
            raise InputError(f"{self.where}: {self.prefix}{name}: expected whole characters, got {lone}") from None
        return value

    def optional_string(self, name: str) -> str | None:
        return None if self.data.get(name) is None else self.string(name)

    def integer(self, name: str) -> int:
        value = self.data.get(name, _MISSING)
        if isinstance(value, bool) or not isinstance(value, int):
            self._fail(name, "an integer", value)
        return value

    def optional_number(self, name: str) -> float | None:
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._fail(name, "a number", value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self._fail(name, "a finite number", value)
        return number

    def items(self, name: str, known: tuple[str, ...]) -> Iterator[_Fields]:
        """The objects of a list of objects; a missing list is an empty one."""
        values = self.data.get(name, [])
        if not isinstance(values, list):
            self._fail(name, "a list", values)
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                self._fail(f"{name}[{i}]", "an object", value)
            if unknown := [key for key in value if key not in known]:
                raise InputError(f"{self.where}: {name}[{i}]: unknown field {unknown[0]!r}; expected one of {', '.join(known)}")
            yield _Fields(value, self.where, f"{name}[{i}].")

    def _fail(self, name: str, expected: str, value: Any) -> NoReturn:
        _fail(self.where, f"{self.prefix}{name}: ", expected, value)


def _fail(where: str, field: str, expected: str, value: Any) -> NoReturn:
    got = "nothing" if value is _MISSING else repr(value)
    got = got if len(got) <= 60 else f"{got[:60]}…"
    raise InputError(f"{where}: {field}expected {expected}, got {got}")


def to_line(document: Document) -> str:
    """The line of a document, with its line feed."""
    return json.dumps(to_dict(document), ensure_ascii=False, allow_nan=False) + "\n"


def _opened(path: str | Path | BinaryIO, name: str) -> AbstractContextManager[BinaryIO]:
    try:
        if isinstance(path, str | Path):
            return nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb")
        return nullcontext(path)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from None
