"""What every system in a comparison gets: the same documents, the same tokens, the same encoder; and what it gives back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from train.config import LAYERS, Layer
from train.corpora.conll import outermost
from train.corpora.spert import trimmed
from train.document import Document, Mention, Relation
from train.errors import InputError
from train.model.bangla import sentences, words
from train.schema import Schema

Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Task:
    """Documents of each split, and how peers cut them up: into sentences of tokens, by character offsets."""

    schema: Schema
    train: Sequence[Document]
    validation: Sequence[Document]
    test: Sequence[Document]
    layers: tuple[Layer, ...] = LAYERS
    sentences: Callable[[str], Spans] = sentences
    tokens: Callable[[str], Spans] = words


@dataclass(frozen=True)
class Unit:
    """One sentence of a document (by its place in the split) as tokens, each (start, end) in the document's text."""

    document: int
    text: str
    tokens: tuple[tuple[int, int], ...]

    @property
    def surfaces(self) -> list[str]:
        return [self.text[start:end] for start, end in self.tokens]

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """First token and the one after the last that a span touches; None where it lies partly outside."""
        inside = [i for i, (a, b) in enumerate(self.tokens) if a < end and start < b]
        if not inside or start < self.tokens[0][0] or end > self.tokens[-1][1]:
            return None
        return inside[0], inside[-1] + 1

    def span(self, first: int, end: int) -> tuple[int, int]:
        """Character offsets of tokens first..end, without punctuation at the edges."""
        return trimmed(self.text, self.tokens[first][0], self.tokens[end - 1][1])


def units(documents: Sequence[Document], task: Task) -> list[Unit]:
    """The sentences of documents, in order; none is empty."""
    made = []
    for number, document in enumerate(documents):
        for start, end in task.sentences(document.text):
            tokens = tuple((start + a, start + b) for a, b in task.tokens(document.text[start:end]))
            if tokens:
                made.append(Unit(number, document.text, tokens))
    return made


def flat(unit: Unit, mentions: Iterable[Mention]) -> list[tuple[int, int, str]]:
    """The outermost mentions of a document in one of its sentences, by tokens; of two in one token the first."""
    kept: list[tuple[int, int, str]] = []
    for mention in outermost(mentions):
        place = unit.place(mention.start, mention.end)
        if place and (not kept or place[0] >= kept[-1][1]):
            kept.append((*place, mention.type))
    return kept


@dataclass
class Found:
    """What a system found in one sentence: (first token, after the last, type), and (type, head, tail) by places in these."""

    mentions: list[tuple[int, int, str]]
    relations: list[tuple[str, int, int]]


def predicted(documents: Sequence[Document], cut: Sequence[Unit], found: Sequence[Found], schema: Schema) -> list[Document]:
    """The documents with what was found instead of their gold. What the schema forbids stays: it counts as an error."""
    mentions: list[dict[tuple[int, int], Mention]] = [{} for _ in documents]
    relations: list[list[Relation]] = [[] for _ in documents]
    for unit, result in zip(cut, found, strict=True):
        here = mentions[unit.document]
        ids = []
        for first, end, type_ in result.mentions:
            start, stop = unit.span(first, end)
            mention = here.setdefault((start, stop), Mention(f"m{len(here) + 1}", start, stop, type_))
            ids.append(mention.id)
        relations[unit.document] += [Relation(t, ids[h], ids[u], schema.default_status) for t, h, u in result.relations]
    return [
        replace(d, mentions=tuple(m.values()), entities=(), relations=tuple(r))
        for d, m, r in zip(documents, mentions, relations, strict=True)
    ]


def run(command: Sequence[str | Path], *, cwd: Path | None = None, log: Path, python: str | Path = sys.executable) -> None:
    """Run a peer's script with this Python or another, its output in a log.

    Raises InputError with the log's last line where the script fails, and where `python` cannot be run.
    """
    with log.open("w", encoding="utf-8") as file:
        try:
            done = subprocess.run(
                [str(python), *map(str, command)], cwd=cwd, stdout=file, stderr=subprocess.STDOUT, check=False
            )
        except OSError as error:
            raise InputError(f"{python}: cannot be run: {error.strerror or error}") from None
    if done.returncode:
        last = (log.read_text(encoding="utf-8").strip().splitlines() or [f"status {done.returncode}"])[-1]
        name = next(part for part in map(str, command) if not part.startswith("-"))
        raise InputError(f"{name} failed ({log}): {last}")
