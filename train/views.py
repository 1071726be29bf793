"""Documents for people: a table for the terminal, and one HTML page that needs nothing else."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from train.analysis.causes import CAUSES, RelationError, counts
from train.document import Document, Mention, Relation
from train.errors import InputError
from train.rendering import render
from train.schema import Schema
from train.sentences import sentence_of, sentence_spans


def to_table(document: Document, schema: Schema) -> str:
    """Plain text as wide as the terminal: mentions by entity, then each sentence with the relations that it states."""
    _check(document, schema)
    out = io.StringIO()
    console = Console(file=out, width=shutil.get_terminal_size((110, 24)).columns, color_system=None, highlight=False)
    console.print(Text("  ".join(str(part) for part in (document.id, document.date, document.title) if part is not None)))
    console.print(_mention_table(document) if document.mentions else "  no mentions")
    if not document.relations:
        console.print("  no relations")
    for sentence, relations in _by_sentence(document).items():
        console.print(Padding(Text(sentence), (0, 0, 0, 1)))
        console.print(Padding(_relation_grid(document, relations, schema), (0, 0, 1, 3)))
    # The table's cells are padded to its width; nobody needs that at the line's end.
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _mention_table(document: Document) -> Table:
    scored = any(m.score is not None for m in document.mentions)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("entity", "type", "mention", "times"):
        table.add_column(name, justify="right" if name == "times" else "left", overflow="fold")
    if scored:
        table.add_column("score", justify="right")
    names = {entity.id: entity.name for entity in document.entities}
    for group in _by_entity(document):
        forms: dict[str, list[Mention]] = {}
        for m in group:
            forms.setdefault(" ".join(document.surface(m).split()), []).append(m)
        for i, (surface, same) in enumerate(forms.items()):
            name = names.get(group[0].entity or "", "–")
            first = [name, group[0].type] if i == 0 else ["", ""]
            known = [m.score for m in same if m.score is not None]
            score = [_figure(max(known)) if known else ""] if scored else []
            table.add_row(*(Text(cell) for cell in [*first, surface, str(len(same)), *score]))
    return table


def _by_sentence(document: Document) -> dict[str, list[Relation]]:
    """Relations under the text that states them: the sentence of head and tail, or both sentences."""
    mentions = document.mention_by_id()
    spans = sentence_spans(document)
    places: dict[tuple[int, ...], list[Relation]] = {}
    for r in document.relations:
        ends = {sentence_of(mentions[id_], spans) for id_ in (r.head, r.tail)}
        places.setdefault(tuple(sorted(ends)), []).append(r)
    texts = {i: " ".join(document.text[start:end].split()) for i, (start, end) in enumerate(spans)}
    grouped: dict[str, list[Relation]] = {}
    for place, relations in sorted(places.items()):
        grouped.setdefault(" … ".join(texts[i] for i in place), []).extend(relations)
    return grouped


def _relation_grid(document: Document, relations: list[Relation], schema: Schema) -> Table:
    grid = Table.grid(padding=(0, 3, 0, 0))
    mentions = document.mention_by_id()
    for r in relations:
        arrow = f" ←{r.type}→ " if _either_order(r, mentions, schema) else f" —{r.type}→ "
        pair = " ".join(f"{document.surface(mentions[r.head])}{arrow}{document.surface(mentions[r.tail])}".split())
        grid.add_row(*(Text(cell) for cell in (pair, r.status, _figure(r.score))))
    return grid


def _by_entity(document: Document) -> list[list[Mention]]:
    """Mentions of one entity together, in the order of first mention; one without an entity stands alone."""
    groups: dict[tuple[str, str], list[Mention]] = {}
    for m in sorted(document.mentions, key=lambda m: (m.start, -m.end)):
        groups.setdefault(("mention", m.id) if m.entity is None else ("entity", m.entity), []).append(m)
    return list(groups.values())


def errors_to_html(errors: Sequence[RelationError], *, gold: int, predicted: int) -> str:
    """One page of all errors by cause, each with its sentence, of so many gold and predicted relations."""
    by_cause = {cause: [e for e in errors if e.cause == cause] for cause in CAUSES}
    return render("errors.html", causes=CAUSES, by_cause=by_cause, table=counts(errors), gold=gold, predicted=predicted)


def to_html(documents: Sequence[Document], schema: Schema) -> str:
    """One page for all documents, with styles and script inside, that reaches for no network.

    Raises InputError if a document breaks the schema.
    """
    return render("document.html", **_context(documents, schema))


def to_fragment(document: Document, schema: Schema) -> str:
    """What `to_html` shows of one document without the page around it, for a page with the same styles and script."""
    return render("articles.html", **_context([document], schema))


def _context(documents: Sequence[Document], schema: Schema) -> dict[str, Any]:
    views = [_DocumentView(document, schema, number).context() for number, document in enumerate(documents)]
    used = {m.type for document in documents for m in document.mentions}
    return {
        "documents": views,
        "schema": schema,
        "hues": _hues(schema),
        "types": [t for t in schema.mentions.values() if t.name in used],
        "statuses": [(name, text, _look(name, schema)) for name, text in schema.statuses.items()],
        "figure": _figure,
    }


@dataclass(slots=True)
class Node:
    """A mention on the page: `parts` are text and the nodes inside it, `height` counts the levels inside it."""

    mention: Mention
    key: str
    name: str | None
    parts: list[str | Node] = field(default_factory=list)
    height: int = 0


class _DocumentView:
    """What the template shows of one document; keys name mentions and entities uniquely on the page."""

    def __init__(self, document: Document, schema: Schema, number: int) -> None:
        _check(document, schema)
        self.document, self.schema, self.number = document, schema, number
        self.mentions = document.mention_by_id()
        self.keys = {m.id: f"{number}m{i}" for i, m in enumerate(document.mentions)}
        self.names = {entity.id: entity.name for entity in document.entities}
        self.spans = sentence_spans(document)

    def context(self) -> dict[str, Any]:
        placed: dict[int, list[dict[str, Any]]] = {}
        for relation in self.document.relations:
            ends = [sentence_of(self.mentions[id_], self.spans) for id_ in (relation.head, relation.tail)]
            placed.setdefault(max(ends), []).append(self._relation(relation, ends))
        return {
            "number": self.number,
            "document": self.document,
            "sentences": [{**self._sentence(i), "relations": placed.get(i, [])} for i in range(len(self.spans))],
            "entities": self._entities(),
        }

    def _sentence(self, i: int) -> dict[str, Any]:
        """`deep` counts the levels of nesting, as boxes in boxes need more room between lines."""
        start, end = self.spans[i]
        parts = self._parts(start, end)
        return {
            "parts": parts,
            "deep": max((part.height for part in parts if isinstance(part, Node)), default=0),
            "new_paragraph": i > 0 and "\n" in self.document.text[self.spans[i - 1][1] : start],
        }

    def _parts(self, start: int, end: int) -> list[str | Node]:
        """Text and mentions between two offsets, outermost mentions first; each holds those inside it."""
        root: list[str | Node] = []
        open_nodes: list[Node] = []
        at = start

        def put(until: int) -> None:
            nonlocal at
            if until > at:
                (open_nodes[-1].parts if open_nodes else root).append(self.document.text[at:until])
                at = until

        def close(until: int) -> None:
            while open_nodes and open_nodes[-1].mention.end <= until:
                put(open_nodes[-1].mention.end)
                node = open_nodes.pop()
                if open_nodes:
                    open_nodes[-1].height = max(open_nodes[-1].height, node.height + 1)

        inside = [m for m in self.document.mentions if start <= m.start < end]
        for m in sorted(inside, key=lambda m: (m.start, -m.end)):
            close(m.start)
            put(m.start)
            node = Node(m, self.keys[m.id], self.names.get(m.entity or ""))
            (open_nodes[-1].parts if open_nodes else root).append(node)
            open_nodes.append(node)
        close(end)
        put(end)
        return root

    def _relation(self, relation: Relation, ends: list[int]) -> dict[str, Any]:
        """`elsewhere` gives for head and tail the number of their sentence, where another one lists the relation."""
        return {
            "relation": relation,
            "head": self._end(relation.head),
            "tail": self._end(relation.tail),
            "either_order": _either_order(relation, self.mentions, self.schema),
            "look": _look(relation.status, self.schema),
            "definition": self.schema.relations[relation.type].definition,
            "elsewhere": [end + 1 if end != max(ends) else None for end in ends],
        }

    def _end(self, id_: str) -> dict[str, Any]:
        m = self.mentions[id_]
        surface = " ".join(self.document.surface(m).split())
        return {"surface": surface, "type": m.type, "key": self.keys[id_], "name": self.names.get(m.entity or "")}

    def _entities(self) -> list[dict[str, Any]]:
        """Entities by type, in the schema's order, each with its name and the keys of its mentions."""
        order = list(self.schema.mentions)
        groups = [
            {
                "type": group[0].type,
                "name": self.names.get(group[0].entity or ""),
                "forms": list(dict.fromkeys(" ".join(self.document.surface(m).split()) for m in group)),
                "keys": [self.keys[m.id] for m in group],
            }
            for group in _by_entity(self.document)
        ]
        return sorted(groups, key=lambda group: order.index(str(group["type"])))


def _check(document: Document, schema: Schema) -> None:
    try:
        document.check(schema)
    except InputError as error:
        raise InputError(f"{document.id}: {error}") from None


def _either_order(relation: Relation, mentions: dict[str, Mention], schema: Schema) -> bool:
    head, tail = mentions[relation.head].type, mentions[relation.tail].type
    return schema.relations[relation.type].either_order(head, tail)


def _look(status: str, schema: Schema) -> int:
    """Which of the page's line styles a status has: 0 for the default, then 1 to 3 over and over."""
    position = list(schema.statuses).index(status)
    return 0 if position == 0 else (position - 1) % 3 + 1


def _hues(schema: Schema) -> dict[str, int]:
    """A hue in degrees for each type. The golden angle keeps neighbours in the schema apart, however many there are."""
    return {name: round(255 + i * 137.508) % 360 for i, name in enumerate(schema.mentions)}


def _figure(score: float | None) -> str:
    return "" if score is None else f"{score:.2f}"
