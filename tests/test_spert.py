"""The JSON of SpERT and CoNLL04: read whole, punctuation kept out of mentions, bad fields named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from train.config import SourceConfig
from train.corpora import spert
from train.corpora.load import load_split
from train.errors import InputError
from train.schema import Schema

SCHEMA = Schema.load(Path(__file__).parents[1] / "configs" / "schema" / "conll04.yaml")
SENTENCE: dict[str, Any] = {
    "tokens": ["Oswald", "was", "born", "in", "New", "Orleans", ",", "La."],
    "entities": [
        {"type": "Peop", "start": 0, "end": 1},
        {"type": "Loc", "start": 4, "end": 6},
        {"type": "Loc", "start": 7, "end": 8},
    ],
    "relations": [{"type": "Live_In", "head": 0, "tail": 1}, {"type": "Located_In", "head": 1, "tail": 2}],
    "orig_id": 7,
}


def _written(tmp_path: Path, *sentences: Any) -> Path:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(list(sentences)), encoding="utf-8")
    return path


def test_sentences_become_documents_with_punctuation_outside_of_mentions(tmp_path: Path) -> None:
    document = spert.read(_written(tmp_path, SENTENCE), SCHEMA)[0]
    assert document.text == "Oswald was born in New Orleans , La."
    assert [document.surface(m) for m in document.mentions] == ["Oswald", "New Orleans", "La"]
    assert [(r.type, r.head, r.tail, r.status) for r in document.relations] == [
        ("Live_In", "m1", "m2", "stated"),
        ("Located_In", "m2", "m3", "stated"),
    ]


def test_a_source_in_this_form_has_dev_as_its_validation_split(tmp_path: Path) -> None:
    _written(tmp_path, SENTENCE)
    source = SourceConfig(path=str(tmp_path), format="spert", layers=("mentions", "relations"), splits=("train", "validation"))
    assert len(load_split([source], "validation", SCHEMA)[0].documents) == 1
    with pytest.raises(InputError, match=r"expected a file train\.json"):
        load_split([source], "train", SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": ["a b"]}, "[0].tokens: expected words without white space"),
        ({"entities": [{"type": "Peop", "start": 0, "end": 9}]}, "[0].entities[0]: tokens 0:9, expected 0 <= start < end <= 8"),
        ({"entities": [{"type": "Peop", "start": "0", "end": 9}]}, "[0].entities[0].start: expected int"),
        ({"entities": [{"type": "PER", "start": 0, "end": 1}], "relations": []}, "[0]: mentions[0].type: unknown type 'PER'"),
        (
            {"relations": [{"type": "Kill", "head": 0, "tail": 5}]},
            "[0].relations[0]: head 0 and tail 5, expected places among 3",
        ),
        ({"relations": [{"type": "Kill", "head": 0, "tail": 1}]}, "[0]: relations[0]"),
        ({"relations": 3}, "[0].relations: expected list"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = _written(tmp_path, SENTENCE | change)
    with pytest.raises(InputError) as error:
        spert.read(path, SCHEMA)
    assert f"{path}: {message}" in str(error.value)


def test_what_is_no_list_of_sentences_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    for content, message in (("{}", "expected a list of sentences"), ("[1, ", "dev.json:1: not valid JSON"), ("[3]", "tokens")):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=message.replace("[", r"\[")):
            spert.read(path, SCHEMA)
