"""The ways to run a checkpoint: with torch, or its ONNX graphs on a CPU. Neither loads what only the other needs."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from train.errors import InputError
from train.onnx.model import FILES, MANIFEST, OnnxModel, PlainTokenizer
from train.schema import Schema

Loaded = tuple[Any, Any, Schema]  # model, tokenizer, schema


def load_torch(folder: Path, device: str | None, precision: Literal["fp32", "bf16"] = "fp32") -> Loaded:
    """Raises InputError where the folder's weights, configuration or tokenizer are broken, or not those of a checkpoint."""
    import torch
    from transformers import PreTrainedTokenizerFast

    from train.model.configuration_rajniti import RajnitiConfig
    from train.model.modeling_rajniti import RajnitiModel
    from train.quiet import quietly

    if not (folder / "model.safetensors").exists():
        raise InputError(f"{folder}: no checkpoint of rajniti: model.safetensors is missing")
    with quietly():
        with _reading(folder, "config.json"):
            config = RajnitiConfig.from_pretrained(folder)
            schema = _schema(folder, config.model_type, config.schema)
        with _reading(folder, "model.safetensors"):
            loaded: Any = RajnitiModel.from_pretrained(folder, config=config, output_loading_info=True)
        model, report = loaded
        if report["missing_keys"] or report["mismatched_keys"]:
            raise InputError(f"{folder}: the weights do not fit the configuration: another version, or a broken download")
        with _reading(folder, "its tokenizer"):
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    return model.eval().to(device or ("cuda" if torch.cuda.is_available() else "cpu"), dtype), tokenizer, schema


def load_onnx(folder: Path) -> Loaded:
    """Raises InputError where graphs or onnxruntime are missing, anything is broken, or `check_graphs` does."""
    check_graphs(folder)
    with _reading(folder, "config.json"):
        model = OnnxModel(folder)
        schema = _schema(folder, "rajniti", model.config.schema)
    with _reading(folder, "its tokenizer"):
        return model, PlainTokenizer.load(folder), schema


def check_graphs(folder: Path) -> None:
    """Raise InputError unless the ONNX graphs are all there, and of the weights that lie beside them, if any do."""
    for name in FILES:
        if not (folder / name).exists():
            raise InputError(f"{folder}: no ONNX graphs in it: {name} is missing; export.py --onnx writes them")
    with _reading(folder, MANIFEST):
        of = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["weights"]
    if (folder / "model.safetensors").exists() and weights_hash(folder) != of:
        raise InputError(f"{folder}: its ONNX graphs are of other weights; export.py --onnx writes them anew")


def prefers_onnx(folder: Path) -> bool:
    """Whether the graphs can be used and there is no sign of a GPU, without loading what would know for sure."""
    there = all((folder / name).exists() for name in FILES)
    return there and importlib.util.find_spec("onnxruntime") is not None and shutil.which("nvidia-smi") is None


def weights_hash(folder: Path) -> str:
    """SHA-256 of the weights, which ties scores to the checkpoint that they are of."""
    with open(folder / "model.safetensors", "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _reading(folder: Path, what: str) -> Iterator[None]:
    """Turn whatever a broken file of a checkpoint makes its reader raise into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # those of tokenizers have no class of their own
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"{folder}: a broken checkpoint: {what} cannot be read: {told}") from None


def _schema(folder: Path, model_type: str, schema: dict[str, Any]) -> Schema:
    if model_type != "rajniti" or not schema.get("mentions"):
        raise InputError(f"{folder / 'config.json'}: no checkpoint of rajniti: no schema in it")
    return Schema.from_dict(schema, source=str(folder / "config.json"))
