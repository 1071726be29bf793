"""The count of operations is that of torch's own counter, and a card's peak that of its data sheet."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from train.config import LAYERS, RunConfig
from train.corpora.load import Part
from train.encoders.build import build
from train.examples import batch, examples
from train.flops import peak, window_flops
from train.model.configuration_rajniti import RajnitiConfig
from train.model.modeling_rajniti import RajnitiModel


@pytest.mark.parametrize("parts", [("types", "product", "context"), ("types",)])
def test_the_operations_of_a_window_are_those_that_torch_counts(tiny_config, schema, documents, parts) -> None:
    built, tokenizer = build(RunConfig.load(tiny_config), schema)
    model = RajnitiModel(RajnitiConfig(**{**built.config.to_dict(), "pair_parts": parts}))
    model.set_attn_implementation("eager")  # whose products torch counts one by one, where fused kernels are estimated
    made, _ = examples(Part("toy", "train", documents, LAYERS, None), tokenizer, model.config, schema)
    for example in (made[0], max(made, key=lambda e: e.tokens)):
        inputs = batch([example], tokenizer, model.config)
        mentions = len(example.mentions)
        found = window_flops(model.config, tokens=example.tokens, words=example.words, mentions=mentions)
        with FlopCounterMode(display=False) as counter:
            model(**inputs).loss.backward()
        # The candidates' types take no gradient, which is less than twice their forward pass.
        assert sum(found.values()) == pytest.approx(counter.get_total_flops(), rel=1e-3)
        with FlopCounterMode(display=False) as counter, torch.no_grad():  # which part a backward pass is of, it cannot say
            model(**inputs)
        counts = counter.get_flop_counts()
        for part, products in found.items():
            assert products == 3 * sum(counts[f"RajnitiModel.{part}"].values()), part


def test_words_embedded_smaller_than_the_encoder_cost_a_projection(tiny_config, schema) -> None:
    model, _ = build(RunConfig.load(tiny_config), schema)
    encoder = model.config.encoder
    assert encoder.embedding_size < encoder.hidden_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.set_attn_implementation("eager")
        model.encoder(input_ids=torch.ones(1, 30, dtype=torch.long))
    assert window_flops(model.config, tokens=30, words=20, mentions=0)["encoder"] == 3 * counter.get_total_flops()


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_a_cards_peak_is_known_by_its_name_or_not_at_all(card: str, expected: float | None) -> None:
    assert peak(card) == expected
