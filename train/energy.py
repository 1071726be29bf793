"""Energy counters of the hardware, where it has any that may be read."""

from __future__ import annotations

from pathlib import Path


def joules() -> float | None:
    """The sum of the machine's energy counters (NVIDIA cards, or else Intel's RAPL), or None; differences count."""
    return _nvidia() or _rapl()


def _nvidia() -> float | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        cards = range(pynvml.nvmlDeviceGetCount())
        return sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(i)) for i in cards) / 1e3
    except Exception:  # no driver, no library or an old card: the energy is unknown then, which is no error
        return None


def _rapl() -> float | None:
    try:
        counters = [p for p in Path("/sys/class/powercap").glob("intel-rapl:*") if p.name.count(":") == 1]
        return sum(int((p / "energy_uj").read_text()) for p in counters) / 1e6 or None
    except OSError:
        return None
