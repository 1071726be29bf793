"""The corpora that systems are compared on, each in the same three splits for everyone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from train.config import LAYERS, SourceConfig
from train.corpora import conll, jsonl, spert
from train.corpora.load import load_split
from train.document import Document
from train.errors import InputError
from train.peers.common import Task
from train.schema import Schema

CONFIGS = Path(__file__).parents[2] / "configs"
DATASETS = ("bundled", "conll04", "rifat", "bannerd")
_BANNERD = {"D&T": "DT", "T&T": "TT"}  # its labels that are no names of types


def load(name: str, folder: Path | None) -> Task:
    """A dataset's task; `folder` holds its files as its authors give them, and is not needed for the bundled corpus.

    conll04: the published train, dev and test. rifat: the published files without the sentences of train that also stand in
    test, a tenth of train held out for validation. bannerd: its train file is not to be had, so val serves as train and, by a
    tenth, as validation.
    """
    if name == "bundled":
        schema = Schema.load(CONFIGS / "schema" / "politics.yaml")
        source = (SourceConfig(path="bundled"),)
        train, validation, test = ([*load_split(source, s, schema)[0].documents] for s in ("train", "validation", "test"))
        return Task(schema, train, validation, test, layers=LAYERS)
    if folder is None:
        raise InputError(f"--data: expected the folder of {name}'s files")
    schema = Schema.load(CONFIGS / "schema" / f"{name}.yaml")
    if name == "conll04":
        train, validation, test = (spert.read(folder / f"{s}.json", schema) for s in ("train", "dev", "test"))
        return Task(schema, train, validation, test, ("mentions", "relations"), sentences=_whole, tokens=_between_spaces)
    training, testing = ("train.txt", "test.txt") if name == "rifat" else ("val.txt", "test.txt")
    names = {name: name for name in schema.mentions} | (_BANNERD if name == "bannerd" else {})
    test, rest = (conll.read(folder / file, mapping=names, repair=True)[0] for file in (testing, training))
    known = {d.text for d in test}
    rest = [d for d in rest if d.text not in known]
    validation = [d for d in rest if _tenth(d)]
    return Task(schema, [d for d in rest if not _tenth(d)], validation, test, ("mentions",), sentences=_whole)


def write(task: Task, folder: Path) -> None:
    """The splits as JSON Lines, as a source of one of our runs."""
    for split in ("train", "validation", "test"):
        jsonl.write(folder / f"{split}.jsonl", getattr(task, split))


def _tenth(document: Document) -> bool:
    return hashlib.sha256(document.text.encode()).digest()[0] % 10 == 0


def _whole(text: str) -> list[tuple[int, int]]:
    return [(0, len(text))]


def _between_spaces(text: str) -> list[tuple[int, int]]:
    spans, start = [], 0
    for token in text.split(" "):
        spans.append((start, start + len(token)))
        start += len(token) + 1
    return spans
