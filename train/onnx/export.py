"""A checkpoint's weights as two ONNX graphs, and these in 8 bits.

The reader goes from pieces to words and the scores of every span, the pair scorer from candidate spans to the scores of every
pair; choosing the candidates between them is a sort that needs no graph. Both take any number of windows of any length.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from train.corpora import jsonl
from train.corpora.load import BUNDLED
from train.errors import InputError
from train.files import atomic_folder
from train.model.windows import collate, cut, encode_text
from train.onnx.model import FILES, MANIFEST, PAIRS, READER
from train.quiet import quietly
from train.tagger import Tagger

Precision = Literal["fp32", "int8"]
_READER_INPUTS = ("input_ids", "attention_mask", "word_first", "word_last", "word_mask", "edge_mask")
# From this one on, attention and GELU are single operators, which run faster.
_OPSET = 23
# A product whose input spans more than this many times its root mean square stays in fp32: 8 bits over so wide a range leave
# little for the rest. In BERT-like encoders that is the second product of some feed-forward layers. Chosen on the bundled
# validation split: 100 costs the quick start 0.003 in mention F1 there, no bound at all 0.008.
_WIDEST = 100.0
_SAMPLE_TEXTS = 6


class _Reader(nn.Module):
    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        *own, word_mask, edge_mask = rest
        words, logits = self.model.read(input_ids, *own, word_mask)
        return words, logits.masked_fill(~self.model.valid_spans(word_mask, edge_mask)[..., None], -1e4)


class _Pairs(nn.Module):
    def __init__(self, model: Any):
        super().__init__()
        self.pairs = model.pairs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        relations, statuses, identities = self.pairs(*inputs)
        return relations.sigmoid(), statuses.softmax(-1), identities.sigmoid()


def export_onnx(tagger: Tagger, folder: Path, *, weights: str, precision: Precision = "int8") -> list[str]:
    """Write reader.onnx, pairs.onnx and onnx.json into a checkpoint's folder; returns their names.

    `weights` is the hash of the checkpoint's weights, by which Tagger.load refuses graphs of others. int8 keeps matrices and
    embeddings in 8 bits, one scale a column, and activations by their range in each batch; which products are spared is seen
    on texts of the bundled corpus. Raises InputError without the packages of the extra `onnx`.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f'{error.name} is missing: pip install "rajniti[onnx]"') from None
    model = copy.deepcopy(tagger.model).eval().cpu()
    model.set_attn_implementation("sdpa")
    with atomic_folder(folder / ".onnx") as temporary:
        with quietly(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            _write_graph(_Reader(model), _reader_example(model), ("words", "mentions"), temporary / READER)
            _write_graph(_Pairs(model), _pairs_example(model), ("relations", "statuses", "identities"), temporary / PAIRS)
        if precision == "int8":
            wide = _wide_products(temporary / READER, _sample(tagger))
            _quantise(temporary / READER, keep=wide)
            _quantise(temporary / PAIRS)
        (temporary / MANIFEST).write_text(json.dumps({"precision": precision, "weights": weights}) + "\n", encoding="utf-8")
    for name in FILES:
        (folder / ".onnx" / name).replace(folder / name)
    (folder / ".onnx").rmdir()
    return list(FILES)


def _sample(tagger: Tagger) -> list[dict[str, np.ndarray]]:
    """Batches of windows of some texts, to see how wide activations spread."""
    texts = [document.text for document in jsonl.read(BUNDLED / "validation.jsonl", None)[:_SAMPLE_TEXTS]]
    config, batches = tagger.config, []
    for text in texts:
        encoded = encode_text(text, tagger.tokenizer)
        windows = cut(encoded, max_tokens=config.window_tokens, overlap_tokens=config.overlap_tokens)
        batches.append(collate([(encoded, window) for window in windows], tagger.tokenizer))
    return batches


def _wide_products(path: Path, batches: Sequence[Mapping[str, np.ndarray]]) -> list[str]:
    """The names of the graph's products with weights whose other input spans more than _WIDEST root mean squares."""
    import onnx
    import onnxruntime

    graph = onnx.load(path)
    weights = {tensor.name for tensor in graph.graph.initializer}
    inputs = {node.name: node.input[0] for node in graph.graph.node if node.op_type == "MatMul" and node.input[1] in weights}
    names = sorted(set(inputs.values()))
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [given.name for given in session.get_inputs()]
    spread = dict.fromkeys(names, 0.0)
    for batch in batches:
        values = session.run(names, {name: batch[name] for name in wanted})
        for name, found in zip(names, values, strict=True):
            spread[name] = max(spread[name], float(np.ptp(found) / np.sqrt(np.mean(found**2))))
    return [product for product, name in inputs.items() if spread[name] > _WIDEST]


def _quantise(path: Path, *, keep: Sequence[str] = ()) -> None:
    """Replace a graph by itself in 8 bits, but for the nodes in `keep`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.rename(path.with_suffix(".whole"))
    quantize_dynamic(
        whole,
        path,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
        nodes_to_exclude=list(keep),
        extra_options={"MatMulConstBOnly": True},
    )
    whole.unlink()


def _write_graph(module: nn.Module, example: dict[str, Tensor], outputs: tuple[str, ...], path: Path) -> None:
    dims = {"b": Dim("windows", min=1), "l": Dim("pieces", min=3), "n": Dim("words", min=1), "k": Dim("candidates", min=1)}
    shapes = tuple({0: dims["b"], 1: dims[_AXES[name]]} for name in example)
    torch.onnx.export(
        module.eval(),
        tuple(example.values()),
        path,
        dynamo=True,
        verbose=False,
        external_data=False,
        opset_version=_OPSET,
        input_names=list(example),
        output_names=list(outputs),
        dynamic_shapes={"input_ids": shapes[0], "rest": shapes[1:]} if isinstance(module, _Reader) else {"inputs": shapes},
    )


_AXES = {
    **dict.fromkeys(("input_ids", "attention_mask"), "l"),
    **dict.fromkeys(("word_first", "word_last", "word_mask", "edge_mask", "words", "sentence", "sentence_end"), "n"),
    **dict.fromkeys(("start", "end", "types"), "k"),
}


def _reader_example(model: Any) -> dict[str, Tensor]:
    """Two windows of five words in seven pieces."""
    ones = {name: torch.ones(2, 7 if _AXES[name] == "l" else 5, dtype=torch.long) for name in _READER_INPUTS}
    return {name: values.bool() if name in ("word_mask", "edge_mask") else values for name, values in ones.items()}


def _pairs_example(model: Any) -> dict[str, Tensor]:
    """Three candidates in each of them."""
    places = torch.tensor([[0, 1, 3]] * 2)
    return {
        "words": torch.zeros(2, 5, model.config.encoder.hidden_size),
        "start": places,
        "end": places + 1,  # one tensor given twice would be one input of the graph
        "types": torch.zeros(2, 3, len(model.config.mention_types)),
        "sentence": torch.zeros(2, 5, dtype=torch.long),
        "sentence_end": torch.full((2, 5), 5),
    }
