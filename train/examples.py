"""Documents to training examples: windows with labels, and the ledger of what windows and span width put out of reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from train.corpora.load import Part
from train.document import Document, Mention
from train.model.decoding import WindowScores
from train.model.settings import Settings
from train.model.windows import EncodedText, Window, collate, cut, encode_text
from train.schema import Schema


@dataclass(frozen=True)
class Example:
    """One window with its gold labels, in numbers.

    mentions: (first word in the window, width less one, type, entity); relations: (head, tail, type, status, either),
    by places in mentions, `either` when the relation holds in both orders.
    """

    encoded: EncodedText
    window: Window
    mentions: tuple[tuple[int, int, int, int], ...]
    relations: tuple[tuple[int, int, int, int, bool], ...]
    type_mask: tuple[bool, ...]
    has_relations: bool
    has_identities: bool

    @property
    def tokens(self) -> int:
        return self.encoded.cost(self.window.first, self.window.last) + 2

    @property
    def words(self) -> int:
        return self.window.last - self.window.first


@dataclass
class Ledger:
    """How many gold mentions and relations the model can find at all, and why it cannot find the others."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Ledger) -> None:
        self.counts.update(other.counts)

    def ceiling(self, what: str) -> float:
        """The highest recall that is possible; `what` is "mentions" or "relations"."""
        total = self.counts[what]
        lost = sum(n for key, n in self.counts.items() if key.startswith(f"{what}."))
        return 1.0 if not total else 1 - lost / total

    def to_dict(self) -> dict[str, Any]:
        reasons = {
            what: {key.split(".")[1]: n for key, n in sorted(self.counts.items()) if key.startswith(f"{what}.")}
            for what in ("mentions", "relations")
        }
        return {
            what: {"gold": self.counts[what], "lost": reasons[what], "recall_ceiling": self.ceiling(what)}
            for what in ("mentions", "relations")
        }

    def __str__(self) -> str:
        parts = []
        for what, entry in self.to_dict().items():
            lost = ", ".join(f"{n} by {reason.replace('_', ' ')}" for reason, n in entry["lost"].items()) or "none"
            parts.append(f"{entry['gold']} {what}, recall ceiling {entry['recall_ceiling']:.1%} (out of reach: {lost})")
        return "; ".join(parts)


def examples(
    part: Part,
    tokenizer: PreTrainedTokenizerFast,
    config: Settings,
    schema: Schema,
    *,
    overlap_tokens: int | None = None,
) -> tuple[list[Example], Ledger]:
    """The windows of a part's documents with their labels, and the ledger; by default they overlap as the model's own do."""
    overlap = config.overlap_tokens if overlap_tokens is None else overlap_tokens
    made: list[Example] = []
    ledger = Ledger()
    for document in part.documents:
        encoded = encode_text(document.text, tokenizer)
        windows = cut(encoded, max_tokens=config.window_tokens, overlap_tokens=overlap)
        made += [_example(document, encoded, window, part, config, schema) for window in windows]
        ledger.add(coverage(document, encoded, windows, config))
    return made, ledger


def coverage(
    document: Document,
    encoded: EncodedText,
    windows: Sequence[Window],
    config: Settings,
    scores: Sequence[WindowScores] | None = None,
) -> Ledger:
    """What of a document's gold is out of reach; with a model's `scores`, also what it pruned from the candidates."""
    mentions, relations = out_of_reach(document, encoded, windows, config, scores)
    ledger = Ledger()
    ledger.counts.update({"mentions": len(document.mentions), "relations": len(document.relations)})
    ledger.counts.update(f"mentions.{reason}" for reason in mentions.values())
    ledger.counts.update(f"relations.{reason}" for reason in relations.values())
    return ledger


def out_of_reach(
    document: Document,
    encoded: EncodedText,
    windows: Sequence[Window],
    config: Settings,
    scores: Sequence[WindowScores] | None = None,
) -> tuple[dict[str, str], dict[int, str]]:
    """Why a gold mention (by id) or relation (by its place in the document) cannot be found, for each that cannot."""
    at = {m.id: span for m in document.mentions if (span := _word_span(m, encoded)) is not None}
    lost: dict[str, str] = {}
    for m in document.mentions:
        if m.id not in at:
            lost[m.id] = "word_edge"
        elif at[m.id][1] - at[m.id][0] >= config.max_span_width:
            lost[m.id] = "span_width"
        elif not any(_inside(at[m.id], w) for w in windows):
            lost[m.id] = "window_edge"
    relations: dict[int, str] = {}
    for i, r in enumerate(document.relations):
        reason = lost.get(r.head) or lost.get(r.tail)
        if reason is None:
            together = [k for k, w in enumerate(windows) if _inside(at[r.head], w) and _inside(at[r.tail], w)]
            if not together:
                reason = "window_edge"
            elif scores is not None and not any(_kept(scores[k], (at[r.head], at[r.tail]), config) for k in together):
                reason = "pruning"
        if reason:
            relations[i] = reason
    return lost, relations


def _kept(scores: WindowScores, spans: Sequence[tuple[int, int]], config: Settings) -> bool:
    """Whether the spans are among those that a window of this length pairs, however unlikely these are."""
    best = scores.mentions.max(-1)
    count = config.candidate_count(len(best))
    candidates = set(np.argsort(-best, axis=None, kind="stable")[:count].tolist())
    width = config.max_span_width
    return all((a - scores.window.first) * width + b - a in candidates for a, b in spans)


def _word_span(mention: Mention, encoded: EncodedText) -> tuple[int, int] | None:
    """First and last word of a mention, both included; None where it cuts one (an ending after an apostrophe, say)."""
    inside = [i for i, (start, end) in enumerate(encoded.words) if mention.start <= start and end <= mention.end]
    if not inside or encoded.words[inside[0]][0] != mention.start or encoded.words[inside[-1]][1] != mention.end:
        return None
    return inside[0], inside[-1]


def _inside(span: tuple[int, int], window: Window) -> bool:
    return window.first <= span[0] and span[1] < window.last


def _example(document: Document, encoded: EncodedText, window: Window, part: Part, config: Settings, schema: Schema) -> Example:
    types, relation_types, statuses = config.mention_types, config.relation_types, config.statuses
    entities = {e.id: i for i, e in enumerate(document.entities)}
    place: dict[str, int] = {}
    mentions: list[tuple[int, int, int, int]] = []
    for m in document.mentions:
        span = _word_span(m, encoded)
        if span is None or not _inside(span, window) or span[1] - span[0] >= config.max_span_width:
            continue
        place[m.id] = len(mentions)
        entity = entities[m.entity] if m.entity is not None else -1 - len(mentions)
        mentions.append((span[0] - window.first, span[1] - span[0], types.index(m.type), entity))
    by_id = document.mention_by_id()
    relations = [
        (
            place[r.head],
            place[r.tail],
            relation_types.index(r.type),
            statuses.index(r.status),
            schema.relations[r.type].either_order(by_id[r.head].type, by_id[r.tail].type),
        )
        for r in document.relations
        if r.head in place and r.tail in place
    ]
    annotated = set(part.types or types)
    return Example(
        encoded,
        window,
        tuple(mentions),
        tuple(relations),
        tuple(t in annotated for t in types),
        "relations" in part.layers,
        "identities" in part.layers,
    )


def batch(
    made: Sequence[Example], tokenizer: PreTrainedTokenizerFast, config: Settings
) -> dict[str, Tensor | dict[str, Tensor]]:
    """The keyword arguments of RajnitiModel.forward for these examples, labels included."""
    arrays = collate([(e.encoded, e.window) for e in made], tokenizer)
    return {**{name: torch.from_numpy(values) for name, values in arrays.items()}, "labels": _labels(made, config)}


def _labels(made: Sequence[Example], config: Settings) -> dict[str, Tensor]:
    """Labels as mention_loss and pair_losses take them. Written by arrays: a loop costs a GPU's whole step at 8192 tokens."""
    most = max(1, *(len(e.mentions) for e in made))
    size = (len(made), most)
    spans, entity, status = (np.full(shape, fill) for shape, fill in ((size, -1), (size, -1), ((*size, most), -100)))
    types = np.zeros(size, dtype=np.int64)
    adjacency = np.zeros((*size, most, len(config.relation_types)), dtype=bool)
    row, place, (first, width, type_, own) = _stacked([e.mentions for e in made], 4)
    spans[row, place] = first * config.max_span_width + width
    types[row, place] = type_
    entity[row, place] = own
    row, _, (*pair, type_, state, either) = _stacked([e.relations for e in made], 5)
    twice = np.repeat(np.arange(len(row)), 1 + either)
    again = np.diff(twice, prepend=-1) == 0  # the second of two is the relation in its other order
    head, tail = (np.where(again, pair[1 - i][twice], pair[i][twice]) for i in (0, 1))
    adjacency[row[twice], head, tail, type_[twice]] = True
    status[row[twice], head, tail] = state[twice]
    labels = {"spans": spans, "types": types, "entity": entity, "adjacency": adjacency, "status": status}
    return {
        **{name: torch.from_numpy(values) for name, values in labels.items()},
        "type_mask": torch.tensor([e.type_mask for e in made]),
        "has_relations": torch.tensor([e.has_relations for e in made]),
        "has_identities": torch.tensor([e.has_identities for e in made]),
    }


def _stacked(items: Sequence[Sequence[tuple[int, ...]]], columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The example of each tuple, its place there, and the tuples by column."""
    counts = [len(of_example) for of_example in items]
    values = np.array([t for of_example in items for t in of_example], dtype=np.int64).reshape(-1, columns)
    places = np.concatenate([np.arange(n) for n in counts])
    return np.repeat(np.arange(len(items)), counts), places, values.T
