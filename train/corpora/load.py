"""The sources of a run, as parts: documents of one split of one source, with what that source annotates."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from train.config import Layer, SourceConfig
from train.corpora import brat, conll, jsonl, spert, splits
from train.document import Document
from train.errors import InputError
from train.schema import Schema

BUNDLED = Path(__file__).with_name("bundled")
_ENDINGS = {"brat": ("",), "jsonl": (".jsonl",), "spert": (".json",), "conll": (".txt", ".conll", ".tsv", ".bio")}


@dataclass(frozen=True)
class Part:
    """Documents of one split of one source. `types` None means all of the schema's."""

    source: str
    split: str
    documents: Sequence[Document]
    layers: tuple[Layer, ...]
    types: tuple[str, ...] | None = None


def load_split(sources: Sequence[SourceConfig], split: str, schema: Schema, log: Any = print, *, seed: int = 0) -> list[Part]:
    """The parts of one split, every document checked against the schema; raises InputError at the first bad one."""
    parts = []
    for source in sources:
        if split not in source.splits:
            continue
        for type_ in source.types or ():
            if type_ not in schema.mentions:
                raise InputError(f"sources: {source.path}: unknown mention type {type_!r} in types")
        documents = _read(source, split, schema, log)
        if not documents:
            raise InputError(f"sources: {source.path}: no documents in split {split!r}")
        if split == "train":
            documents = _drawn(documents, source.share, seed)
        parts.append(Part(source.path, split, documents, source.layers, source.types))
    return parts


def _drawn(documents: list[Document], share: float, seed: int) -> list[Document]:
    """A share of the documents, at least one, in their order; what a seed draws for one share, it draws for larger ones too."""
    ranked = sorted(documents, key=lambda d: hashlib.sha256(f"{seed}:{d.id}".encode()).digest())
    kept = {d.id for d in ranked[: max(1, round(share * len(documents)))]}
    return [d for d in documents if d.id in kept]


def _read(source: SourceConfig, split: str, schema: Schema, log: Any) -> list[Document]:
    if source.path == "bundled":
        return from_dataset(str(BUNDLED), split, schema)
    if source.path.startswith("hub:"):
        return from_dataset(source.path.removeprefix("hub:"), split, schema, revision=source.revision)
    folder = Path(source.path)
    if not folder.is_dir():
        raise InputError(f"sources: {folder}: no such folder; expected one with {split} data, 'bundled' or hub:OWNER/NAME")
    endings = _ENDINGS[source.format]
    path = splits.located(folder, split, endings)
    if path is None:
        raise InputError(f"sources: {folder}: expected a {'file' if endings[0] else 'folder'} {split}{endings[0]}")
    if source.format == "brat":
        return brat.read(path, schema)
    if source.format == "jsonl":
        return jsonl.read(path, schema)
    if source.format == "spert":
        return spert.read(path, schema)
    documents, repairs = conll.read(path, mapping=source.mapping, repair=source.repair)
    for line in repairs:
        log(line)
    for document in documents:
        try:
            document.check(schema)
        except InputError as error:
            raise InputError(f"{path}: {document.id}: {error}") from None
    return documents


def from_dataset(path: str, split: str, schema: Schema, *, revision: str | None = None) -> list[Document]:
    """One split of a dataset folder or Hub dataset in SCHEMA's document form, opened with `datasets`."""
    from datasets import load_dataset

    try:
        # A cache of its own for local folders: the shared one goes by names and would miss that a file has changed.
        with TemporaryDirectory() if Path(path).is_dir() else nullcontext() as cache:
            rows = list(load_dataset(path, split=split, revision=revision, cache_dir=cache))
    except (FileNotFoundError, ValueError, ConnectionError) as error:
        raise InputError(f"sources: {path}: cannot load split {split!r}: {' '.join(str(error).split())}") from None
    documents = []
    for number, row in enumerate(rows):
        where = f"{path}: {split}[{number}]"
        document = jsonl.from_dict({k: _plain(v) for k, v in row.items() if v is not None}, where=where)
        try:
            document.check(schema)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        documents.append(document)
    return documents


def _plain(value: Any) -> Any:
    """Arrow has dates where JSON has strings."""
    return value.isoformat() if isinstance(value, date) else value
