"""The heads: scores of every span, and of every ordered pair of candidate spans, without loops over either.

Spans are scored per mention type, after span-based joint extraction (Eberts and Ulges, 2020, SpERT). Pairs see the words
between their spans and those after the later one up to its sentence's end, where Bangla keeps its verb; both are read by range
maxima over a sparse table (Bender and Farach-Colton, 2000).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration_rajniti import RajnitiConfig

# Buckets for the signed distance between two spans, in words: overlapping, then by powers of two to either side.
_DISTANCE_BUCKETS = 17
_SENTENCE_BUCKETS = 7


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
        state = self.start(words)[:, :, None] + self.end(words)[:, last]
        # Autocast has linear layers alone in 16 bits; with one term in 32, the whole sum would be.
        state = F.gelu(state + mean.to(state.dtype) + self.width_embedding.weight.to(state.dtype))
        return state, self.output(self.dropout(state))


class RangeMax(nn.Module):
    """Maxima of a sequence over any ranges, by a sparse table: levels of doubling windows, two look-ups a range.

    `longest` is the longest sequence; it fixes the number of levels, so that the graph is the same for all lengths.
    """

    def __init__(self, longest: int):
        super().__init__()
        self.levels = max(1, (longest - 1).bit_length() + 1)

    def forward(self, values: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """values [B, N, C], start and end [B, M] (end excluded) to [B, M, C]; an empty range gives zeros."""
        n = values.shape[1]
        if n > 2 ** (self.levels - 1):
            raise ValueError(f"a sequence of {n} words: expected at most {2 ** (self.levels - 1)}")
        levels = [values]
        for ahead in (2**i for i in range(self.levels - 1)):
            shifted = F.pad(levels[-1], (0, 0, 0, ahead), value=float("-inf"))[:, ahead : ahead + n]
            levels.append(torch.maximum(levels[-1], shifted))
        table = torch.stack(levels, 1).flatten(1, 2)  # [B, L * N, C]
        length = (end - start).clamp(min=1)
        level = _log2_floor(length, len(levels))
        left = level * n + start.clamp(0, n - 1)
        right = level * n + (end - 2**level).clamp(0, n - 1)
        picked = torch.maximum(pick(table, left), pick(table, right))
        return picked * (end > start)[..., None].to(picked.dtype)


class PairScorer(nn.Module):
    """Scores of every ordered pair of candidate spans.

    `config.pair_parts` says what a pair is scored by beside the words at its spans' edges and its distance: "types" of the
    spans, "product" of head and tail, "context" between and after them.
    """

    def __init__(self, config: RajnitiConfig):
        super().__init__()
        hidden, size, types = config.encoder.hidden_size, config.head_size, len(config.mention_types)
        context = size // 4
        self.parts = frozenset(config.pair_parts)
        self.start = nn.Linear(hidden, size)
        self.end = nn.Linear(hidden, size)
        if "types" in self.parts:
            self.type_embedding = nn.Linear(types, size, bias=False)
        self.head = nn.Linear(size, size)
        self.tail = nn.Linear(size, size)
        if "product" in self.parts:
            self.head_factor = nn.Linear(size, size)
            self.tail_factor = nn.Linear(size, size)
        if "context" in self.parts:
            self.context = nn.Linear(hidden, context)
            self.between = nn.Linear(context, size, bias=False)
            self.after = nn.Linear(context, size, bias=False)
        self.distance_embedding = nn.Embedding(_DISTANCE_BUCKETS, size)
        self.sentence_embedding = nn.Embedding(_SENTENCE_BUCKETS, size)
        self.range_max = RangeMax(config.window_tokens)
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
        span = self.start(pick(words, start)) + self.end(pick(words, end))
        if "types" in self.parts:
            span = span + self.type_embedding(types.to(words.dtype))
        span = self.dropout(F.gelu(span))
        state = self.head(span)[:, :, None] + self.tail(span)[:, None]
        if "product" in self.parts:
            state = state + self.head_factor(span)[:, :, None] * self.tail_factor(span)[:, None]
        state = state + self._position(start, end, sentence).to(state.dtype)
        if "context" in self.parts:
            between, after = self._context(words, start, end, sentence_end)
            state = state + between + after
        state = self.dropout(F.gelu(state))
        identity = self.identity(state).squeeze(-1)
        return (
            self.relation(state)[..., : self.relations],
            self.status(state),
            (identity + identity.transpose(1, 2)) / 2,
        )

    def _context(self, words: Tensor, start: Tensor, end: Tensor, sentence_end: Tensor) -> tuple[Tensor, Tensor]:
        """[B, K, K, H] twice: the words between the spans, and those after the later one up to its sentence's end."""
        batch, k = start.shape
        context = F.gelu(self.context(words))
        first_end = torch.minimum(end[:, :, None], end[:, None]) + 1
        later_start = torch.maximum(start[:, :, None], start[:, None])
        later_end = torch.maximum(end[:, :, None], end[:, None]) + 1
        stop = sentence_end.gather(1, (later_end - 1).flatten(1)).view(batch, k, k)
        between = self.range_max(context, first_end.flatten(1), later_start.flatten(1)).view(batch, k, k, -1)
        after = self.range_max(context, later_end.flatten(1), stop.flatten(1)).view(batch, k, k, -1)
        return self.between(between), self.after(after)

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


def pick(values: Tensor, index: Tensor) -> Tensor:
    """values [B, N, C] at index [B, M] to [B, M, C]."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def _log2_floor(values: Tensor, levels: int) -> Tensor:
    """floor(log2(v)) of positive integers, at most levels - 1, without floating point."""
    return sum(((values >= 2**i).long() for i in range(1, levels)), torch.zeros_like(values))
