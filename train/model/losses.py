"""The training losses: sums over the decisions that a source's annotation speaks of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .heads import pick


def mention_loss(logits: Tensor, valid: Tensor, labels: dict[str, Tensor]) -> Tensor:
    """Binary cross-entropy summed over spans and the types that the source annotates. labels: spans, types [B, G]."""
    batch, n, width, types = logits.shape
    spans, kinds = labels["spans"], labels["types"]
    present = spans >= 0
    flat = spans.clamp(min=0) * types + kinds.clamp(min=0)
    target = torch.zeros(batch, n * width * types, device=logits.device)
    target = target.scatter_reduce(1, flat, present.float(), "amax").view_as(logits)
    weight = valid[..., None] * labels["type_mask"][:, None, None].float()
    return F.binary_cross_entropy_with_logits(logits.float(), target, weight=weight, reduction="sum")


def pair_losses(output: Any, labels: dict[str, Tensor], positive: float) -> dict[str, Tensor]:
    """Sums over pairs of candidates, of relations only where the source annotates the types.

    labels: adjacency [B, G, G, R], status [B, G, G] (-100 for none), entity [B, G], and mention_loss's spans and type_mask.
    """
    candidates, mask = output.candidates, output.candidate_mask
    assert candidates is not None and mask is not None and output.mention_logits is not None
    assert output.relation_logits is not None
    assert output.status_logits is not None and output.identity_logits is not None
    spans = labels["spans"]
    same = (candidates[:, :, None] == spans[:, None]) & mask[:, :, None] & (spans >= 0)[:, None]  # [B, K, G]
    is_gold, which = same.any(-1), same.float().argmax(-1)
    both = mask[:, :, None] & mask[:, None] & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    gold_pair = is_gold[:, :, None] & is_gold[:, None] & both

    target = _pick_pairs(labels["adjacency"].float(), which) * gold_pair[..., None]
    # A span whose likeliest type the source leaves out stands in no relation there, whatever the text says of it.
    likely = pick(output.mention_logits.flatten(1, 2), candidates).argmax(-1)
    told = is_gold | labels["type_mask"].gather(1, likely)
    told_pair = both & told[:, :, None] & told[:, None] & labels["has_relations"][:, None, None]
    weight = told_pair[..., None] * torch.where(target > 0, positive, 1.0)
    relations = F.binary_cross_entropy_with_logits(output.relation_logits.float(), target, weight=weight, reduction="sum")
    status = _pick_pairs(labels["status"][..., None], which).squeeze(-1).masked_fill(~gold_pair, -100)
    statuses = F.cross_entropy(output.status_logits.float().flatten(0, 2), status.flatten(), reduction="sum")
    entity = labels["entity"].gather(1, which)
    linked = (entity[:, :, None] == entity[:, None]).float()
    weight = (gold_pair & labels["has_identities"][:, None, None]).float() / 2  # each pair stands there twice
    identities = F.binary_cross_entropy_with_logits(output.identity_logits.float(), linked, weight=weight, reduction="sum")
    return {"relations": relations, "statuses": statuses, "identities": identities}


def _pick_pairs(values: Tensor, index: Tensor) -> Tensor:
    """values [B, G, G, C] at index x index, index [B, K], to [B, K, K, C]."""
    k, channels = index.shape[1], values.shape[-1]
    rows = values.gather(1, index[:, :, None, None].expand(-1, -1, values.shape[2], channels))
    return rows.gather(2, index[:, None, :, None].expand(-1, k, -1, channels))
