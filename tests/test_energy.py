"""Joules of a run by the hardware's counters: over their turn, never of another device, and None rather than wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from train import energy


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that begins anew after 1,000 J and holds to 10 W, with what else a machine shows beside it."""
    for name, kind in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "psys"), ("intel-rapl:0:0", "core")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(f"{kind}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("1000000000\n")
        (tmp_path / name / "constraint_0_power_limit_uw").write_text("10000000\n")
    monkeypatch.setattr(energy, "_POWERCAP", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return tmp_path


def used(powercap: Path, monkeypatch: pytest.MonkeyPatch, *, before: int, after: int, seconds: float) -> float | None:
    readings = []
    for joules, at in ((before, 0.0), (after, seconds)):
        for counter in powercap.iterdir():
            (counter / "energy_uj").write_text(f"{joules}000000\n")
        monkeypatch.setattr(energy.time, "monotonic", lambda at=at: at)
        readings.append(energy.joules())
    assert readings[0] and readings[1]
    return readings[1] - readings[0]


def test_joules_are_of_the_packages_alone_and_go_on_where_a_counter_begins_anew(
    powercap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert used(powercap, monkeypatch, before=300, after=700, seconds=99) == 400
    assert used(powercap, monkeypatch, before=900, after=200, seconds=99) == 300


def test_a_run_in_which_a_counter_may_begin_anew_twice_has_no_figure(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert used(powercap, monkeypatch, before=300, after=700, seconds=101) is None
    for counter in powercap.iterdir():
        (counter / "constraint_0_power_limit_uw").unlink()
    assert used(powercap, monkeypatch, before=300, after=700, seconds=3) is None
    assert used(powercap, monkeypatch, before=300, after=700, seconds=2) == 400


def test_a_run_on_a_gpu_has_the_cards_joules_and_never_the_processors(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert used(powercap, monkeypatch, before=1, after=2, seconds=1) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy.joules() is None
    nvml = ModuleType("pynvml")
    for name, value in (("Init", None), ("DeviceGetCount", 2), ("DeviceGetHandleByIndex", 0)):
        setattr(nvml, f"nvml{name}", lambda *_, value=value: value)
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda _: next(counts)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    counts = iter([1_000, 2_000, 5_000, 3_000])
    before, after = energy.joules(), energy.joules()
    assert before and after and after - before == 5.0


def test_a_machine_without_counters_has_no_figure(tmp_path: Path, powercap: Path) -> None:
    assert energy.joules() is None  # as where only root may read them
