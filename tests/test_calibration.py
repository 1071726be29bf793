"""Calibration: fitted by type, kept in the checkpoint, used for every score; and asking for a precision."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from train import calibration, thresholds
from train.calibration import Observation
from train.config import LAYERS
from train.corpora.load import Part
from train.curve import draw_reliability
from train.model.configuration_rajniti import RajnitiConfig
from train.model.decoding import calibrated
from train.tagger import Tagger


def boastful(type_: str, n: int, seed: int) -> list[Observation]:
    """Scores whose log odds are twice what they should be."""
    rng = random.Random(seed)
    made = []
    for _ in range(n):
        odds = rng.gauss(0.5, 1.5)
        made.append(Observation(type_, 1 / (1 + np.exp(-2 * odds)), rng.random() < 1 / (1 + np.exp(-odds))))
    return made


def test_fitting_brings_boastful_scores_down_to_what_they_are_worth() -> None:
    fitted = calibration.fit(boastful("PER", 4000, 1), ["PER"])
    assert fitted["PER"][0] == pytest.approx(0.5, abs=0.05)
    fresh = boastful("PER", 4000, 2)
    tamed = [o._replace(score=float(calibrated(o.score, fitted["PER"]))) for o in fresh]
    before, after = (calibration.reliability(found)["ece"] for found in (fresh, tamed))
    assert after < 0.03 < before


def test_each_type_is_fitted_by_itself_where_it_has_the_data_and_like_all_where_not() -> None:
    good = [Observation("GPE", o.score, o.right) for o in boastful("GPE", 2000, 3)]
    always = [Observation("PARTY", 0.5, True)] * 300
    few = [Observation("LAW", 0.5, True)] * 2
    fitted = calibration.fit([*good, *always, *few], ["PER", "GPE", "PARTY", "LAW"])
    assert calibrated(0.5, fitted["PARTY"]) > 0.9
    assert calibrated(0.5, fitted["LAW"]) == pytest.approx(calibrated(0.5, fitted["PER"]), abs=0.1)
    assert calibration.fit([], ["PER"]) == {"PER": [1.0, 0.0]}


def test_the_calibration_error_is_the_mean_gap_between_score_and_success() -> None:
    observations = [Observation("x", 0.9, i < 6) for i in range(10)] + [Observation("x", 0.1, False)] * 10
    found = calibration.reliability(observations)
    assert found["ece"] == pytest.approx((0.3 + 0.1) / 2)
    assert [(b["count"], round(b["right"], 3)) for b in found["bins"]] == [(10, 0.0), (10, 0.6)]
    assert calibration.reliability([])["ece"] == 0


def test_a_precision_is_reached_from_the_lowest_score_on_that_showed_it() -> None:
    sure = [Observation("x", 0.9 - i / 1000, True) for i in range(30)]
    mixed = [Observation("x", 0.5 - i / 1000, i % 2 == 0) for i in range(60)]
    reached = dict(map(tuple, calibration.precisions([*mixed, *sure])))
    assert reached[0.99] == pytest.approx(0.5)  # the first of the mixed ones is right
    assert reached[0.65] < reached[0.8] < reached[0.99]
    asked = calibration.at_precisions([*mixed, *sure], 100, [[0.99, reached[0.99]]])
    assert asked == [{"asked": 0.99, "precision": 1.0, "recall": 0.31}]
    assert calibration.precisions(sure[:10]) == []  # too few to say


def test_fitted_calibration_changes_every_score_and_comes_back_with_the_checkpoint(eager: Tagger, documents, tmp_path) -> None:
    thresholds.fit(eager, Part("x", "validation", documents[:6], LAYERS))
    config = eager.config
    assert set(config.calibration) == {"mentions", "relations"}
    config.save_pretrained(tmp_path)
    again = RajnitiConfig.from_pretrained(tmp_path)
    assert [again.calibration_of(x) for x in config.calibration] == [config.calibration_of(x) for x in config.calibration]
    config.mention_threshold, config.calibration = 0.0, {}
    raw = eager.tag(documents[:1])[0]
    config.calibration = {"mentions": {type_: [1.0, -1.0] for type_ in config.mention_types}}
    lower = {(m.start, m.end): m.score for m in eager.tag(documents[:1])[0].mentions}
    for m in raw.mentions:
        assert lower[m.start, m.end] == pytest.approx(calibrated(m.score, [1.0, -1.0]), abs=1e-3)


def test_asking_for_a_precision_leaves_only_what_scores_as_high(eager: Tagger, documents) -> None:
    config = eager.config
    config.relation_threshold = 0.05
    for parameter in eager.model.spans.output.parameters():
        parameter.data *= 0.1  # less sure, so that scores differ
    everything = eager.tag(documents[:4])
    steps = sorted({m.score for d in everything for m in d.mentions})
    high = (steps[len(steps) // 2 - 1] + steps[len(steps) // 2]) / 2  # between two scores, which are rounded
    config.precisions = {"mentions": [[0.5, 0.1], [0.9, high]]}
    sure = eager.tag(documents[:4], min_precision=0.8)
    assert {m.score for d in sure for m in d.mentions} == {m.score for d in everything for m in d.mentions if m.score >= high}
    assert not any(d.relations for d in sure)  # no precision was ever shown for them
    assert eager.tag(documents[:4], min_precision=0.4) == [
        replace(d, relations=()) for d in everything
    ]  # never below the threshold
    assert not any(d.mentions for d in eager.tag(documents[:4], min_precision=0.95))
    with pytest.raises(ValueError, match="precision 2"):
        eager.tag(documents[:1], min_precision=2)


def test_reliability_is_drawn(tmp_path: Path) -> None:
    found = {"mentions": calibration.reliability(boastful("PER", 200, 1)), "relations": calibration.reliability([])}
    draw_reliability(tmp_path / "r.png", found)
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
