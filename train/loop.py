"""The training loop: accelerate for devices, processes and precision, and a plan that no machine changes.

One plan, drawn from the seed alone, says which windows make up each forward pass and which passes make up each
optimiser step. Processes take turns at the passes of a step, each pass seeds its own dropout, and losses are divided by the
words of the whole step. So two processes compute what one does with twice the accumulation, and a run that was killed and
resumed ends with the same weights as one that was not (on GPUs, whose sums have no fixed order, but for rounding).
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast, get_scheduler

from train.config import OptimizerConfig, RunConfig
from train.errors import InputError
from train.examples import Example, batch
from train.feed import feed, wait_for
from train.model.configuration_rajniti import RajnitiConfig
from train.model.modeling_rajniti import RajnitiModel
from train.model.windows import batches_by_tokens
from train.processes import LAYER, gathered, prepare, twin

# Batches of like lengths are made within pools of this many windows, so that batches still differ between epochs; a pool of
# few large batches would have unlike lengths in each.
_POOL, _POOL_PASSES = 512, 16

Evaluate = Callable[[RajnitiModel], dict[str, float]]


@dataclass
class Progress:
    """Where a run stands, and what it has seen; saved beside every state.

    `passes` of all processes make up a step; `sharded`: FSDP divides the weights, and writes its states in its own form.
    """

    passes: int
    sharded: bool
    step: int = 0
    best: float = -1.0
    best_step: int = 0
    without_better: int = 0
    seconds: float = 0.0
    tokens: int = 0
    losses: list[dict[str, float]] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Step:
    """One optimiser step: the forward passes of all processes, as places in the examples."""

    epoch: int
    passes: tuple[tuple[int, ...], ...]
    ends_epoch: bool


def plan(lengths: Sequence[int], config: RunConfig, processes: int) -> list[Step]:
    """Every step of the run. The last step of an epoch may have fewer passes, none of which is left out."""
    steps: list[Step] = []
    group = config.training.accumulation * processes
    size = max(_POOL, _POOL_PASSES * config.training.batch_tokens * len(lengths) // max(1, sum(lengths)))
    for epoch in range(config.training.epochs):
        order = list(range(len(lengths)))
        rng = random.Random(f"{config.seed}:{epoch}")
        rng.shuffle(order)
        passes: list[tuple[int, ...]] = []
        for start in range(0, len(order), size):
            pool = order[start : start + size]
            made = batches_by_tokens([lengths[i] for i in pool], config.training.batch_tokens)
            passes += [tuple(pool[i] for i in indices) for indices in made]
        rng.shuffle(passes)
        groups = [tuple(passes[i : i + group]) for i in range(0, len(passes), group)]
        steps += [Step(epoch, g, i == len(groups) - 1) for i, g in enumerate(groups)]
    return steps[: config.training.max_steps]


def optimizer(model: RajnitiModel, config: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW with one group for each learning rate and decay; biases and norms do not decay."""
    layers = model.config.encoder.num_hidden_layers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = config.head_learning_rate
        if name.startswith("encoder."):
            layer = LAYER.search(name)
            depth = layers - 1 - int(layer.group(1)) if layer else layers
            rate = config.learning_rate * config.layer_decay**depth
        decay = 0.0 if parameter.ndim < 2 else config.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()],
        betas=config.betas,
        eps=config.epsilon,
        fused=True,
    )


class Trainer:
    """Fits a model to examples, keeps the best by validation, saves states, resumes."""

    def __init__(
        self,
        model: RajnitiModel,
        tokenizer: PreTrainedTokenizerFast,
        examples: Sequence[Example],
        config: RunConfig,
        accelerator: Accelerator,
        evaluate: Evaluate,
    ):
        self.tokenizer, self.examples, self.config = tokenizer, examples, config
        self.accelerator, self.evaluate = accelerator, evaluate
        self.steps = plan([e.tokens for e in examples], config, accelerator.num_processes)
        bare = optimizer(model, config.optimizer)
        self.scheduler = get_scheduler(
            config.optimizer.schedule if config.optimizer.schedule != "constant" else "constant_with_warmup",
            bare,
            num_warmup_steps=math.ceil(config.optimizer.warmup * len(self.steps)),
            num_training_steps=len(self.steps),
        )
        accelerator.register_for_checkpointing(self.scheduler)
        self.whole = twin(accelerator, model)
        self.model, self.optimizer = prepare(accelerator, model, bare)
        self.progress = Progress(config.training.accumulation * accelerator.num_processes, accelerator.is_fsdp2)
        self.folder = Path(config.output_dir) / "checkpoints"

    @property
    def model_config(self) -> RajnitiConfig:
        return cast(RajnitiConfig, self.whole.config)

    def fit(self) -> Progress:
        """Train to the end, or until no evaluation gets better, and leave the best weights in `whole`."""
        set_seed(self.config.seed)
        if self.config.resume:
            self._restore()
        bar = tqdm(
            total=len(self.steps),
            initial=self.progress.step,
            desc="training",
            unit="step",
            disable=not self.accelerator.is_main_process,
        )
        for step in self.steps[self.progress.step :]:
            if self._exhausted():
                break
            started = time.perf_counter()
            losses = self._step(step)
            self.progress.step += 1
            self.progress.tokens += sum(self.examples[i].tokens for p in step.passes for i in p)
            self._log(losses, step, bar)
            evaluation_due = self._due(step, self.config.evaluation.every_steps, self.config.evaluation.every_epochs)
            state_due = self._due(step, self.config.checkpoints.every_steps, 1)
            if evaluation_due or state_due:  # they would wait for the steps that are still to be done, outside of the clock
                wait_for(self.accelerator.device)
            self.progress.seconds += time.perf_counter() - started
            if evaluation_due:
                self._evaluate()
            if state_due:
                self._save()
        bar.close()
        if not self.progress.evaluations or self.progress.evaluations[-1]["step"] != self.progress.step:
            self._evaluate()
        self._load_best()
        return self.progress

    def _step(self, step: Step) -> torch.Tensor:
        """One optimiser step; returns the sums of the loss terms on this process."""
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        words = sum(self.examples[i].words for p in step.passes for i in p)
        turns = math.ceil(len(step.passes) / processes)
        total = torch.zeros(5, device=self.accelerator.device)
        self.model.train()
        for turn in range(turns):
            index = turn * processes + process
            idle = index >= len(step.passes)  # the gradient exchange needs everyone, so the idle repeat a pass for nothing
            indices = step.passes[0 if idle else index]
            tensors = batch([self.examples[i] for i in indices], self.tokenizer, self.model_config)
            tensors = feed(tensors, self.whole.encoder.config, self.accelerator.device)
            torch.manual_seed(hash((self.config.seed, self.progress.step, index)) % 2**31)
            last = turn == turns - 1
            with self.accelerator.no_sync(self.model) if not last else nullcontext():
                with self.accelerator.autocast():
                    output = self.model(**tensors, normalizer=float(words))
                # DDP takes the mean over processes where the step's loss is a sum
                self.accelerator.backward(output.loss * (0.0 if idle else float(processes)))
            if not idle:
                total += torch.stack([output.loss, *(v / words for v in output.losses.values())]).detach()
        if self.config.optimizer.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.optimizer.max_grad_norm)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        return total

    def _log(self, losses: torch.Tensor, step: Step, bar: Any) -> None:
        bar.update()
        if self.progress.step % self.config.training.log_every and self.progress.step != len(self.steps):
            return
        reduced = self.accelerator.reduce(losses, reduction="sum").tolist()
        if not math.isfinite(reduced[0]):
            raise InputError(f"the loss is {reduced[0]} at step {self.progress.step}: lower optimizer.learning_rate")
        names = ("loss", "mentions", "relations", "statuses", "identities")
        entry = {"step": self.progress.step, "epoch": step.epoch + 1, **dict(zip(names, reduced, strict=True))}
        self.progress.losses.append(entry)
        rate = self.scheduler.get_last_lr()[0]
        self.accelerator.log({f"train/{n}": v for n, v in entry.items()} | {"train/rate": rate}, step=self.progress.step)
        speed = self.progress.tokens_per_second
        bar.set_postfix({"epoch": step.epoch + 1, "loss": f"{reduced[0]:.3f}", "tokens/s": f"{speed:.0f}"})

    def _due(self, step: Step, every_steps: int | None, every_epochs: int) -> bool:
        if every_steps is not None:
            return self.progress.step % every_steps == 0
        return bool(every_epochs) and step.ends_epoch and (step.epoch + 1) % every_epochs == 0

    def _exhausted(self) -> bool:
        patience = self.config.evaluation.patience
        return patience is not None and self.progress.without_better >= patience

    def _evaluate(self) -> None:
        with gathered(self.accelerator, self.model, self.whole):
            self.whole.eval()
            with self.accelerator.autocast():
                scores = self.evaluate(self.whole)
        value = best_value(scores, self.config.evaluation.metric)
        self.progress.evaluations.append({"step": self.progress.step, **scores})
        self.accelerator.log({f"validation/{k}": v for k, v in scores.items()}, step=self.progress.step)
        if value > self.progress.best:
            self.progress.best, self.progress.best_step, self.progress.without_better = value, self.progress.step, 0
            if self.accelerator.is_main_process:
                self.folder.mkdir(parents=True, exist_ok=True)
                temporary = self.folder / f".best-{os.getpid()}.pt"
                torch.save(self.whole.state_dict(), temporary)
                temporary.replace(self.folder / "best.pt")
        else:
            self.progress.without_better += 1
        self.accelerator.wait_for_everyone()

    def _save(self) -> None:
        """A state under a temporary name, moved into place when whole; old ones are removed."""
        temporary = self.folder / f".step-{self.progress.step}"
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()  # each process writes its own random state
        if self.accelerator.is_main_process:
            (temporary / "progress.json").write_text(json.dumps(asdict(self.progress)), encoding="utf-8")
            final = self.folder / f"step-{self.progress.step}"
            if final.exists():
                shutil.rmtree(final)
            temporary.replace(final)
            for old in states(self.folder)[: -self.config.checkpoints.keep]:
                shutil.rmtree(old)
        self.accelerator.wait_for_everyone()

    def _restore(self) -> None:
        found = states(self.folder)
        if not found:
            self.accelerator.print(f"nothing to resume in {self.folder}, starting from the beginning")
            return
        self.accelerator.load_state(str(found[-1]))
        self.progress = progress_of(found[-1])
        self.accelerator.print(f"resumed at step {self.progress.step} of {len(self.steps)}")

    def _load_best(self) -> None:
        weights = torch.load(self.folder / "best.pt", map_location="cpu", weights_only=True)
        self.whole.load_state_dict(weights)
        self.whole.to(self.accelerator.device).eval()
        # accelerate's autocast lies in the model's own forward: what follows is to score the model as its users will have it.
        self.accelerator.unwrap_model(self.whole, keep_fp32_wrapper=False)


def best_value(scores: dict[str, float], metric: str) -> float:
    if metric == "combined":
        return (scores["mention_strict_f1"] + scores.get("relation_strict_f1", 0.0)) / 2
    return scores[metric]


def states(folder: Path) -> list[Path]:
    """Whole states, oldest first."""
    found = [p for p in folder.glob("step-*") if (p / "progress.json").exists()]
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")))


def progress_of(state: Path) -> Progress:
    """Raises InputError if the state is of another version."""
    file = state / "progress.json"
    try:
        return Progress(**json.loads(file.read_text(encoding="utf-8")))
    except TypeError:
        raise InputError(f"{file}: of another version of rajniti; finish it with that, or take another output_dir") from None
