"""Graph: what documents say taken together. Nodes are things, edges are relations between them, each with its statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One thing of one type. `label` is its name with what tells it from other nodes of that name.

    `aliases` counts the bare forms of its mentions; `documents` are the ids of those that mention it.
    """

    id: str
    type: str
    name: str
    label: str
    aliases: Mapping[str, int]
    documents: tuple[str, ...]
    mentions: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One place where a document states an edge.

    Spans are offsets in the document's text; `passages` are the sentences of head and tail, each with its offset.
    `date` is the document's; `score` is None where a person annotated it.
    """

    document: str
    date: str | None
    score: float | None
    head: tuple[int, int]
    tail: tuple[int, int]
    passages: tuple[tuple[int, str], ...]

    @property
    def sentence(self) -> str:
        return " … ".join(" ".join(text.split()) for _, text in self.passages)


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation of a status between two nodes (by their ids), stated at least once; dates are those of documents.

    `confidence` is the best score of its statements, 1 for an annotation without scores: articles copy one another, so
    that several statements are no independent evidence. `contradicted_by` are the other statuses in which the same
    relation between the same nodes is stated; a symmetric relation has its nodes in the order of their ids.
    """

    head: str
    tail: str
    type: str
    status: str
    symmetric: bool
    confidence: float
    statements: tuple[Statement, ...]
    contradicted_by: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.head} {self.type} {self.tail} {self.status}"

    @property
    def dates(self) -> list[str]:
        return sorted({s.date for s in self.statements if s.date is not None})

    @property
    def documents(self) -> list[str]:
        return list(dict.fromkeys(s.document for s in self.statements))


@dataclass(frozen=True, slots=True)
class Merge:
    """Why an entity of a document is part of a node that holds others: the rule "name" or "neighbour", and the evidence.

    `id` names the entity ("document#entity"), so that it stays the same when the graph is built again without the merge.
    """

    id: str
    node: str
    type: str
    name: str
    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Graph:
    """`titles` holds the title of each document that has one."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    merges: tuple[Merge, ...]
    titles: Mapping[str, str]
