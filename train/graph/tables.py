"""A graph as Parquet tables: nodes, edges, statements, merges. Edges and statements meet in `edge`, nodes in their ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from train.graph.structure import Graph
from train.schema import Schema

_TEXTS = pa.list_(pa.string())
_SPAN = pa.list_(pa.int64(), 2)
_COLUMNS = {
    "nodes": {
        "id": pa.string(), "type": pa.string(), "name": pa.string(), "label": pa.string(), "mentions": pa.int64(),
        "aliases": pa.map_(pa.string(), pa.int64()), "documents": _TEXTS, "wikidata": pa.string(),
    },
    "edges": {
        "edge": pa.string(), "head": pa.string(), "tail": pa.string(), "type": pa.string(), "status": pa.string(),
        "symmetric": pa.bool_(), "confidence": pa.float64(), "contradicted_by": _TEXTS, "dates": _TEXTS,
        "documents": _TEXTS, "wikidata": pa.string(), "plover": pa.string(),
    },
    "statements": {
        "edge": pa.string(), "document": pa.string(), "date": pa.string(), "score": pa.float64(),
        "sentence": pa.string(), "head_span": _SPAN, "tail_span": _SPAN,
    },
    "merges": {
        "id": pa.string(), "node": pa.string(), "type": pa.string(), "name": pa.string(), "rule": pa.string(),
        "evidence": pa.string(),
    },
}  # fmt: skip
FILES = tuple(f"{name}.parquet" for name in _COLUMNS)


def write_tables(graph: Graph, schema: Schema, folder: Path) -> None:
    """Write nodes.parquet, edges.parquet, statements.parquet and merges.parquet into an existing folder."""
    for name, rows in _rows(graph, schema).items():
        table = pa.Table.from_pylist(rows, schema=pa.schema(list(_COLUMNS[name].items())))
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _rows(graph: Graph, schema: Schema) -> dict[str, list[dict[str, Any]]]:
    return {
        "nodes": [
            {
                **{key: getattr(n, key) for key in ("id", "type", "name", "label", "mentions", "documents")},
                "aliases": list(n.aliases.items()),
                **schema.mentions[n.type].codes,
            }
            for n in graph.nodes.values()
        ],
        "edges": [
            {
                "edge": e.id,
                **{key: getattr(e, key) for key in _COLUMNS["edges"] if hasattr(e, key)},
                **schema.relations[e.type].codes,
            }
            for e in graph.edges
        ],
        "statements": [
            {
                "edge": e.id,
                **{key: getattr(s, key) for key in ("document", "date", "score", "sentence")},
                "head_span": s.head,
                "tail_span": s.tail,
            }
            for e in graph.edges
            for s in e.statements
        ],
        "merges": [{key: getattr(m, key) for key in _COLUMNS["merges"]} for m in graph.merges],
    }
