"""The model card, generated from a run: metadata for the Hub, scores with intervals, data, hardware, limits, licence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from train import licences
from train.config import RunConfig
from train.errors import InputError
from train.files import atomic_write
from train.report import INTERVALS, ROWS, interval, reachable
from train.schema import Schema
from train.scoring import headline

TEMPLATE = Path(__file__).with_name("templates") / "model_card.md"

# What templates and missing values leave; words of a running text (none of, finance) are none.
_PLACEHOLDER = re.compile(r"\[More Information Needed\]|\{\{|\b(?:TODO|TBD|FIXME|nan)\b|\bNone\b(?! of\b)")
_ASKED = (0.7, 0.8, 0.9, 0.95)
_BASE_MODELS = {"offline:e5-small": "intfloat/multilingual-e5-small"}


def write_card(folder: Path, *, config: RunConfig, schema: Schema, scores: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write README.md into a run's folder; raises InputError if anything of the template stays unfilled."""
    text = card(config=config, schema=schema, scores=scores, facts=facts)
    with atomic_write(folder / "README.md") as file:
        file.write(text)


def card(*, config: RunConfig, schema: Schema, scores: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The card's text. The same run always gives the same card."""
    encoder = facts["encoder"]
    encoder_licence = licences.of_encoder(encoder["name"], encoder.get("license"))
    licence = licences.of_tuned(encoder_licence)
    called = _called(encoder)
    title = f"{schema.card.texts}, on {called}"
    tests = [_block(source, block, scores, facts) for source, block in scores["test"].items()]
    made = ModelCard.from_template(
        _metadata(title, licence, config, encoder, scores, schema),
        template_path=str(TEMPLATE),
        title=title,
        description=config.description,
        example=_example(schema),
        schema=schema,
        tests=tests,
        resamples=config.evaluation.resamples,
        encoder={**encoder, "name": called},
        facts=facts,
        seed=config.seed,
        energy=_energy(facts),
        train_coverage=reachable(facts["coverage"]),
        weights=scores["weights_sha256"],
        window_tokens=config.windows.max_tokens,
        corpus_limits=_corpus_limits(facts),
        licence=_licence(encoder_licence, licence)
        + (" The bundled corpus is under CC BY 4.0." if "bundled" in facts["data"]["train"] else ""),
    )
    text = str(made).strip() + "\n"
    check_filled(text, "model card")
    return text


def check_filled(text: str, source: str) -> None:
    """Raise InputError if a card's text still has a placeholder, or a value that was not there."""
    if found := _PLACEHOLDER.search(text):
        raise InputError(f"{source}: {found.group()!r} was left in it")


def _on_hub(encoder: Mapping[str, Any]) -> bool:
    """Only what was got from the Hub has a commit; a folder's name may be of two parts as well."""
    return "commit" in encoder and "/" in encoder["name"]


def _called(encoder: Mapping[str, Any]) -> str:
    """The encoder's name for others to read, to whom the path to a folder says nothing, or too much."""
    return encoder["name"] if encoder["name"] in _BASE_MODELS or _on_hub(encoder) else Path(encoder["name"]).resolve().name


def _example(schema: Schema) -> str:
    """A text for the card's code, as a Python string holds it: the schema's, or one of its own examples of a mention."""
    given = [*schema.card.examples.values(), *(t.example for t in schema.mentions.values() if t.example), "…"][0]
    return given.replace("\\", "\\\\").replace('"', '\\"')


def _licence(encoder: str | None, tuned: str) -> str:
    if encoder == "mit":
        return "Weights and code: Apache-2.0. The encoder's weights are under MIT."
    if tuned == "cc-by-nc-sa-4.0":
        return (
            "The encoder is under CC BY-NC-SA 4.0, and so are these weights, which are tuned from it: no commercial use, and "
            "what is made from them is shared alike. The code is under Apache-2.0."
        )
    return f"These weights follow the licence of their encoder ({tuned}); the code is under Apache-2.0."


def _metadata(
    title: str, licence: str, config: RunConfig, encoder: Mapping[str, Any], scores: Mapping[str, Any], schema: Schema
) -> ModelCardData:
    results = [
        EvalResult(
            task_type="token-classification",
            task_name="joint entity and relation extraction",
            dataset_type=schema.name,
            dataset_name=source,
            dataset_split="test",
            metric_type="f1" if name.endswith("f1") else "accuracy",
            metric_name=ROWS[name],
            metric_value=round(value, 4),
            metric_args=_bounds(block["intervals"].get(INTERVALS[name])),
        )
        for source, block in scores["test"].items()
        for name, value in headline(block).items()
        if name in ROWS
    ]
    return ModelCardData(
        language=schema.language or None,
        license=licence,
        library_name="transformers",
        pipeline_tag="token-classification",
        # The Hub knows only what lies on it.
        datasets=[s.path.removeprefix("hub:") for s in config.sources if s.path.startswith("hub:")] or None,
        base_model=_BASE_MODELS.get(encoder["name"]) or (encoder["name"] if _on_hub(encoder) else None),
        tags=[*schema.card.tags, "named-entity-recognition", "relation-extraction", "coreference"],
        widget=[{"text": text, "example_title": title} for title, text in schema.card.examples.items()] or None,
        model_name=title,
        eval_results=results,
    )


def _bounds(interval: Sequence[float] | None) -> dict[str, Any] | None:
    """An interval where the model index has room for how a metric was computed."""
    return {"confidence_level": 0.95, "confidence_interval": [round(bound, 4) for bound in interval]} if interval else None


def _block(source: str, block: Mapping[str, Any], scores: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {"name": ROWS[name], "value": f"{value:.3f}", "interval": interval(block["intervals"].get(INTERVALS[name]))}
        for name, value in headline(block).items()
        if name in ROWS
    ]
    dictionary = scores["dictionary"][source]
    return {
        "source": source,
        "data": facts["data"]["test"][source],
        "rows": rows,
        "names": _names(block["names"]),
        "dictionary": f"{headline(dictionary)['mention_strict_f1']:.3f} "
        f"({interval(dictionary['intervals']['mentions.strict.f1'])})",
        "mention_types": _types(block["mentions"]["strict"]["per_type"]),
        "relation_types": _types(block["relations"]["strict"]["per_type"]) if "relations" in block else [],
        "coverage": reachable(block["coverage"]),
        "trust": [f"{found['ece']:.3f} for {layer}" for layer, found in block["calibration"].items()],
        "asked": _asked(block["calibration"]),
    }


def _asked(calibration: Mapping[str, Any]) -> list[dict[str, str]]:
    """What asking for a precision gives, for the precisions of _ASKED that validation data showed."""
    rows = []
    for layer, found in calibration.items():
        for entry in (e for e in found["at_precision"] if e["asked"] in _ASKED):
            rows.append({"layer": layer, **{key: f"{value:.2f}" for key, value in entry.items()}})
    return rows


def _names(names: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of strict F1 for names that training held, and for those that it did not."""
    return [
        {
            "name": f"{layer.removesuffix('s')} strict F1, {words}",
            "value": f"{names[label][layer]['f1']:.3f}",
            "interval": interval(names[label][layer]["interval"]),
        }
        for layer in names["seen"]
        for label, words in (("seen", "names known from training"), ("unseen", "names new in test"))
    ]


def _types(per_type: Mapping[str, Mapping[str, float]]) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            **{key: f"{entry[key]:.2f}" for key in ("precision", "recall", "f1")},
            "support": str(int(entry["support"])),
        }
        for name, entry in per_type.items()
        if entry["support"]
    ]


def _energy(facts: Mapping[str, Any]) -> str:
    if not facts.get("joules"):
        return "not measured: no counter of this machine tells it"
    return f"{facts['joules'] / 3.6e6:.3f} kWh by the machine's counters"


def _corpus_limits(facts: Mapping[str, Any]) -> list[str]:
    if "bundled" not in facts["data"]["train"]:
        return ["It knows what its training data knows; see the table above for how much that is."]
    return [
        "The bundled corpus is written for the project and not taken from newspapers: its texts and marks are machine-written. "
        "Scores on real newspapers differ from those above, which are of the corpus's own test split.",
        "Written Bangla of newspapers. Speech, verse, social media and text in Latin letters are outside what it has seen.",
    ]
