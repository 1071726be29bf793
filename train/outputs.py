"""Tagged documents to a file or standard output, in the form that is asked for or that the file's ending names."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.extras import needed
from train.files import atomic_write
from train.schema import Schema

_BY_SUFFIX = {
    ".csv": "csv", ".graphml": "graphml", ".html": "html", ".htm": "html", ".jsonl": "jsonl", ".parquet": "parquet",
    ".txt": "table",
}  # fmt: skip


def chosen_format(out: str, format_: str | None) -> str:
    """The format asked for, else the one of the ending of `out`, else (for "-") a table.

    Raises InputError, before any work is done, for an ending that means nothing, and for Parquet to standard output.
    """
    if format_ is None and out != "-":
        suffix = Path(out).suffix.lower()
        if suffix not in _BY_SUFFIX:
            raise InputError(f"{out}: unknown ending {suffix!r}; expected one of {', '.join(_BY_SUFFIX)}, or --format")
        format_ = _BY_SUFFIX[suffix]
    if format_ == "parquet":
        needed("train.corpora.parquet", "parquet")
        if out == "-":
            raise InputError("--format parquet: cannot go to standard output; expected --out FILE")
    if format_ == "graphml":
        needed("train.graph.networks", "graph")
    return format_ or "table"


def write_documents(documents: Iterable[Document], out: str, format_: str, schema: Schema) -> None:
    """Write to the file `out`, which appears whole or not at all, or to standard output for "-".

    JSON Lines, CSV, Parquet and tables are written as the documents come; a page or a graph is made of all of them.
    """
    if format_ == "jsonl":
        jsonl.write(out, documents)
    elif format_ == "parquet":
        needed("train.corpora.parquet", "parquet").write(out, documents)
    else:
        _write(_texts(documents, out, format_, schema), out)


def _texts(documents: Iterable[Document], out: str, format_: str, schema: Schema) -> Iterator[str]:
    """The pieces of a text."""
    if format_ == "csv":
        from train.triples import to_csv

        # Excel takes a file for the local code page unless it begins with this mark; programs on a pipe would stumble over it.
        yield "\ufeff" if out != "-" else ""
        yield from to_csv(documents)
    elif format_ == "graphml":
        from train.graph.build import build
        from train.graph.output import content

        yield content(build(list(documents), schema), schema, ".graphml").decode("utf-8")
    elif format_ == "html":
        from train.views import to_html

        yield to_html(list(documents), schema)
    else:
        from train.views import to_table

        for number, document in enumerate(documents):
            yield ("\n" if number else "") + to_table(document, schema)


def _write(texts: Iterable[str], out: str) -> None:
    if out == "-":
        sys.stdout.flush()
        for text in texts:
            sys.stdout.buffer.write(text.encode("utf-8"))
        return
    with atomic_write(out) as file:
        file.writelines(texts)
