"""What `score` takes, refuses and returns: layers, empty documents, documents that do not fit."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.corpora.inline import parse
from train.document import Document, Mention, Relation
from train.errors import InputError
from train.schema import Schema
from train.scoring import headline, score

SCHEMA = Schema.load(Path(__file__).parents[1] / "configs" / "schema" / "politics.yaml")
TEXT = "ক" * 100

MARKUP = """\
## a
= cn GPE চীন
= wang PER ওয়াং ই

{চীনের|cn} {ওয়াং ই|wang} বলেন। {ওয়াং|wang} {চীনে|cn} ফিরেছেন।
- wang represents cn
- wang visits cn

## b
= bnp PARTY বিএনপি
= al PARTY আওয়ামী লীগ

{বিএনপি|bnp} ও {আওয়ামী লীগ|al} বৈঠক করবে না।
- bnp meets al negated
"""


def spans(id_: str | int, *mentions: tuple[int, int, str]) -> Document:
    """A document of mentions (start, end, type)."""
    return Document(id_, TEXT, tuple(Mention(f"m{i}", *mention) for i, mention in enumerate(mentions)))


def related(*relation: Any) -> Document:
    """A document "d" with PER m0 and GPE m1, and a relation (type, head, tail, status) unless none is given."""
    mentions = (Mention("m0", 0, 5, "PER"), Mention("m1", 10, 15, "GPE"))
    return Document("d", TEXT, mentions, relations=(Relation(*relation),) if relation else ())


@pytest.fixture
def gold() -> list[Document]:
    return parse(MARKUP, SCHEMA)


@pytest.fixture
def predicted(gold: list[Document]) -> list[Document]:
    """Without the second relation of the first document, and without the second mention's entity."""
    first = gold[0]
    mentions = (first.mentions[0], replace(first.mentions[1], entity=None), *first.mentions[2:])
    return [replace(first, mentions=mentions, relations=first.relations[:1]), gold[1]]


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        ([], []),
        ([spans("d")], [spans("d")]),
        ([spans("d", (0, 4, "PER"))], [spans("d")]),
        ([spans("d")], [spans("d", (0, 4, "PER"))]),
        ([related("visits", "m0", "m1", "asserted")], [spans("d")]),
    ],
)
def test_nothing_gives_zero_without_warnings(gold: list[Document], predicted: list[Document]) -> None:
    given = [replace(document, relations=()) for document in gold]
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        scores = score(gold, predicted, SCHEMA, given_gold=given)
    assert set(headline(scores).values()) == {0.0}
    assert all(interval == [0, 0] for interval in scores["intervals"].values())
    assert scores["documents"] == len(gold)


def test_result_is_plain_json(gold: list[Document], predicted: list[Document]) -> None:
    scores = score(gold, predicted, SCHEMA, given_gold=gold, resamples=50)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert _leaf_types(scores) == {int, float}


def test_perfect_prediction(gold: list[Document]) -> None:
    scores = score(gold, gold, SCHEMA, given_gold=gold)
    assert headline(scores) == dict.fromkeys(headline(scores), 1.0)
    assert len(headline(scores)) == 8


def test_headline(gold: list[Document], predicted: list[Document]) -> None:
    assert headline(score(gold, predicted, SCHEMA, resamples=0)) == pytest.approx(
        {
            "mention_strict_f1": 1,
            "mention_boundary_f1": 1,
            # 2 of 3 relations, none wrong: F1 2·2/5.
            "relation_strict_f1": 4 / 5,
            "relation_boundary_f1": 4 / 5,
            "relation_status_f1": 4 / 5,
            "status_accuracy": 1,
            # Entities {1,4} {2,3} {5} {6} against {1,4} {2} {3} {5} {6}. MUC: 1 of 2 links, none wrong: 2/3. B³: recall
            # (2 + 1/2 + 1/2 + 1 + 1)/6, precision 1: 10/11. CEAF: 1 + 2/3 + 1 + 1 of 4 and 5: 2·(11/3)/9.
            "conll_f1": (2 / 3 + 10 / 11 + 22 / 27) / 3,
        }
    )


@pytest.mark.parametrize(
    ("layers", "keys"),
    [
        (["mentions"], {"mentions"}),
        (["identities"], {"identities"}),
        (("relations", "mentions"), {"relations", "status", "mentions"}),
        ([], set()),
    ],
)
def test_layers(gold: list[Document], predicted: list[Document], layers: list[str], keys: set[str]) -> None:
    scores = score(gold, predicted, SCHEMA, layers=layers, resamples=10)
    assert scores.keys() - {"intervals", "documents"} == keys
    assert {name.split(".")[0] for name in scores["intervals"]} == keys
    everything = score(gold, predicted, SCHEMA, resamples=10)
    assert all(scores[key] == everything[key] for key in keys)
    assert headline(scores).items() <= headline(everything).items()


def test_a_layer_not_scored_is_not_read() -> None:
    foreign = related("married_to", "m0", "m1", "asserted")
    scores = score([foreign], [foreign], SCHEMA, layers=["mentions", "identities"], resamples=0)
    assert scores["mentions"]["strict"]["micro"]["f1"] == 1


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([spans("x")], [], r"^document 'x': is in gold but not among the predictions$"),
        ([], [spans("x")], r"^document 'x': is among the predictions but not in gold$"),
        ([spans("x")], [spans("x"), spans("x")], r"^document 'x': occurs twice among the predictions$"),
        ([spans("x"), spans("x")], [spans("x")], r"^document 'x': occurs twice among the gold documents$"),
        ([spans("x")], [Document("x", "অন্য")], r"^document 'x': the text differs between gold and the predictions$"),
        ([spans(1)], [spans("1")], r"^document 1: is in gold but not among the predictions$"),
        ([spans("x", (0, 1, "CAT"))], [spans("x")], r"^document 'x': mention type 'CAT' is not in schema 'politics'$"),
        ([related()], [related("visits", "m0", "m9", "asserted")], r"^document 'd': relation end 'm9' is not among "),
        ([related()], [related("likes", "m0", "m1", "asserted")], r"^document 'd': relation label 'likes' is not in "),
        ([related()], [related("visits", "m0", "m1", "maybe")], r"^document 'd': relation label 'maybe' is not in "),
    ],
)
def test_bad_documents(gold: list[Document], predicted: list[Document], message: str) -> None:
    with pytest.raises(InputError, match=message):
        score(gold, predicted, SCHEMA)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["names"]}, r"^layers: unknown layer 'names'; expected some of mentions, "),
        ({"types": ["PER", "CAT"]}, r"^types: unknown mention type 'CAT'; expected some of PER, "),
        ({"resamples": -1}, r"^resamples: expected 0 or more, got -1$"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        score([spans("x")], [spans("x")], SCHEMA, **options)


def _leaf_types(value: Any) -> set[type]:
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return set().union(*map(_leaf_types, parts))
    return {type(value)}
