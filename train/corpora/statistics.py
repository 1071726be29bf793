"""Figures of a corpus, what it set itself as goals, and how its texts compare with others'."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, quantiles

from train.corpora.validation import shingles_of
from train.document import Document
from train.errors import InputError
from train.model.bangla import bare_name, sentences
from train.schema import Schema

Parts = Mapping[str, Sequence[Document]]


@dataclass(frozen=True)
class Goal:
    """A figure with the least that it should be."""

    name: str
    value: float
    least: float

    @property
    def met(self) -> bool:
        return self.value >= self.least


def goals(parts: Parts, schema: Schema) -> list[Goal]:
    """The bundled corpus's goals: size, each label often enough, statuses, aliases, far relations, names new in test."""
    documents = [d for part in parts.values() for d in part]
    relations = [r for d in documents for r in d.relations]
    other = sum(r.status != schema.default_status for r in relations)
    rarest = {
        split: min((Counter(r.type for d in parts[split] for r in d.relations)[name] for name in schema.relations), default=0)
        for split in ("train", "test")
    }
    status = min(
        Counter(r.status for d in part for r in d.relations)[name] for part in parts.values() for name in schema.statuses
    )
    return [
        Goal("documents", len(documents), 400),
        Goal("sentences", sum(len(sentences(d.text)) for d in documents), 3000),
        Goal("mentions", sum(len(d.mentions) for d in documents), 9000),
        Goal("relations", len(relations), 4000),
        Goal("rarest relation type in train", rarest["train"], 100),
        Goal("rarest relation type in test", rarest["test"], 20),
        Goal(f"share of relations not {schema.default_status}", _share(other, len(relations)), 0.15),
        Goal("rarest status in any split", status, 1),
        Goal("share of documents with an alias", _share(sum(map(has_alias, documents)), len(documents)), 0.60),
        Goal("share of relations over a sentence's end", _share(sum(map(far_relations, documents)), len(relations)), 0.12),
        Goal("share of test names not in train", new_names(parts["train"], parts["test"]), 0.40),
        Goal("share of test wording not in train", 1 - shared_wording(parts["train"], parts["test"]), 0.99),
    ]


def has_alias(document: Document) -> bool:
    """Whether some entity is mentioned by two names that differ by more than a case ending."""
    names: dict[str | None, set[str]] = {}
    for m in document.mentions:
        names.setdefault(m.entity, set()).add(bare_name(document.surface(m)))
    return any(entity is not None and len(found) > 1 for entity, found in names.items())


def far_relations(document: Document) -> int:
    """How many relations join mentions of two sentences."""
    ends = [end for _, end in sentences(document.text)]
    at = {m.id: sum(end <= m.start for end in ends) for m in document.mentions}
    return sum(at[r.head] != at[r.tail] for r in document.relations)


def names_of(documents: Iterable[Document]) -> set[str]:
    """The bare names of all mentions."""
    return {bare_name(d.surface(m)) for d in documents for m in d.mentions}


def new_names(train: Sequence[Document], test: Sequence[Document]) -> float:
    """The share of the names in test that train does not hold."""
    ours = names_of(test)
    return _share(len(ours - names_of(train)), len(ours))


def shared_wording(train: Sequence[Document], test: Sequence[Document]) -> float:
    """The share of test's runs of eight words that stand in train too."""
    known = {s for d in train for s in shingles_of(d.text)}
    shingles = [s for d in test for s in shingles_of(d.text)]
    return _share(sum(s in known for s in shingles), len(shingles))


def counts(parts: Parts, schema: Schema) -> dict[str, dict[str, Counter[str]]]:
    """How often each label occurs: layer to label to split to number."""
    result: dict[str, dict[str, Counter[str]]] = {
        "mentions": {name: Counter() for name in schema.mentions},
        "relations": {name: Counter() for name in schema.relations},
        "statuses": {name: Counter() for name in schema.statuses},
    }
    for split, documents in parts.items():
        for d in documents:
            for m in d.mentions:
                result["mentions"][m.type][split] += 1
            for r in d.relations:
                result["relations"][r.type][split] += 1
                result["statuses"][r.status][split] += 1
    return result


def _per_thousand(pattern: str) -> Callable[[Sequence[str]], float]:
    compiled = re.compile(pattern)
    return lambda texts: 1000 * sum(len(compiled.findall(t)) for t in texts) / max(1, sum(len(t.split()) for t in texts))


def _decile(which: int) -> Callable[[Sequence[float]], float]:
    return lambda values: quantiles(values, n=10, method="inclusive")[which - 1] if len(values) > 1 else float(values[0])


def _words_a_sentence(texts: Sequence[str]) -> list[float]:
    return [float(len(t[a:b].split())) for t in texts for a, b in sentences(t)]


def _sentences_a_document(texts: Sequence[str]) -> list[float]:
    return [float(len(sentences(t))) for t in texts]


_LETTER = "[\\u0980-\\u09ff]"
_SAYING = rf"(?<!{_LETTER})(?:বলেন|বলেছেন|জানান|জানি(?:য\u09bc|\u09df)েছেন)(?!{_LETTER})"
# What can be counted in texts without annotation, so that real news stands beside ours.
TEXT_FIGURES: dict[str, Callable[[Sequence[str]], float]] = {
    "words a sentence, mean": lambda texts: mean(_words_a_sentence(texts)),
    "words a sentence, 10th percentile": lambda texts: _decile(1)(_words_a_sentence(texts)),
    "words a sentence, 90th percentile": lambda texts: _decile(9)(_words_a_sentence(texts)),
    "sentences a document, median": lambda texts: _decile(5)(_sentences_a_document(texts)),
    "sentences a document, 90th percentile": lambda texts: _decile(9)(_sentences_a_document(texts)),
    "characters a word": lambda texts: mean(float(len(w)) for t in texts for w in t.split()),
    "verbs of saying, per 1,000 words": _per_thousand(_SAYING),
    "quotation marks, per 1,000 words": _per_thousand('[‘“"]'),
    "numbers, per 1,000 words": _per_thousand("[০-৯0-9]+"),
    "round brackets, per 1,000 words": _per_thousand(r"\("),
    "commas, per 1,000 words": _per_thousand(","),
    "hyphens, per 1,000 words": _per_thousand("-"),
    "dashes, per 1,000 words": _per_thousand("[–—]"),
}


def text_figures(texts: Sequence[str], source: str | Path = "texts") -> dict[str, float]:
    """Every figure of some texts; raises InputError that names their source where there is no sentence in them."""
    if not any(sentences(t) for t in texts):
        raise InputError(f"{source}: no sentences in it")
    return {name: figure(texts) for name, figure in TEXT_FIGURES.items()}


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
