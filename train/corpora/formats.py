"""Annotated documents in any form that the project reads and writes, by what a path looks like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from train.corpora import brat, inline, jsonl, label_studio
from train.document import Document
from train.errors import InputError
from train.files import atomic_write, read_text
from train.schema import Schema

FORMS = """.jsonl: JSON Lines; .txt: inline markup; .json: Label Studio; a folder with .ann files: brat;
a folder with train, validation and test .jsonl: a corpus in splits"""


def read_parts(path: str | Path, schema: Schema) -> dict[str, list[Document]]:
    """The documents at a path, checked against the schema, by split where it has splits and else under its own name.

    Raises InputError that names the file, and what was expected where the path has none of the known forms.
    """
    path = Path(path)
    if path.is_dir() and (splits := [p for s in ("train", "validation", "test") if (p := path / f"{s}.jsonl").exists()]):
        return {p.stem: jsonl.read(p, schema) for p in splits}
    return {str(path): _read(path, schema)}


def read(path: str | Path, schema: Schema) -> list[Document]:
    """All documents at a path; see read_parts."""
    return [d for documents in read_parts(path, schema).values() for d in documents]


def _read(path: Path, schema: Schema) -> list[Document]:
    if path.is_dir():
        return brat.read(path, schema)
    if path.suffix == ".jsonl":
        return jsonl.read(path, schema)
    if path.suffix == ".txt":
        return inline.parse(read_text(path), schema, source=str(path))
    if path.suffix == ".json":
        return label_studio.read(path, schema)
    raise _unknown(path)


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
    elif path.suffix == "":
        brat.write(path, documents, schema)
    else:
        raise _unknown(path)


def _unknown(path: Path) -> InputError:
    return InputError(f"{path}: unknown form; expected " + " ".join(FORMS.split()))
