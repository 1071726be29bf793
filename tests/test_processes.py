"""Several processes: the shipped launch configs, and losses, evaluation, weights and resumption as on one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from safetensors.torch import load_file

from tests.support import ROOT, script
from tests.two_processes import stop
from train.config import RunConfig
from train.corpora import jsonl
from train.processes import precision
from train.tagger import Tagger

CONFIGS = ROOT / "configs" / "accelerate"
# What FSDP handles apart is in it: frozen weights, groups of rates, clipped gradients; and dropout.
SETTINGS = (
    "training.max_steps=6", "checkpoints.every_steps=2", "checkpoints.keep=9", "evaluation.every_steps=3",
    "encoder.freeze_embeddings=true", "optimizer.layer_decay=0.8", "optimizer.max_grad_norm=0.5",
)  # fmt: skip


def _arguments(name: str) -> object:
    """What accelerate takes from a shipped config."""
    parsed = launch_command_parser().parse_args(["--config_file", str(CONFIGS / name), "scripts/train.py"])
    return _validate_launch_command(parsed)[0]


def _launch(name: str, *arguments: str | Path, **more: str) -> None:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", CONFIGS / name, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **more}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def _facts(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def runs(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run `one` of one process, and `two` of two with half the accumulation, by the shipped config."""
    folder = tmp_path_factory.mktemp("processes")
    one = script("train.py", tiny_config, *SETTINGS, "training.accumulation=2", f"output_dir={folder / 'one'}")
    assert one.returncode == 0, one.stderr
    _launch("cpu.yaml", ROOT / "scripts" / "train.py", tiny_config, *SETTINGS, f"output_dir={folder / 'two'}")
    return folder


@pytest.fixture(scope="module")
def together(runs: Path, tiny_config: Path, eager_folder: Path, corpus_folder: Path) -> Path:
    """The same folder after two processes did in one launch what two_processes.py says, FSDP as its shipped config has it."""
    stop(runs / "one", runs / "one-then-two")
    options = {k: v for k, v in prepare_multi_gpu_env(_arguments("fsdp.yaml")).items() if k.startswith("FSDP_")}
    program = ROOT / "tests" / "two_processes.py"
    _launch("cpu.yaml", program, tiny_config, runs, eager_folder, corpus_folder / "validation.jsonl", *SETTINGS, **options)
    return runs


@pytest.mark.parametrize(
    ("name", "processes", "machines", "fsdp"),
    [
        ("one_gpu.yaml", 1, 1, False),
        ("ddp.yaml", 4, 1, False),
        ("fsdp.yaml", 4, 1, True),
        ("multi_node.yaml", 8, 2, False),
        ("cpu.yaml", 2, 1, False),
    ],
)
def test_accelerate_takes_each_shipped_config(name: str, processes: int, machines: int, fsdp: bool) -> None:
    found = _arguments(name)
    assert (found.num_processes, found.num_machines, found.use_fsdp) == (processes, machines, fsdp)
    assert found.multi_gpu == (processes > 1 and not fsdp)  # else accelerate starts one process
    if machines > 1:
        assert found.main_process_ip and found.main_process_port
    if name == "cpu.yaml":
        assert found.use_cpu and set(prepare_multi_gpu_env(found)["CUDA_VISIBLE_DEVICES"].split(",")) == {"-1"}


def test_no_shipped_config_is_left_out() -> None:
    marks = test_accelerate_takes_each_shipped_config.pytestmark
    assert sorted(p.name for p in CONFIGS.iterdir()) == sorted(case[0] for case in marks[0].args[1])


@pytest.mark.parametrize("name", ["two", "one-then-two", "fsdp", "fsdp-resumed"])
def test_two_processes_train_to_the_losses_of_one(together: Path, name: str) -> None:
    one, other = _facts(together / "one"), _facts(together / name)
    assert (one["processes"], other["processes"]) == (1, 2)
    assert other["sharded"] == name.startswith("fsdp")
    assert len(one["losses"]) == 6
    for a, b in zip(one["losses"], other["losses"], strict=True):
        assert a == pytest.approx(b, rel=1e-5, abs=1e-7)
    for a, b in zip(one["evaluations"], other["evaluations"], strict=True):
        assert a == pytest.approx(b, abs=1e-3)


def test_a_run_of_two_processes_is_resumed_by_one(runs: Path, tiny_config: Path) -> None:
    stop(runs / "two", runs / "two-then-one")
    arguments = (tiny_config, *SETTINGS, f"output_dir={runs / 'two-then-one'}", "resume=true")
    before = (runs / "two-then-one" / "run_config.yaml").read_text(encoding="utf-8")
    refused = script("train.py", *arguments)
    assert refused.returncode == 1
    assert "processes × training.accumulation = 1 × 1: expected a product of 2, as before" in refused.stderr
    assert (runs / "two-then-one" / "run_config.yaml").read_text(encoding="utf-8") == before
    done = script("train.py", *arguments, "training.accumulation=2")
    assert done.returncode == 0, done.stderr
    assert "resumed at step 2 of 6" in done.stdout
    one, resumed = _facts(runs / "one"), _facts(runs / "two-then-one")
    for a, b in zip(one["losses"], resumed["losses"], strict=True):
        assert a == pytest.approx(b, rel=1e-5, abs=1e-7)


def test_each_process_tags_its_share_and_gets_all(together: Path, eager_folder: Path, corpus_folder: Path) -> None:
    tagger = Tagger.load(eager_folder)
    documents = jsonl.read(corpus_folder / "validation.jsonl", tagger.schema)
    expected = [jsonl.to_dict(d) for d in tagger.tag(documents)]
    expected_scores = _taken_scores(expected)
    assert all(d["mentions"] and d["relations"] for d in expected)
    shares = [json.loads((together / f"shares-{i}.json").read_text(encoding="utf-8")) for i in range(2)]
    assert [s["seen"] for s in shares] == [[d.id for d in documents[0::2]], [d.id for d in documents[1::2]]]
    for share in shares:
        assert _taken_scores(share["found"]) == pytest.approx(expected_scores, abs=2e-4)
        assert share["found"] == expected


def _taken_scores(documents: list[dict]) -> list[float]:
    """The scores, taken out of the documents: they are rounded, and documents tagged beside others differ in the last digit."""
    return [item.pop("score") for d in documents for layer in ("mentions", "relations") for item in d[layer]]


def test_fsdp_divides_by_layer_and_leaves_the_checkpoint_of_one_process(together: Path, documents) -> None:
    divided = json.loads((together / "divided.json").read_text(encoding="utf-8"))
    layers = [f"encoder.encoder.layer.{i}" for i in range(2)]
    assert sorted(divided) == sorted(["", "encoder.embeddings.word_embeddings", *layers])
    one, other = (load_file(together / name / "model.safetensors") for name in ("one", "fsdp"))
    assert one.keys() == other.keys()
    assert all(other[name].shape == weight.shape for name, weight in one.items())
    frozen = "encoder.embeddings.word_embeddings.weight"
    assert torch.equal(one[frozen], other[frozen])
    assert all(torch.allclose(one[name], other[name], rtol=0, atol=1e-5) for name in one)
    taggers = [Tagger.load(together / name) for name in ("one", "fsdp")]
    for tagger in taggers:  # so few steps from the start, where nothing is a mention
        tagger.model.spans.output.bias.data += 5
    found = [tagger.tag(documents) for tagger in taggers]
    assert sum(len(d.mentions) for d in found[0]) > 20
    for a, b in zip(*found, strict=True):
        assert [(m.start, m.end, m.type) for m in a.mentions] == [(m.start, m.end, m.type) for m in b.mentions]


def test_states_of_fsdp_are_not_taken_without_it(together: Path, tiny_config: Path) -> None:
    done = script(
        "train.py", tiny_config, *SETTINGS, "training.accumulation=2", f"output_dir={together / 'fsdp'}", "resume=true"
    )
    assert done.returncode == 1
    assert "step-6: written with FSDP and cannot be resumed without" in done.stderr


def test_fsdp_without_gpus_is_refused(tiny_config: Path, tmp_path: Path) -> None:
    environment = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    done = script("train.py", tiny_config, f"output_dir={tmp_path / 'out'}", env=environment)
    assert done.returncode == 1
    assert "FSDP: expected GPUs" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "no")])
def test_a_card_that_only_emulates_bf16_trains_in_fp32(
    tiny_config: Path, monkeypatch: pytest.MonkeyPatch, native: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert precision(RunConfig.load(tiny_config)) == chosen


def test_fp16_on_a_cpu_is_refused(tiny_config: Path, tmp_path: Path) -> None:
    arguments = (tiny_config, "training.precision=fp16", f"output_dir={tmp_path / 'out'}")
    done = script("train.py", *arguments, env={"CUDA_VISIBLE_DEVICES": "-1"})
    assert done.returncode == 1
    assert done.stderr == "error: training.precision: fp16 needs a GPU, and there is none: expected fp32, bf16 or null\n"
    assert not (tmp_path / "out").exists()
