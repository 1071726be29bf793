"""Names by spaCy 3, trained as its own quick start does: `spacy init config`, then `spacy train`.

spaCy runs in an environment of its own, as it is no dependency of ours (python3 -m venv FOLDER; FOLDER/bin/pip install
spacy). Its config has no pretrained encoder then: what trains is its CNN over hashed word forms ("tok2vec"), from nothing.
A pretrained one needs spacy-transformers (1.4 here), which wants transformers older than 4.53.3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from train.document import Document
from train.files import atomic_write, read_text
from train.peers.common import Found, Task, Unit, flat, predicted, run, units

Component = Literal["ner", "spancat"]

LONGEST = 14
"""Tokens of the longest span that spancat scores, as many as our own heads."""

_KEY = "sc"  # where spancat keeps spans of a Doc, by spaCy's default

_SCRIPT = f'''\
"""Sentences as JSON to spaCy's format, and what a model finds in them. Runs in spaCy's environment."""

import json
import sys
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin, Span


def docs(path, vocab):
    for sentence in json.loads(Path(path).read_text(encoding="utf-8")):
        doc = Doc(vocab, words=sentence["words"], spaces=sentence["spaces"])
        spans = [Span(doc, first, end, label=label) for first, end, label in sentence["spans"]]
        if sentence["flat"]:
            doc.ents = spans
        else:
            doc.spans["{_KEY}"] = spans
        yield doc


def convert(source, target, language):
    DocBin(docs=docs(source, spacy.blank(language).vocab), store_user_data=True).to_disk(target)


def tag(source, target, model):
    nlp = spacy.load(model)
    found = []
    for doc in nlp.pipe(docs(source, nlp.vocab)):
        spans = [*doc.ents, *doc.spans.get("{_KEY}", [])]
        found.append([(span.start, span.end, span.label_) for span in spans])
    Path(target).write_text(json.dumps(found), encoding="utf-8")


{{"convert": convert, "tag": tag}}[sys.argv[1]](*sys.argv[2:])
'''


def predict(
    task: Task,
    folder: Path,
    *,
    python: Path,
    seed: int,
    component: Component = "ner",
    max_steps: int = 20_000,
    patience: int = 1600,
) -> list[Document]:
    """Train spaCy's component and give back the test documents with the names that it finds in them.

    Args:
        folder: gets the config, the data, the models and their logs.
        python: the interpreter of an environment with spaCy.
        component: "ner" takes the outermost mentions, as it cannot nest; "spancat" takes all of up to LONGEST tokens.
        max_steps: batches at most; training ends before it when `patience` of them brought nothing better on the
            validation split. The defaults of both are spaCy's.

    Raises InputError when spaCy fails or `python` is none.
    """
    folder = folder.resolve()
    language = "bn" if task.schema.language == "bn" else "xx"
    with atomic_write(folder / "script.py") as file:
        file.write(_SCRIPT)

    def call(*command: str | Path, log: str) -> None:
        # Not resolved: the link is what makes it the interpreter of its environment.
        run(command, cwd=folder, log=folder / log, python=python.absolute())

    for split, documents in (("train", task.train), ("validation", task.validation)):
        _write(folder / f"{split}.json", _sentences(documents, task, component))
        call("script.py", "convert", f"{split}.json", f"{split}.spacy", language, log=f"{split}.log")
    pipeline = ("--lang", language, "--pipeline", component, "--optimize", "efficiency")
    call("-m", "spacy", "init", "config", "config.cfg", *pipeline, "--force", log="config.log")
    settings: dict[str, Any] = {
        "paths.train": "train.spacy",
        "paths.dev": "validation.spacy",
        "system.seed": seed,
        "training.max_steps": max_steps,
        "training.patience": patience,
    }
    if component == "spancat":
        settings["components.spancat.suggester.sizes"] = list(range(1, LONGEST + 1))
    overrides = [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
    call("-m", "spacy", "train", "config.cfg", "--output", "models", *overrides, log="train.log")
    cut = units(task.test, task)
    _write(folder / "test.json", [{**_sentence(unit), "spans": [], "flat": True} for unit in cut])
    call("script.py", "tag", "test.json", "found.json", "models/model-best", log="test.log")
    found = [Found([(a, b, t) for a, b, t in spans], []) for spans in json.loads(read_text(folder / "found.json"))]
    return predicted(task.test, cut, found, task.schema)


def _sentences(documents: Sequence[Document], task: Task, component: Component) -> list[dict[str, Any]]:
    made = []
    for unit in units(documents, task):
        mentions = documents[unit.document].mentions
        if component == "ner":
            spans = flat(unit, mentions)
        else:
            placed = {unit.place(m.start, m.end): m.type for m in mentions}
            spans = [(*place, type_) for place, type_ in placed.items() if place and place[1] - place[0] <= LONGEST]
        made.append({**_sentence(unit), "spans": spans, "flat": component == "ner"})
    return made


def _sentence(unit: Unit) -> dict[str, Any]:
    """Our tokens, and whether white space follows each."""
    ends = [end for _, end in unit.tokens]
    starts = [start for start, _ in unit.tokens[1:]] + ends[-1:]
    return {"words": unit.surfaces, "spaces": [end < start for end, start in zip(ends, starts, strict=True)]}


def _write(path: Path, sentences: Sequence[dict[str, Any]]) -> None:
    with atomic_write(path) as file:
        json.dump(sentences, file, ensure_ascii=False)
