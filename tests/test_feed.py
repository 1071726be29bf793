"""What a step is fed: labels by arrays, masks that ask nothing of the device, and so no step that waits for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode

from train.config import LAYERS, RunConfig
from train.corpora.load import Part
from train.encoders.build import build
from train.examples import Example, batch, examples
from train.feed import feed, wait_for
from train.loop import Trainer
from train.processes import precision

CPU = torch.device("cpu")
aten = torch.ops.aten
WAITING = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.is_nonzero, aten.equal, aten._unique2)
INDEXING = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index)


@pytest.fixture
def built(tiny_config, schema, documents) -> tuple[Any, Any, list[Example]]:
    torch.manual_seed(0)
    model, tokenizer = build(RunConfig.load(tiny_config), schema)
    made, _ = examples(Part("toy", "train", documents, LAYERS, None), tokenizer, model.config, schema)
    return model, tokenizer, made


def _trainer(built: tuple[Any, Any, list[Example]], config: RunConfig, **options: Any) -> Trainer:
    return Trainer(*built, config, Accelerator(**options), lambda _: {})


class NoWaiting(TorchDispatchMode):
    """Raises at each operation for whose outcome the host would have to wait, were its tensors on a device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_mask = func.overloadpacket in INDEXING and any(i is not None and i.dtype == torch.bool for i in args[1])
        assert not by_mask and func.overloadpacket not in WAITING, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


def test_no_step_waits_for_the_device(built, tiny_config) -> None:
    trainer = _trainer(built, RunConfig.load(tiny_config, ["training.accumulation=2", "training.batch_tokens=256"]), cpu=True)
    lengths = [{built[2][i].tokens for i in indices} for step in trainer.steps[:4] for indices in step.passes]
    assert {len(of_pass) > 1 for of_pass in lengths} == {True, False}  # with padding and without
    with NoWaiting():
        for step in trainer.steps[:4]:
            trainer._step(step)
            trainer.progress.step += 1
    with pytest.raises(AssertionError, match="waits for the device"), NoWaiting():
        torch.ones(2).sum().item()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_no_step_waits_for_a_gpu(built, tiny_config) -> None:
    trainer = _trainer(built, RunConfig.load(tiny_config), mixed_precision=precision(RunConfig.load(tiny_config)))
    trainer._step(trainer.steps[0])  # the first call of a kernel may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in trainer.steps[1:4]:
            trainer._step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_only_a_gpu_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    for name in ("cpu", "cuda:1"):
        wait_for(torch.device(name))
    assert waited == [torch.device("cuda:1")]


def test_the_mask_as_it_is_fed_changes_no_loss_and_no_gradient_by_a_bit(built) -> None:
    model, tokenizer, made = built
    by_length = sorted(made, key=lambda e: e.tokens)
    for chosen in (by_length[:1] * 3, [by_length[0], by_length[-1]]):
        inputs = batch(chosen, tokenizer, model.config)
        fed = feed(inputs, model.encoder.config, CPU)
        assert (fed["attention_mask"] is None) == bool(inputs["attention_mask"].all())
        found = []
        for tensors in (inputs, fed):
            model.zero_grad()
            torch.manual_seed(1)
            loss = model.train()(**tensors).loss
            loss.backward()
            found.append([loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
        assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_other_attention_keeps_the_mask_that_it_knows(built) -> None:
    model, tokenizer, made = built
    inputs = batch(made[:2], tokenizer, model.config)
    model.set_attn_implementation("eager")
    assert torch.equal(feed(inputs, model.encoder.config, CPU)["attention_mask"], inputs["attention_mask"])


def test_labels_say_what_the_examples_say(built) -> None:
    model, tokenizer, made = built
    bare = Example(made[0].encoded, made[0].window, (), (), made[0].type_mask, True, True)
    width = model.config.max_span_width
    for chosen in (made, [bare], [bare, made[1]]):
        labels = batch(chosen, tokenizer, model.config)["labels"]
        for b, example in enumerate(chosen):
            mentions, left = example.mentions, labels["spans"].shape[1] - len(example.mentions)
            assert labels["spans"][b].tolist() == [first * width + w for first, w, _, _ in mentions] + [-1] * left
            assert labels["types"][b].tolist() == [type_ for _, _, type_, _ in mentions] + [0] * left
            assert labels["entity"][b].tolist() == [entity for _, _, _, entity in mentions] + [-1] * left
            status, adjacency = torch.full_like(labels["status"][b], -100), torch.zeros_like(labels["adjacency"][b])
            for head, tail, type_, state, either in example.relations:
                for h, t in ((head, tail), (tail, head))[: 1 + either]:
                    status[h, t], adjacency[h, t, type_] = state, True
            assert torch.equal(labels["status"][b], status) and torch.equal(labels["adjacency"][b], adjacency)
    assert any(either for example in made for *_, either in example.relations)
