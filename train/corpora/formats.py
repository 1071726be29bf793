"""Annotated documents in the forms that hold all layers, by what a path looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from train.corpora import brat, inline, jsonl, label_studio, splits
from train.document import Document, Entity
from train.errors import InputError
from train.files import atomic_write, read_text
from train.model.bangla import bare_name
from train.schema import Schema

FORMS = """.jsonl: JSON Lines; .txt: inline markup; .json: Label Studio; a folder with .ann files: brat;
a folder with train, validation (or dev or val) and test (.jsonl or brat folders): a corpus in splits"""


def read_parts(path: str | Path, schema: Schema) -> dict[str, list[Document]]:
    """The documents at a path, checked against the schema, by split where it has splits and else under its own name.

    Raises InputError that names the file, and what was expected where the path has none of the known forms.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if parts := split_paths(path):
        return {split: _read(part, schema) for split, part in parts.items()}
    return {str(path): _read(path, schema)}


def split_paths(path: str | Path) -> dict[str, Path]:
    """Where the splits of a folder stand, by split; raises InputError if two files or folders are of one split."""
    found = {split: splits.located(Path(path), split, (".jsonl", "")) for split in splits.SPLITS}
    return {split: part for split, part in found.items() if part}


def read(path: str | Path, schema: Schema) -> list[Document]:
    """All documents at a path, see read_parts; raises InputError if two of them have one id."""
    found: dict[str | int, Document] = {}
    for document in (d for documents in read_parts(path, schema).values() for d in documents):
        if document.id in found:
            raise InputError(f"{path}: id {document.id!r} is used twice")
        found[document.id] = document
    return list(found.values())


def read_plain(path: str | Path) -> list[Document] | None:
    """The articles of a folder of .txt files that nobody has annotated yet, sub-folders too; None for any other path.

    They are named by their paths in the folder. Raises InputError for a file in inline markup, which somebody has annotated.
    """
    path = Path(path)
    texts = sorted(file for file in path.rglob("*.txt") if file.is_file()) if path.is_dir() else []
    if not texts or any(path.rglob("*.ann")) or split_paths(path):
        return None
    return [Document(file.relative_to(path).with_suffix("").as_posix(), _article(file)) for file in texts]


def _article(file: Path) -> str:
    text = read_text(file)
    if text.lstrip("\r\n").startswith("## "):
        raise InputError(
            f"{file}:1: begins as inline markup, not as an article; convert it by itself: corpus.py convert {file} TARGET"
        )
    return text


def _read(path: Path, schema: Schema) -> list[Document]:
    if path.is_dir():  # where annotators of brat join nothing, they mean one thing by itself, as those of Label Studio do
        return [_with_own_entities(document) for document in brat.read(path, schema)]
    if path.suffix == ".jsonl":
        return jsonl.read(path, schema)
    if path.suffix == ".txt":
        return inline.parse(read_text(path), schema, source=str(path))
    if path.suffix == ".json":
        return label_studio.read(path, schema)
    raise _unknown(path)


def _with_own_entities(document: Document) -> Document:
    """The document with an entity for each mention that has none, called by its bare form."""
    taken = {entity.id for entity in document.entities}
    free = (id_ for id_ in map("e{}".format, count(1)) if id_ not in taken)
    own = {m.id: Entity(next(free), m.type, bare_name(document.surface(m))) for m in document.mentions if m.entity is None}
    mentions = tuple(replace(m, entity=own[m.id].id) if m.id in own else m for m in document.mentions)
    return replace(document, mentions=mentions, entities=(*document.entities, *own.values()))


def write(path: str | Path, documents: Sequence[Document], schema: Schema) -> None:
    """Write documents in the form that the path names; one without a suffix becomes a brat folder."""
    path = Path(path)
    if path.suffix == ".jsonl":
        jsonl.write(path, documents)
    elif path.suffix == ".txt":
        with atomic_write(path) as file:
            file.write(inline.write(documents, schema))
    elif path.suffix == ".json":
        label_studio.write(path, documents, schema)
    elif path.suffix == "" and str(path) != "-":
        brat.write(path, documents, schema)
    else:
        raise _unknown(path)


def _unknown(path: Path) -> InputError:
    return InputError(f"{path}: unknown form; expected " + " ".join(FORMS.split()))
