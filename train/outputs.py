"""Tagged documents to a file or standard output, as JSON Lines, one HTML page, or a table for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from train.corpora import jsonl
from train.document import Document
from train.files import atomic_write
from train.schema import Schema

_BY_SUFFIX = {".jsonl": "jsonl", ".html": "html", ".htm": "html"}


def write_documents(documents: Sequence[Document], out: str, format_: str | None, schema: Schema) -> None:
    """Write to the file `out`, or to standard output for "-"; the format follows the file's ending where it is None."""
    format_ = format_ or _BY_SUFFIX.get(Path(out).suffix, "table")
    if format_ == "jsonl":
        jsonl.write(out, documents)
        return
    from train.views import to_html, to_table

    text = to_html(documents, schema) if format_ == "html" else "\n".join(to_table(d, schema) for d in documents)
    if out == "-":
        sys.stdout.buffer.write(text.encode("utf-8"))
    else:
        with atomic_write(out) as file:
            file.write(text)
