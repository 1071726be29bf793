"""The loop: the plan, and exact resumption."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from tests.support import ROOT, script
from train import loop
from train.config import RunConfig
from train.corpora.load import load_split
from train.encoders.build import build
from train.errors import InputError
from train.examples import batch, examples
from train.loop import Trainer, optimizer, plan
from train.model.modeling_rajniti import RajnitiModel
from train.processes import precision
from train.run import train
from train.schema import Schema


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """accelerate keeps the precision of the process's first run for all that follow."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def _config(tiny_config: Path, *overrides: str) -> RunConfig:
    return RunConfig.load(tiny_config, list(overrides))


def test_plan_sees_each_window_once_an_epoch_and_keeps_the_last_partial_group(tiny_config: Path) -> None:
    lengths = [20 + i % 60 for i in range(101)]
    steps = plan(lengths, _config(tiny_config, "training.accumulation=3", "training.batch_tokens=384"), processes=1)
    for epoch in range(2):
        seen = [i for s in steps if s.epoch == epoch for p in s.passes for i in p]
        assert sorted(seen) == list(range(101))
    ends = [s for s in steps if s.ends_epoch]
    assert len(ends) == 18
    passes = sum(len(s.passes) for s in steps if s.epoch == 0)
    assert passes % 3 != 0
    assert len(ends[0].passes) == passes % 3


def test_plan_depends_on_the_global_batch_alone(tiny_config: Path) -> None:
    lengths = [20 + i % 60 for i in range(101)]
    two = plan(lengths, _config(tiny_config, "training.accumulation=1"), processes=2)
    assert two == plan(lengths, _config(tiny_config, "training.accumulation=2"), processes=1)
    assert two != plan(lengths, _config(tiny_config, "training.accumulation=2", "seed=14"), processes=1)


@pytest.mark.parametrize("budget", [512, 4096, 16384])
def test_little_of_a_pass_is_padding_however_large_it_is(tiny_config: Path, budget: int) -> None:
    lengths = [98 + 41 * i % 287 for i in range(3000)]  # as news in windows of 384
    steps = plan(lengths, _config(tiny_config, f"training.batch_tokens={budget}", "training.epochs=1"), processes=1)
    passes = [[lengths[i] for i in p] for s in steps for p in s.passes]
    assert max(len(p) * max(p) for p in passes) <= budget
    assert sum(map(sum, passes)) / sum(len(p) * max(p) for p in passes) > 0.95


def test_upper_layers_learn_faster_and_heads_at_their_own_rate(tiny_config: Path, schema) -> None:
    rates = ("optimizer.learning_rate=1e-3", "optimizer.head_learning_rate=3e-3")
    config = _config(tiny_config, "optimizer.layer_decay=0.5", "optimizer.weight_decay=0.1", *rates)
    model, _ = build(config, schema)
    found = {}
    for group in optimizer(model, config.optimizer).param_groups:
        for parameter in group["params"]:
            found[id(parameter)] = (group["lr"], group["weight_decay"])
    layers = model.encoder.encoder.layer
    assert found[id(layers[1].output.dense.weight)] == (1e-3, 0.1)
    assert found[id(layers[0].output.dense.weight)] == (5e-4, 0.1)
    assert found[id(layers[0].output.dense.bias)] == (5e-4, 0.0)
    assert found[id(model.encoder.embeddings.word_embeddings.weight)] == (2.5e-4, 0.1)
    assert found[id(model.spans.output.weight)] == (3e-3, 0.1)


def _trainer(config: RunConfig, schema: Schema) -> Trainer:
    """On the config's own training documents, with scores that never change."""
    model, tokenizer = build(config, schema)
    made, _ = examples(load_split(config.sources, "train", schema)[0], tokenizer, model.config, schema)
    accelerator = Accelerator(cpu=True, mixed_precision=precision(config))
    return Trainer(model, tokenizer, made, config, accelerator, lambda _: {"mention_strict_f1": 0.5})


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


KILLED = """
import os, sys
import train.loop as loop
step = loop.Trainer._step
def dying(self, plan_step):
    if self.progress.step == {at}:
        os._exit(9)
    return step(self, plan_step)
loop.Trainer._step = dying
from train.config import RunConfig
from train.run import train
train(RunConfig.load(sys.argv[1], sys.argv[2:]))
"""


@pytest.mark.parametrize("at", [3, 31])
def test_a_killed_and_resumed_run_ends_with_the_same_weights(tiny_config: Path, trained: Path, tmp_path: Path, at: int) -> None:
    arguments = [str(tiny_config), f"output_dir={tmp_path / 'out'}", "checkpoints.every_steps=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", KILLED.format(at=at), *arguments], env=environment, check=False)
    assert killed.returncode == 9
    assert not (tmp_path / "out" / "model.safetensors").exists()
    done = script("train.py", *arguments, "resume=true")
    assert done.returncode == 0, done.stderr
    assert f"resumed at step {at - at % 2}" in done.stdout
    expected, found = _weights(trained), _weights(tmp_path / "out")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    losses = [json.loads((f / "run.json").read_text())["losses"] for f in (trained, tmp_path / "out")]
    assert losses[0] == losses[1]


def test_a_run_that_stopped_early_makes_no_further_step_when_resumed(tiny_config: Path, tmp_path: Path, schema: Schema) -> None:
    settings = ("evaluation.patience=1", "evaluation.every_steps=1", "checkpoints.every_steps=1", f"output_dir={tmp_path}")

    def steps(*more: str) -> int:
        trainer = _trainer(_config(tiny_config, *settings, *more), schema)
        return trainer.fit().step

    assert steps() == 2  # the second evaluation is as good as the first
    assert steps("resume=true") == 2


def test_the_clock_waits_for_the_device_where_scores_or_a_state_are_due_and_nowhere_else(
    tiny_config: Path, tmp_path: Path, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("training.max_steps=8", "evaluation.every_steps=3", "checkpoints.every_steps=4", f"output_dir={tmp_path}")
    trainer = _trainer(_config(tiny_config, *settings), schema)
    waited = []
    monkeypatch.setattr(loop, "wait_for", lambda device: waited.append((trainer.progress.step, device.type)))
    trainer.fit()
    assert waited == [(3, "cpu"), (4, "cpu"), (6, "cpu"), (8, "cpu")]


def test_after_mixed_precision_the_model_scores_as_its_saved_weights_do(
    tiny_config: Path, tmp_path: Path, schema: Schema
) -> None:
    settings = ("training.precision=bf16", "training.max_steps=1", f"output_dir={tmp_path}")
    trainer = _trainer(_config(tiny_config, *settings), schema)
    trainer.fit()
    loaded = RajnitiModel(trainer.model_config).eval()
    loaded.load_state_dict(trainer.whole.state_dict())
    inputs = batch(trainer.examples[:2], trainer.tokenizer, trainer.model_config)
    with torch.no_grad():
        found, expected = (model(**inputs).mention_logits for model in (trainer.whole, loaded))
    assert torch.equal(found, expected)


def test_the_first_validation_source_with_relations_chooses_the_best_weights(
    tiny_config: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    sources = f"sources=[{{path: {corpus_folder}, layers: [mentions]}}, {{path: {corpus_folder}}}]"
    settings = ("evaluation.metric=relation_strict_f1", "training.max_steps=1", f"output_dir={tmp_path / 'out'}")
    done = script("train.py", tiny_config, sources, *settings)
    assert done.returncode == 0, done.stderr
    assert "relation_strict_f1" in json.loads((tmp_path / "out" / "run.json").read_text())["evaluations"][0]


@pytest.mark.parametrize(
    ("layers", "metric", "missing"),
    [
        ("mentions", "relation_status_f1", "relations"),
        ("mentions, identities", "relation_strict_f1", "relations"),
        ("mentions, relations", "conll_f1", "identities"),
    ],
)
def test_a_metric_of_what_the_validation_data_lack_is_refused_before_training(
    tiny_config: Path, corpus_folder: Path, tmp_path: Path, layers: str, metric: str, missing: str
) -> None:
    settings = (f"sources.0.layers=[{layers}]", f"evaluation.metric={metric}", f"output_dir={tmp_path / 'out'}")
    with pytest.raises(InputError) as error:
        train(_config(tiny_config, *settings))
    assert str(error.value) == (
        f"evaluation.metric: {metric} needs {missing}, which the validation split of {corpus_folder} does not annotate"
    )


def test_states_rotate(trained: Path) -> None:
    kept = sorted(p.name for p in (trained / "checkpoints").iterdir())
    assert len([name for name in kept if name.startswith("step-")]) == 2
    assert not [name for name in kept if name.startswith(".")]


def test_resuming_with_other_settings_is_refused(trained: Path, tiny_config: Path) -> None:
    done = script("train.py", tiny_config, f"output_dir={trained}", "resume=true", "training.epochs=9")
    assert done.returncode == 1
    assert "resume=true with another 'training'" in done.stderr
    again = script("train.py", tiny_config, f"output_dir={trained}")
    assert again.returncode == 1
    assert "holds a run already" in again.stderr


def test_a_run_with_a_schema_of_the_current_folder_is_resumed(tiny_config: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "configs" / "schema" / "politics.yaml", tmp_path / "schema.yaml")
    arguments = (tiny_config, "schema=./schema.yaml", "training.max_steps=1", "output_dir=out", "resume=true")
    for _ in range(2):
        done = script("train.py", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_a_state_of_another_version_is_refused(trained: Path, tiny_config: Path, tmp_path: Path) -> None:
    step = tmp_path / "checkpoints" / "step-2"
    step.mkdir(parents=True)
    (step / "progress.json").write_text('{"step": 2}')
    shutil.copy(trained / "run_config.yaml", tmp_path)
    done = script("train.py", tiny_config, f"output_dir={tmp_path}", "resume=true")
    assert done.returncode == 1
    assert "step-2/progress.json: of another version" in done.stderr
