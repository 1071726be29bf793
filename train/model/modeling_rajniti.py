"""The joint tagger: one pass of one encoder, then mentions, relations, statuses and identities are read off its words.

Every span of up to `max_span_width` words is scored per mention type, after span-based joint extraction (Eberts and Ulges,
2020, SpERT); the best spans go on as candidates, and each ordered pair of these gets a score per relation type, a
distribution over statuses and an identity score. Pairs see the words between their spans and those after the later one
up to its sentence's end, where Bangla keeps its verb; both are read by range maxima over a sparse table (Bender and
Farach-Colton, 2000), so that nothing loops over spans or pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from .configuration_rajniti import RajnitiConfig

# Buckets for the signed distance between two spans, in words: overlapping, then by powers of two to either side.
_DISTANCE_BUCKETS = 17
_SENTENCE_BUCKETS = 7


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


class SpanScorer(nn.Module):
    """Scores of every span by its first word, last word, mean word and width."""

    def __init__(self, config: RajnitiConfig):
        super().__init__()
        hidden, size = config.encoder.hidden_size, config.head_size
        self.width = config.max_span_width
        self.start = nn.Linear(hidden, size)
        self.end = nn.Linear(hidden, size)
        self.inside = nn.Linear(hidden, size)
        self.width_embedding = nn.Embedding(self.width, size)
        self.dropout = nn.Dropout(config.head_dropout)
        self.output = nn.Linear(size, len(config.mention_types))

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, D] to span states [B, N, W, H] and logits [B, N, W, T]."""
        n = words.shape[1]
        ends = torch.arange(n, device=words.device)[:, None] + torch.arange(self.width, device=words.device)
        inside = F.pad(self.inside(words).float().cumsum(1), (0, 0, 1, 0))
        last = ends.clamp(max=n - 1)
        total = inside[:, last + 1] - inside[:, :-1, None]
        mean = total / torch.arange(1, self.width + 1, device=words.device)[:, None]
        state = self.start(words)[:, :, None] + self.end(words)[:, last] + mean.to(words.dtype)
        state = F.gelu(state + self.width_embedding.weight)
        return state, self.output(self.dropout(state))


class RangeMax(nn.Module):
    """Maxima of a sequence over any ranges, by a sparse table: log2(N) levels of doubling windows, two look-ups a range."""

    def forward(self, values: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """values [B, N, C], start and end [B, M] (end excluded) to [B, M, C]; an empty range gives zeros."""
        n = values.shape[1]
        levels = [values]
        step = 1
        while step < n:
            above = levels[-1]
            shifted = torch.cat([above[:, step:], above[:, -1:].expand(-1, min(step, n), -1)], 1)[:, :n]
            levels.append(torch.maximum(above, shifted))
            step *= 2
        table = torch.stack(levels, 1).flatten(1, 2)  # [B, L * N, C]
        length = (end - start).clamp(min=1)
        level = _log2_floor(length, len(levels))
        left = level * n + start.clamp(0, n - 1)
        right = level * n + (end - 2**level).clamp(0, n - 1)
        picked = torch.maximum(_pick(table, left), _pick(table, right))
        return picked * (end > start)[..., None].to(picked.dtype)


class PairScorer(nn.Module):
    """Scores of every ordered pair of candidate spans."""

    def __init__(self, config: RajnitiConfig):
        super().__init__()
        hidden, size, types = config.encoder.hidden_size, config.head_size, len(config.mention_types)
        context = size // 4
        self.start = nn.Linear(hidden, size)
        self.end = nn.Linear(hidden, size)
        self.type_embedding = nn.Linear(types, size, bias=False)
        self.head = nn.Linear(size, size)
        self.tail = nn.Linear(size, size)
        self.head_factor = nn.Linear(size, size)
        self.tail_factor = nn.Linear(size, size)
        self.context = nn.Linear(hidden, context)
        self.between = nn.Linear(context, size, bias=False)
        self.after = nn.Linear(context, size, bias=False)
        self.distance_embedding = nn.Embedding(_DISTANCE_BUCKETS, size)
        self.sentence_embedding = nn.Embedding(_SENTENCE_BUCKETS, size)
        self.range_max = RangeMax()
        self.dropout = nn.Dropout(config.head_dropout)
        # A schema may have no relations, but no file keeps two tensors without elements apart.
        self.relations = len(config.relation_types)
        self.relation = nn.Linear(size, max(1, self.relations))
        self.status = nn.Linear(size, len(config.statuses))
        self.identity = nn.Linear(size, 1)

    def forward(
        self, words: Tensor, start: Tensor, end: Tensor, types: Tensor, sentence: Tensor, sentence_end: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Relation [B, K, K, R], status [B, K, K, S] and identity [B, K, K] logits.

        words [B, N, D]; start, end [B, K] first and last word of each candidate; types [B, K, T] their probabilities;
        sentence, sentence_end [B, N] each word's sentence number and the first word after that sentence.
        """
        batch, k = start.shape
        span = self.start(_pick(words, start)) + self.end(_pick(words, end)) + self.type_embedding(types.to(words.dtype))
        span = self.dropout(F.gelu(span))
        state = self.head(span)[:, :, None] + self.tail(span)[:, None]
        state = state + self.head_factor(span)[:, :, None] * self.tail_factor(span)[:, None]
        state = state + self._position(start, end, sentence)
        context = F.gelu(self.context(words))
        first_end = torch.minimum(end[:, :, None], end[:, None]) + 1
        later_start = torch.maximum(start[:, :, None], start[:, None])
        later_end = torch.maximum(end[:, :, None], end[:, None]) + 1
        stop = sentence_end.gather(1, (later_end - 1).flatten(1)).view(batch, k, k)
        between = self.range_max(context, first_end.flatten(1), later_start.flatten(1)).view(batch, k, k, -1)
        after = self.range_max(context, later_end.flatten(1), stop.flatten(1)).view(batch, k, k, -1)
        state = self.dropout(F.gelu(state + self.between(between) + self.after(after)))
        identity = self.identity(state).squeeze(-1)
        return self.relation(state)[..., : self.relations], self.status(state), (identity + identity.transpose(1, 2)) / 2

    def _position(self, start: Tensor, end: Tensor, sentence: Tensor) -> Tensor:
        ahead = start[:, None] - end[:, :, None]  # > 0 where the tail follows the head
        behind = start[:, :, None] - end[:, None]
        distance = torch.where(ahead > 0, ahead, torch.where(behind > 0, -behind, 0))
        half = _DISTANCE_BUCKETS // 2
        magnitude = 1 + _log2_floor(distance.abs().clamp(min=1), half)
        bucket = half + distance.sign() * magnitude
        own = sentence.gather(1, start)
        apart = (own[:, None] - own[:, :, None]).clamp(-(_SENTENCE_BUCKETS // 2), _SENTENCE_BUCKETS // 2)
        return self.distance_embedding(bucket) + self.sentence_embedding(apart + _SENTENCE_BUCKETS // 2)


class RajnitiModel(RajnitiPreTrainedModel):
    """Encoder, span scorer and pair scorer. Words in, scores out; `tag` goes from raw text to documents."""

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
        attention_mask: Tensor,
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

        input_ids, attention_mask [B, L]; word_first, word_last [B, N] position of each word's first and last piece;
        word_mask, edge_mask [B, N] whether it is a word, and one that a mention may start or end with; sentence,
        sentence_end [B, N] as for PairScorer. `given` [B, K] (-1 for none) with `given_types` [B, K] replaces the model's
        own candidates. `labels` as made by the package's batches; the loss is divided by `normalizer`, by default the
        number of words.
        """
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        words = (_pick(states, word_first) + _pick(states, word_last)) / 2
        words = self.dropout(words) * word_mask[..., None].to(words.dtype)
        _, mention_logits = self.spans(words)
        valid = self._valid_spans(word_mask, edge_mask)
        probabilities = mention_logits.float().sigmoid()
        if given is None:
            gold = None if labels is None else labels["spans"]
            candidates, mask = self._choose(mention_logits.detach(), valid, word_mask, gold)
            types = _pick(probabilities.flatten(1, 2), candidates).detach()
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

    def _valid_spans(self, word_mask: Tensor, edge_mask: Tensor) -> Tensor:
        """[B, N, W]: spans that lie inside the window and have no punctuation at their edges."""
        n, width = word_mask.shape[1], self.config.max_span_width
        ends = torch.arange(n, device=word_mask.device)[:, None] + torch.arange(width, device=word_mask.device)
        can_end = edge_mask[:, ends.clamp(max=n - 1)] & (ends < n)
        return edge_mask[:, :, None] & can_end

    def candidate_count(self, n: int) -> int:
        """Candidates of a batch whose longest window has n words."""
        most = min(self.config.max_candidates, n * self.config.max_span_width)
        return max(1, min(most, int(self.config.candidate_ratio * n) + 1))

    def _choose(self, logits: Tensor, valid: Tensor, word_mask: Tensor, gold: Tensor | None) -> tuple[Tensor, Tensor]:
        scores = logits.float().amax(-1).masked_fill(~valid, -1e4).flatten(1)
        count = self.candidate_count(word_mask.shape[1])
        if gold is not None:  # in training, pairs of true mentions are always seen
            count = min(max(count, gold.shape[1]), scores.shape[1])
            bonus = 1e5 * (gold >= 0).to(scores.dtype)
            scores = scores + torch.zeros_like(scores).scatter_reduce(1, gold.clamp(min=0), bonus, "amax")
        best, candidates = scores.topk(count, dim=1)
        return candidates, best > -1e3

    def _losses(self, output: RajnitiOutput, labels: dict[str, Tensor], valid: Tensor, logits: Tensor) -> dict[str, Tensor]:
        return {
            "mentions": _mention_loss(logits, valid, labels),
            **_pair_losses(output, labels, self.config.loss_weights.get("positive", 1.0)),
        }

    def tag(self, texts: list[str], tokenizer: Any, **options: Any) -> list[dict[str, Any]]:
        """Documents of raw texts, in the corpus's own form; see `tagging.tag` for the options."""
        from .tagging import tag

        return tag(self, tokenizer, texts, **options)


def _mention_loss(logits: Tensor, valid: Tensor, labels: dict[str, Tensor]) -> Tensor:
    """Binary cross-entropy summed over spans and the types that the source annotates. labels: spans, types [B, G]."""
    batch, n, width, types = logits.shape
    spans, kinds = labels["spans"], labels["types"]
    present = spans >= 0
    flat = spans.clamp(min=0) * types + kinds.clamp(min=0)
    target = torch.zeros(batch, n * width * types, device=logits.device)
    target = target.scatter_reduce(1, flat, present.float(), "amax").view_as(logits)
    weight = valid[..., None] * labels["type_mask"][:, None, None].float()
    return F.binary_cross_entropy_with_logits(logits.float(), target, weight=weight, reduction="sum")


def _pair_losses(output: RajnitiOutput, labels: dict[str, Tensor], positive: float) -> dict[str, Tensor]:
    """Sums over pairs of candidates. labels: adjacency [B, G, G, R], status [B, G, G] (-100 for none), entity [B, G]."""
    candidates, mask = output.candidates, output.candidate_mask
    assert candidates is not None and mask is not None and output.relation_logits is not None
    assert output.status_logits is not None and output.identity_logits is not None
    spans = labels["spans"]
    same = (candidates[:, :, None] == spans[:, None]) & mask[:, :, None] & (spans >= 0)[:, None]  # [B, K, G]
    is_gold, which = same.any(-1), same.float().argmax(-1)
    both = mask[:, :, None] & mask[:, None] & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    gold_pair = is_gold[:, :, None] & is_gold[:, None] & both

    target = _pick_pairs(labels["adjacency"].float(), which) * gold_pair[..., None]
    weight = (both & labels["has_relations"][:, None, None])[..., None] * torch.where(target > 0, positive, 1.0)
    relations = F.binary_cross_entropy_with_logits(output.relation_logits.float(), target, weight=weight, reduction="sum")
    status = _pick_pairs(labels["status"][..., None], which).squeeze(-1).masked_fill(~gold_pair, -100)
    statuses = F.cross_entropy(output.status_logits.float().flatten(0, 2), status.flatten(), reduction="sum")
    entity = labels["entity"].gather(1, which)
    linked = (entity[:, :, None] == entity[:, None]).float()
    weight = (gold_pair & labels["has_identities"][:, None, None]).float() / 2  # each pair stands there twice
    identities = F.binary_cross_entropy_with_logits(output.identity_logits.float(), linked, weight=weight, reduction="sum")
    return {"relations": relations, "statuses": statuses, "identities": identities}


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """values [B, N, C] at index [B, M] to [B, M, C]."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def _pick_pairs(values: Tensor, index: Tensor) -> Tensor:
    """values [B, G, G, C] at index x index, index [B, K], to [B, K, K, C]."""
    k, channels = index.shape[1], values.shape[-1]
    rows = values.gather(1, index[:, :, None, None].expand(-1, -1, values.shape[2], channels))
    return rows.gather(2, index[:, None, :, None].expand(-1, k, -1, channels))


def _log2_floor(values: Tensor, levels: int) -> Tensor:
    """floor(log2(v)) of positive integers, at most levels - 1, without floating point."""
    return sum(((values >= 2**i).long() for i in range(1, levels)), torch.zeros_like(values))


def _no_pooler(config: Any) -> dict[str, Any]:
    """BERT's pooler is not used here; encoders without one take no such argument."""
    return {"add_pooling_layer": False} if config.model_type in {"bert", "roberta", "xlm-roberta", "camembert"} else {}


RajnitiModel.register_for_auto_class("AutoModel")
