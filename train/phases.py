"""Where the time of an optimiser step goes: marks on the device's own clock, so that measuring adds no wait for it."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from train.loop import Trainer
from train.model.modeling_rajniti import RajnitiModel

PHASES = ("batch", "encoder", "spans", "pairs", "losses", "optimiser")


class Phases:
    """Marks in a trainer's steps, each of which says what the time since the one before it was spent on.

    A backward pass runs through losses, pairs, spans and encoder in this order, and hooks on what these hand to each other
    tell where each ends. Choosing the candidates counts to the pairs, joining pieces to words to the spans.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.marks: list[tuple[str | None, Any]] = []
        self.cuda = trainer.accelerator.device.type == "cuda"

    def shares(self, steps: Any) -> dict[str, float]:
        """The share of each phase in these steps of the plan, which are trained on."""
        model, trainer = self.trainer.whole, self.trainer
        handles, backward = self._hooks(model), trainer.accelerator.backward

        def marked(loss: Tensor) -> None:
            backward(loss)
            self._mark("encoder")

        trainer.accelerator.backward = marked
        try:
            for step in steps:
                self._mark(None)
                trainer._step(step)
                self._mark("optimiser")
        finally:
            del trainer.accelerator.backward
            for handle in handles:
                handle.remove()
        return self._sums()

    def _mark(self, phase: str | None) -> None:
        at: Any = time.perf_counter()
        if self.cuda:
            at = torch.cuda.Event(enable_timing=True)
            at.record()
        self.marks.append((phase, at))

    def _hooks(self, model: RajnitiModel) -> list[Any]:
        encoder, spans, pairs = model.encoder, model.spans, model.pairs
        return [
            encoder.register_forward_pre_hook(lambda *_: self._mark("batch")),
            encoder.register_forward_hook(lambda *_: self._mark("encoder")),
            spans.register_forward_pre_hook(lambda _, inputs: self._entering("spans", "spans", inputs)),
            spans.register_forward_hook(lambda _, inputs, output: self._leaving("spans", output[1:])),
            pairs.register_forward_pre_hook(lambda _, inputs: self._entering("pairs", "pairs", inputs)),
            pairs.register_forward_hook(lambda _, inputs, output: self._leaving("pairs", output)),
        ]

    def _entering(self, before: str, phase: str, inputs: Any) -> Any:
        """A view of the words of its own, whose gradient is whole when the phase's backward pass is over."""
        self._mark(before)
        words = inputs[0].view_as(inputs[0])
        words.register_hook(lambda _: self._mark(phase))
        return (words, *inputs[1:])

    def _leaving(self, phase: str, outputs: tuple[Tensor, ...]) -> None:
        self._mark(phase)
        for output in outputs:  # the gradient of a phase's output is the last of the losses'
            output.register_hook(lambda _: self._mark("losses"))

    def _sums(self) -> dict[str, float]:
        if self.cuda:
            torch.cuda.synchronize()
        sums: Counter[str] = Counter()
        for (_, began), (phase, ended) in pairwise(self.marks):
            if phase is not None:
                sums[phase] += began.elapsed_time(ended) if self.cuda else ended - began
        return {phase: sums[phase] / sums.total() for phase in PHASES}
