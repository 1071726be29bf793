"""Sentences with entities and relations as JSON, the form in which SpERT (Eberts and Ulges 2020) reads CoNLL04 and others.

A file is a list of {"tokens": […], "entities": [{"type", "start", "end"}], "relations": [{"type", "head", "tail"}]}: start and
end count tokens, end excluded; head and tail are places in "entities".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from train.document import Document, Mention, Relation
from train.errors import InputError
from train.files import read_text
from train.model.bangla import is_punctuation, words
from train.schema import Schema


def read(path: str | Path, schema: Schema) -> list[Document]:
    """One document a sentence, with id "file name:place in the list"; its text is the tokens with spaces between them.

    Punctuation at a mention's edges stays outside of it ("Tenn." has the mention "Tenn"), and relations get the schema's
    default status. Raises InputError that names the sentence and the field of what is not in this form.
    """
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    if not isinstance(data, list):
        raise InputError(f"{path}: expected a list of sentences, got {type(data).__name__}")
    documents = []
    for number, sentence in enumerate(data):
        where = f"{path}: [{number}]"
        document = _document(sentence, f"{Path(path).name}:{number}", schema, where)
        try:
            document.check(schema)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        documents.append(document)
    return documents


def _document(sentence: Any, id_: str, schema: Schema, where: str) -> Document:
    tokens = _field(sentence, "tokens", list, where)
    if not tokens or not all(isinstance(token, str) and token.split() == [token] for token in tokens):
        raise InputError(f"{where}.tokens: expected words without white space")
    text = " ".join(tokens)
    ends = [0]
    for token in tokens:
        ends.append(ends[-1] + len(token) + 1)
    mentions = []
    for i, entity in enumerate(_field(sentence, "entities", list, where)):
        at = f"{where}.entities[{i}]"
        first, end = (_field(entity, key, int, at) for key in ("start", "end"))
        if not 0 <= first < end <= len(tokens):
            raise InputError(f"{at}: tokens {first}:{end}, expected 0 <= start < end <= {len(tokens)}")
        start, stop = trimmed(text, ends[first], ends[end] - 1)
        mentions.append(Mention(f"m{i + 1}", start, stop, _field(entity, "type", str, at)))
    relations = []
    for i, relation in enumerate(_field(sentence, "relations", list, where)):
        at = f"{where}.relations[{i}]"
        head, tail = (_field(relation, key, int, at) for key in ("head", "tail"))
        if not (0 <= head < len(mentions) and 0 <= tail < len(mentions)):
            raise InputError(f"{at}: head {head} and tail {tail}, expected places among {len(mentions)} entities")
        type_ = _field(relation, "type", str, at)
        relations.append(Relation(type_, f"m{head + 1}", f"m{tail + 1}", schema.default_status))
    return Document(id_, text, tuple(mentions), (), tuple(relations))


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the punctuation at its edges; all of it where it is nothing else."""
    inside = [(a, b) for a, b in words(text[start:end]) if not is_punctuation(text[start + a : start + b])]
    return (start + inside[0][0], start + inside[-1][1]) if inside else (start, end)


def _field(entry: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get(key), kind) or isinstance(entry.get(key), bool):
        raise InputError(f"{where}.{key}: expected {kind.__name__}")
    return entry[key]
