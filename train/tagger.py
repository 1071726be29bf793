"""A trained checkpoint in use: load it, and turn texts into Documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.hub import resolve
from train.model.decoding import WindowScores, decode
from train.model.settings import Settings
from train.model.tagging import at_precision, score_windows, tag
from train.model.windows import EncodedText, encode_text
from train.schema import Schema

if TYPE_CHECKING:
    from train.examples import Ledger

Backend = Literal["auto", "torch", "onnx"]
Precision = Literal["fp32", "bf16"]
Scored = tuple[Document, EncodedText, list[WindowScores]]

# Characters of the texts that are tagged together: the scores of their windows are in memory at once, some 2 MB each.
_GROUP = 64_000


@dataclass(frozen=True)
class Tagger:
    """A model with its tokenizer and schema. `batch_tokens` bounds the tokens of a forward pass; None: by device."""

    model: Any  # RajnitiModel, or OnnxModel
    tokenizer: Any
    schema: Schema
    batch_tokens: int | None = None

    @classmethod
    def load(
        cls, checkpoint: str | Path, *, device: str | None = None, backend: Backend = "torch", precision: Precision = "fp32"
    ) -> Tagger:
        """Load what train.py or export.py wrote: a folder, or owner/name[@revision] on the Hub.

        The weights go onto a GPU where there is one. `backend` "onnx" takes the checkpoint's ONNX graphs, which run on a CPU
        and load neither torch nor transformers; "auto" takes them where they are there to be used, and there is no GPU.
        `precision` is torch's; bf16 pays on GPUs and slows down CPUs without such units.
        Raises InputError if there is no such checkpoint, or it is broken.
        """
        folder = resolve(checkpoint)
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            if not (folder / name).exists():
                raise InputError(f"{checkpoint}: no checkpoint of rajniti: {name} is missing")
        from train import backends

        if backend == "onnx" or (backend == "auto" and device is None and backends.prefers_onnx(folder)):
            return cls(*backends.load_onnx(folder))
        return cls(*backends.load_torch(folder, device, precision))

    @property
    def config(self) -> Settings:
        return cast(Settings, self.model.config)

    @property
    def backend(self) -> str:
        """ "torch" or "onnx"."""
        return str(self.model.backend)

    @property
    def device(self) -> str:
        return str(self.model.device)

    def __call__(self, text: str) -> Document:
        """The document of one raw text."""
        return self.tag([Document("text", text)])[0]

    def tag(self, documents: Iterable[Document], *, min_precision: float | None = None) -> list[Document]:
        """The same texts with predicted annotation; ids, titles, dates, topics and extra fields stay.

        `min_precision` as in train.model.tagging.tag.
        """
        documents = list(documents)
        options: dict[str, Any] = {"batch_tokens": self.batch_tokens, "min_precision": min_precision}
        found = tag(self.model, self.tokenizer, [d.text for d in documents], **options)
        return [_annotated(d, data) for d, data in zip(documents, found, strict=True)]

    def tag_stream(
        self,
        documents: Iterable[Document],
        *,
        buffer: int = 1024,
        min_precision: float | None = None,
        on_tagged: Callable[[int], object] | None = None,
        on_failure: Callable[[Document, Exception], None] | None = None,
    ) -> Iterator[Document]:
        """What `tag` gives, in the documents' order, for more of them than memory holds: at most `buffer` are held at once.

        Within the buffer, texts alike in length are tagged together, which wastes no padding; `on_tagged` hears how many
        that were, each time. With `on_failure`, a document that cannot be tagged is handed to it, with what was raised, and
        left out; where nothing tagged together with others can be, the fault is not theirs, and it is raised.
        """
        left = iter(documents)
        while held := dict(enumerate(islice(left, buffer))):
            found: dict[int, Document] = {}
            for group in _groups(held):
                tagged = self._tag_each([held.pop(i) for i in group], min_precision, on_failure)
                found.update((i, document) for i, document in zip(group, tagged, strict=True) if document is not None)
                del tagged
                if on_tagged:
                    on_tagged(len(group))
            for i in sorted(found):
                yield found.pop(i)

    def _tag_each(
        self, documents: list[Document], min_precision: float | None, on_failure: Callable[[Document, Exception], None] | None
    ) -> Sequence[Document | None]:
        """The tagged documents, with None for each that `on_failure` was told of."""
        try:
            return self.tag(documents, min_precision=min_precision)
        except Exception:
            if on_failure is None:
                raise
            found: list[Document | None] = []
            failures: list[tuple[Document, Exception]] = []
            for document in documents:
                try:
                    found.extend(self.tag([document], min_precision=min_precision))
                except Exception as error:
                    found.append(None)
                    failures.append((document, error))
            if len(failures) == len(documents) > 1:
                raise
        for failure in failures:
            on_failure(*failure)
        return found

    def scored(self, documents: Sequence[Document]) -> list[Scored]:
        """The model's scores of the documents, for decoding more than once."""
        encoded = [encode_text(d.text, self.tokenizer) for d in documents]
        scores = score_windows(self.model, self.tokenizer, encoded, batch_tokens=self.batch_tokens)
        return list(zip(documents, encoded, scores, strict=True))

    def decoded(self, scored: Iterable[Scored], *, min_precision: float | None = None) -> list[Document]:
        """What `tag` gives for these documents, by the configuration as it stands now."""
        config = self.config if min_precision is None else at_precision(self.config, min_precision)
        return [_annotated(d, decode(encoded, scores, config)) for d, encoded, scores in scored]

    def unreached(self, min_precision: float) -> list[str]:
        """A line for each layer of which nothing is given at this precision, since it was never reached."""
        return [
            f"{layer}: none are given, as no score reached precision {min_precision} on validation data"
            for layer in ("mentions", "relations")
            if self.config.threshold_at(layer, min_precision) > 1
        ]

    def tag_given(self, documents: Sequence[Document]) -> list[Document]:
        """The documents with their own mentions and predicted relations and identities.

        Mentions that cut a word are left out, since no span stands for them.
        """
        given = []
        for document in documents:
            encoded = encode_text(document.text, self.tokenizer)
            starts, ends = ({word[i] for word in encoded.words} for i in (0, 1))
            whole = [m for m in document.mentions if m.start in starts and m.end in ends]
            given.append([(m.start, m.end, m.type) for m in whole])
        found = tag(self.model, self.tokenizer, [d.text for d in documents], batch_tokens=self.batch_tokens, given=given)
        return [_annotated(d, data) for d, data in zip(documents, found, strict=True)]

    def unreachable(self, scored: Iterable[Scored]) -> list[dict[int, str]]:
        """For each document, why gold relations (by their place) were out of reach: window edges, span width, pruning."""
        from train.examples import out_of_reach

        return [out_of_reach(d, encoded, [s.window for s in scores], self.config, scores)[1] for d, encoded, scores in scored]

    def ledger(self, scored: Iterable[Scored]) -> Ledger:
        """What of the documents' gold this model cannot reach, pruned candidates included."""
        from train.examples import Ledger, coverage

        total = Ledger()
        for document, encoded, scores in scored:
            total.add(coverage(document, encoded, [s.window for s in scores], self.config, scores))
        return total


def _groups(documents: Mapping[int, Document]) -> Iterator[list[int]]:
    """The keys of documents alike in length, shortest first, in groups of about as many characters in all."""
    group: list[int] = []
    size = 0
    for i in sorted(documents, key=lambda i: len(documents[i].text)):
        if group and size + len(documents[i].text) > _GROUP:
            yield group
            group, size = [], 0
        group.append(i)
        size += len(documents[i].text)
    if group:
        yield group


def _annotated(document: Document, data: dict) -> Document:
    found = jsonl.from_dict({"id": document.id, **data}, where=f"{document.id}")
    return replace(document, mentions=found.mentions, entities=found.entities, relations=found.relations)
