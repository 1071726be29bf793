"""The training curve as a picture."""

from __future__ import annotations

from pathlib import Path

from train.files import atomic_write
from train.loop import Progress


def draw(path: Path, progress: Progress) -> None:
    """A PNG with the loss terms on the left and the validation scores on the right, by optimiser step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
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
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with atomic_write(path, binary=True) as file:
        figure.savefig(file, format="png", dpi=120)
