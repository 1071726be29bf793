"""Thresholds: chosen by F1 on a part, kept in the checkpoint, and used when decoding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

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


def test_the_threshold_that_fits_the_part_best_is_found(eager: Tagger, predicted) -> None:
    """Where gold is what the model is sure of, the rest is kept out; where gold is all it predicts, nothing is."""
    sure = median(r.score or 0.0 for d in predicted for r in d.relations)
    gold = [replace(d, relations=tuple(r for r in d.relations if (r.score or 0.0) >= sure)) for d in predicted]
    thresholds.fit(eager, Part("x", "validation", gold, LAYERS))
    few = sum(len(d.relations) for d in eager.tag(predicted))
    thresholds.fit(eager, Part("x", "validation", predicted, LAYERS))
    assert few < sum(len(d.relations) for d in eager.tag(predicted))


def test_a_threshold_is_one_of_the_whole_triple(eager: Tagger, predicted, documents) -> None:
    """A relation is as sure as its label and both of its mentions together."""
    for d in predicted:
        at = d.mention_by_id()
        for r in d.relations:
            assert min(thresholds.RELATION_GRID) <= (r.score or 0) <= (at[r.head].score or 0) * (at[r.tail].score or 0) + 1e-3
    scores = [r.score or 0.0 for d in predicted for r in d.relations]
    eager.config.relation_threshold = (min(scores) + max(scores)) / 2
    after = [r.score or 0.0 for d in eager.tag(documents[:6]) for r in d.relations]
    assert after == [s for s in scores if s >= round(eager.config.relation_threshold, 4)]
    assert len(after) < len(scores)


def test_thresholds_come_back_with_the_checkpoint(eager: Tagger, tmp_path: Path) -> None:
    config = RajnitiConfig(**{**eager.config.to_dict(), "relation_threshold": 0.3, "mention_threshold": 0.45})
    config.save_pretrained(tmp_path)
    again = RajnitiConfig.from_pretrained(tmp_path)
    assert (again.relation_threshold, again.mention_threshold) == (0.3, 0.45)


def test_a_part_without_relations_sets_the_mention_threshold_alone(eager: Tagger, documents) -> None:
    bare = [replace(d, relations=()) for d in documents[:4]]
    eager.config.relation_threshold = 0.7
    thresholds.fit(eager, Part("x", "validation", bare, ("mentions",)))
    assert eager.config.relation_threshold == 0.7
    thresholds.fit(eager, Part("x", "validation", bare, LAYERS))  # no relation to go by
    assert eager.config.relation_threshold == 0.7
