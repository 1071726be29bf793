"""Energy counters of the hardware, where it has any that may be read."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch

_POWERCAP = Path("/sys/class/powercap")
# No processor package draws more for long.
_MOST_WATTS = 500.0


@dataclass(frozen=True)
class _Counter:
    """What one counter says, the joules after which it begins anew, and the watts that are not passed for long."""

    joules: float
    turn: float = math.inf
    watts: float = _MOST_WATTS


@dataclass(frozen=True)
class Reading:
    """What the counters said at one time. The later minus the earlier one are the joules used between the two."""

    seconds: float
    counters: dict[str, _Counter]

    def __sub__(self, before: Reading) -> float | None:
        """None where a counter may have begun anew more than once, or is another."""
        if self.counters.keys() != before.counters.keys():
            return None
        if any(c.watts * (self.seconds - before.seconds) > c.turn for c in self.counters.values()):
            return None
        return sum((c.joules - before.counters[name].joules) % c.turn for name, c in self.counters.items())


def joules() -> Reading | None:
    """The counters of the NVIDIA cards where torch has CUDA, else of the processors (RAPL); None where none may be read."""
    counters = _nvidia() if torch.cuda.is_available() else _rapl()
    return Reading(time.monotonic(), counters) if counters else None


def _nvidia() -> dict[str, _Counter]:
    try:
        import pynvml

        pynvml.nvmlInit()
        cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return {f"nvidia:{i}": _Counter(pynvml.nvmlDeviceGetTotalEnergyConsumption(c) / 1e3) for i, c in enumerate(cards)}
    except Exception:  # no driver, no library or an old card: the energy is unknown then, which is no error
        return {}


def _rapl() -> dict[str, _Counter]:
    try:
        # Other domains are parts of a package, or hold it, as psys does.
        packages = [p for p in _POWERCAP.glob("intel-rapl:*") if (p / "name").read_text().startswith("package")]
        return {p.name: _Counter(_micro(p / "energy_uj"), _micro(p / "max_energy_range_uj"), _watts(p)) for p in packages}
    except (OSError, ValueError):
        return {}


def _watts(package: Path) -> float:
    """The long-term limit, which AMD's packages do not have and some boards set out of reach."""
    try:
        return min(_micro(package / "constraint_0_power_limit_uw") or _MOST_WATTS, _MOST_WATTS)
    except OSError:
        return _MOST_WATTS


def _micro(path: Path) -> float:
    return int(path.read_text()) / 1e6
