"""What looks wrong in annotated documents: in one document, and across a corpus.

`Document.check` raises at what no reader may accept. The findings here are what a person should look at: an error cannot be
meant; a warning often is one (a name unmarked in a place, a string marked in two ways), but need not be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from train.document import Document, Mention
from train.model.bangla import bare_name, is_punctuation, normalised, sentences, words
from train.schema import Schema

# Head and tail further apart than this many sentences are rarely meant.
FAR = 6
# Documents that share this part of their runs of SHINGLE words are one text written twice.
SHINGLE, SHARED = 8, 0.1
# A name counts as usually marked (or as of one type) from this many occurrences and this share of them.
_USUAL, _SHARE = 6, 0.85

_Name = tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something to look at in a document."""

    document: str | int
    severity: Literal["error", "warning"]
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.document}: {self.severity}: {self.kind}: {self.message}"


def validate(parts: Mapping[str, Sequence[Document]], schema: Schema) -> list[Finding]:
    """Findings in all documents of all parts (splits, or files) and across them, in the order of the documents."""
    documents = [d for part in parts.values() for d in part]
    found = [f for d in documents for f in _in_document(d, schema)]
    found += _duplicates(documents) + _unusual(documents)
    place = {d.id: i for i, d in enumerate(documents)}
    return sorted(found, key=lambda f: place[f.document])


def _in_document(document: Document, schema: Schema) -> Iterator[Finding]:
    ends = [end for _, end in sentences(document.text)]
    for m in document.mentions:
        surface = document.surface(m)
        first, last = (surface[a:b] for a, b in (words(surface)[0], words(surface)[-1]))
        if is_punctuation(first) or is_punctuation(last):
            yield Finding(document.id, "error", "punctuation", f"{m.type} {surface!r} has punctuation at its edge")
        if bisect_right(ends, m.start) != bisect_right(ends, m.end - 1):
            yield Finding(document.id, "error", "sentences", f"{m.type} {surface!r} goes on over a sentence's end")
        if m.entity is None:
            yield Finding(document.id, "error", "identity", f"{m.type} {surface!r} has no entity")
        if first in schema.mentions[m.type].outside and first != surface:
            yield Finding(document.id, "warning", "edge", f"{m.type} {surface!r} begins with {first!r}, which stays outside")
    yield from _entity_names(document)
    yield from _unmarked(document)
    yield from _one_name_two_things(document)
    at = document.mention_by_id()
    for r in document.relations:
        head, tail = at[r.head], at[r.tail]
        apart = abs(bisect_right(ends, head.start) - bisect_right(ends, tail.start))
        pair = f"{r.type}({document.surface(head)}, {document.surface(tail)})"
        if apart > FAR:
            yield Finding(document.id, "warning", "far", f"{pair} joins mentions {apart} sentences apart")
        if head.entity is not None and head.entity == tail.entity:
            yield Finding(document.id, "warning", "reflexive", f"{pair} joins two mentions of one entity")


def _entity_names(document: Document) -> Iterator[Finding]:
    """An entity's name is the bare form of one of its mentions."""
    surfaces: dict[str | None, set[str]] = defaultdict(set)
    for m in document.mentions:
        surfaces[m.entity] |= {normalised(document.surface(m)), bare_name(document.surface(m))}
    for e in document.entities:
        name = normalised(e.name)
        if not any(s == name or s.startswith(name) for s in surfaces[e.id]) and bare_name(e.name) not in surfaces[e.id]:
            seen = ", ".join(sorted(surfaces[e.id]))
            yield Finding(document.id, "warning", "name", f"entity {e.id!r} is named {e.name!r}, but its mentions are {seen}")


def _unmarked(document: Document) -> Iterator[Finding]:
    """Places where a name that is a mention elsewhere in the document is not one."""
    marked = {_key(document.surface(m)): m for m in document.mentions}
    for start, end, name in _free_occurrences(document, marked):
        surface, known = document.text[start:end], marked[name]
        yield Finding(
            document.id,
            "warning",
            "unmarked",
            f"{surface!r} at {start} is not marked, but {document.surface(known)!r} ({known.type}) is",
        )


def _free_occurrences(document: Document, names: Iterable[_Name]) -> Iterator[tuple[int, int, _Name]]:
    """Runs of words with one of the given names that overlap no mention."""
    wanted = set(names)
    lengths = sorted({len(name) for name in wanted}, reverse=True)
    spans = words(document.text)
    taken = bytearray(len(document.text))
    for m in document.mentions:
        taken[m.start : m.end] = b"\1" * (m.end - m.start)
    for i in range(len(spans)):
        for length in lengths:
            if i + length > len(spans):
                continue
            start, end = spans[i][0], spans[i + length - 1][1]
            if not any(taken[start:end]) and (name := _key(document.text[start:end])) in wanted:
                taken[start:end] = b"\1" * (end - start)
                yield start, end, name


def _key(surface: str) -> _Name:
    """Equal for the forms of one name."""
    bare = bare_name(surface)
    return tuple(bare[a:b] for a, b in words(bare))


def _one_name_two_things(document: Document) -> Iterator[Finding]:
    """One name with two types; one of several words as two entities (a single word, like সভাপতি, often is two)."""
    by_name: dict[str, list[Mention]] = defaultdict(list)
    for m in document.mentions:
        by_name[bare_name(document.surface(m))].append(m)
    for name, mentions in by_name.items():
        if len(types := sorted({m.type for m in mentions})) > 1:
            yield Finding(document.id, "warning", "two types", f"{name!r} is {' and '.join(types)}")
        elif len(entities := sorted({str(m.entity) for m in mentions})) > 1 and " " in name:
            yield Finding(document.id, "warning", "two entities", f"{name!r} ({types[0]}) is {' and '.join(entities)}")


def _duplicates(documents: Sequence[Document]) -> list[Finding]:
    """Ids used twice, and texts that share their wording (w-shingling, Broder 1997, "On the resemblance … of documents")."""
    found = []
    ids: set[str | int] = set()
    seen: dict[str, str | int] = {}
    sizes: dict[str | int, int] = {}
    for d in documents:
        if d.id in ids:
            found.append(Finding(d.id, "error", "duplicate", "the id is used twice"))
        ids.add(d.id)
        shingles = shingles_of(d.text)
        shared = Counter(seen[s] for s in shingles if s in seen)
        for other, count in shared.items():
            share = count / min(len(shingles), sizes[other])
            if share >= SHARED:
                message = f"shares {share:.0%} of the shorter text's wording with {other}"
                found.append(Finding(d.id, "error", "duplicate", message))
        seen.update(dict.fromkeys(shingles, d.id))
        sizes[d.id] = len(shingles)
    return found


def shingles_of(text: str) -> set[str]:
    """All runs of SHINGLE words of a text; a shorter text is one run."""
    tokens = [normalised(text[a:b]) for a, b in words(text)]
    return {" ".join(tokens[i : i + SHINGLE]) for i in range(max(1, len(tokens) - SHINGLE + 1))}


def _unusual(documents: Sequence[Document]) -> list[Finding]:
    """Names marked otherwise than nearly everywhere else: with another type, or not at all."""
    types: dict[_Name, Counter[str]] = defaultdict(Counter)
    for d in documents:
        for m in d.mentions:
            types[_key(d.surface(m))][m.type] += 1
    common = {name: counts for name, counts in types.items() if counts.total() >= _USUAL}
    free = [(d, start, end, name) for d in documents for start, end, name in _free_occurrences(d, common)]
    unmarked = Counter(name for *_, name in free)
    found = []
    for d, start, end, name in free:
        marked = types[name].total()
        if marked >= _SHARE * (marked + unmarked[name]):
            usual = f"usually marked ({marked} of {marked + unmarked[name]}), mostly {types[name].most_common(1)[0][0]}"
            context = d.text[max(0, start - 20) : end + 20].replace("\n", " ")
            found.append(Finding(d.id, "warning", "usually marked", f"{d.text[start:end]!r} is {usual}: … {context} …"))
    for d in documents:
        for m in d.mentions:
            counts = common.get(_key(d.surface(m)))
            if counts and counts[m.type] <= (1 - _SHARE) * counts.total():
                type_, often = counts.most_common(1)[0]
                message = f"{d.surface(m)!r} is {m.type}, elsewhere {type_} ({often} of {counts.total()})"
                found.append(Finding(d.id, "warning", "unusual type", message))
    return found
