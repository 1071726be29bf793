"""A graph as GraphML or GEXF, for Gephi, Cytoscape, yEd, igraph and networkx."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import networkx

from train.graph.structure import Edge, Graph, Node
from train.schema import Schema

# What XML 1.0 cannot hold, even escaped.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_networkx(graph: Graph, schema: Schema) -> networkx.MultiDiGraph:
    """A directed multigraph whose attributes are texts, numbers and truth values; lists are JSON in a text.

    Types are called `kind` and `relation`, as GEXF keeps `type` for itself.
    """
    network = networkx.MultiDiGraph(name=schema.name)
    for node in graph.nodes.values():
        network.add_node(_clean(node.id), **_node(node, schema))
    for edge in graph.edges:
        network.add_edge(_clean(edge.head), _clean(edge.tail), key=_clean(edge.id), **_edge(edge, schema))
    return network


def graphml(graph: Graph, schema: Schema) -> bytes:
    out = io.BytesIO()
    networkx.write_graphml_xml(to_networkx(graph, schema), out, encoding="utf-8", prettyprint=True)
    return out.getvalue()


def gexf(graph: Graph, schema: Schema) -> bytes:
    out = io.BytesIO()
    networkx.write_gexf(to_networkx(graph, schema), out, encoding="utf-8", prettyprint=True)
    return out.getvalue()


def _node(node: Node, schema: Schema) -> dict[str, Any]:
    return {
        "label": _clean(node.label),
        "name": _clean(node.name),
        "kind": node.type,
        "mentions": node.mentions,
        "aliases": _json(dict(node.aliases)),
        "documents": _json(list(node.documents)),
        **schema.mentions[node.type].codes,
    }


def _edge(edge: Edge, schema: Schema) -> dict[str, Any]:
    statements = [
        {"document": s.document, "date": s.date, "score": s.score, "head": s.head, "tail": s.tail, "sentence": s.sentence}
        for s in edge.statements
    ]
    return {
        "label": edge.type if edge.status == schema.default_status else f"{edge.type} ({edge.status})",
        "relation": edge.type,
        "status": edge.status,
        "symmetric": edge.symmetric,
        "weight": float(edge.confidence),
        "contradicted_by": ", ".join(edge.contradicted_by),
        "first_date": edge.dates[0] if edge.dates else "",
        "last_date": edge.dates[-1] if edge.dates else "",
        "statements": _json(statements),
        **schema.relations[edge.type].codes,
    }


def _json(value: Any) -> str:
    return _clean(json.dumps(value, ensure_ascii=False))


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
