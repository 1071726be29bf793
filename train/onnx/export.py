"""A checkpoint's weights as two ONNX graphs, and these in 8 bits.

The reader goes from pieces to words and the scores of every span, the pair scorer from candidate spans to the scores of every
pair; choosing the candidates between them is a sort that needs no graph. Both take any number of windows of any length.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim
from transformers import PreTrainedTokenizerBase

from train.corpora import jsonl
from train.corpora.load import BUNDLED
from train.errors import InputError
from train.files import atomic_folder
from train.model.modeling_rajniti import RajnitiModel
from train.model.windows import collate, cut, encode_text
from train.onnx.model import FILES, MANIFEST, PAIRS, READER
from train.quiet import quietly

Precision = Literal["fp32", "int8"]
_READER_INPUTS = ("input_ids", "attention_mask", "word_first", "word_last", "word_mask", "edge_mask")
# From this one on, attention and GELU are single operators, which run faster.
_OPSET = 23
# A column of a product's input that holds a value of more than this many of the input's root mean squares is multiplied in
# fp32: 8 bits over so wide a range leave little for the rest. BERT-like encoders have a few such columns, most of them in the
# second product of feed-forward layers (Dettmers et al. 2022, "LLM.int8()").
_WIDEST = 60.0
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


def export_onnx(
    model: RajnitiModel, tokenizer: PreTrainedTokenizerBase, folder: Path, *, weights: str, precision: Precision = "int8"
) -> list[str]:
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
    model = copy.deepcopy(model).eval().cpu()
    model.set_attn_implementation("sdpa")
    with atomic_folder(folder / ".onnx") as temporary:
        with _unadvised(), torch.no_grad():
            _write_graph(_Reader(model), _reader_example(model), ("words", "mentions"), temporary / READER)
            _write_graph(_Pairs(model), _pairs_example(model), ("relations", "statuses", "identities"), temporary / PAIRS)
            if precision == "int8":
                _quantise(temporary / READER, keep=_split_wide(temporary / READER, _sample(model.config, tokenizer)))
                _quantise(temporary / PAIRS)
        (temporary / MANIFEST).write_text(json.dumps({"precision": precision, "weights": weights}) + "\n", encoding="utf-8")
    for name in FILES:
        (folder / ".onnx" / name).replace(folder / name)
    (folder / ".onnx").rmdir()
    return list(FILES)


@contextmanager
def _unadvised() -> Iterator[None]:
    """torch and onnxruntime advise here on packages and steps that make no difference to these graphs."""
    with quietly(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _sample(config: Any, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, np.ndarray]]:
    """Batches of windows of some texts, to see how wide activations spread."""
    texts = [document.text for document in jsonl.read(BUNDLED / "validation.jsonl", None)[:_SAMPLE_TEXTS]]
    batches = []
    for text in texts:
        encoded = encode_text(text, tokenizer)
        windows = cut(encoded, max_tokens=config.window_tokens, overlap_tokens=config.overlap_tokens)
        batches.append(collate([(encoded, window) for window in windows], tokenizer))
    return batches


def _split_wide(path: Path, batches: Sequence[Mapping[str, np.ndarray]]) -> list[str]:
    """Take the wide columns out of the graph's products with weights; returns the names of the new products, of these alone.

    x @ w becomes (x without them) @ w + (x of them) @ (w of them).
    """
    import onnx
    from onnx import helper, numpy_helper

    graph = onnx.load(path)
    nodes, weights = list(graph.graph.node), {tensor.name: tensor for tensor in graph.graph.initializer}
    products = [node for node in nodes if node.op_type == "MatMul" and node.input[1] in weights]
    columns = _wide_columns(graph, sorted({node.input[0] for node in products}), batches)
    kept = []
    for node in products:
        (given, weight), (output,), wide = node.input, node.output, columns[node.input[0]]
        if not len(wide):
            continue
        values, name = numpy_helper.to_array(weights[weight]), node.name
        others = np.ones(len(values), dtype=np.float32)
        others[wide] = 0
        constants = {f"{name}_wide": wide, f"{name}_others": others, f"{name}_rows": values[wide]}
        graph.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in constants.items())
        node.input[0], node.output[0] = f"{name}_narrow", f"{name}_first"
        at = nodes.index(node)
        nodes[at : at + 1] = [
            helper.make_node("Mul", [given, f"{name}_others"], [f"{name}_narrow"]),
            node,
            helper.make_node("Gather", [given, f"{name}_wide"], [f"{name}_taken"], axis=-1),
            helper.make_node("MatMul", [f"{name}_taken", f"{name}_rows"], [f"{name}_second"], name=f"{name}_apart"),
            helper.make_node("Add", [f"{name}_first", f"{name}_second"], [output]),
        ]
        kept.append(f"{name}_apart")
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.save(graph, path)
    return kept


def _wide_columns(graph: Any, names: Sequence[str], batches: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The columns of these values of a graph that hold one of more than _WIDEST root mean squares of a batch."""
    import onnx
    import onnxruntime

    seen = copy.deepcopy(graph)
    seen.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(seen.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [given.name for given in session.get_inputs()]
    widest: dict[str, Any] = dict.fromkeys(names, 0.0)
    for batch in batches:
        for name, found in zip(names, session.run(names, {name: batch[name] for name in wanted}), strict=True):
            spread = np.abs(found).reshape(-1, found.shape[-1]).max(0) / np.sqrt(np.mean(found**2))
            widest[name] = np.maximum(widest[name], spread)
    return {name: np.flatnonzero(spread > _WIDEST) for name, spread in widest.items()}


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
