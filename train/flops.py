"""What a window costs in floating-point operations, by the shapes of the model, and what cards can do at most.

Counted are the matrix products of a forward and a backward pass over one window by itself, a multiplication and an addition as
two; a backward pass is taken as two forward ones. Left out are what moves memory more than it computes (norms, activations,
losses, the optimiser) and what is computed again, so the share of a card's peak is that of useful work. Padding earns nothing:
neither the tokens of longer neighbours nor candidates beyond a window's own.
"""

from __future__ import annotations

import re

from train.model.configuration_rajniti import RajnitiConfig

# Dense bf16 operations a second by the makers' data sheets, by what torch calls the card; the first match counts.
_PEAKS = (
    (r"\bB200\b", 2250e12),
    (r"\bH200 NVL\b", 836e12),
    (r"\b(GH200|H200)\b", 989e12),
    (r"\bH100 NVL\b", 835e12),
    (r"\bH100 PCIe\b", 756e12),
    (r"\bH100\b", 989e12),
    (r"\bA100\b", 312e12),
    (r"\bL40S\b", 362e12),
    (r"\bL4\b", 121e12),
    (r"\bA10\b", 125e12),
)


def peak(card: str) -> float | None:
    """Most bf16 operations a second of a card by its name (torch.cuda.get_device_name), or None where it is not known."""
    return next((value for pattern, value in _PEAKS if re.search(pattern, card)), None)


def window_flops(config: RajnitiConfig, *, tokens: int, words: int, mentions: int) -> dict[str, int]:
    """Operations of training on one window, by part: "encoder", "spans", "pairs".

    tokens: pieces of the window, special ones included; mentions: its gold mentions, which are always among its candidates.
    """
    hidden = config.encoder.hidden_size
    candidates = max(config.candidate_count(words), min(mentions, words * config.max_span_width))
    forward = {
        "encoder": _encoder(config.encoder, tokens),
        "spans": _spans(config, hidden, words),
        "pairs": _pairs(config, hidden, words, candidates),
    }
    return {part: 3 * 2 * products for part, products in forward.items()}


def _encoder(encoder: object, tokens: int) -> int:
    """Multiplications of one forward pass through a BERT-like encoder: projections, attention, feed-forward."""
    hidden, inner, layers = (getattr(encoder, n) for n in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    embedding = getattr(encoder, "embedding_size", hidden)
    layer = tokens * (4 * hidden * hidden + 2 * hidden * inner) + 2 * tokens * tokens * hidden
    return layers * layer + (tokens * embedding * hidden if embedding != hidden else 0)


def _spans(config: RajnitiConfig, hidden: int, words: int) -> int:
    size = config.head_size
    return words * (3 * hidden * size + config.max_span_width * size * len(config.mention_types))


def _pairs(config: RajnitiConfig, hidden: int, words: int, candidates: int) -> int:
    size, parts = config.head_size, config.pair_parts
    span = 2 * hidden * size + 2 * size * size
    pair = size * (max(1, len(config.relation_types)) + len(config.statuses) + 1)
    word = 0
    if "types" in parts:
        span += len(config.mention_types) * size
    if "product" in parts:
        span += 2 * size * size
    if "context" in parts:
        word += hidden * (size // 4)
        pair += 2 * (size // 4) * size
    return words * word + candidates * span + candidates * candidates * pair
