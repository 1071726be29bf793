"""What a checkpoint says of itself beside its encoder; needs neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Settings:
    """What a model's outputs mean, how it reads a text, and where its scores are cut.

    `schema` is the annotation schema as plain data, whose signatures say which types a relation may join; `outputs` lists
    its mention types, relation types and statuses in the order of the model's outputs. `nestings` lists the pairs
    [outer, inner] of types that nest; None allows all. `calibration` gives slope and offset by type for "mentions" and
    "relations", see decoding.calibrated; `precisions` gives for both, in rising order, pairs of a precision that validation
    data showed and the score from which on it did. `encoder_source` names the pretrained encoder and the commit that
    was got.
    """

    def __init__(
        self,
        schema: dict[str, Any] | None = None,
        *,
        outputs: dict[str, list[str]] | None = None,
        head_size: int = 256,
        head_dropout: float = 0.2,
        max_span_width: int = 14,
        pair_parts: Sequence[str] = ("types", "product", "context"),
        candidate_ratio: float = 0.5,
        max_candidates: int = 96,
        window_tokens: int = 256,
        overlap_tokens: int = 64,
        mention_threshold: float = 0.5,
        relation_threshold: float = 0.5,
        identity_threshold: float = 0.5,
        calibration: dict[str, dict[str, list[float]]] | None = None,
        precisions: dict[str, list[list[float]]] | None = None,
        nestings: list[list[str]] | None = None,
        loss_weights: dict[str, float] | None = None,
        encoder_source: dict[str, Any] | None = None,
    ) -> None:
        schema = schema or {"mentions": {}, "relations": {}, "statuses": {}}
        # JSON files of configurations are sorted by key, so the order of the outputs is kept beside the schema.
        self.outputs = outputs or {layer: list(schema[layer]) for layer in ("mentions", "relations", "statuses")}
        self.schema = {
            **schema,
            **{layer: {name: schema[layer][name] for name in self.outputs[layer]} for layer in self.outputs},
        }
        self.head_size = head_size
        self.head_dropout = head_dropout
        self.max_span_width = max_span_width
        self.pair_parts = list(pair_parts)
        self.candidate_ratio = candidate_ratio
        self.max_candidates = max_candidates
        self.window_tokens = window_tokens
        self.overlap_tokens = overlap_tokens
        self.mention_threshold = mention_threshold
        self.relation_threshold = relation_threshold
        self.identity_threshold = identity_threshold
        self.calibration = calibration or {}
        self.precisions = precisions or {}
        self.nestings = nestings
        self.loss_weights = loss_weights or {}
        self.encoder_source = encoder_source or {}

    @property
    def mention_types(self) -> list[str]:
        return self.outputs["mentions"]

    @property
    def relation_types(self) -> list[str]:
        return self.outputs["relations"]

    @property
    def statuses(self) -> list[str]:
        return self.outputs["statuses"]

    def allowed_pairs(self) -> list[list[list[bool]]]:
        """Whether relation r may join head type h to tail type t, indexed [r][h][t]."""
        place = {type_: i for i, type_ in enumerate(self.mention_types)}
        table = []
        for relation in self.schema["relations"].values():
            allowed = [[False] * len(place) for _ in place]
            for heads, tails in relation["signatures"]:
                for head in heads:
                    for tail in tails:
                        allowed[place[head]][place[tail]] = True
            table.append(allowed)
        return table

    def calibration_of(self, layer: str) -> list[list[float]]:
        """Slope and offset of each type of "mentions" or "relations", in the order of the outputs."""
        fitted = self.calibration.get(layer, {})
        return [fitted.get(type_, [1.0, 0.0]) for type_ in self.outputs[layer]]

    def threshold_at(self, layer: str, precision: float) -> float:
        """The score from which on a layer reached a precision on validation data; above any score where none did.

        No lower than the layer's own threshold: what is asked for is less than what is given without asking.
        """
        own = self.mention_threshold if layer == "mentions" else self.relation_threshold
        reached = (threshold for shown, threshold in self.precisions.get(layer, []) if shown >= precision)
        return max(own, next(reached, 2.0))

    def candidate_count(self, words: int) -> int:
        """The most spans of a window of so many words that go on to be paired."""
        wanted = words * round(self.candidate_ratio * 1000) // 1000 + 1
        return min(wanted, self.max_candidates, words * self.max_span_width)

    def symmetric_relations(self) -> list[bool]:
        return [bool(relation.get("symmetric")) for relation in self.schema["relations"].values()]
