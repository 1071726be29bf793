"""Names by Hugging Face's own example of token classification, run_ner_no_trainer.py, on the same encoder.

The script is the user's, from examples/pytorch/token-classification of transformers 4.57; a copy in the run's folder is
changed where PATCHES says. It tags each word with BIO, so it is given the outermost mentions. Needs `.[test]`, for seqeval.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from train.document import Document
from train.errors import InputError
from train.files import atomic_write, read_text
from train.peers.common import Found, Task, Unit, flat, predicted, run, units
from train.quiet import quietly

MAX_LENGTH = 128
"""Pieces of a sentence that the recipe reads, its own default; it cuts off the rest."""

PATCHES = (
    (
        "import evaluate\n",
        "import local_evaluate as evaluate\n",
        'evaluate.load("seqeval") gets code from the Hub',
    ),
    (
        "    model.to(device)\n",
        "    model.to(device)\n    model.get_input_embeddings().requires_grad_(False)\n",
        "the offline encoder's word embeddings stay as they are in our runs too",
    ),
)
"""Old text, new text, why."""

_LOCAL_EVALUATE = '''\
"""Stands for evaluate.load("seqeval"), whose code on the Hub calls the same package."""

from seqeval import metrics


class Seqeval:
    def __init__(self):
        self.references, self.predictions = [], []

    def add_batch(self, predictions, references):
        self.references += references
        self.predictions += predictions

    def compute(self):
        names = ("precision", "recall", "f1", "accuracy")
        scores = {f"overall_{name}": getattr(metrics, f"{name}_score")(self.references, self.predictions) for name in names}
        self.references, self.predictions = [], []
        return scores


def load(name):
    return Seqeval()
'''


def predict(
    task: Task,
    encoder: Path,
    folder: Path,
    *,
    code: Path,
    seed: int,
    epochs: int = 3,
    learning_rate: float = 5e-5,
    batch: int = 8,
) -> list[Document]:
    """Train the recipe and give back the test documents with the names that it finds in them.

    Args:
        encoder: a folder with a model and a fast tokenizer.
        folder: gets the patched script, the data, the model and its log.
        code: run_ner_no_trainer.py; the defaults of epochs, learning_rate and batch are its own.

    How many words lie past MAX_LENGTH, and so have no name, is printed. Raises InputError when `code` is another script or
    fails.
    """
    folder = folder.resolve()
    script = _write_code(folder / "code", code)
    train = _rows(task.train, task)
    known = {tag for row in train for tag in row["ner_tags"]}
    # The recipe stops at a tag that only its validation data have. It chooses nothing by them.
    validation = [
        {**row, "ner_tags": [t if t in known else "O" for t in row["ner_tags"]]} for row in _rows(task.validation, task)
    ]
    _write_lines(folder / "train.json", train)
    _write_lines(folder / "validation.json", validation)
    arguments = {
        "train_file": folder / "train.json",
        "validation_file": folder / "validation.json",
        "model_name_or_path": encoder.resolve(),
        "output_dir": folder / "model",
        "max_length": MAX_LENGTH,
        "per_device_train_batch_size": batch,
        "learning_rate": learning_rate,
        "num_train_epochs": epochs,
        "seed": seed,
    }
    flags = [str(part) for name, value in arguments.items() for part in (f"--{name}", value)]
    run([script, *flags], cwd=folder, log=folder / "train.log")
    cut = units(task.test, task)
    found, late = _tagged(cut, folder / "model")
    if late:
        print(f"{late} words of the test split lie past the {MAX_LENGTH} pieces that the recipe reads of a sentence")
    return predicted(task.test, cut, found, task.schema)


def patched(source: str, *, name: str | Path) -> str:
    """The script with PATCHES; raises InputError, naming the script, where it does not have each old text once."""
    for old, new, _ in PATCHES:
        if source.count(old) != 1:
            raise InputError(f"{name}: no run_ner_no_trainer.py of transformers 4.57: expected {old.strip()!r} in it once")
        source = source.replace(old, new)
    return source


def tags(count: int, spans: Iterable[tuple[int, int, str]]) -> list[str]:
    """BIO tags of so many words, of spans that do not overlap."""
    result = ["O"] * count
    for first, end, type_ in spans:
        result[first:end] = [f"B-{type_}"] + [f"I-{type_}"] * (end - first - 1)
    return result


def spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Spans of BIO tags as seqeval reads them by default: I- also begins one, where none of its type ends right before."""
    found: list[tuple[int, int, str]] = []
    for place, tag in enumerate(tags):
        prefix, _, type_ = tag.partition("-")
        if prefix == "I" and found and found[-1][1:] == (place, type_):
            found[-1] = (found[-1][0], place + 1, type_)
        elif prefix != "O":
            found.append((place, place + 1, type_))
    return found


def _write_code(folder: Path, code: Path) -> Path:
    files = {"local_evaluate.py": _LOCAL_EVALUATE, "run_ner_no_trainer.py": patched(read_text(code), name=code)}
    for name, text in files.items():
        with atomic_write(folder / name) as file:
            file.write(text)
    return folder / "run_ner_no_trainer.py"


def _rows(documents: Sequence[Document], task: Task) -> list[dict[str, list[str]]]:
    cut = units(documents, task)
    return [
        {"tokens": unit.surfaces, "ner_tags": tags(len(unit.tokens), flat(unit, documents[unit.document].mentions))}
        for unit in cut
    ]


def _write_lines(path: Path, rows: Iterable[dict[str, list[str]]]) -> None:
    with atomic_write(path) as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _tagged(cut: Sequence[Unit], folder: Path, *, batch: int = 32) -> tuple[list[Found], int]:
    """What a trained model finds, by the tag of each word's first piece; and how many words have no piece that it reads."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with quietly():
        model = AutoModelForTokenClassification.from_pretrained(folder).eval().to(device)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    found = [Found([], [])] * len(cut)
    late = 0
    order = sorted(range(len(cut)), key=lambda i: len(cut[i].tokens))
    for at in range(0, len(order), batch):
        places = order[at : at + batch]
        words = [cut[i].surfaces for i in places]
        encoded: Any = tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            best = model(**encoded.to(device)).logits.argmax(-1).tolist()
        for row, i in enumerate(places):
            labels = ["O"] * len(words[row])
            read: set[int] = set()
            for piece, word in enumerate(encoded.word_ids(row)):
                if word is not None and word not in read:
                    labels[word] = model.config.id2label[best[row][piece]]
                    read.add(word)
            late += len(labels) - len(read)
            found[i] = Found(spans(labels), [])
    return found, late
