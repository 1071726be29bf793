"""Documents as Parquet, a row each: mentions, entities and relations are lists of structs, the same columns for every file.

Ids are text. Fields that the document form does not know stand in `extra`, as JSON, which the reader takes apart again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.files import atomic_write

_TEXT, _PLACE, _SCORE = pa.string(), pa.int64(), pa.float64()


def _structs(**fields: pa.DataType) -> pa.DataType:
    return pa.list_(pa.struct(fields.items()))


COLUMNS = pa.schema(
    {
        "id": _TEXT, "title": _TEXT, "date": _TEXT, "topic": _TEXT, "text": _TEXT,
        "mentions": _structs(id=_TEXT, start=_PLACE, end=_PLACE, type=_TEXT, entity=_TEXT, score=_SCORE),
        "entities": _structs(id=_TEXT, type=_TEXT, name=_TEXT),
        "relations": _structs(type=_TEXT, head=_TEXT, tail=_TEXT, status=_TEXT, score=_SCORE),
        "extra": _TEXT,
    },
    metadata={"rajniti": "documents"},
)  # fmt: skip
# Rows that are held at once, and that make a row group.
_ROWS = 1024


def write(path: str | Path, documents: Iterable[Document]) -> int:
    """Write documents to a file, which appears whole or not at all; returns how many. No more than a row group is held."""
    count, left = 0, iter(documents)
    with atomic_write(path, binary=True) as file, pq.ParquetWriter(file, COLUMNS, compression="zstd") as writer:
        while rows := [_row(document) for document in islice(left, _ROWS)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=COLUMNS))
            count += len(rows)
    return count


def _row(document: Document) -> dict[str, Any]:
    row = {name: value for name, value in jsonl.to_dict(document).items() if name not in document.extra}
    extra = json.dumps(dict(document.extra), ensure_ascii=False, allow_nan=False) if document.extra else None
    return {**row, "id": str(document.id), "extra": extra}


def attempts(path: str | Path) -> Iterator[tuple[int, str, Document | InputError]]:
    """Each row of a file: its number from 1, its fields as JSON, and its document or why it is none.

    Columns are the fields of the JSON form, unknown ones are kept; null is as good as absent. Raises InputError for a file
    that is no Parquet or lacks the columns `id` and `text`.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from None
    with file:
        if missing := [name for name in ("id", "text") if name not in file.schema_arrow.names]:
            names = ", ".join(file.schema_arrow.names)
            raise InputError(f"{path}: expected a column {missing[0]!r}, got the columns {names}")
        ours = (file.schema_arrow.metadata or {}).get(b"rajniti") == b"documents"
        number = 0
        try:
            for batch in file.iter_batches(batch_size=128):
                for values in batch.to_pylist():
                    number += 1
                    yield number, *_attempt(values, f"{path}:{number}", ours=ours)
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"{path}: cannot be read after row {number}: {' '.join(str(error).split())}") from None


def count(path: str | Path) -> int:
    """The rows of a file, without reading them."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from None


def _attempt(values: dict[str, Any], where: str, *, ours: bool) -> tuple[str, Document | InputError]:
    fields = {name: _plain(value) for name, value in values.items() if value is not None}
    if ours and "extra" in fields:
        fields.update(json.loads(fields.pop("extra")))
    try:
        found: Document | InputError = jsonl.from_dict(fields, where=where)
    except InputError as error:
        found = error
    return json.dumps(fields, ensure_ascii=False, default=repr), found


def _plain(value: Any) -> Any:
    """Arrow's values as JSON has them: dates and times in ISO form, a time stamp at midnight as its date."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, datetime):
        return (value.date() if value.time() == time.min else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
