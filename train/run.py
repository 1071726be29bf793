"""One run: from a config to a folder with everything that came of it.

The folder is the checkpoint itself (weights, configuration, tokenizer, model code, schema) with the model card, the
resolved config, the scores, the training curve and the test predictions beside it; states for resuming lie in
checkpoints/, trackers write to logs/.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from train import thresholds
from train.backends import weights_hash
from train.card import write_card
from train.config import RunConfig
from train.corpora import jsonl
from train.corpora.load import Part, load_split
from train.corpora.splits import SPLITS
from train.curve import draw, draw_reliability
from train.encoders.build import build
from train.energy import joules
from train.errors import InputError
from train.evaluation import describe, dictionary_scores, full_scores, novelty_scores, quick_scores
from train.examples import Example, Ledger, examples
from train.export import save_checkpoint
from train.files import atomic_write
from train.loop import Progress, Trainer, progress_of, states
from train.model.modeling_rajniti import RajnitiModel
from train.processes import join, precision
from train.schema import Schema
from train.tagger import Tagger

SCORES, RUN, CONFIG, CURVE, TRUST = "scores.json", "run.json", "run_config.yaml", "training_curve.png", "reliability.png"
# What may differ between a run and its resumption.
_FREE_ON_RESUME = {"resume", "output_dir", "trackers", "description"}
# What else than mentions a metric is of; "combined" takes relations where there are some.
_LAYER_OF = {"relation_strict_f1": "relations", "relation_status_f1": "relations", "conll_f1": "identities"}


def train(config: RunConfig) -> None:
    """Do the whole run; raises InputError where the config, the data or the encoder cannot be used."""
    folder = Path(config.output_dir)
    accelerator = join(config)
    _claim(folder, config, accelerator)
    schema = Schema.load(config.schema_file)
    with accelerator.main_process_first():  # the first to come converts, downloads and caches
        parts = {split: load_split(config.sources, split, schema, accelerator.print, seed=config.seed) for split in SPLITS}
        torch.manual_seed(config.seed)
        model, tokenizer = build(config, schema)
    _check_parts(parts, config.evaluation.metric)
    model.config.nestings = nestings(parts["train"])
    made, ledger = _examples(parts["train"], tokenizer, model.config, schema, config.windows.overlap_tokens)
    accelerator.print(f"train: {ledger}")

    def evaluate(model: RajnitiModel) -> dict[str, float]:
        scores = quick_scores(Tagger(model, tokenizer, schema), validation_part(parts), accelerator)
        line = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        accelerator.print(f"\nvalidation: {line}")
        return scores

    trainer = Trainer(model, tokenizer, made, config, accelerator, evaluate)
    energy = joules()
    started = time.perf_counter()
    progress = trainer.fit()
    facts = _facts(config, accelerator, trainer.whole, progress, parts, ledger)
    facts["wall_seconds"] = time.perf_counter() - started
    used = joules()
    facts["joules"] = None if energy is None or used is None else used - energy
    if accelerator.is_main_process:
        _finish(folder, config, Tagger(trainer.whole, tokenizer, schema), parts, progress, facts)
    accelerator.end_training()


def _claim(folder: Path, config: RunConfig, accelerator: Accelerator) -> None:
    """Take the output folder: a new one, or that of the run to be resumed."""
    # A run that failed before it had anything to keep leaves only its config, and may be begun again.
    used = any((folder / name).exists() for name in ("checkpoints", "model.safetensors"))
    if used and not config.resume:
        raise InputError(f"{folder}: holds a run already; resume=true continues it, output_dir=… begins another")
    if used and (folder / CONFIG).exists():
        before, now = (c.model_dump(by_alias=True) for c in (RunConfig.saved(folder / CONFIG), config))
        # How many processes share a step may change, and accumulation with them.
        before["training"]["accumulation"] = now["training"]["accumulation"]
        for key in now:
            if key not in _FREE_ON_RESUME and before[key] != now[key]:
                raise InputError(f"{folder / CONFIG}: resume=true with another {key!r}: expected {before[key]!r}")
    _check_steps(folder, config, accelerator)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        config.save(folder / CONFIG)
    accelerator.init_trackers("rajniti", _flat(config.model_dump(by_alias=True)))


def _check_steps(folder: Path, config: RunConfig, accelerator: Accelerator) -> None:
    """Raises InputError if the newest state's steps were of other passes, or if only one of the two runs is with FSDP."""
    found = states(folder / "checkpoints")
    if not found:
        return
    before, processes, accumulation = progress_of(found[-1]), accelerator.num_processes, config.training.accumulation
    if before.passes != processes * accumulation:
        raise InputError(
            f"{found[-1]}: resume=true with processes × training.accumulation = {processes} × {accumulation}: "
            f"expected a product of {before.passes}, as before"
        )
    if before.sharded != accelerator.is_fsdp2:
        with_, without = ("with", "without") if before.sharded else ("without", "with")
        raise InputError(f"{found[-1]}: written {with_} FSDP and cannot be resumed {without}")


def _check_parts(parts: dict[str, list[Part]], metric: str) -> None:
    for split in ("validation", "test"):
        if not parts[split]:
            raise InputError(f"sources: no source has the split {split!r}")
    layer, part = _LAYER_OF.get(metric, "mentions"), validation_part(parts)
    if layer not in part.layers:
        raise InputError(
            f"evaluation.metric: {metric} needs {layer}, which the validation split of {part.source} does not annotate"
        )


def validation_part(parts: dict[str, list[Part]]) -> Part:
    """What chooses the best weights, calibrates and sets thresholds: the first with relations, else the first."""
    return next((p for p in parts["validation"] if "relations" in p.layers), parts["validation"][0])


def nestings(parts: Sequence[Part]) -> list[list[str]]:
    """The pairs [outer type, inner type] that nest in the documents."""
    found: set[tuple[str, str]] = set()
    for document in (d for part in parts for d in part.documents):
        for outer in document.mentions:
            inside = (m for m in document.mentions if outer.start <= m.start and m.end <= outer.end and m is not outer)
            found.update((outer.type, inner.type) for inner in inside)
    return [list(pair) for pair in sorted(found)]


def _examples(
    parts: Sequence[Part], tokenizer: Any, model_config: Any, schema: Schema, overlap_tokens: int
) -> tuple[list[Example], Ledger]:
    made: list[Example] = []
    total = Ledger()
    for part in parts:
        of_part, ledger = examples(part, tokenizer, model_config, schema, overlap_tokens=overlap_tokens)
        made += of_part
        total.add(ledger)
    return made, total


def _finish(
    folder: Path,
    config: RunConfig,
    tagger: Tagger,
    parts: dict[str, list[Part]],
    progress: Progress,
    facts: dict[str, Any],
) -> None:
    validation = validation_part(parts)
    thresholds.fit(tagger, validation)
    save_checkpoint(folder, tagger)
    scores: dict[str, Any] = {"weights_sha256": weights_hash(folder), "test": {}, "dictionary": {}}
    resamples, seed = config.evaluation.resamples, config.seed
    names = [d for part in parts["train"] for d in part.documents]
    for i, part in enumerate(parts["test"]):
        scores["test"][part.source], predicted, _ = full_scores(tagger, part, resamples=resamples, seed=seed)
        scores["test"][part.source]["names"] = novelty_scores(
            names, part, predicted, tagger.schema, resamples=resamples, seed=seed
        )
        scores["dictionary"][part.source] = dictionary_scores(names, part, tagger.schema, resamples=resamples, seed=seed)
        jsonl.write(folder / "predictions" / ("test.jsonl" if i == 0 else f"test-{i + 1}.jsonl"), predicted)
    scores["validation"] = quick_scores(tagger, validation)
    for name, data in ((SCORES, scores), (RUN, facts)):
        with atomic_write(folder / name) as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
    draw(folder / CURVE, progress)
    draw_reliability(folder / TRUST, next(iter(scores["test"].values()))["calibration"])
    write_card(folder, config=config, schema=tagger.schema, scores=scores, facts=facts)


def _facts(
    config: RunConfig,
    accelerator: Accelerator,
    model: Any,
    progress: Progress,
    parts: dict[str, list[Part]],
    ledger: Ledger,
) -> dict[str, Any]:
    """What the card and a reader need to know of how the weights came about."""
    cuda = torch.cuda.is_available()
    return {
        "encoder": model.config.encoder_source,
        "parameters": sum(p.numel() for p in model.parameters()),
        "data": {split: {part.source: describe(part) for part in parts[split]} for split in SPLITS},
        "coverage": ledger.to_dict(),
        "precision": precision(config),
        "processes": accelerator.num_processes,
        "device": torch.cuda.get_device_name() if cuda else f"{platform.machine()} CPU, {torch.get_num_threads()} threads",
        "tokens_per_second": progress.tokens_per_second,
        "versions": {name: version(name) for name in ("torch", "transformers", "accelerate", "datasets", "tokenizers")},
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        **asdict(progress),
    }


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, int | float | bool | str) else str(value)
    return flat
