"""A graph as one HTML page that draws, filters and searches it, and opens without a network; a timeline as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from train.graph.structure import Edge, Graph
from train.graph.timeline import Entry
from train.rendering import render
from train.schema import Schema


def page(graph: Graph, schema: Schema) -> str:
    """The page with the whole graph in it. It shows the nodes of most edges first; search and clicks bring the others."""
    data = _script_safe(_data(graph, schema))
    return render("graph.html", schema=schema, data=data, nodes=len(graph.nodes), edges=len(graph.edges))


def timeline_page(graph: Graph, pair: tuple[str, str], entries: Sequence[Entry], schema: Schema) -> str:
    """The timeline of two nodes, by their ids: a row for each statement, by date, with head and tail marked."""
    looks = _looks(schema)
    rows = [
        {
            "edge": entry.edge,
            "said": entry.statement,
            "head": graph.nodes[entry.edge.head].label,
            "tail": graph.nodes[entry.edge.tail].label,
            "look": looks[entry.edge.status],
            "parts": _marked(entry),
            "title": graph.titles.get(entry.statement.document),
        }
        for entry in entries
    ]
    return render("timeline.html", schema=schema, rows=rows, pair=[graph.nodes[id_].label for id_ in pair])


def _script_safe(data: Any) -> str:
    """JSON that ends no script element, whatever stands in its strings."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _marked(entry: Entry) -> list[tuple[str, bool]]:
    """The sentences in parts, each with whether head or tail is in it."""
    parts: list[tuple[str, bool]] = []
    for i, (start, text) in enumerate(entry.statement.passages):
        parts += [(" … ", False)] if i else []
        inside = [False] * len(text)
        for first, last in (entry.statement.head, entry.statement.tail):
            for at in range(max(first - start, 0), min(last - start, len(text))):
                inside[at] = True
        at = 0
        while at < len(text):
            end = next((j for j in range(at, len(text)) if inside[j] != inside[at]), len(text))
            parts.append((text[at:end], inside[at]))
            at = end
    return parts


def _looks(schema: Schema) -> dict[str, int]:
    """0 for the default status, then 1 to 3 over and over."""
    return {name: 0 if i == 0 else (i - 1) % 3 + 1 for i, name in enumerate(schema.statuses)}


def _data(graph: Graph, schema: Schema) -> dict[str, Any]:
    """What the page's script reads; nodes, documents and sentences go by their positions, to keep the page small."""
    nodes = {id_: i for i, id_ in enumerate(graph.nodes)}
    mentioned = (document for node in graph.nodes.values() for document in node.documents)
    documents = {document: i for i, document in enumerate(dict.fromkeys(mentioned))}
    dates = {s.document: s.date for e in graph.edges for s in e.statements}
    passages: dict[tuple[str, int, str], int] = {}
    edges = [_edge(edge, nodes, documents, passages) for edge in graph.edges]
    return {
        "types": [{"name": t.name, "definition": t.definition, "hue": round(255 + i * 137.508) % 360}
                  for i, t in enumerate(schema.mentions.values())],
        "relations": [{"name": r.name, "definition": r.definition} for r in schema.relations.values()],
        "statuses": [{"name": s, "definition": d, "look": _looks(schema)[s]} for s, d in schema.statuses.items()],
        "documents": [{"id": d, "title": graph.titles.get(d), "date": dates.get(d)} for d in documents],
        "passages": [[start, text] for _, start, text in passages],
        "nodes": [
            {"id": n.id, "type": n.type, "name": n.name, "label": n.label, "aliases": list(n.aliases.items()),
             "documents": [documents[d] for d in n.documents], "mentions": n.mentions}
            for n in graph.nodes.values()
        ],
        "edges": edges,
        "merges": [[nodes[m.node], m.id, m.rule, m.evidence] for m in graph.merges],
    }  # fmt: skip


def _edge(
    edge: Edge, nodes: Mapping[str, int], documents: Mapping[str, int], passages: dict[tuple[str, int, str], int]
) -> dict[str, Any]:
    said = [
        [
            documents[s.document], s.date, s.score, s.head, s.tail,
            [passages.setdefault((s.document, start, text), len(passages)) for start, text in s.passages],
        ]
        for s in edge.statements
    ]  # fmt: skip
    return {
        "head": nodes[edge.head], "tail": nodes[edge.tail], "type": edge.type, "status": edge.status,
        "both": edge.symmetric, "confidence": edge.confidence, "also": edge.contradicted_by, "said": said,
    }  # fmt: skip
