"""Articles from files, folders and standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from train.corpora import jsonl
from train.document import Document
from train.errors import InputError


def read_articles(inputs: Sequence[str]) -> list[Document]:
    """The documents of all inputs, in order; raises InputError that names the file.

    .txt is one article, whose id is its path; a folder gives its .txt and .jsonl files by name, sub-folders too.
    """
    found = [document for given in inputs for document in _read(given)]
    if not found:
        raise InputError(f"{', '.join(inputs)}: no articles in it; expected .txt or .jsonl")
    return found


def _read(given: str) -> Iterable[Document]:
    if given == "-":
        return _standard_input()
    path = Path(given)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (".txt", ".jsonl") and p.is_file())
        return [document for file in files for document in _read(str(file))]
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.suffix == ".jsonl":
        return jsonl.iterate(path, None)
    try:
        return [Document(str(path), _decode(path.read_bytes(), str(path)))]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _standard_input() -> Iterable[Document]:
    data = sys.stdin.buffer.read()
    text = _decode(data, "standard input")
    if not text.lstrip().startswith("{"):
        return [Document("-", text)]
    return jsonl.iterate(io.BytesIO(data), None)


def _decode(data: bytes, name: str) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: expected UTF-8, got byte {data[error.start]:#04x} at offset {error.start}") from None
