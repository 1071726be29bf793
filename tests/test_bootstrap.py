"""Bootstrap intervals: that they hold the estimate, shrink with more documents and have the width of theory."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from train.bootstrap import intervals, mean_f1, precision_recall_f1
from train.document import Document, Mention, Relation
from train.schema import Schema
from train.scoring import headline, score

SCHEMA = Schema.load(Path(__file__).parents[1] / "configs" / "schema" / "politics.yaml")
TEXT = "ক" * 100


def corpus(documents: int, seed: int = 0) -> tuple[list[Document], list[Document]]:
    """Gold and predicted documents with the same spans, and random types, entities, relations and statuses."""
    rng = random.Random(seed)
    gold: list[Document] = []
    predicted: list[Document] = []
    for i in range(documents):
        for side in (gold, predicted):
            types = rng.choices(["PER", "GPE"], weights=[4, 1], k=6)
            mentions = [
                Mention(f"m{j}", 10 * j, 10 * j + 5, type_, f"{type_}{rng.randrange(2)}") for j, type_ in enumerate(types)
            ]
            relations = [
                Relation("meets", "m0", f"m{j}", rng.choice(["asserted", "former"])) for j in range(1, 5) if rng.random() < 0.7
            ]
            side.append(Document(i, TEXT, tuple(mentions), relations=tuple(relations)))
    return gold, predicted


def test_names_and_estimates_inside() -> None:
    gold, predicted = corpus(60)
    scores = score(gold, predicted, SCHEMA, given_gold=gold)
    estimates = headline(scores)
    names = {
        "mentions.strict.f1": "mention_strict_f1",
        "mentions.boundaries.f1": "mention_boundary_f1",
        "relations.strict.f1": "relation_strict_f1",
        "relations.boundaries.f1": "relation_boundary_f1",
        "relations.with_status.f1": "relation_status_f1",
        "relations.given_gold.f1": "relation_given_gold_f1",
        "status.accuracy": "status_accuracy",
        "identities.conll_f1": "conll_f1",
    }
    assert scores["intervals"].keys() == names.keys()
    assert estimates.keys() == set(names.values())
    for name, (low, high) in scores["intervals"].items():
        assert 0 <= low <= estimates[names[name]] <= high <= 1
    for name in ("mentions.strict.f1", "relations.strict.f1", "status.accuracy", "identities.conll_f1"):
        low, high = scores["intervals"][name]
        assert 0 < high - low < 0.3


def test_equal_documents_give_a_point() -> None:
    gold, predicted = corpus(1)
    copies = [[replace(document, id=i) for i in range(12)] for (document,) in (gold, predicted)]
    scores = score(copies[0], copies[1], SCHEMA)
    estimates = headline(scores).values()
    assert sorted(low for low, _ in scores["intervals"].values()) == pytest.approx(sorted(estimates))
    assert all(low == pytest.approx(high) for low, high in scores["intervals"].values())


def test_fewer_documents_give_wider_intervals() -> None:
    gold, predicted = corpus(20)
    many = [[replace(d, id=f"{d.id} {i}") for d in side for i in range(16)] for side in (gold, predicted)]
    few, plenty = score(gold, predicted, SCHEMA)["intervals"], score(many[0], many[1], SCHEMA)["intervals"]
    for name in set(few) - {"mentions.boundaries.f1"}:  # all spans are right
        # 16 times the documents of the same kind: a quarter of the width.
        ratio = (few[name][1] - few[name][0]) / (plenty[name][1] - plenty[name][0])
        assert 2.5 < ratio < 6


def test_two_documents_worked_by_hand() -> None:
    # One all right, one all wrong: a resample has F1 0, 1/2 or 1 with chances 1/4, 1/2, 1/4, so [0, 1].
    right, wrong = (Mention("m", 0, 1, "PER"),), (Mention("m", 2, 3, "PER"),)
    gold = [Document("a", TEXT, right), Document("b", TEXT, right)]
    predicted = [Document("a", TEXT, right), Document("b", TEXT, wrong)]
    assert score(gold, predicted, SCHEMA)["intervals"]["mentions.strict.f1"] == [0, 1]


def test_quantiles_of_a_normal_mean() -> None:
    # Accuracy over n documents of one answer each: the interval is about p ± 1.96 √(p(1-p)/n).
    right = np.random.default_rng(1).random(400) < 0.7
    counts = np.stack([right, np.ones(400), right, np.ones(400)], axis=-1)[:, None, :].astype(float)
    low, high = intervals({"accuracy": counts}, resamples=4000)["accuracy"]
    spread = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 400)
    assert (low, high) == pytest.approx((right.mean() - spread, right.mean() + spread), abs=0.006)


def test_seed_and_resamples() -> None:
    gold, predicted = corpus(10)
    runs = [score(gold, predicted, SCHEMA, seed=seed)["intervals"] for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert score(gold, predicted, SCHEMA, resamples=0)["intervals"] == {}


def test_counts_to_shares() -> None:
    counts = np.array([[[1, 2, 1, 4], [0, 0, 0, 3]]], dtype=float)
    precision, recall, f1 = precision_recall_f1(counts)
    assert precision.tolist() == [[0.25, 0]]
    assert recall.tolist() == [[0.5, 0]]
    assert f1 == pytest.approx(np.array([[1 / 3, 0]]))
    assert mean_f1(counts) == pytest.approx([1 / 6])
