"""The joint tagger: one pass of one encoder, then mentions, relations, statuses and identities are read off its words.

Every span of up to `max_span_width` words is scored per mention type; the best spans go on as candidates, and each ordered pair
of these gets a score per relation type, a distribution over statuses and an identity score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import MODEL_MAPPING, AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from .configuration_rajniti import RajnitiConfig
from .decoding import FLOOR, Probabilities
from .heads import PairScorer, SpanScorer, pick
from .losses import mention_loss, pair_losses
from .tagging import tag

_FLOOR = math.log(FLOOR / (1 - FLOOR))


@dataclass
class RajnitiOutput(ModelOutput):
    """Scores of a batch of B windows of up to N words, with K candidate spans a window.

    `losses` holds the sums of each loss term over its decisions (only with labels).
    """

    loss: Tensor | None = None
    mention_logits: Tensor | None = None  # [B, N, W, T]: span of words n..n+w, type t
    candidates: Tensor | None = None  # [B, K]: n * W + w
    candidate_mask: Tensor | None = None  # [B, K]
    relation_logits: Tensor | None = None  # [B, K, K, R]: head, tail, type
    status_logits: Tensor | None = None  # [B, K, K, S]
    identity_logits: Tensor | None = None  # [B, K, K], symmetric
    losses: dict[str, Tensor] | None = None


class RajnitiPreTrainedModel(PreTrainedModel):
    config_class = RajnitiConfig
    base_model_prefix = "rajniti"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class RajnitiModel(RajnitiPreTrainedModel):
    """Encoder, span scorer and pair scorer. Words in, scores out; `tag` goes from raw text to documents."""

    backend, at_once = "torch", 1

    def __init__(self, config: RajnitiConfig):
        super().__init__(config)
        self.encoder = AutoModel.from_config(config.encoder, **_no_pooler(config.encoder))
        self.dropout = nn.Dropout(config.head_dropout)
        self.spans = SpanScorer(config)
        self.pairs = PairScorer(config)
        self.post_init()
        # Nearly all spans are no mention and nearly all pairs not related: starting there spares the encoder a shock.
        nn.init.constant_(self.spans.output.bias, -5.0)
        nn.init.constant_(self.pairs.relation.bias, -6.0)
        nn.init.constant_(self.pairs.identity.bias, -2.0)

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.get_input_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        word_first: Tensor,
        word_last: Tensor,
        word_mask: Tensor,
        edge_mask: Tensor,
        sentence: Tensor,
        sentence_end: Tensor,
        labels: dict[str, Tensor] | None = None,
        given: Tensor | None = None,
        given_types: Tensor | None = None,
        normalizer: float | None = None,
    ) -> RajnitiOutput:
        """Score a batch of windows.

        input_ids, attention_mask [B, L], which may be None where nothing is padded; word_first, word_last [B, N]
        position of each word's first and last piece; word_mask, edge_mask [B, N] whether it is a word, and one that a
        mention may start or end with; sentence, sentence_end [B, N] as for PairScorer. `given` [B, K] (-1 for none)
        with `given_types` [B, K] replaces the model's own candidates. `labels` as made by the package's batches; the
        loss is divided by `normalizer`, by default the number of words.
        """
        words, mention_logits = self.read(input_ids, attention_mask, word_first, word_last, word_mask)
        valid = self.valid_spans(word_mask, edge_mask)
        probabilities = mention_logits.float().sigmoid()
        if given is None:
            gold = None if labels is None else labels["spans"]
            candidates, mask = self._choose(mention_logits.detach(), valid, word_mask, gold)
            types = pick(probabilities.flatten(1, 2), candidates).detach()
        else:
            candidates, mask = given.clamp(min=0), given >= 0
            types = F.one_hot(given_types.clamp(min=0), probabilities.shape[-1])  # type: ignore[union-attr]
        width = self.config.max_span_width
        start = candidates // width
        end = (start + candidates % width).clamp(max=words.shape[1] - 1)  # masked candidates may lie beyond
        relation, status, identity = self.pairs(words, start, end, types, sentence, sentence_end)
        output = RajnitiOutput(
            mention_logits=mention_logits.masked_fill(~valid[..., None], -1e4),
            candidates=candidates,
            candidate_mask=mask,
            relation_logits=relation,
            status_logits=status,
            identity_logits=identity,
        )
        if labels is not None:
            output.losses = self._losses(output, labels, valid, mention_logits)
            weights = {
                "mentions": 1.0,
                "relations": 1.0,
                "statuses": 1.0,
                "identities": 0.5,
                **self.config.loss_weights,
            }
            total = sum(weights[name] * value for name, value in output.losses.items())
            output.loss = total / (word_mask.sum() if normalizer is None else normalizer)
        return output

    def read(
        self, input_ids: Tensor, attention_mask: Tensor | None, word_first: Tensor, word_last: Tensor, word_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The words' states [B, N, D], and logits of every span [B, N, W, T], valid or not."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        words = (pick(states, word_first) + pick(states, word_last)) / 2
        words = self.dropout(words) * word_mask[..., None].to(words.dtype)
        return words, self.spans(words)[1]

    def valid_spans(self, word_mask: Tensor, edge_mask: Tensor) -> Tensor:
        """[B, N, W]: spans that lie inside the window and have no punctuation at their edges."""
        n, width = word_mask.shape[1], self.config.max_span_width
        ends = torch.arange(n, device=word_mask.device)[:, None] + torch.arange(width, device=word_mask.device)
        can_end = edge_mask[:, ends.clamp(max=n - 1)] & (ends < n)
        return edge_mask[:, :, None] & can_end

    def _choose(self, logits: Tensor, valid: Tensor, word_mask: Tensor, gold: Tensor | None) -> tuple[Tensor, Tensor]:
        """Candidates [B, K] and which of them count: each window's own number, and outside training only likely ones."""
        scores = logits.float().amax(-1).masked_fill(~valid, -1e4).flatten(1)
        config, own_words = self.config, word_mask.sum(1)
        most = config.candidate_count(word_mask.shape[1])
        counts = own_words * round(config.candidate_ratio * 1000) // 1000 + 1  # Settings.candidate_count of each window
        counts = counts.clamp(max=config.max_candidates).minimum(own_words * config.max_span_width)
        if gold is not None:  # in training, pairs of true mentions are always seen
            most = min(max(most, gold.shape[1]), scores.shape[1])
            counts = counts.maximum((gold >= 0).sum(1))
            bonus = 1e5 * (gold >= 0).to(scores.dtype)
            scores = scores + torch.zeros_like(scores).scatter_reduce(1, gold.clamp(min=0), bonus, "amax")
        best, candidates = scores.topk(most, dim=1)
        own = (torch.arange(most, device=counts.device) < counts[:, None]) & (best > (_FLOOR if gold is None else -1e3))
        if gold is None:  # sorted by score, so that those that are left stand in front
            most = max(1, int(own.sum(1).max()))
        return candidates[:, :most], own[:, :most]

    def _losses(self, output: RajnitiOutput, labels: dict[str, Tensor], valid: Tensor, logits: Tensor) -> dict[str, Tensor]:
        return {
            "mentions": mention_loss(logits, valid, labels),
            **pair_losses(output, labels, self.config.loss_weights.get("positive", 1.0)),
        }

    @property
    def batch_tokens(self) -> int:
        """Of a forward pass: a CPU is fastest while its states stay in the cache, a GPU while it has enough to do."""
        return 512 if self.device.type == "cpu" else 16_384

    @torch.inference_mode()
    def probabilities(self, batch: Mapping[str, np.ndarray]) -> Probabilities:
        """What the model says of a batch as `collate` makes it, `given` candidates included, in numbers on the CPU."""
        output = self(**{name: torch.from_numpy(values).to(self.device) for name, values in batch.items()})
        return Probabilities(
            mentions=output.mention_logits.float().sigmoid().cpu().numpy(),
            candidates=output.candidates.cpu().numpy(),
            mask=output.candidate_mask.cpu().numpy(),
            relations=output.relation_logits.float().sigmoid().cpu().numpy(),
            statuses=output.status_logits.float().softmax(-1).cpu().numpy(),
            identities=output.identity_logits.float().sigmoid().cpu().numpy(),
        )

    def tag(self, texts: str | Sequence[str], tokenizer: Any, **options: Any) -> Any:
        """The document of a raw text, or a list of those of several, in the corpus's own form.

        See `tagging.tag` for the options.
        """
        if isinstance(texts, str):
            return tag(self, tokenizer, [texts], **options)[0]
        return tag(self, tokenizer, texts, **options)


def _no_pooler(config: Any) -> dict[str, Any]:
    """The encoder's pooler is not used here: it would get no gradient, and pretraining checkpoints may lack it."""
    found: Any = MODEL_MAPPING.get(type(config), ())
    kinds = found if isinstance(found, tuple) else (found,)
    return {"add_pooling_layer": False} if any("add_pooling_layer" in signature(kind).parameters for kind in kinds) else {}


RajnitiModel.register_for_auto_class("AutoModel")
