"""The benchmark of training: both loops must learn the same, and what it reports must add up."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.support import ROOT, script
from train.config import RunConfig
from train.errors import InputError


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_training", ROOT / "scripts" / "bench_training.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _result(*arguments: object) -> dict:
    done = script("bench_training.py", *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_reports_both_loops_and_the_shares_of_a_step(tiny_config: Path) -> None:
    result = _result(tiny_config, "training.precision=fp32", "--steps", 2, "--rounds", 1, "--batch", 4, "--peak", 1e12)
    assert result["check"]["losses"] < 1e-4 > result["check"]["gradient"]
    assert result["plain"]["padding"] > result["ours"]["padding"]
    for name in ("plain", "ours"):
        row = result[name]
        assert row["tokens_per_second"] > row["words_per_second"] > 0
        assert row["share_of_peak"] == pytest.approx(row["flops_per_second"] / 1e12)
    assert sum(result["phases"].values()) == pytest.approx(1)
    assert min(result["phases"].values()) > 0
    assert sum(result["flops_by_part"].values()) == pytest.approx(1)


def test_banglaberts_shape_needs_none_of_its_files(tiny_config: Path) -> None:
    options = ("encoder.name=csebuetnlp/banglabert", "encoder.layers=1", "training.precision=fp32")
    result = _result(tiny_config, *options, "--shape", "random", "--steps", 1, "--rounds", 1)
    assert result["parameters"] > 32_000 * 768
    assert result["ours"]["tokens_per_second"] > 0


def test_batches_that_change_the_losses_are_refused(bench, tiny_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.model import modeling_rajniti

    config = RunConfig.load(tiny_config)
    model, tokenizer, made = bench.prepared(config, None)
    bench.compare(model, tokenizer, made, config, 4)
    valid = modeling_rajniti.RajnitiModel.valid_spans

    def careless(self, word_mask, edge_mask):  # takes padding for words
        return valid(self, word_mask, torch.ones_like(edge_mask))

    monkeypatch.setattr(modeling_rajniti.RajnitiModel, "valid_spans", careless)
    with pytest.raises(InputError, match="between the loops"):
        bench.compare(model, tokenizer, made, config, 4)


def test_wrong_numbers_are_refused_in_one_line(tiny_config: Path) -> None:
    done = script("bench_training.py", tiny_config, "--steps", "0")
    assert done.returncode == 1
    assert done.stderr == "error: --steps, --rounds, --batch, --peak: expected more than 0\n"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_it_trains_in_mixed_precision_and_measures_memory(tiny_config: Path) -> None:
    result = _result(tiny_config, "--shape", "random", "--steps", 3, "--rounds", 2, "--peak", 1e15)
    assert result["device"] == torch.cuda.get_device_name()
    assert result["precision"] == ("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32")
    assert result["ours"]["peak_mib"] > 0
    assert 0 < result["ours"]["share_of_peak"] < 1
    assert sum(result["phases"].values()) == pytest.approx(1)
