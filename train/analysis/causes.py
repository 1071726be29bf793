"""Why each wrong or missed relation is so: one cause for each, so that a user sees where to put data.

The first cause that applies counts, from what lies deepest (a mention that was not found takes all its relations with it)
to what the pair scorer alone got wrong, after the error analyses of coreference and event extraction (Kummerfeld and Klein
2013, "Error-Driven Analysis of Challenges in Coreference Resolution").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from train.document import Document, Mention, Relation
from train.model.bangla import sentences
from train.schema import Schema
from train.scoring import relation_keys

# What each cause means; in the order in which they are tried.
CAUSES = {
    "mention missed": "gold head or tail overlaps no predicted mention",
    "mention spurious": "predicted head or tail overlaps no gold mention",
    "boundary": "an end is found with other boundaries",
    "mention type": "an end is found with another type",
    "pruned": "an end did not go on as a candidate for pairs",
    "window edge": "no window holds both ends",
    "direction": "found with head and tail exchanged",
    "relation type": "the same pair has another relation",
    "not found": "both mentions are right, no relation between them was predicted",
    "spurious co-occurrence": "both mentions are right, no relation between them is stated",
    "status": "the relation is right, its status is not",
}

# The ledger's words for what is out of reach though both mentions are found.
_REACH = {"pruning": "pruned", "window_edge": "window edge"}
_Span = tuple[int, int, str]


@dataclass(frozen=True)
class RelationError:
    """A gold relation that was missed, a predicted one that is wrong, or one with a wrong status."""

    document: str | int
    side: str  # "missed", "wrong" or "status"
    cause: str
    relation: str
    head: str
    tail: str
    status: str
    sentence: str


def relation_errors(
    gold: Document, predicted: Document, schema: Schema, unreachable: Mapping[int, str] | None = None
) -> list[RelationError]:
    """The errors of one document, gold's first.

    `unreachable` says of gold relations (by their place in the document) why the model could not find them, as
    `Tagger.unreachable` does.
    """
    ours, theirs = _Side(gold, schema), _Side(predicted, schema)
    errors = []
    for i, (r, key) in enumerate(zip(gold.relations, ours.keys, strict=True)):
        if key not in theirs.status:
            cause = _cause(r, ours, theirs, "mention missed", _REACH.get((unreachable or {}).get(i, "")), "not found")
            errors.append(ours.error(r, "missed", cause))
        elif theirs.status[key] != r.status:
            errors.append(ours.error(r, "status", "status"))
    errors += [
        theirs.error(r, "wrong", _cause(r, theirs, ours, "mention spurious", None, "spurious co-occurrence"))
        for r, key in zip(predicted.relations, theirs.keys, strict=True)
        if key not in ours.status
    ]
    return errors


def counts(errors: Iterable[RelationError]) -> dict[str, Counter[str]]:
    """How many errors of each side ("missed", "wrong", "status") have each cause."""
    table: dict[str, Counter[str]] = {"missed": Counter(), "wrong": Counter(), "status": Counter()}
    for error in errors:
        table[error.side][error.cause] += 1
    return table


class _Side:
    """One annotation of a document, looked at by position."""

    def __init__(self, document: Document, schema: Schema):
        self.document = document
        self.at = document.mention_by_id()
        self.spans = {_span(m) for m in document.mentions}
        self.keys = relation_keys(document, schema)
        self.status = {key: r.status for key, r in reversed([*zip(self.keys, document.relations, strict=True)])}
        self.pairs: dict[tuple[_Span, _Span], set[tuple[str, _Span, _Span]]] = {}
        for r, key in zip(document.relations, self.keys, strict=True):
            self.pairs.setdefault(self.ends(r), set()).add(key)

    def ends(self, r: Relation) -> tuple[_Span, _Span]:
        return _span(self.at[r.head]), _span(self.at[r.tail])

    def error(self, r: Relation, side: str, cause: str) -> RelationError:
        head, tail = self.at[r.head], self.at[r.tail]
        names = self.document.surface(head), self.document.surface(tail)
        return RelationError(self.document.id, side, cause, r.type, *names, r.status, self._sentence(head, tail))

    def _sentence(self, head: Mention, tail: Mention) -> str:
        text, wanted = self.document.text, (head.start, tail.start)
        found = [text[a:b] for a, b in sentences(text) if any(a <= position < b for position in wanted)]
        return " … ".join(" ".join(part.split()) for part in found)


def _cause(r: Relation, own: _Side, other: _Side, absent: str, reach: str | None, last: str) -> str:
    ends = own.ends(r)
    lacking = [end for end in ends if end not in other.spans]
    if lacking:
        found = [_nearest(end, other.spans) for end in lacking]
        if None in found:
            return absent
        return "boundary" if any(f and f[:2] != end[:2] for f, end in zip(found, lacking, strict=True)) else "mention type"
    if reach is not None:
        return reach
    turned = {key[0] for key in other.pairs.get((ends[1], ends[0]), ()) if key not in own.status}
    straight = {key[0] for key in other.pairs.get(ends, ()) if key not in own.status}
    if r.type in turned:
        return "direction"
    if straight or turned:
        return "relation type"
    return last


def _nearest(span: _Span, spans: Iterable[_Span]) -> _Span | None:
    """The span that overlaps most, one with equal boundaries before all."""
    overlapping = [s for s in spans if s[0] < span[1] and span[0] < s[1]]
    return max(overlapping, key=lambda s: (s[:2] == span[:2], min(s[1], span[1]) - max(s[0], span[0])), default=None)


def _span(m: Mention) -> _Span:
    return m.start, m.end, m.type


def to_markdown(errors: Sequence[RelationError], *, gold: int, predicted: int, examples: int = 5) -> str:
    """A report: how many relations were missed, wrong or of wrong status by cause and type, with examples of each cause."""
    table = counts(errors)
    missed, wrong, status = (table[side].total() for side in ("missed", "wrong", "status"))
    lines = [
        "# What went wrong with relations, and why",
        "",
        f"{gold} gold relations, {missed} of them missed; {predicted} predicted, {wrong} of them wrong; "
        f"{status} right but for their status.",
        "",
        "| cause | missed | wrong | status | what it means |",
        "|---|---|---|---|---|",
    ]
    for cause, meaning in CAUSES.items():
        row = [table[side][cause] for side in ("missed", "wrong", "status")]
        if any(row):
            lines.append(f"| {cause} | " + " | ".join(str(n or "") for n in row) + f" | {meaning} |")
    lines += ["", "| relation | missed | wrong | status | most frequent cause |", "|---|---|---|---|---|"]
    for name in sorted({e.relation for e in errors}, key=lambda n: -sum(e.relation == n for e in errors)):
        own = [e for e in errors if e.relation == name]
        sides = Counter(e.side for e in own)
        often = Counter(e.cause for e in own).most_common(1)[0][0]
        lines.append(f"| {name} | {sides['missed'] or ''} | {sides['wrong'] or ''} | {sides['status'] or ''} | {often} |")
    for cause in CAUSES:
        of_cause = [e for e in errors if e.cause == cause]
        if of_cause:
            lines += ["", f"## {cause}", "", *(_line(e) for e in of_cause[:examples])]
    return "\n".join(lines) + "\n"


def _line(e: RelationError) -> str:
    return f"- `{e.document}` {e.side}: **{e.relation}**({e.head}, {e.tail}) {e.status}: {e.sentence}"
