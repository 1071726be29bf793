"""Which entities of documents are one thing. A wrong merge is worse than two nodes, so a document's own word comes first.

What is enough differs by type: one word names a country and hardly a person, and "president" names nobody. The schema's
`across` says it for each type. It is written there, and not measured from the data, so that a graph does not change its
rules with the documents that are added to it. Two entities that one document keeps apart are never made one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from train.model.bangla import normalised
from train.schema import Schema

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Member:
    """An entity of a document, with the id and the bare form of each of its mentions."""

    document: str
    entity: str
    type: str
    name: str
    mentions: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        return f"{self.document}#{self.entity}"

    @property
    def key(self) -> tuple[str, str]:
        return self.type, name_key(self.name)


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation of the default status between two members, by their positions."""

    type: str
    head: int
    tail: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a member joined others: by its name, or by a neighbour (`tail`, a position) that it shares by a relation."""

    relation: str | None = None
    tail: int | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """For each member the position of its group's first; which members their name alone places; and why each joined."""

    groups: list[int]
    named: frozenset[int]
    reasons: dict[int, Reason]


def name_key(name: str) -> str:
    """What names are compared by: without case, and with hyphens as spaces (আল-জাজিরা, আল জাজিরা)."""
    return " ".join(normalised(name).casefold().replace("-", " ").replace("–", " ").split())


def enough(type_: str, name: str, schema: Schema) -> bool:
    """Whether such a name has the words that its type asks for; a hyphenated word is one."""
    words = schema.mentions[type_].across.words
    return words is not None and len(name.split()) >= words


def join(members: Sequence[Member], facts: Sequence[Fact], schema: Schema, *, undo: Collection[str] = ()) -> Joined:
    """Group members that are one thing; those whose ids are in `undo` stay alone."""
    tails = _apart(members, facts, schema)
    # An entity with several tails (the president of two countries) stands for several things, whichever the others are.
    several = {i for i, by_relation in tails.items() if any(len(names) > 1 for names in by_relation.values())}
    free = [i for i, member in enumerate(members) if member.id not in undo and i not in several]
    groups = _Groups(members, tails)
    named = _by_name(members, free, tails, schema)
    reasons: dict[int, Reason] = {}
    for same in _buckets((members[i].key, i) for i in named):
        _unite(groups, same, Reason(), reasons)
    # A merge can make neighbours one that others share, so it goes on until nothing changes.
    while _by_neighbour(members, set(free), facts, schema, groups, reasons):
        pass
    return Joined([groups.find(i) for i in range(len(members))], frozenset(named), reasons)


def _apart(members: Sequence[Member], facts: Sequence[Fact], schema: Schema) -> dict[int, dict[str, set[str]]]:
    """For each member the names of its tails, by the relations that tell things of its type apart."""
    tails: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for fact in facts:
        if fact.type in schema.mentions[members[fact.head].type].across.apart:
            tails[fact.head][fact.type].add(members[fact.tail].key[1])
    return tails


def _by_name(
    members: Sequence[Member], free: Sequence[int], tails: Mapping[int, dict[str, set[str]]], schema: Schema
) -> list[int]:
    """Members whose name is enough, but for names that are ambiguous in a document or between documents."""
    bearers = _buckets(((member.key, member.document), i) for i, member in enumerate(members))
    ambiguous = {i for same in bearers if len(same) > 1 for i in same}
    told: dict[tuple[tuple[str, str], str], set[str]] = defaultdict(set)
    for i, by_relation in tails.items():
        for relation, names in by_relation.items():
            told[members[i].key, relation] |= names
    torn = {key for (key, _), names in told.items() if len(names) > 1}
    enough_named = (i for i in free if enough(members[i].type, members[i].name, schema))
    return [i for i in enough_named if i not in ambiguous and members[i].key not in torn]


def _by_neighbour(
    members: Sequence[Member],
    free: Collection[int],
    facts: Sequence[Fact],
    schema: Schema,
    groups: _Groups,
    reasons: dict[int, Reason],
) -> bool:
    """One round over names with a shared tail; says whether it joined anything."""
    found = []
    for fact in facts:
        head = members[fact.head]
        if fact.head in free and fact.type in schema.mentions[head.type].across.shared:
            found.append(((head.key, fact.type, groups.find(fact.tail)), fact))
    changed = False
    for same in _buckets(found):
        reason = Reason(same[0].type, same[0].tail)
        changed |= _unite(groups, groups.without_rivals(fact.head for fact in same), reason, reasons)
    return changed


def _unite(groups: _Groups, same: Sequence[int], reason: Reason, reasons: dict[int, Reason]) -> bool:
    changed = False
    for i in same[1:]:
        if groups.unite(same[0], i):
            changed = True
            for joined in (same[0], i):
                reasons.setdefault(joined, reason)
    return changed


def _buckets(pairs: Iterable[tuple[K, V]]) -> list[list[V]]:
    found: dict[K, list[V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return list(found.values())


class _Groups:
    """Disjoint sets of members; a set's first member stands for it.

    No set holds two that relations of `apart` tie to different tails. Nor does one hold two entities of a document, as long
    as what is united comes from `without_rivals` or names that are ambiguous in no document.
    """

    def __init__(self, members: Sequence[Member], tails: Mapping[int, dict[str, set[str]]]) -> None:
        self.parent = list(range(len(members)))
        self.documents = [{member.document} for member in members]
        self.tails = [dict(tails.get(i, {})) for i in range(len(members))]

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def without_rivals(self, members: Iterable[int]) -> list[int]:
        """Sets of members but for those that one document mentions, as it does not say which of them others would join."""
        roots = dict.fromkeys(map(self.find, members))
        sets = Counter(document for root in roots for document in self.documents[root])
        return [root for root in roots if all(sets[document] == 1 for document in self.documents[root])]

    def unite(self, a: int, b: int) -> bool:
        """Whether they were two sets and are now one."""
        a, b = sorted((self.find(a), self.find(b)))
        if a == b or self._differ(a, b):
            return False
        self.parent[b] = a
        self.documents[a] |= self.documents[b]
        for relation, names in self.tails[b].items():
            self.tails[a][relation] = self.tails[a].get(relation, set()) | names
        return True

    def _differ(self, a: int, b: int) -> bool:
        both = self.tails[a].keys() & self.tails[b].keys()
        return any(not self.tails[a][relation] & self.tails[b][relation] for relation in both)
