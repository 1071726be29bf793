"""A checkpoint's ONNX graphs in use, in place of RajnitiModel where a text is to be tagged on a CPU."""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.errors import InputError
from train.model.decoding import FLOOR, Probabilities
from train.model.settings import Settings

READER, PAIRS, MANIFEST = FILES = ("reader.onnx", "pairs.onnx", "onnx.json")
_FLOOR = math.log(FLOOR / (1 - FLOOR))


class OnnxModel:
    """What `tagging.tag` needs of a model: its settings, how to batch for it, and probabilities of a batch."""

    backend, device = "onnx", "cpu"
    batch_tokens = 256

    def __init__(self, folder: Path):
        """Raises InputError where a file or onnxruntime is missing or broken."""
        try:
            from onnxruntime import InferenceSession, SessionOptions
        except ImportError:
            raise InputError('onnxruntime is missing: pip install "rajniti[onnx]"') from None
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        known = inspect.signature(Settings.__init__).parameters
        self.config = Settings(**{name: value for name, value in fields.items() if name in known})
        # A batch for each thread takes two thirds of the time that all threads together take for one after the other.
        self.at_once = threads()
        options = SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            # Its sum and normalisation in one operator takes six times as long as the two.
            given: dict[str, Any] = {"providers": ["CPUExecutionProvider"], "disabled_optimizers": ["SkipLayerNormFusion"]}
            self._reader, self._pairs = (InferenceSession(folder / name, options, **given) for name in (READER, PAIRS))
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise InputError(f"{folder}: cannot load the ONNX graphs: {' '.join(str(error).split())}") from None
        self._reader_inputs = [given.name for given in self._reader.get_inputs()]

    def probabilities(self, batch: Mapping[str, np.ndarray]) -> Probabilities:
        """As RajnitiModel.probabilities."""
        words, logits = self._reader.run(None, {name: batch[name] for name in self._reader_inputs})
        mentions = _sigmoid(logits)
        if "given" in batch:
            candidates, mask = np.maximum(batch["given"], 0), batch["given"] >= 0
            types = np.eye(mentions.shape[-1], dtype=np.float32)[batch["given_types"]]
        else:
            candidates, mask = self._choose(logits, batch["word_mask"])
            flat = mentions.reshape(len(mentions), -1, mentions.shape[-1])
            types = np.take_along_axis(flat, candidates[..., None], axis=1)
        start = candidates // self.config.max_span_width
        end = np.minimum(start + candidates % self.config.max_span_width, words.shape[1] - 1)
        spans = {"words": words, "start": start, "end": end, "types": types}
        sentences = {name: batch[name] for name in ("sentence", "sentence_end")}
        relations, statuses, identities = self._pairs.run(None, {**spans, **sentences})
        return Probabilities(mentions, candidates, mask, relations, statuses, identities)

    def _choose(self, logits: np.ndarray, word_mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As RajnitiModel._choose, without gold."""
        scores = logits.max(-1).reshape(len(logits), -1)
        counts = [self.config.candidate_count(int(n)) for n in word_mask.sum(1)]
        candidates = np.argsort(-scores, axis=1, kind="stable")[:, : max(counts)]
        mask = np.arange(max(counts)) < np.array(counts)[:, None]
        mask &= np.take_along_axis(scores, candidates, axis=1) > _FLOOR
        most = max(1, int(mask.sum(1).max()))
        return candidates[:, :most], mask[:, :most]


@dataclass(frozen=True)
class PlainTokenizer:
    """What of a fast tokenizer `encode_text` and `collate` use, read without transformers."""

    backend_tokenizer: Any
    ids: Mapping[str, int | None]

    @classmethod
    def load(cls, folder: Path) -> PlainTokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        tokens = {kind: named.get(f"{kind}_token") for kind in ("cls", "bos", "sep", "eos", "pad", "unk")}
        surfaces = {kind: token["content"] if isinstance(token, dict) else token for kind, token in tokens.items()}
        return cls(tokenizer, {kind: token and tokenizer.token_to_id(token) for kind, token in surfaces.items()})

    def __getattr__(self, name: str) -> int | None:
        kind = name.removesuffix("_token_id")
        if kind == name or kind not in self.ids:
            raise AttributeError(name)
        return self.ids[kind]


def threads() -> int:
    """OMP_NUM_THREADS, else the cores that this process may use."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.maximum(values, -80.0)))
