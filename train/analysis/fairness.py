"""Does a model read a text otherwise when it names somebody else? Counterfactual names in annotated documents.

In each document one entity gets a name of each group (women and men of several religions, say, or parties), and the
predictions are compared with those for a name of the first group, the reference. What two names of the reference differ by
is the control: plain instability. The words around a name stay, also a title that suits few of the names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from train.analysis.names import restored, swap
from train.bootstrap import LEVEL
from train.document import Document
from train.errors import InputError
from train.model.bangla import normalised, sentences
from train.schema import Schema
from train.scoring import relation_keys
from train.yamls import read_yaml

RESAMPLES = 1000
LAYERS = ("mentions", "relations", "own")


@dataclass(frozen=True)
class Names:
    """Names of one mention type by group, the reference first; `short_forms` as in `swap`."""

    groups: Mapping[str, Sequence[str]]
    short_forms: bool = False

    @property
    def reference(self) -> str:
        return next(iter(self.groups))

    @property
    def control(self) -> str:
        return f"{self.reference}, another"


def load_names(path: str | Path) -> dict[str, Names]:
    """Names by mention type, from YAML; raises InputError that names the file and what is wrong in it."""
    data = read_yaml(path, "file of names")
    try:
        found = {type_: Names(entry["groups"], bool(entry.get("short_forms"))) for type_, entry in data.items()}
        sizes = {type_: [len({*map(str.strip, group)}) for group in n.groups.values()] for type_, n in found.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected names by mention type and group: {' '.join(str(error).split())}") from None
    for type_, counts in sizes.items():
        if len(counts) < 2 or counts[0] < 2 or not all(counts):
            raise InputError(f"{path}: {type_}: expected two names in the first group, and another group with one")
    return found


@dataclass(frozen=True)
class Case:
    """A document, the entity in it that is renamed, and the renamed document of each group and of the control."""

    original: Document
    entity: str
    versions: Mapping[str, Document]


def cases(documents: Sequence[Document], type_: str, names: Names, *, seed: int = 0) -> list[Case]:
    """One entity of the type that has a relation, from each document with one, under a name of each group.

    Entity and names depend on the seed and the document's id alone. No name is taken that the rest of the text holds, or
    a word of it where words stand for names: then a group is left out, or without two of the reference the document.
    """
    found = []
    for document in documents:
        random = Random(f"{seed} {type_} {document.id}")
        related = {end for r in document.relations for end in (r.head, r.tail)}
        able = sorted({m.entity for m in document.mentions if m.type == type_ and m.id in related and m.entity is not None})
        if not able:
            continue
        entity = random.choice(able)
        rest = normalised(swap(document, entity, "|").text)
        chosen: dict[str, str] = {}
        for group, known in names.groups.items():
            free = [n for n in known if not any(normalised(w) in rest for w in (n.split() if names.short_forms else [n]))]
            targets = (group, names.control) if group == names.reference else (group,)
            chosen |= dict(zip(targets, random.sample(free, min(len(free), len(targets))), strict=False))
        if names.control in chosen:
            versions = {g: swap(document, entity, n, short_forms=names.short_forms) for g, n in chosen.items()}
            found.append(Case(document, entity, versions))
    return found


def probe(
    documents: Sequence[Document],
    tag: Callable[[list[Document]], list[Document]],
    type_: str,
    names: Names,
    schema: Schema,
    *,
    least: int = 10,
    seed: int = 0,
) -> dict[str, Any]:
    """How `tag` reads `cases`: {reference, documents, groups: {group: …}, relations: {type and end: {group: …}}}.

    A group has the `recall` of the renamed mentions and, but for the reference, the share of sentences predicted otherwise
    than for it: `mentions` and `relations` of the rest, and the entity's `own` relations. `relations` has how many the entity
    has on average, for types with `least` or more a group. Each is {value, interval, difference: {value, interval}}: 95 %
    intervals by bootstrap over documents; the difference is to the control for shares, else to the reference.
    """
    found = cases(documents, type_, names, seed=seed)
    predicted = iter(tag([version for case in found for version in case.versions.values()]))
    rows = [_numbers(case, {group: next(predicted) for group in case.versions}, names.reference, schema) for case in found]

    def ratio(group: str, base: str, key: Any, whole: str) -> dict[str, Any]:
        of = [(row[group], row[base]) for row in rows if group in row]
        return _ratio([own[key] for own, _ in of], [other[key] for _, other in of], [own[whole] for own, _ in of])

    groups: dict[str, dict[str, Any]] = {}
    for group in (names.reference, names.control, *list(names.groups)[1:]):
        if count := sum(group in row for row in rows):
            groups[group] = {"documents": count, "recall": ratio(group, names.reference, "found", "renamed")}
            if group != names.reference:
                groups[group] |= {layer: ratio(group, names.control, layer, "sentences") for layer in LAYERS}
    totals = sum((numbers for row in rows for numbers in row.values()), Counter[Any]())
    kinds = sorted(key for key, count in totals.items() if isinstance(key, tuple) and count >= least * len(groups))
    relations = {", ".join(k): {group: ratio(group, names.reference, k, "documents") for group in groups} for k in kinds}
    return {"reference": names.reference, "documents": len(found), "groups": groups, "relations": relations}


def _numbers(case: Case, predicted: Mapping[str, Document], reference: str, schema: Schema) -> dict[str, Counter[Any]]:
    """What `probe` adds up, for each version: of LAYERS the sentences that differ from the reference's, and the rest."""
    starts = [start for start, _ in sentences(case.original.text)]
    layers, numbers = {}, {}
    for group, version in case.versions.items():
        document = restored(predicted[group], swapped=version, original=case.original, entity=case.entity)
        kept = version.mention_by_id()
        own = {(m.start, m.end): m.type for m in case.original.mentions if m.entity == case.entity and m.id in kept}
        layers[group], kinds = _layers(document, set(own), schema)
        found = sum(own.get((m.start, m.end)) == m.type for m in document.mentions)
        numbers[group] = kinds + Counter({"documents": 1, "sentences": len(starts), "renamed": len(own), "found": found})
    for group, layer in ((group, layer) for group in layers for layer in LAYERS):
        differing = layers[group][layer] ^ layers[reference][layer]
        numbers[group][layer] = len({bisect_right(starts, offset) for offsets, *_ in differing for offset in offsets})
    return numbers


def _layers(document: Document, own: set[tuple[int, int]], schema: Schema) -> tuple[dict[str, set[Any]], Counter[Any]]:
    """A set for each of LAYERS, whose members begin with the offsets that place them, and the entity's relations by kind."""

    def touched(start: int, end: int, *_: str) -> bool:
        return any(start < b and a < end for a, b in own)

    mentions = {((m.start,), m.end, m.type) for m in document.mentions if not touched(m.start, m.end)}
    layers: dict[str, set[Any]] = {"mentions": mentions, "relations": set(), "own": set()}
    by_id, kinds = document.mention_by_id(), Counter[Any]()
    for r, (type_, *ends) in zip(document.relations, relation_keys(document, schema), strict=True):
        layer = layers["own" if any(touched(*end) for end in ends) else "relations"]
        layer.add((tuple(end[0] for end in ends), type_, *ends, r.status))
        for side, m in (("head", by_id[r.head]), ("tail", by_id[r.tail])):
            if (m.start, m.end) in own:
                kinds[(type_,) if schema.relations[type_].symmetric else (type_, side)] += 1
    return layers, kinds


def _ratio(part: Sequence[float], base: Sequence[float], whole: Sequence[float]) -> dict[str, Any]:
    """The sum of `part` over that of `whole`, by document, and how much more that is than with `base`."""
    draws = np.random.default_rng(0).multinomial(len(part), np.full(len(part), 1 / len(part)), size=RESAMPLES)
    tail = (1 - LEVEL) / 2

    def estimate(parts: Sequence[float]) -> dict[str, Any]:
        interval = np.quantile((draws @ np.array(parts)) / (draws @ np.array(whole)), [tail, 1 - tail])
        return {"value": sum(parts) / sum(whole), "interval": interval.tolist()}

    return {**estimate(part), "difference": estimate([p - b for p, b in zip(part, base, strict=True)])}
