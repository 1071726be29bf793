"""The processes of a comparison of speed, and the encoder that they share."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from transformers import AutoModelForTokenClassification

from train.document import Document
from train.errors import InputError
from train.files import atomic_write
from train.peers import speed_worker
from train.quiet import quietly
from train.tagger import Tagger

_SAMPLE = 8


class Worker:
    """A process of speed_worker.py, which answers line by line. `about` is its first answer.

    Raises InputError, with the last line that it said, where it cannot be run or ends before its time.
    """

    def __init__(self, way: str, given: dict[str, Any], *, python: str | Path, log: Path):
        self._log = log
        try:
            with log.open("w", encoding="utf-8") as errors:
                self._process = subprocess.Popen(
                    [str(python), speed_worker.__file__, way],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    encoding="utf-8",
                )
        except OSError as error:
            raise InputError(f"{python}: cannot be run: {error.strerror or error}") from None
        self.about = self.ask(given)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process: at once where something failed, else when it has answered."""
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:  # why is in the log
            pass
        if not (line := self._process.stdout.readline()):
            self._process.wait()
            said = self._log.read_text(encoding="utf-8").strip().splitlines()
            raise InputError(said[-1] if said else f"ended with status {self._process.returncode}")
        return json.loads(line)


def write_classifier(tagger: Tagger, documents: Sequence[Document], folder: Path) -> None:
    """The tagger's encoder and tokenizer with a head over BIO tags of its mention types, as transformers saves one.

    The head is drawn at random. Of its tags only "no name" and one other ever win, so that pieces side by side make one name,
    and the former is raised until it takes the share of the pieces that the documents have outside mentions: the pipeline
    spends time on what is a name.
    """
    types = tagger.config.mention_types
    tags = ["O", *(f"{prefix}-{type_}" for type_ in types for prefix in "BI")]
    config = tagger.model.config.encoder
    config.id2label, config.label2id = dict(enumerate(tags)), {tag: i for i, tag in enumerate(tags)}
    # BanglaBERT's tokenizer names no length, and the pipeline would then give the encoder more than it has places for.
    longest = min(tagger.tokenizer.model_max_length, config.max_position_embeddings)
    torch.manual_seed(0)
    with quietly():
        model: Any = AutoModelForTokenClassification.from_config(config, dtype="float32").eval()
        model.base_model.load_state_dict(tagger.model.encoder.state_dict())
        texts = [document.text for document in documents[:_SAMPLE]]
        options = {"truncation": True, "max_length": longest, "padding": True, "return_token_type_ids": False}
        encoded = tagger.tokenizer(texts, return_tensors="pt", **options)
        with torch.inference_mode():
            logits = model(**encoded).logits[encoded["attention_mask"].bool()]
        inside = sum(m.end - m.start for d in documents for m in d.mentions) / max(1, sum(len(d.text) for d in documents))
        bias = model.classifier.bias.data
        bias[:] = -1e4
        bias[0], bias[2] = torch.quantile(logits[:, 2] - logits[:, 0], 1 - min(inside, 1.0)), 0
        model.save_pretrained(folder)
        tagger.tokenizer.save_pretrained(folder)
    # A class that older transformers, as spacy-transformers wants them, know too.
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest}
    with atomic_write(path) as file:
        json.dump(settings, file)
