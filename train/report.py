"""What evaluate.py shows: the scores in a few lines, and a folder with all of them, the predictions and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.files import atomic_folder
from train.schema import Schema
from train.scoring import headline

# Headline scores: what people call them, and where their intervals stand.
ROWS = {
    "mention_strict_f1": "mention strict F1",
    "mention_boundary_f1": "mention boundary F1",
    "relation_strict_f1": "relation strict F1",
    "relation_boundary_f1": "relation boundary F1",
    "relation_status_f1": "relation and status strict F1",
    "relation_given_gold_f1": "relation F1, given gold mentions",
    "status_accuracy": "status accuracy on matched relations",
    "conll_f1": "identities, CoNLL F1",
}
INTERVALS = {
    "mention_strict_f1": "mentions.strict.f1",
    "mention_boundary_f1": "mentions.boundaries.f1",
    "relation_strict_f1": "relations.strict.f1",
    "relation_boundary_f1": "relations.boundaries.f1",
    "relation_status_f1": "relations.with_status.f1",
    "relation_given_gold_f1": "relations.given_gold.f1",
    "status_accuracy": "status.accuracy",
    "conll_f1": "identities.conll_f1",
}


# What a report's folder holds.
FILES = {
    "scores.json", "scores.txt", "predictions.jsonl", "reliability.png", "gold.html", "predicted.html", "errors.md",
    "errors.html",
}  # fmt: skip


def summary(scores: Mapping[str, Any]) -> str:
    """Headline scores with their 95 % intervals, and the recall ceiling, as lines of text."""
    lines = [
        f"{ROWS[name]:<40} {value:.3f}   {interval(scores['intervals'].get(INTERVALS[name]))}"
        for name, value in headline(scores).items()
        if name in ROWS
    ]
    trust = ", ".join(f"{layer} {found['ece']:.3f}" for layer, found in scores["calibration"].items())
    return "\n".join([*lines, f"expected calibration error: {trust}", reachable(scores["coverage"])])


def write_report(
    folder: Path,
    gold: Sequence[Document],
    predicted: Sequence[Document],
    scores: Mapping[str, Any],
    schema: Schema,
    *,
    unreachable: Sequence[Mapping[int, str]],
) -> None:
    """A folder with scores.json, predictions.jsonl, a reliability plot, gold and predicted documents as HTML, errors by cause.

    `unreachable` as Tagger.unreachable gives it; an earlier report in the folder is replaced.
    """
    from train.analysis.causes import relation_errors, to_markdown
    from train.curve import draw_reliability
    from train.views import errors_to_html, to_html

    check_folder(folder)
    errors = [e for g, p, lost in zip(gold, predicted, unreachable, strict=True) for e in relation_errors(g, p, schema, lost)]
    totals = {"gold": sum(len(d.relations) for d in gold), "predicted": sum(len(d.relations) for d in predicted)}
    with atomic_folder(folder) as temporary:
        (temporary / "scores.json").write_text(json.dumps(scores, ensure_ascii=False, indent=1), encoding="utf-8")
        (temporary / "scores.txt").write_text(summary(scores) + "\n", encoding="utf-8")
        jsonl.write(temporary / "predictions.jsonl", predicted)
        draw_reliability(temporary / "reliability.png", scores["calibration"])
        (temporary / "predicted.html").write_text(to_html(predicted, schema), encoding="utf-8")
        (temporary / "errors.md").write_text(to_markdown(errors, **totals), encoding="utf-8")
        (temporary / "errors.html").write_text(errors_to_html(errors, **totals), encoding="utf-8")
        (temporary / "gold.html").write_text(to_html(gold, schema), encoding="utf-8")


def check_folder(folder: Path) -> None:
    """Raise InputError where a report would replace something else than an earlier one, such as a run with its scores."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and not {"scores.json"} <= names <= FILES:
        raise InputError(f"{folder}: holds something else than an earlier report; expected a new or empty folder")


def interval(bounds: Any) -> str:
    """Two bounds as text, or a dash where there are none."""
    return f"{bounds[0]:.3f} – {bounds[1]:.3f}" if bounds else "–"


def reachable(coverage: Mapping[str, Any]) -> str:
    """The recall ceiling in a line of text; `coverage` as a Ledger gives it."""
    parts = []
    for what, entry in coverage.items():
        lost = ", ".join(f"{n} by {reason.replace('_', ' ')}" for reason, n in entry["lost"].items())
        parts.append(
            f"{entry['recall_ceiling']:.1%} of {entry['gold']} {what} can be reached" + (f" (lost: {lost})" if lost else "")
        )
    return "; ".join(parts)
