"""Scores of predicted documents against gold ones: mentions, relations, their status, identities, with intervals.

Two annotations are the same when their keys are equal:

- mention, strict: start, end and type; boundaries: start and end;
- relation, strict: relation type and, for head and tail, start, end and mention type (the "strict" of Bekoulis et al.
  2018, "Joint entity recognition and relation extraction as a multi-head selection problem"); boundaries: relation type
  and, for head and tail, start and end; with status: strict and the status;
- a relation that holds in either order is the same in both.

An annotation stated twice counts once, on either side; of two statuses of one relation, or two types of one span under
"boundaries", the first counts. Every score is 0 where there is nothing to divide by, also the F1 of nothing to find and
nothing predicted, as in seqeval.

Partial credit for mentions follows the type-agnostic "partial" of SemEval-2013 task 9.1 (Segura-Bedmar et al. 2013),
which goes back to MUC-5 (Chinchor and Sundheim 1993): mentions are paired one to one, equal spans first, then the pairs
with the most code points in common (ties in order of text); an equal span earns 1, any other pair 0.5.

Where types are left out of account (boundaries, partial), a row "per type" gives the recall of gold mentions of that
type and the precision of predicted mentions of that type, so the two numerators may differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.bootstrap import intervals, mean_f1, precision_recall_f1, rows
from train.coreference import MEASURES, Span, clusters, identity_counts
from train.document import Document, Mention
from train.errors import InputError
from train.schema import Schema

LAYERS = ("mentions", "identities", "relations")
"""What can be scored; a source that lacks a layer is scored on the others."""

Counts = NDArray[np.float64]
_Pairs = Sequence[tuple[Document, Document]]
# The type, for counting, of each annotation by its key.
_Keys = dict[Any, str]

_HEADLINE = {
    "mention_strict_f1": ("mentions", "strict", "micro", "f1"),
    "mention_boundary_f1": ("mentions", "boundaries", "micro", "f1"),
    "relation_strict_f1": ("relations", "strict", "micro", "f1"),
    "relation_boundary_f1": ("relations", "boundaries", "micro", "f1"),
    "relation_status_f1": ("relations", "with_status", "micro", "f1"),
    "relation_given_gold_f1": ("relations", "given_gold", "micro", "f1"),
    "status_accuracy": ("status", "accuracy"),
    "conll_f1": ("identities", "conll_f1"),
}


def score(
    gold: Sequence[Document],
    predicted: Sequence[Document],
    schema: Schema,
    *,
    given_gold: Sequence[Document] | None = None,
    layers: Collection[str] = LAYERS,
    types: Collection[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All scores of `predicted` against `gold` as a nested dict fit for JSON; values lie in 0..1 and are not rounded.

    Args:
        given_gold: predictions made with the gold mentions given; adds the strict scores of their relations.
        layers: which of LAYERS to score; the result lacks the others.
        types: only mentions of these types are scored, and only relations and identities between them.
        resamples: bootstrap resamples of documents behind the intervals, 0 for no intervals.

    Returns a dict with a key for each layer asked for:

        mentions: {strict, boundaries, partial}, each {micro, macro, per_type}
        relations: {strict, boundaries, with_status, given_gold (if given)}, each {micro, macro, per_type}
        status (with relations): {accuracy, matched, macro_f1, per_status} on the strictly correct relations, of which
            there are `matched`; macro over the statuses that occur in gold among these
        identities: {muc, b_cubed, ceaf_e}, each {precision, recall, f1}, and conll_f1, the mean of the three F1
            (Pradhan et al. 2012, "CoNLL-2012 Shared Task"); see train.coreference
        intervals: 95 % percentile bootstrap intervals {"mentions.strict.f1": [low, high], …}, of micro F1 for tables
        documents: how many

    Micro, macro and each entry of per_type and per_status is {precision, recall, f1, support, predicted}, the last two
    being the numbers of gold and predicted annotations. Micro adds counts up over documents and types. Macro is the
    mean over the types that occur in gold, each with equal weight.

    Raises InputError that names the document when ids or texts differ, an id occurs twice, a relation's end is no
    mention, a label is not in the schema, or a mention of `given_gold` is not a gold one; also for unknown layers and
    types and for negative `resamples`.
    """
    if unknown := sorted(set(layers) - set(LAYERS)):
        raise InputError(f"layers: unknown layer {unknown[0]!r}; expected some of {', '.join(LAYERS)}")
    if unknown := sorted(set(types or ()) - set(schema.mentions)):
        raise InputError(f"types: unknown mention type {unknown[0]!r}; expected some of {', '.join(schema.mentions)}")
    pairs = _paired(gold, predicted, "predictions")
    kept = [name for name in schema.mentions if types is None or name in types]
    result: dict[str, Any] = {}
    counts: dict[str, Counts] = {}
    if "mentions" in layers:
        result |= _score_mentions(pairs, schema, kept, counts)
    if "relations" in layers:
        given = None if given_gold is None else _paired(gold, given_gold, "predictions given gold mentions")
        result |= _score_relations(pairs, given, schema, kept, counts)
    if "identities" in layers:
        result |= _score_identities(pairs, schema, kept, counts)
    return result | {"intervals": intervals(counts, resamples=resamples, seed=seed), "documents": len(pairs)}


def document_counts(gold: Sequence[Document], predicted: Sequence[Document], schema: Schema) -> dict[str, Counts]:
    """The counts behind each score of all layers, each of shape (documents, m, 4), in the order of gold."""
    counts: dict[str, Counts] = {}
    pairs, kept = _paired(gold, predicted, "predictions"), list(schema.mentions)
    _score_mentions(pairs, schema, kept, counts)
    _score_relations(pairs, None, schema, kept, counts)
    _score_identities(pairs, schema, kept, counts)
    return counts


def headline(scores: Mapping[str, Any]) -> dict[str, float]:
    """The few numbers to watch, flat, of a result of `score`; scores of layers that it lacks are left out."""
    return {name: value for name, path in _HEADLINE.items() if (value := _at(scores, path)) is not None}


def _at(scores: Mapping[str, Any], path: Iterable[str]) -> Any:
    value: Any = scores
    for key in path:
        if key not in value:
            return None
        value = value[key]
    return value


def _paired(gold: Sequence[Document], predicted: Sequence[Document], what: str) -> list[tuple[Document, Document]]:
    """Gold and predicted documents of the same id, in the order of gold."""
    by_id = _by_id(predicted, what)
    for id_ in _by_id(gold, "gold documents"):
        if id_ not in by_id:
            raise InputError(f"document {id_!r}: is in gold but not among the {what}")
    if extra := by_id.keys() - {document.id for document in gold}:
        raise InputError(f"document {min(extra, key=str)!r}: is among the {what} but not in gold")
    for document in gold:
        if document.text != by_id[document.id].text:
            raise InputError(f"document {document.id!r}: the text differs between gold and the {what}")
    return [(document, by_id[document.id]) for document in gold]


def _by_id(documents: Sequence[Document], what: str) -> dict[str | int, Document]:
    by_id: dict[str | int, Document] = {}
    for document in documents:
        if document.id in by_id:
            raise InputError(f"document {document.id!r}: occurs twice among the {what}")
        by_id[document.id] = document
    return by_id


def _score_mentions(pairs: _Pairs, schema: Schema, kept: list[str], counts: dict[str, Counts]) -> dict[str, Any]:
    per_document: dict[str, list[Counts]] = {"strict": [], "boundaries": [], "partial": []}
    for pair in pairs:
        gold, predicted = (_mentions(document, schema, kept) for document in pair)
        per_document["strict"].append(_count(_typed(gold), _typed(predicted), kept))
        per_document["boundaries"].append(_count(_untyped(gold), _untyped(predicted), kept))
        per_document["partial"].append(_count_partial(_untyped(gold), _untyped(predicted), kept))
    tables = {name: _stack(t, kept) for name, t in per_document.items()}
    for name in ("strict", "boundaries"):
        counts[f"mentions.{name}.f1"] = tables[name].sum(axis=1, keepdims=True)
    return {"mentions": {name: rows(table, kept) for name, table in tables.items()}}


def _score_relations(
    pairs: _Pairs, given: _Pairs | None, schema: Schema, kept: list[str], counts: dict[str, Counts]
) -> dict[str, Any]:
    types, statuses = list(schema.relations), list(schema.statuses)
    per_document: dict[str, list[Counts]] = {"strict": [], "boundaries": [], "with_status": []}
    status = []
    for pair in pairs:
        gold, predicted = (_relations(document, schema, kept) for document in pair)
        per_document["strict"].append(_count(_relation_types(gold), _relation_types(predicted), types))
        per_document["boundaries"].append(_count(_spans_of(gold, schema), _spans_of(predicted, schema), types))
        per_document["with_status"].append(_count(_with_status(gold), _with_status(predicted), types))
        status.append(_count(_statuses(gold, predicted), _statuses(predicted, gold), statuses))
    if given is not None:
        per_document["given_gold"] = [_count_given(pair, schema, kept, types) for pair in given]
    tables = {name: _stack(t, types) for name, t in per_document.items()}
    for name, table in tables.items():
        counts[f"relations.{name}.f1"] = table.sum(axis=1, keepdims=True)
    # Among matched relations each has one gold and one predicted status, so micro F1 is the accuracy.
    matched = _stack(status, statuses)
    counts["status.accuracy"] = matched.sum(axis=1, keepdims=True)
    return {
        "relations": {name: rows(table, types) for name, table in tables.items()},
        "status": _status_rows(matched, statuses),
    }


def _score_identities(pairs: _Pairs, schema: Schema, kept: list[str], counts: dict[str, Counts]) -> dict[str, Any]:
    tables = [identity_counts(*(clusters(_mentions(document, schema, kept)) for document in pair)) for pair in pairs]
    table = _stack(tables, MEASURES)
    counts["identities.conll_f1"] = table
    total = table.sum(axis=0)
    precision, recall, f1 = (values.tolist() for values in precision_recall_f1(total))
    measures: dict[str, Any] = {
        name: {"precision": precision[i], "recall": recall[i], "f1": f1[i]} for i, name in enumerate(MEASURES)
    }
    return {"identities": measures | {"conll_f1": float(mean_f1(total))}}


def _mentions(document: Document, schema: Schema, kept: Collection[str]) -> list[Mention]:
    """The mentions of the types `kept`, in order of text."""
    for mention in document.mentions:
        if mention.type not in schema.mentions:
            raise InputError(f"document {document.id!r}: mention type {mention.type!r} is not in schema {schema.name!r}")
    return sorted((m for m in document.mentions if m.type in kept), key=lambda m: (m.start, m.end))


def _typed(mentions: Iterable[Mention]) -> _Keys:
    return {(m.start, m.end, m.type): m.type for m in mentions}


def _untyped(mentions: Iterable[Mention]) -> _Keys:
    types: _Keys = {}
    for m in mentions:
        types.setdefault((m.start, m.end), m.type)
    return types


# A relation by its strict key: relation type, then start, end and mention type of its two ends.
_End = tuple[int, int, str]
_Relation = tuple[str, _End, _End]


def _relations(document: Document, schema: Schema, kept: Collection[str]) -> dict[_Relation, str]:
    """The status of each relation between mentions of the types `kept`."""
    ends = {m.id: (m.start, m.end, m.type) for m in document.mentions}
    statuses: dict[_Relation, str] = {}
    for r in document.relations:
        if r.type not in schema.relations or r.status not in schema.statuses:
            label = repr(r.status) if r.type in schema.relations else repr(r.type)
            raise InputError(f"document {document.id!r}: relation label {label} is not in schema {schema.name!r}")
        if missing := {r.head, r.tail} - ends.keys():
            raise InputError(f"document {document.id!r}: relation end {min(missing)!r} is not among the mentions")
        if ends[r.head][2] in kept and ends[r.tail][2] in kept:
            statuses.setdefault(_key(r.type, ends[r.head], ends[r.tail], schema), r.status)
    return statuses


def relation_keys(document: Document, schema: Schema) -> list[tuple[str, tuple[int, int, str], tuple[int, int, str]]]:
    """What makes each relation of a document the same as another's under strict scoring, in the document's order.

    A key is the relation type, then (start, end, mention type) of head and tail, sorted where the order does not count.
    """
    ends = {m.id: (m.start, m.end, m.type) for m in document.mentions}
    return [_key(r.type, ends[r.head], ends[r.tail], schema) for r in document.relations]


def _key(type_: str, head: _End, tail: _End, schema: Schema) -> _Relation:
    relation = schema.relations[type_]
    # A relation that the schema refuses is not forgiven by reading it the other way round.
    if relation.allows(head[2], tail[2]) and relation.either_order(head[2], tail[2]):
        head, tail = sorted((head, tail))
    return type_, head, tail


def _relation_types(relations: Iterable[_Relation]) -> _Keys:
    return {relation: relation[0] for relation in relations}


def _spans_of(relations: Iterable[_Relation], schema: Schema) -> _Keys:
    """Keys without mention types. Then these cannot decide whether the order counts, so it never does for a symmetric
    relation type, also between ends that only one order allows."""
    keys: _Keys = {}
    for type_, head, tail in relations:
        spans = [head[:2], tail[:2]]
        keys[type_, *(sorted(spans) if schema.relations[type_].symmetric else spans)] = type_
    return keys


def _with_status(relations: Mapping[_Relation, str]) -> _Keys:
    return {(relation, status): relation[0] for relation, status in relations.items()}


def _statuses(relations: Mapping[_Relation, str], others: Collection[_Relation]) -> _Keys:
    """The statuses of the relations that are among the others too."""
    return {(relation, status): status for relation, status in relations.items() if relation in others}


def _count_given(pair: tuple[Document, Document], schema: Schema, kept: list[str], types: list[str]) -> Counts:
    own, given = (_typed(_mentions(document, schema, kept)) for document in pair)
    if extra := given.keys() - own.keys():
        start, end, type_ = min(extra)
        raise InputError(
            f"document {pair[0].id!r}: predictions given gold mentions have {type_} {start}:{end}, which gold lacks"
        )
    gold, predicted = (_relations(document, schema, kept) for document in pair)
    return _count(_relation_types(gold), _relation_types(predicted), types)


def _count(gold: _Keys, predicted: _Keys, types: Sequence[str]) -> Counts:
    """Counts of shape (types, 4): of each type gold keys found, gold keys, predicted keys correct, predicted keys."""
    index = {name: i for i, name in enumerate(types)}
    table = np.zeros((len(types), 4))
    for column, side, other in ((0, gold, predicted), (2, predicted, gold)):
        for key, type_ in side.items():
            table[index[type_], column] += key in other
            table[index[type_], column + 1] += 1
    return table


def _count_partial(gold: _Keys, predicted: _Keys, types: Sequence[str]) -> Counts:
    """Like `_count`, with partial credit for overlap."""
    table = _count(gold, predicted, types)
    table[:, [0, 2]] = 0
    for g, p in _overlap_matches(list(gold), list(predicted)):
        credit = 1.0 if g == p else 0.5
        table[types.index(gold[g]), 0] += credit
        table[types.index(predicted[p]), 2] += credit
    return table


def _overlap_matches(gold: list[Span], predicted: list[Span]) -> Iterator[tuple[Span, Span]]:
    """Pairs of overlapping spans, one to one: equal ones first, then by greatest overlap, ties in the order given."""
    g, p = (np.array(spans, dtype=np.int64).reshape(-1, 2) for spans in (gold, predicted))
    overlap = np.minimum(g[:, None, 1], p[None, :, 1]) - np.maximum(g[:, None, 0], p[None, :, 0])
    pairs = [(int(i), int(j)) for i, j in zip(*np.nonzero(overlap > 0), strict=True)]
    pairs.sort(key=lambda ij: (gold[ij[0]] != predicted[ij[1]], -overlap[ij], ij))
    used_gold: set[int] = set()
    used_predicted: set[int] = set()
    for i, j in pairs:
        if i not in used_gold and j not in used_predicted:
            used_gold.add(i)
            used_predicted.add(j)
            yield gold[i], predicted[j]


def _stack(tables: Sequence[Counts], rows: Sequence[str]) -> Counts:
    """Shape (documents, rows, 4), also without documents."""
    return np.array(tables, dtype=np.float64).reshape(len(tables), len(rows), 4)


def _status_rows(matched: Counts, statuses: Sequence[str]) -> dict[str, Any]:
    table = rows(matched, statuses)
    return {
        "accuracy": table["micro"]["f1"],
        "matched": table["micro"]["support"],
        "macro_f1": table["macro"]["f1"],
        "per_status": table["per_type"],
    }
