"""A graph to a file or folder, in the form that its name asks for; and the list of its merges."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from train.errors import InputError
from train.extras import needed
from train.files import atomic_folder, atomic_write, read_text
from train.graph.structure import Graph, Merge
from train.graph.timeline import timeline, to_json, to_table
from train.schema import Schema

SUFFIXES = (".html", ".graphml", ".gexf", ".jsonld")


def check_out(out: str, *, timeline: bool) -> None:
    """Raise InputError for a name that no form goes with, before any work is done."""
    known = (".html", ".json", ".txt") if timeline else SUFFIXES
    suffix = Path(out).suffix.lower()
    if out != "-" and suffix not in known and (suffix or timeline):
        folder = "" if timeline else ", or a folder (a name without ending) for Parquet tables"
        raise InputError(f"{out}: unknown ending {suffix!r}; expected one of {', '.join(known)}{folder}")


def write_graph(graph: Graph, schema: Schema, out: str) -> None:
    """Write to `out`: HTML, GraphML, GEXF or JSON-LD by its ending, Parquet tables into a folder where it has none."""
    suffix = Path(out).suffix.lower()
    if not suffix:
        tables = needed("train.graph.tables", "graph")
        _check_folder(Path(out), tables.FILES)
        with atomic_folder(out) as folder:
            tables.write_tables(graph, schema, folder)
        return
    with atomic_write(out, binary=True) as file:
        file.write(content(graph, schema, suffix))


def _check_folder(path: Path, own: Collection[str]) -> None:
    """An existing folder is replaced as a whole, so that one with anything else in it than a graph's tables is refused."""
    for other in path.iterdir() if path.is_dir() else ():
        if other.name not in own:
            raise InputError(f"{path}: holds {other.name}; expected a new folder, or one with nothing but {', '.join(own)}")


def content(graph: Graph, schema: Schema, suffix: str) -> bytes:
    """The file of a graph in the form of one of SUFFIXES."""
    if suffix in (".graphml", ".gexf"):
        networks = needed("train.graph.networks", "graph")
        return bytes(networks.graphml(graph, schema) if suffix == ".graphml" else networks.gexf(graph, schema))
    if suffix == ".jsonld":
        from train.graph.linked import jsonld

        return jsonld(graph, schema).encode("utf-8")
    from train.graph.page import page

    return page(graph, schema).encode("utf-8")


def timeline_text(graph: Graph, pair: tuple[str, str], schema: Schema, out: str) -> str:
    """The timeline of two nodes, by their ids, as JSON or as an HTML page by the ending of `out`, else as a table."""
    suffix, entries = Path(out).suffix.lower(), timeline(graph, *pair)
    if suffix == ".html":
        from train.graph.page import timeline_page

        return timeline_page(graph, pair, entries, schema)
    return to_json(graph, entries) if suffix == ".json" else to_table(graph, entries)


def write_merges(merges: Sequence[Merge], path: str) -> None:
    """One merge a line, as JSON; `read_merges` reads the ids of those lines that are left in the file."""
    with atomic_write(path) as file:
        for merge in merges:
            file.write(json.dumps(asdict(merge), ensure_ascii=False) + "\n")


def read_merges(path: str) -> frozenset[str]:
    """The ids of merges to undo, from JSON Lines with an `id` each; raises InputError that names the line."""
    ids = set()
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number}: not valid JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise InputError(f"{path}:{number}: id: expected the id of a merge, as --merges writes it")
        ids.add(row["id"])
    return frozenset(ids)
