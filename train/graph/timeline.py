"""What was stated between two nodes, in the order of dates: as a table for the terminal and as JSON."""

from __future__ import annotations

import difflib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from train.errors import InputError
from train.graph.merge import name_key
from train.graph.structure import Edge, Graph, Node, Statement


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement with the edge that it states."""

    edge: Edge
    statement: Statement


def find_node(graph: Graph, name: str) -> Node:
    """The node of an id, label or name, else of an alias.

    Raises InputError where there is none, which proposes names that are close, or more than one, which lists their ids.
    """
    if name in graph.nodes:
        return graph.nodes[name]
    key = name_key(name)
    for names_of in (lambda n: [n.label], lambda n: [n.name], lambda n: n.aliases):
        found = [node for node in graph.nodes.values() if key in map(name_key, names_of(node))]
        if len(found) == 1:
            return found[0]
        if found:
            found.sort(key=lambda node: -node.mentions)
            ids = ", ".join(repr(node.id) for node in found[:5])
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise InputError(f"{name}: {len(found)} nodes bear this name; give an id, such as {ids}{more}")
    names = {name_key(alias): alias for node in graph.nodes.values() for alias in (*node.aliases, node.name)}
    close = [names[k] for k in difflib.get_close_matches(key, names, n=3, cutoff=0.6)]
    close += [alias for k, alias in names.items() if key in k.split() and alias not in close][: 5 - len(close)]
    raise InputError(f"{name}: no node bears this name; " + (f"close are {', '.join(close)}" if close else "none is close"))


def timeline(graph: Graph, a: str, b: str) -> list[Entry]:
    """Statements between two nodes (by ids), whichever is the head, in the order of dates; undated ones come last."""
    entries = [Entry(e, s) for e in graph.edges if {e.head, e.tail} == {a, b} for s in e.statements]
    return sorted(entries, key=lambda x: (x.statement.date is None, x.statement.date or "", x.statement.document))


def to_table(graph: Graph, entries: Sequence[Entry]) -> str:
    """Plain text as wide as the terminal: date, what is stated with its status, and under it the sentence."""
    out = io.StringIO()
    console = Console(file=out, width=shutil.get_terminal_size((110, 24)).columns, color_system=None, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("date", "statement", "status", "score", "document"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        edge, said = entry.edge, entry.statement
        arrow = f"←{edge.type}→" if edge.symmetric else f"—{edge.type}→"
        line = f"{graph.nodes[edge.head].label} {arrow} {graph.nodes[edge.tail].label}\n{said.sentence}"
        status = edge.status + (f"\n(also {', '.join(edge.contradicted_by)})" if edge.contradicted_by else "")
        score = "" if said.score is None else f"{said.score:.2f}"
        table.add_row(*(Text(cell) for cell in (said.date or "–", line, status, score, said.document)))
    console.print(table if entries else "nothing is stated between them")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def to_json(graph: Graph, entries: Sequence[Entry]) -> str:
    """A JSON list of statements; offsets count code points of the document's text."""
    rows = [
        {
            "date": entry.statement.date,
            "head": graph.nodes[entry.edge.head].label,
            "relation": entry.edge.type,
            "tail": graph.nodes[entry.edge.tail].label,
            "status": entry.edge.status,
            "contradicted_by": list(entry.edge.contradicted_by),
            "score": entry.statement.score,
            "document": entry.statement.document,
            "head_span": list(entry.statement.head),
            "tail_span": list(entry.statement.tail),
            "sentence": entry.statement.sentence,
        }
        for entry in entries
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
