"""`pipeline("political-ie", model=…, trust_remote_code=True)`: texts in, documents in the corpus's own form out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from transformers import Pipeline

from .tagging import tag

# Full windows of a forward pass, unless the caller says otherwise.
_BATCH_SIZE = 16


class PoliticalPipeline(Pipeline):
    """Mentions, entities and relations of Bangla texts of any length; offsets count characters of the texts as given.

    A string gives one document, a list or tuple a list of them, any other iterable (a generator, a dataset's column) an
    iterator that draws texts as it goes. Options, here or at each call: `batch_size` is how many full windows a forward pass
    takes, and how many texts are drawn at a time from an iterable; `batch_tokens` bounds a pass by tokens instead;
    `min_precision` gives only what is as sure as what was right this often on validation data.
    """

    _load_tokenizer: Any = True

    def __call__(self, inputs: Any, *args: Any, batch_size: int | None = None, **options: Any) -> Any:
        if args:
            raise TypeError(f"expected one argument without a name, a text or several, got {1 + len(args)}")
        size = batch_size or self._batch_size or _BATCH_SIZE
        by_size = {"batch_tokens": size * self.model.config.window_tokens}
        forward = {**by_size, **self._forward_params, **(by_size if batch_size else {})}
        forward |= self._sanitize_parameters(**options)[1]
        if isinstance(inputs, str):
            return self.run_single([inputs], {}, forward, {})[0]
        if isinstance(inputs, list | tuple):
            return self.run_single(inputs, {}, forward, {})
        return self._stream(iter(inputs), size, forward)

    def _stream(self, texts: Iterator[str], size: int, forward: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while drawn := list(islice(texts, size)):
            yield from self.run_single(drawn, {}, forward, {})

    def _sanitize_parameters(  # type: ignore[override]
        self, *, min_precision: float | None = None, batch_tokens: int | None = None
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        given = {"min_precision": min_precision, "batch_tokens": batch_tokens}
        return {}, {name: value for name, value in given.items() if value is not None}, {}

    def preprocess(self, input_: Any, **preprocess_parameters: Any) -> dict[str, Any]:
        for i, text in enumerate(input_):
            if not isinstance(text, str):
                raise TypeError(f"text {i}: expected a string, got {type(text).__name__}")
        return {"texts": list(input_)}

    def _forward(self, input_tensors: dict[str, Any], **forward_parameters: Any) -> Any:
        tokenizer: Any = self.tokenizer
        return {"documents": tag(self.model, tokenizer, input_tensors["texts"], **forward_parameters)}

    def postprocess(self, model_outputs: Any, **postprocess_parameters: Any) -> Any:
        return model_outputs["documents"]
