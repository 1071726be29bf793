"""Pictures of a run: the training curve, and how far the scores of its predictions can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.files import atomic_write
from train.loop import Progress


def draw(path: Path, progress: Progress) -> None:
    """A PNG with the loss terms on the left and the validation scores on the right, by optimiser step."""
    figure = _figure()
    left, right = figure.subplots(1, 2)
    steps = [entry["step"] for entry in progress.losses]
    for name in ("loss", "mentions", "relations", "statuses", "identities"):
        left.plot(steps, [entry[name] for entry in progress.losses], label=name, lw=2 if name == "loss" else 1)
    left.set(xlabel="step", ylabel="loss per word", yscale="log", title="training loss")
    steps = [entry["step"] for entry in progress.evaluations]
    for name in ("mention_strict_f1", "relation_strict_f1", "relation_status_f1", "conll_f1"):
        values = [entry.get(name) for entry in progress.evaluations]
        if all(value is not None for value in values):
            right.plot(steps, values, marker="o", ms=3, label=name.replace("_", " "))
    right.axvline(progress.best_step, color="grey", ls=":", label="best")
    right.set(xlabel="step", ylim=(0, 1), title="validation scores")
    _save(figure, path)


def draw_reliability(path: Path, calibration: Mapping[str, Any]) -> None:
    """A PNG with the share of right predictions by score, for each layer; `calibration` as full_scores gives it.

    A calibrated model's points lie on the diagonal; the larger a point, the more predictions it stands for.
    """
    figure = _figure()
    for axes, (layer, found) in zip(figure.subplots(1, len(calibration), squeeze=False)[0], calibration.items(), strict=True):
        most = max((b["count"] for b in found["bins"]), default=1)
        axes.plot([0, 1], [0, 1], color="grey", ls=":", label="calibrated")
        xs, ys = ([b[key] for b in found["bins"]] for key in ("score", "right"))
        axes.scatter(xs, ys, s=[10 + 150 * b["count"] / most for b in found["bins"]], alpha=0.7, label=layer)
        axes.set(xlabel="score", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
        axes.set_title(f"{layer}, expected calibration error {found['ece']:.3f}")
    _save(figure, path)


def _figure() -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with atomic_write(path, binary=True) as file:
        figure.savefig(file, format="png", dpi=120)
