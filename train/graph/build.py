"""Documents, annotated or predicted, to a graph."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from train.document import Document, Mention, Relation
from train.errors import InputError
from train.graph.merge import Fact, Joined, Member, enough, join, name_key
from train.graph.structure import Edge, Graph, Merge, Node, Statement
from train.model.bangla import bare_name
from train.schema import Schema
from train.sentences import sentence_of, sentence_spans

_Stated = tuple[int, int, Relation, Statement]


def build(documents: Sequence[Document], schema: Schema, *, min_score: float = 0.0, undo: Collection[str] = ()) -> Graph:
    """The graph of all documents; entities whose merges (by id) are in `undo` are nodes of their own.

    Mentions and relations that score less than `min_score` are left out; those without a score stay. Raises InputError
    that names the document which breaks the schema or bears another's id, and for an id in `undo` of no entity.
    """
    _check(documents, schema)
    documents = [_sure(d, min_score) for d in documents]
    members = [member for document in documents for member in _members(document, schema)]
    known = {member.id for member in members}
    if strangers := sorted(set(undo) - known):
        raise InputError(f"{strangers[0]}: no entity of the documents has this id, so that no merge of it can be undone")
    stated = _statements(documents, members)
    facts = [Fact(r.type, head, tail) for head, tail, r, _ in stated if r.status == schema.default_status]
    joined = join(members, facts, schema, undo=undo)
    ids = _node_ids(members, joined)
    nodes = _nodes(members, ids, facts, documents, schema)
    titles = {str(d.id): d.title for d in documents if d.title is not None}
    return Graph(nodes, _edges(stated, ids, nodes, schema), _merges(members, ids, joined, nodes), titles)


def _sure(document: Document, min_score: float) -> Document:
    """The document without what scores too low, and without relations and entities that this leaves without mentions."""
    mentions = tuple(m for m in document.mentions if m.score is None or m.score >= min_score)
    ids, entities = {m.id for m in mentions}, {m.entity for m in mentions}
    relations = (r for r in document.relations if r.head in ids and r.tail in ids)
    return replace(
        document,
        mentions=mentions,
        entities=tuple(e for e in document.entities if e.id in entities),
        relations=tuple(r for r in relations if r.score is None or r.score >= min_score),
    )


def _check(documents: Sequence[Document], schema: Schema) -> None:
    seen: set[str] = set()
    for document in documents:
        if str(document.id) in seen:
            raise InputError(f"{document.id}: two documents have this id")
        seen.add(str(document.id))
        try:
            document.check(schema)
        except InputError as error:
            raise InputError(f"{document.id}: {error}") from None


def _members(document: Document, schema: Schema) -> list[Member]:
    """The document's entities in the order of first mention. Mentions without one are one by a name that is enough."""
    names = {entity.id: entity.name for entity in document.entities}
    found: dict[tuple[str, ...], list[Mention]] = defaultdict(list)
    for m in sorted(document.mentions, key=lambda m: (m.start, -m.end)):
        name = bare_name(document.surface(m))
        if m.entity is not None:
            found["entity", m.entity].append(m)
        elif enough(m.type, name, schema):
            found["name", m.type, name_key(name)].append(m)
        else:
            found["mention", m.id].append(m)
    members = []
    for mentions in found.values():
        first = mentions[0]
        # An entity and a mention may bear one id.
        id_ = first.entity if first.entity is not None else f"mention {first.id}"
        name = names[first.entity] if first.entity is not None else bare_name(document.surface(first))
        members.append(Member(str(document.id), id_, first.type, name, _aliases(document, mentions)))
    return members


def _aliases(document: Document, mentions: Sequence[Mention]) -> tuple[tuple[str, str], ...]:
    """The id and the bare form of each mention."""
    return tuple((m.id, bare_name(document.surface(m))) for m in mentions)


def _statements(documents: Sequence[Document], members: Sequence[Member]) -> list[_Stated]:
    """Each relation with the positions of its members and the place that states it."""
    position = {(member.document, id_): i for i, member in enumerate(members) for id_, _ in member.mentions}
    stated = []
    for document in documents:
        mentions, spans = document.mention_by_id(), sentence_spans(document)
        for r in document.relations:
            head, tail = mentions[r.head], mentions[r.tail]
            places = sorted({sentence_of(head, spans), sentence_of(tail, spans)})
            passages = tuple((spans[i][0], document.text[slice(*spans[i])]) for i in places)
            statement = Statement(
                str(document.id), document.date, r.score, (head.start, head.end), (tail.start, tail.end), passages
            )
            stated.append((position[str(document.id), r.head], position[str(document.id), r.tail], r, statement))
    return stated


def _node_ids(members: Sequence[Member], joined: Joined) -> list[str]:
    """Ids that more documents leave as they are: the name where it is enough, else also the entity that came first."""
    named = {joined.groups[i] for i in joined.named}
    ids = []
    for group in joined.groups:
        first = members[group]
        ids.append(f"{first.type}/{first.key[1]}" if group in named else f"{first.type}/{first.key[1]}/{first.id}")
    return ids


def _nodes(
    members: Sequence[Member], ids: Sequence[str], facts: Sequence[Fact], documents: Sequence[Document], schema: Schema
) -> dict[str, Node]:
    of_node: dict[str, list[Member]] = defaultdict(list)
    for member, id_ in zip(members, ids, strict=True):
        of_node[id_].append(member)
    names = {id_: Counter(m.name for m in group).most_common(1)[0][0] for id_, group in of_node.items()}
    bearers = Counter((group[0].type, names[id_]) for id_, group in of_node.items())
    neighbours: dict[str, dict[str, None]] = defaultdict(dict)
    for fact in facts:
        if fact.type in schema.mentions[members[fact.head].type].across.shared:
            neighbours[ids[fact.head]][names[ids[fact.tail]]] = None
    dates = {str(d.id): d.date or str(d.id) for d in documents}
    nodes = {}
    for id_, group in of_node.items():
        name = names[id_]
        told = ", ".join(list(neighbours[id_])[:3]) or dates[group[0].document]
        nodes[id_] = Node(
            id=id_,
            type=group[0].type,
            name=name,
            label=f"{name} ({told})" if bearers[group[0].type, name] > 1 else name,
            aliases=dict(Counter(alias for m in group for _, alias in m.mentions).most_common()),
            documents=tuple(dict.fromkeys(m.document for m in group)),
            mentions=sum(len(m.mentions) for m in group),
        )
    return nodes


def _edges(stated: Sequence[_Stated], ids: Sequence[str], nodes: dict[str, Node], schema: Schema) -> tuple[Edge, ...]:
    found: dict[tuple[str, str, str, bool], dict[str, list[Statement]]] = defaultdict(lambda: defaultdict(list))
    for head, tail, r, statement in stated:
        a, b = ids[head], ids[tail]
        symmetric = schema.relations[r.type].either_order(nodes[a].type, nodes[b].type)
        if symmetric and b < a:
            a, b, statement = b, a, replace(statement, head=statement.tail, tail=statement.head)
        found[a, b, r.type, symmetric][r.status].append(statement)
    edges = []
    for (a, b, type_, symmetric), by_status in found.items():
        for status, statements in by_status.items():
            others = tuple(s for s in schema.statuses if s in by_status and s != status)
            confidence = max(1.0 if s.score is None else s.score for s in statements)
            statements.sort(key=lambda s: (s.date is None, s.date or "", s.document, s.passages[0][0]))
            edges.append(Edge(a, b, type_, status, symmetric, confidence, tuple(statements), others))
    return tuple(edges)


def _merges(members: Sequence[Member], ids: Sequence[str], joined: Joined, nodes: dict[str, Node]) -> tuple[Merge, ...]:
    merges = []
    for i, reason in sorted(joined.reasons.items()):
        member, size = members[i], len(nodes[ids[i]].documents)
        if reason.tail is None:
            rule, evidence = "name", f"{name_key(member.name)!r} names {member.type} in {size} documents"
        else:
            rule, evidence = "neighbour", f"same name, and {reason.relation} {ids[reason.tail]} in both"
        merges.append(Merge(member.id, ids[i], member.type, member.name, rule, evidence))
    return tuple(merges)
