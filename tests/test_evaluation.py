"""Scores apart for names that training held, and what the model's settings do to its windows and layers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
import torch

from train import thresholds
from train.config import LAYERS, RunConfig
from train.corpora import inline
from train.corpora.load import Part
from train.encoders.build import build
from train.errors import InputError
from train.evaluation import novelty_scores
from train.schema import Schema
from train.tagger import Tagger

TRAIN = "## t\n= d GPE ঢাকা\n= k PER করিম\n\n{ঢাকায়|d} {করিম|k}।"
TEST = """## x
= d GPE ঢাকা
= k PER করিম
= r GPE রংপুর
= s PER সেলিম

{করিমের|k} বাড়ি {ঢাকার|d} বাইরে, {সেলিম|s} {রংপুরে|r}।
- k represents d
- s represents r
"""


def test_seen_and_unseen_names_are_scored_apart_whatever_their_case(schema: Schema) -> None:
    (train,), (gold,) = inline.parse(TRAIN, schema), inline.parse(TEST, schema)
    missing = {m.id for m in gold.mentions if gold.surface(m) == "রংপুরে"}
    predicted = replace(
        gold,
        mentions=tuple(m for m in gold.mentions if m.id not in missing),
        relations=tuple(r for r in gold.relations if r.tail not in missing),
    )
    part = Part("x", "test", [gold], LAYERS)
    found = novelty_scores([train], part, [predicted], schema, resamples=10, seed=0)
    assert (found["seen"]["mentions"]["f1"], found["seen"]["mentions"]["support"]) == (1, 2)
    assert found["unseen"]["mentions"]["f1"] == pytest.approx(2 / 3)
    assert found["seen"]["relations"]["f1"] == 1
    assert (found["unseen"]["relations"]["recall"], found["unseen"]["relations"]["support"]) == (0, 1)


def test_the_finished_model_overlaps_its_windows_as_the_config_says(tiny_config: Path, schema: Schema) -> None:
    config = RunConfig.load(tiny_config, ["windows.predict_overlap_tokens=40"])
    assert build(config, schema)[0].config.overlap_tokens == 40
    assert build(RunConfig.load(tiny_config), schema)[0].config.overlap_tokens == 24
    with pytest.raises(InputError, match="predict_overlap_tokens: expected at most half of max_tokens"):
        RunConfig.load(tiny_config, ["windows.predict_overlap_tokens=50"])


@pytest.mark.parametrize("kind", ["camembert", "mpnet", "roberta", "xlm-roberta"])
def test_windows_end_where_the_encoder_has_no_more_places(
    tiny_config: Path, electra_folder: Path, tmp_path: Path, schema: Schema, kind: str
) -> None:
    shutil.copytree(electra_folder, tmp_path / kind)
    shape = json.loads((electra_folder / "config.json").read_text())
    (tmp_path / kind / "config.json").write_text(json.dumps({**shape, "model_type": kind, "pad_token_id": 1}))
    settings = [f"encoder.name={tmp_path / kind}", "encoder.pretrained=false"]
    model, _ = build(RunConfig.load(tiny_config, [*settings, "windows.max_tokens=126"]), schema)
    model.encoder(input_ids=torch.full((1, 126), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model.encoder(input_ids=torch.full((1, 127), 5))
    with pytest.raises(InputError, match=r"windows\.max_tokens: 127 is more than the encoder's 126 positions"):
        build(RunConfig.load(tiny_config, [*settings, "windows.max_tokens=127"]), schema)


def test_dropout_of_the_encoder_is_set_everywhere_in_it(tiny_config: Path, schema: Schema) -> None:
    model, _ = build(RunConfig.load(tiny_config, ["encoder.dropout=0.0"]), schema)
    rates = {m.p for m in model.encoder.modules() if type(m).__name__ == "Dropout"}
    assert rates == {0.0}
    assert {m.p for m in build(RunConfig.load(tiny_config), schema)[0].encoder.modules() if type(m).__name__ == "Dropout"} != {
        0.0
    }


def test_the_mention_threshold_follows_the_part(eager: Tagger, documents) -> None:
    for parameter in eager.model.spans.output.parameters():
        parameter.data *= 0.1  # less sure, so that scores differ
    eager.config.mention_threshold = 0.3
    predicted = eager.tag(documents[:4])
    sure = median(m.score or 0.0 for d in predicted for m in d.mentions)
    gold = [replace(d, relations=(), mentions=tuple(m for m in d.mentions if (m.score or 0.0) >= sure)) for d in predicted]
    thresholds.fit(eager, Part("x", "validation", gold, ("mentions",)))
    few = sum(len(d.mentions) for d in eager.tag(predicted))
    thresholds.fit(eager, Part("x", "validation", predicted, ("mentions",)))
    assert few < sum(len(d.mentions) for d in eager.tag(predicted))


def test_unreachable_relations_are_those_that_the_ledger_counts(eager: Tagger, documents) -> None:
    eager.config.window_tokens, eager.config.overlap_tokens = 48, 8
    scored = eager.scored(documents[:4])
    reasons = [reason for lost in eager.unreachable(scored) for reason in lost.values()]
    assert set(reasons) & {"window_edge", "pruning"}
    lost = eager.ledger(scored).to_dict()["relations"]["lost"]
    assert {reason: reasons.count(reason) for reason in set(reasons)} == lost
