"""Thresholds: chosen by F1 on a part, for frequent types alone, kept in the checkpoint, and used when decoding."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from train import thresholds
from train.config import LAYERS
from train.corpora.load import Part
from train.document import Document
from train.model.configuration_rajniti import RajnitiConfig
from train.tagger import Tagger


@pytest.fixture
def predicted(eager: Tagger, documents) -> list[Document]:
    eager.config.relation_threshold = min(thresholds.RELATION_GRID)
    return eager.tag(documents[:6])


def types(documents: list[Document]) -> list[str]:
    return [r.type for d in documents for r in d.relations]


def test_the_thresholds_that_fit_the_part_best_are_found(eager: Tagger, predicted, monkeypatch) -> None:
    """Gold is what the model predicts, but of one type only what it is sure of: there the threshold must rise."""
    scores: dict[str, list[float]] = {}
    for r in (r for d in predicted for r in d.relations):
        scores.setdefault(r.type, []).append(r.score or 0.0)
    strict = max(scores, key=lambda name: max(scores[name]) - min(scores[name]))
    other = max(scores.keys() - {strict}, key=lambda name: len(scores[name]))
    sure = (min(scores[strict]) + max(scores[strict])) / 2
    gold = [
        replace(d, relations=tuple(r for r in d.relations if r.type != strict or (r.score or 0.0) >= sure)) for d in predicted
    ]
    counts = Counter(types(gold))
    monkeypatch.setattr(thresholds, "ENOUGH", min(counts[strict], counts[other]))
    monkeypatch.setattr(thresholds, "RELATION_GRID", (0.1, sure))
    thresholds.fit(eager, Part("x", "validation", gold, LAYERS))
    assert eager.config.relation_thresholds[strict] == sure
    assert eager.config.relation_thresholds[other] <= min(scores[other])
    assert set(eager.config.relation_thresholds) == {name for name, n in counts.items() if n >= thresholds.ENOUGH}


def test_a_threshold_of_a_type_keeps_its_relations_out_and_no_others(eager: Tagger, predicted, documents) -> None:
    kind = Counter(types(predicted)).most_common(1)[0][0]
    eager.config.relation_thresholds = {kind: 1.01}
    after = types(eager.tag(documents[:6]))
    assert after == [t for t in types(predicted) if t != kind]
    assert after


def test_a_threshold_is_one_of_the_whole_triple(predicted) -> None:
    """A relation is as sure as its label and both of its mentions together."""
    for d in predicted:
        at = d.mention_by_id()
        for r in d.relations:
            assert min(thresholds.RELATION_GRID) <= (r.score or 0) <= (at[r.head].score or 0) * (at[r.tail].score or 0) + 1e-3


def test_thresholds_come_back_with_the_checkpoint(eager: Tagger, tmp_path: Path) -> None:
    config = RajnitiConfig(**{**eager.config.to_dict(), "relation_threshold": 0.3, "relation_thresholds": {"meets": 0.6}})
    config.save_pretrained(tmp_path)
    again = RajnitiConfig.from_pretrained(tmp_path)
    assert (again.relation_threshold, again.relation_thresholds) == (0.3, {"meets": 0.6})


def test_a_part_without_relations_sets_the_mention_threshold_alone(eager: Tagger, documents) -> None:
    bare = [replace(d, relations=()) for d in documents[:4]]
    eager.config.relation_thresholds, eager.config.relation_threshold = {"meets": 0.9}, 0.7
    thresholds.fit(eager, Part("x", "validation", bare, ("mentions",)))
    assert (eager.config.relation_thresholds, eager.config.relation_threshold) == ({"meets": 0.9}, 0.7)
    assert eager.config.mention_threshold in thresholds.MENTION_GRID
