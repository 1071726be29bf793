"""From an encoder's name to a model and its tokenizer: the Hub, a folder, or the offline encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from train import hub
from train.config import EncoderConfig, RunConfig
from train.encoders import offline
from train.encoders.tokenizer import load_tokenizer
from train.errors import InputError
from train.model.configuration_rajniti import RajnitiConfig
from train.model.modeling_rajniti import RajnitiModel, _no_pooler
from train.quiet import quietly
from train.schema import Schema

OFFLINE = "offline:e5-small"
# Their first token's place comes after that of the padding, by its id: 512 of 514 are left.
_PLACES_AFTER_PADDING = ("camembert", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod")
_SMALL_FILES = ["*.json", "*.txt", "*.model"]


def build(config: RunConfig, schema: Schema) -> tuple[RajnitiModel, PreTrainedTokenizerFast]:
    """A model with the pretrained encoder and fresh heads, and its tokenizer.

    Raises InputError where the encoder is not to be had, where it has no fast tokenizer, or where weights of it are missing.
    """
    folder, source = fetch(config.encoder)
    tokenizer = load_tokenizer(folder, normalizer=config.encoder.normalizer, name=config.encoder.name)
    encoder_config = AutoConfig.from_pretrained(folder)
    if config.encoder.layers is not None:
        if config.encoder.layers > encoder_config.num_hidden_layers:
            raise InputError(
                f"encoder.layers: {config.encoder.layers} is more than the {encoder_config.num_hidden_layers} of "
                f"{config.encoder.name}"
            )
        encoder_config.num_hidden_layers = config.encoder.layers
    if config.encoder.dropout is not None:
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not hasattr(encoder_config, name):
                raise InputError(f"encoder.dropout: {config.encoder.name} has no {name} to set; leave it null")
            setattr(encoder_config, name, config.encoder.dropout)
    positions = _positions(encoder_config)
    if positions is not None and config.windows.max_tokens > positions:
        raise InputError(f"windows.max_tokens: {config.windows.max_tokens} is more than the encoder's {positions} positions")
    model = RajnitiModel(_model_config(config, schema, encoder_config, source))
    if config.encoder.pretrained:
        model.encoder = load_encoder(folder, encoder_config)
    if config.encoder.freeze_embeddings:
        model.get_input_embeddings().requires_grad_(False)
    if config.encoder.gradient_checkpointing:
        model.encoder.gradient_checkpointing_enable()
    return model, tokenizer


def _positions(encoder_config: Any) -> int | None:
    """How many tokens an encoder has places for; None where nothing bounds them."""
    positions = getattr(encoder_config, "max_position_embeddings", None)
    if positions is not None and encoder_config.model_type in _PLACES_AFTER_PADDING:
        positions -= encoder_config.pad_token_id + 1
    return positions


def fetch(encoder: EncoderConfig) -> tuple[Path, dict[str, Any]]:
    """The folder of an encoder's files, and what to say of it: name, revision asked for, commit got, licence."""
    source: dict[str, Any] = {"name": encoder.name, "revision": encoder.revision, "license": encoder.license}
    if encoder.name == OFFLINE:
        layers = encoder.layers or 12
        folder = offline.convert(layers=layers, vocabulary=encoder.vocabulary)
        return folder, {**source, "vocabulary": encoder.vocabulary, "layers": layers, "license": "mit"}
    if Path(encoder.name).is_dir():
        return Path(encoder.name), source
    folder = _download(encoder.name, encoder.revision)
    return folder, {**source, "commit": folder.name}


def _download(name: str, revision: str | None) -> Path:
    """A snapshot of the Hub repository: safetensors where it has them, PyTorch's own format otherwise."""
    with hub.failures(f"encoder.name: {name!r} is no folder and cannot be got from the Hub"):
        folder = hub.download(name, revision, [*_SMALL_FILES, "*.safetensors"])
        if not list(folder.glob("*.safetensors")):
            hub.download(name, revision, ["pytorch_model*.bin*"])
    return folder


def load_encoder(folder: Path, encoder_config: Any) -> Any:
    """The encoder alone: heads of a pretraining checkpoint are dropped, a missing weight of the encoder is an error."""
    try:
        with quietly():
            encoder, report = AutoModel.from_pretrained(
                folder, config=encoder_config, output_loading_info=True, dtype="float32", **_no_pooler(encoder_config)
            )
    except OSError as error:
        raise InputError(f"{folder}: cannot load the encoder: {' '.join(str(error).split())}") from None
    if report["missing_keys"]:
        raise InputError(f"{folder}: weights missing from the encoder: {', '.join(sorted(report['missing_keys'])[:5])}")
    return encoder


def _either(value: int | None, default: int) -> int:
    return default if value is None else value


def _model_config(config: RunConfig, schema: Schema, encoder_config: Any, source: dict[str, Any]) -> RajnitiConfig:
    loss = config.loss
    return RajnitiConfig(
        encoder_config,
        schema=schema.to_dict(),
        head_size=config.heads.size,
        head_dropout=config.heads.dropout,
        max_span_width=config.heads.max_span_width,
        pair_parts=config.heads.pair_parts,
        candidate_ratio=config.heads.candidate_ratio,
        max_candidates=config.heads.max_candidates,
        window_tokens=config.windows.max_tokens,
        overlap_tokens=_either(config.windows.predict_overlap_tokens, config.windows.overlap_tokens),
        loss_weights={
            "mentions": loss.mentions,
            "relations": loss.relations,
            "statuses": loss.statuses,
            "identities": loss.identities,
            "positive": loss.positive_weight,
        },
        encoder_source=source,
    )
