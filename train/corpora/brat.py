"""Folders of the annotation tool brat: for each document NAME.txt, its text, and NAME.ann, one annotation a line.

    T1    GPE 0 5    চীনের                           a mention, m1 here
    R1    post_in Arg1:T2 Arg2:T1                    a relation, head first
    A1    Status R1 former                           its status, where it is not the schema's default
    *     Alias T1 T7                                mentions of one entity
    #1    AnnotatorNotes T1    entity=e1 name=চীন    that entity's id and name, on its first mention

Fields are separated by tabs. A note may also hold `id=` (for mentions whose id is not m1, m2, …) and `score=`, all of
these before `name=`, which ends the line; `\\20;` in a value stands for the character U+0020. Any other note is a
person's: it is kept in the document's `extra["brat_notes"]` and written back.

`documents.jsonl` holds what brat has no place for: for each `file` the document's id, title, date, topic and other
fields, in the order of the documents. `annotation.conf` is the schema as brat reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import category

from train.corpora import brat_lines, jsonl
from train.document import Document
from train.errors import InputError
from train.files import atomic_folder, read_text
from train.schema import RelationType, Schema

_INDEX = "documents.jsonl"


def read(path: str | Path, schema: Schema) -> list[Document]:
    """All documents of a folder, or the one of a .txt file, with the .ann file beside each.

    They come in the order of `documents.jsonl`, those that it does not list after them by name, with their file name
    as id. A mention that no alias and no note ties to an entity has none; an entity without a note is called by its
    longest mention. Raises InputError that names file and line for a discontinuous mention, an event, an attribute
    other than Status, a text that the offsets do not fit, and whatever breaks the schema; also for files in sub-folders.
    """
    path = Path(path)
    if path.is_dir():
        if deeper := sorted(p for kind in ("*.ann", "*.txt") for p in path.rglob(kind) if p.parent != path):
            raise InputError(f"{deeper[0]}: in a sub-folder of {path}; expected no file deeper: read that folder by itself")
        texts = sorted(path.glob("*.txt"))
        without = sorted({a.stem for a in path.glob("*.ann")} - {t.stem for t in texts})
        if without:
            raise InputError(f"{path / without[0]}.ann: there is no text {without[0]}.txt beside it")
        if not texts and not (path / _INDEX).exists():
            raise InputError(f"{path}: expected a folder with .txt and .ann files")
    elif path.suffix == ".txt" and path.exists():
        texts = [path]
    else:
        raise InputError(f"{path}: expected a folder or a .txt file")
    index = _read_index(path if path.is_dir() else path.parent)
    by_name = {text.stem: text for text in texts}
    if path.is_dir() and (missing := [name for name in index if name not in by_name]):
        raise InputError(f"{path / _INDEX}: file {missing[0]!r}: there is no {missing[0]}.txt in the folder")
    names = [name for name in index if name in by_name] + [name for name in by_name if name not in index]
    return [_read_one(by_name[name], schema, index.get(name, Document(name, ""))) for name in names]


def _read_one(text: Path, schema: Schema, blank: Document) -> Document:
    path = text.with_suffix(".ann")
    # brat counts a byte order mark as a character of the text, so it stays.
    content, whole = read_text(path), read_text(text, keep_bom=True)
    document = brat_lines.parse(content, replace(blank, text=whole), schema, path=path)
    try:
        document.check(schema)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return document


def _read_index(folder: Path) -> dict[str, Document]:
    """For each file name a document without text and annotation."""
    path = folder / _INDEX
    index: dict[str, Document] = {}
    if not path.exists():
        return index
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            entry = json.loads(line)
            name, extra = entry.pop("file"), entry.pop("extra", {})
        except (ValueError, KeyError, AttributeError, TypeError):
            raise InputError(f"{where}: expected a JSON object with a field 'file'") from None
        if not isinstance(name, str) or name in index or not isinstance(extra, dict):
            raise InputError(f"{where}: expected a new file name in 'file' and an object in 'extra'")
        index[name] = replace(jsonl.from_dict({**entry, "text": ""}, where=where), extra=extra)
    return index


def write(folder: str | Path, documents: Iterable[Document], schema: Schema) -> None:
    """Write documents to a new or empty folder, which appears whole or not at all; `read` gives equal ones back.

    Raises InputError if the folder holds anything, since that may be somebody's annotation, or if a document breaks the
    schema.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; expected a new or empty folder, to overwrite nobody's annotation")
    with atomic_folder(folder) as temporary:
        used: set[str] = set()
        index: list[str] = []
        for document in documents:
            try:
                document.check(schema)
            except InputError as error:
                raise InputError(f"{document.id}: {error}") from None
            name = _file_name(document.id, used)
            _put(temporary / f"{name}.txt", document.text)
            lines = brat_lines.lines(document, schema)
            _put(temporary / f"{name}.ann", "".join(f"{line}\n" for line in lines))
            index.append(json.dumps({"file": name, **_meta(document)}, ensure_ascii=False) + "\n")
        _put(temporary / _INDEX, "".join(index))
        _put(temporary / "annotation.conf", configuration(schema))


def _put(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))  # bytes, as offsets must not shift by translated line ends


def _meta(document: Document) -> dict[str, Any]:
    meta: dict[str, Any] = {"id": document.id}
    for name in ("title", "date", "topic"):
        if (value := getattr(document, name)) is not None:
            meta[name] = value
    if extra := {key: value for key, value in document.extra.items() if key != brat_lines.NOTES}:
        meta["extra"] = extra
    return meta


def _file_name(id_: str | int, used: set[str]) -> str:
    """The id with what file systems dislike replaced, short, and unlike any other in the folder, whatever its case."""
    kept = "".join(c if category(c)[0] in "LMN" or c in "-_." else "_" for c in str(id_)).lstrip(".") or "_"
    while len(kept.encode("utf-8")) > 120:
        kept = kept[:-1]
    name, number = kept, 1
    while name.casefold() in used:
        number += 1
        name = f"{kept}-{number}"
    used.add(name.casefold())
    return name


def configuration(schema: Schema) -> str:
    """brat's annotation.conf for a schema: types, what relations may hold between them, aliases, nesting, statuses."""
    relations = [line for relation in schema.relations.values() for line in _relation_lines(relation, schema)]
    aliases = [f"Alias\tArg1:{t}, Arg2:{t}, <REL-TYPE>:symmetric-transitive" for t in schema.mentions]
    overlap = "<OVERLAP>\tArg1:<ENTITY>, Arg2:<ENTITY>, <OVL-TYPE>:contain"
    statuses = [status for status in schema.statuses if status != schema.default_status]
    attributes = [f"Status\tArg:<RELATION>, Value:{'|'.join(statuses)}"] if statuses else []
    sections = {
        "entities": list(schema.mentions),
        "relations": [*relations, *aliases, overlap],
        "events": [],
        "attributes": attributes,
    }
    return "\n".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items())


def _relation_lines(relation: RelationType, schema: Schema) -> list[str]:
    """Heads that allow the same tails share a line; brat takes several lines for one type."""
    heads_of: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for head in schema.mentions:
        for symmetric in (True, False):
            tails = tuple(
                tail
                for tail in schema.mentions
                if relation.allows(head, tail) and relation.either_order(head, tail) == symmetric
            )
            if tails:
                heads_of.setdefault((tails, symmetric), []).append(head)
    return [
        f"{relation.name}\tArg1:{'|'.join(heads)}, Arg2:{'|'.join(tails)}" + (", <REL-TYPE>:symmetric" * symmetric)
        for (tails, symmetric), heads in heads_of.items()
    ]
