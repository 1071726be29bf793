"""How fast a config trains beside the plain way, and how much of the card's peak that is.

python scripts/bench_training.py configs/banglabert.yaml --shape random
python scripts/bench_training.py configs/quickstart.yaml training.batch_tokens=2048 --steps 2

Two loops train the same model on the same windows. The plain one is after Hugging Face's run_ner_no_trainer.py: windows in any
order, so many a batch, padded to the longest, default AdamW. Ours is train.py's own plan and step. First both ways of batching
must give the same losses and gradients; then the loops take turns, and medians are shown. Counted are real tokens alone.
--shape random takes BanglaBERT's shape with random weights, so that nothing is fetched. The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402

if TYPE_CHECKING:
    from accelerate import Accelerator

    from train.config import RunConfig
    from train.examples import Example
    from train.loop import Trainer

# Relative, of each loss term and of the gradient as one vector, in float32; seen are some 1e-6.
TOLERANCE = 1e-4
COMPARED = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("override", nargs="*", help="key=value, as for train.py")
    parser.add_argument("--shape", choices=("config", "random"), default="config", help="the encoder (default: the config's)")
    parser.add_argument("--steps", type=int, default=20, help="of our loop in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=8, help="windows a batch of the plain loop (default: the recipe's 8)")
    parser.add_argument("--peak", type=float, help="bf16 operations a second of the card, where it is not known by its name")
    arguments = parser.parse_args()
    if min(arguments.steps, arguments.rounds, arguments.batch, arguments.peak or 1) <= 0:
        raise InputError("--steps, --rounds, --batch, --peak: expected more than 0")
    from train.config import RunConfig

    config = RunConfig.load(arguments.config, [*arguments.override, "trackers=[]"])
    with TemporaryDirectory() as folder:
        result = measure(config, arguments, Path(folder))
    show(result)
    print(json.dumps(result))


def measure(config: RunConfig, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import torch
    from accelerate import Accelerator

    from train.flops import peak, window_flops
    from train.loop import Trainer
    from train.phases import Phases
    from train.processes import precision

    model, tokenizer, made = prepared(config, folder if arguments.shape == "random" else None)
    flops = [window_flops(model.config, tokens=e.tokens, words=e.words, mentions=len(e.mentions)) for e in made]
    accelerator = Accelerator(mixed_precision=precision(config))
    if accelerator.num_processes > 1:
        raise InputError(f"started as {accelerator.num_processes} processes: expected one, since one card is measured")
    name = torch.cuda.get_device_name() if accelerator.device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    check = compare(model.to(accelerator.device), tokenizer, made, config, arguments.batch)
    trainer = Trainer(model, tokenizer, made, config, accelerator, lambda _: {})
    loops: dict[str, Loop] = {"plain": Plain(trainer, config, arguments.batch), "ours": Ours(trainer)}
    costs = [sum(parts.values()) for parts in flops]
    most = arguments.peak or peak(name)
    result: dict[str, Any] = {
        "config": arguments.config,
        "device": name,
        "precision": precision(config).replace("no", "fp32"),
        "versions": {"torch": torch.__version__},
        "parameters": sum(p.numel() for p in model.parameters()),
        "windows": len(made),
        "tokens": sum(e.tokens for e in made),
        "words": sum(e.words for e in made),
        "check": check,
        "flops_per_token": sum(costs) / sum(e.tokens for e in made),
        "flops_by_part": {p: sum(f[p] for f in flops) / sum(costs) for p in ("encoder", "spans", "pairs")},
        "peak": most,
        **taking_turns(loops, made, costs, most, steps=arguments.steps, rounds=arguments.rounds),
    }
    result["ratio"] = result["ours"]["tokens_per_second"] / result["plain"]["tokens_per_second"]
    result["phases"] = Phases(trainer).shares(islice(cycle(trainer.steps), arguments.steps))
    return result


def prepared(config: RunConfig, folder: Path | None) -> tuple[Any, Any, list[Example]]:
    """The config's model, tokenizer and training windows; with a folder, BanglaBERT's shape in place of the encoder."""
    import torch

    from train.corpora.load import load_split
    from train.encoders.build import build
    from train.encoders.shape import write_shape
    from train.examples import examples
    from train.schema import Schema

    schema = Schema.load(config.schema_file)
    parts = load_split(config.sources, "train", schema, lambda line: print(line, file=sys.stderr), seed=config.seed)
    if folder is not None:
        write_shape(folder, (document.text for part in parts for document in part.documents))
        changes = {"name": str(folder), "revision": None, "pretrained": False, "normalizer": "csebuetnlp"}
        config = config.model_copy(update={"encoder": config.encoder.model_copy(update=changes)})
    torch.manual_seed(config.seed)
    model: Any
    model, tokenizer = build(config, schema)
    overlap = config.windows.overlap_tokens
    made = [examples(part, tokenizer, model.config, schema, overlap_tokens=overlap)[0] for part in parts]
    return model, tokenizer, [example for of_part in made for example in of_part]


def compare(model: Any, tokenizer: Any, made: Sequence[Example], config: RunConfig, size: int) -> dict[str, float]:
    """The largest relative difference between the two loops' batches; raises InputError where it is not rounding."""
    import torch

    from train.model.windows import batches_by_tokens

    chosen = random.Random(config.seed).sample(list(made), min(COMPARED, len(made)))
    by_tokens = batches_by_tokens([e.tokens for e in chosen], config.training.batch_tokens)
    ours = [[chosen[i] for i in indices] for indices in by_tokens]
    plain = [chosen[i : i + size] for i in range(0, len(chosen), size)]
    (ours_losses, ours_gradient), (losses, gradient) = (gradients(model, tokenizer, batches) for batches in (ours, plain))
    found = {
        "losses": float(((ours_losses - losses).abs() / losses.abs().clamp(min=1e-6)).max()),
        "gradient": float(torch.linalg.vector_norm(ours_gradient - gradient) / torch.linalg.vector_norm(gradient)),
    }
    for what, difference in found.items():
        if not difference <= TOLERANCE:
            raise InputError(f"{what} of the same windows: {difference:.1e} apart between the loops, expected {TOLERANCE:.0e}")
    return found


def gradients(model: Any, tokenizer: Any, batches: Sequence[Sequence[Example]]) -> tuple[Any, Any]:
    """Sums over the batches, without dropout and in float32: the loss terms, and the gradient as one vector on the CPU."""
    import torch

    from train.examples import batch
    from train.feed import feed

    model.eval()
    sums = torch.zeros(4, device=model.device)
    for examples in batches:
        output = model(**feed(batch(examples, tokenizer, model.config), model.encoder.config, model.device), normalizer=1.0)
        output.loss.backward()
        sums += torch.stack(list(output.losses.values())).detach()
    flat = torch.cat([p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return sums, flat


class Loop(Protocol):
    """A way to train. `step` takes one optimiser step and gives the windows of each of its passes."""

    state: list[Any]

    def step(self) -> Sequence[Sequence[int]]: ...


class Ours:
    """train.py's own loop."""

    def __init__(self, trainer: Trainer):
        self.trainer, self.steps = trainer, cycle(trainer.steps)
        self.state = [trainer.model, trainer.optimizer]

    def step(self) -> Sequence[Sequence[int]]:
        step = next(self.steps)
        self.trainer._step(step)
        return step.passes


class Plain:
    """run_ner_no_trainer.py's: its loader, its optimiser with its two groups, its schedule, its step."""

    def __init__(self, trainer: Trainer, config: RunConfig, size: int):
        import copy

        import torch
        from torch.utils.data import DataLoader
        from transformers import get_scheduler

        from train.examples import batch

        self.accelerator: Accelerator = trainer.accelerator
        model = copy.deepcopy(trainer.whole)
        made, tokenizer, settings = trainer.examples, trainer.tokenizer, trainer.model_config
        spared = ("bias", "LayerNorm.weight")
        named = list(model.named_parameters())
        groups = [[p for n, p in named if any(s in n for s in spared) == without] for without in (False, True)]
        optimizer = torch.optim.AdamW([{"params": group, "weight_decay": 0.0} for group in groups], lr=5e-5)
        loader: Any = DataLoader(
            range(len(made)),  # type: ignore[arg-type]
            shuffle=True,
            batch_size=size,
            collate_fn=lambda indices: (batch([made[i] for i in indices], tokenizer, settings), indices),
        )
        steps = config.training.epochs * len(loader)
        schedule = get_scheduler("linear", optimizer, num_warmup_steps=0, num_training_steps=steps)
        self.model, self.optimizer, self.loader, self.schedule = self.accelerator.prepare(model, optimizer, loader, schedule)
        self.state = [self.model, self.optimizer]
        self.batches = self._batches()

    def _batches(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def step(self) -> Sequence[Sequence[int]]:
        self.model.train()
        inputs, indices = next(self.batches)
        self.accelerator.backward(self.model(**inputs).loss)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return [indices]


@dataclass
class Round:
    """What one loop did in one round."""

    seconds: float = 0.0
    tokens: int = 0
    padded: int = 0
    words: int = 0
    flops: int = 0


def taking_turns(
    loops: dict[str, Loop], made: Sequence[Example], costs: Sequence[int], most: float | None, *, steps: int, rounds: int
) -> dict[str, Any]:
    """Medians over rounds, in each of which the plain loop sees as many real tokens as `steps` steps of ours."""
    import torch

    cuda = torch.cuda.is_available()
    memory = dict.fromkeys(loops, 0.0)
    found: dict[str, list[Round]] = {name: [] for name in loops}
    for number in range(rounds + 1):
        least = None
        for name, loop in sorted(loops.items()):  # ours first, which says for how many tokens
            others = sum(held(other) for n, other in loops.items() if n != name)
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            done = one_round(loop, made, costs, steps=steps if number else 2, least=least)
            least = done.tokens
            if cuda:
                memory[name] = max(memory[name], (torch.cuda.max_memory_allocated() - others) / 2**20)
            if number:  # the first warms up
                found[name].append(done)
    result: dict[str, Any] = {}
    for name, of_loop in found.items():
        flops = median(r.flops / r.seconds for r in of_loop)
        result[name] = {
            "tokens_per_second": median(r.tokens / r.seconds for r in of_loop),
            "words_per_second": median(r.words / r.seconds for r in of_loop),
            "padding": 1 - sum(r.tokens for r in of_loop) / sum(r.padded for r in of_loop),
            "flops_per_second": flops,
            "share_of_peak": flops / most if most else None,
            "peak_mib": round(memory[name]) if cuda else None,
        }
    return result


def one_round(loop: Loop, made: Sequence[Example], costs: Sequence[int], *, steps: int, least: int | None) -> Round:
    """So many steps, or as many as `least` real tokens take."""
    import torch

    done, taken = Round(), 0
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    began = time.perf_counter()
    while taken < steps if least is None else done.tokens < least:
        for indices in loop.step():
            done.tokens += sum(made[i].tokens for i in indices)
            done.padded += max(made[i].tokens for i in indices) * len(indices)
            done.words += sum(made[i].words for i in indices)
            done.flops += sum(costs[i] for i in indices)
        taken += 1
    wait()
    done.seconds = time.perf_counter() - began
    return done


def held(loop: Loop) -> int:
    """Bytes of a loop's weights and optimiser states, which lie in memory while the other runs."""
    model, optimizer = loop.state
    tensors = [*model.parameters(), *(v for s in optimizer.state.values() for v in s.values() if hasattr(v, "numel"))]
    return sum(t.numel() * t.element_size() for t in tensors)


def show(result: dict[str, Any]) -> None:
    print(f"{result['device']}, {result['precision']}, {result['parameters'] / 1e6:.0f} M parameters")
    differences = ", ".join(f"{what} off by {value:.1e}" for what, value in result["check"].items())
    print(f"the same windows in both loops: {differences} (relative, float32)")
    print(f"{'':10}{'tokens/s':>12}{'words/s':>12}{'padding':>10}{'of peak':>10}{'peak MiB':>10}")
    for name in ("plain", "ours"):
        row = result[name]
        share = "–" if row["share_of_peak"] is None else f"{row['share_of_peak']:.1%}"
        memory = "–" if row["peak_mib"] is None else row["peak_mib"]
        speeds = f"{row['tokens_per_second']:>12.0f}{row['words_per_second']:>12.0f}"
        print(f"{name:10}{speeds}{row['padding']:>10.1%}{share:>10}{memory:>10}")
    parts = ", ".join(f"{part} {share:.0%}" for part, share in result["phases"].items())
    print(f"ours / plain: {result['ratio']:.2f}; {result['flops_per_token'] / 1e6:.1f} MFLOP a token; the step: {parts}")


if __name__ == "__main__":
    run(main)
