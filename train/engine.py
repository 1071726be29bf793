"""A whole archive by several processes, or by a cluster: the input in tasks, each of which fills a folder of its own.

datatrove keeps the tasks' logs and the markers of those that are done, and hands them to Slurm. Here they go to a pool of the
standard library, since datatrove's own waits for ever where a process of it is killed.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain, islice
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from train.archive import Settings, State, begun, check_settings, checkpoint_digest, digested, locked, tag_archive
from train.errors import InputError
from train.extras import needed
from train.files import atomic_write, read_text
from train.inputs import ARCHIVE, Record, count, files, placed_records, records_between, rereadable
from train.onnx.model import threads
from train.tagger import Tagger

# So many tasks, and more where there are more workers, since the last ones are to end at about the same time.
_TASKS, _EACH = 128, 8


@dataclass(frozen=True)
class Task:
    """`records` of these files after the first `skip`. `repeated`: why those, by their place, whose id came before are none."""

    files: list[str]
    skip: int
    records: int
    input_sha256: str
    repeated: dict[str, str]

    def read(self) -> Iterator[Record]:
        for place, record in enumerate(records_between(self.files, self.skip, self.records)):
            reason = self.repeated.get(str(place))
            yield record.as_repeated(reason) if reason and record.document else record


@dataclass(frozen=True)
class Step:
    """What is called for each task, wherever it runs: `folder` and `checkpoint` must be seen from there."""

    folder: Path
    checkpoint: Path

    def __call__(self, data: object, rank: int, world_size: int) -> None:
        settings, _, tasks = _plan(self.folder)
        tagger = _tagger(self.checkpoint, settings)
        state = tag_archive(tasks[rank].read(), tagger, _below(self.folder, rank), settings)
        if (state.records, state.input_sha256) != (tasks[rank].records, tasks[rank].input_sha256):
            raise InputError(f"{_below(self.folder, rank)}: the input was changed while it was read; begin with another folder")


@cache
def _tagger(checkpoint: Path, settings: Settings) -> Tagger:
    if checkpoint_digest(checkpoint) != settings.checkpoint:
        raise InputError(f"{checkpoint}: is another checkpoint than the archive was begun with")
    return Tagger.load(checkpoint, backend="onnx" if settings.backend == "onnx" else "torch")


def fill(
    inputs: Sequence[str],
    checkpoint: Path,
    folder: Path,
    settings: Settings,
    *,
    engine: str,
    workers: int | None = None,
    slurm: Mapping[str, Any] | None = None,
    on_done: Callable[[int], object] | None = None,
) -> State:
    """Tag what `folder` lacks of the inputs; gives the tasks' sums, which are not `complete` while Slurm has some of them.

    `workers` run at once, by default one for each core, and on Slurm as many as it lets. `slurm` are arguments of datatrove's
    SlurmPipelineExecutor. Raises InputError as `tag_archive` does, where a worker was killed, and where Slurm takes no job.
    """
    executors = needed("datatrove.executor", "engine")
    if not rereadable(inputs):
        once = "standard input can be read only once, as can a pipe"
        raise InputError(f"{', '.join(inputs)}: {once}; expected files, which each worker opens itself")
    # YAML reads 20:00:00 as 72,000 seconds, and Slurm a number as minutes.
    if slurm and not isinstance(limit := slurm.get("time", ""), str):
        raise InputError(f'--slurm: time: expected it in quotes, as "20:00:00", got {limit!r}')
    workers = workers or (threads() if engine == "local" else -1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            tasks = _begun(inputs, folder, settings, workers)
            options: dict[str, Any] = {"tasks": len(tasks), "workers": workers, "logging_dir": str(folder.resolve() / "engine")}
            step = Step(folder.resolve(), checkpoint.resolve())
            if engine == "slurm":
                executor = _slurm(executors.SlurmPipelineExecutor, step, options, {"job_name": "rajniti", **(slurm or {})})
            else:
                executor = executors.LocalPipelineExecutor([step], **options)
            progress = _Progress(folder, settings, executor, on_done or (lambda _: None))
            if not progress.state().complete:
                _submit(executor) if engine == "slurm" else _pool(executor, folder / "engine", progress.state)
            return progress.state()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _begun(inputs: Sequence[str], folder: Path, settings: Settings, workers: int) -> list[Task]:
    """The tasks of a new folder, written down, or of one begun with these settings and inputs."""
    if (folder / ARCHIVE).exists():
        was, parts, tasks = _plan(folder)
        check_settings(folder, was, settings)
        if tasks != list(divided(inputs, settings.part_size, parts)):
            raise InputError(f"{folder}: was made of other articles than the input now; expected the same, or another folder")
        return tasks
    parts = max(1, math.ceil((count(inputs) or 0) / settings.part_size / max(_TASKS, _EACH * workers)))
    tasks = list(divided(inputs, settings.part_size, parts))
    with atomic_write(folder / ARCHIVE) as file:
        plan = {"settings": asdict(settings), "task_parts": parts, "tasks": [asdict(task) for task in tasks]}
        json.dump(plan, file, ensure_ascii=False, indent=1)
        file.write("\n")
    return tasks


def _plan(folder: Path) -> tuple[Settings, int, list[Task]]:
    try:
        data = json.loads(read_text(folder / ARCHIVE))
        if "state" in data:
            raise InputError(f"{folder}: was begun without --engine; expected the same, or another folder")
        return Settings(**data["settings"]), int(data["task_parts"]), [Task(**task) for task in data["tasks"]]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{folder / ARCHIVE}: not as this command writes it: {error}") from None


def divided(inputs: Sequence[str], part_size: int, parts: int) -> Iterator[Task]:
    """All records in tasks of so many parts. Ids are looked at here, since only this process sees all of them."""
    names, left = files(inputs), placed_records(inputs)
    for first in left:
        reading = _Reading(chain([first], islice(left, parts * part_size - 1)))
        digest, total = digested(reading.records(), part_size, lambda _: None)
        yield Task(names[first[0] : reading.last + 1], first[1], total, digest, reading.repeated)


class _Reading:
    """The records of one task on their way: the number of the last one's file, and whose ids came before."""

    def __init__(self, placed: Iterable[tuple[int, int, Record]]) -> None:
        self.placed, self.last, self.repeated = placed, 0, dict[str, str]()

    def records(self) -> Iterator[Record]:
        for place, (number, _, record) in enumerate(self.placed):
            self.last = number
            if record.repeated:
                self.repeated[str(place)] = record.reason
            yield record


def _below(folder: Path, rank: int) -> Path:
    return folder / f"task-{rank:05}"


@dataclass
class _Progress:
    """What all tasks have done, and `tell` of what that is more than when it was last asked."""

    folder: Path
    settings: Settings
    executor: Any
    tell: Callable[[int], object]
    heard: int = 0

    def state(self) -> State:
        left = set(self.executor.get_incomplete_ranks())
        states = [state for rank in range(self.executor.world_size) if (state := self._of(rank, marked=rank not in left))]
        records = sum(state.records for state in states)
        self.tell(records - self.heard)
        self.heard = records
        return State(
            records=records,
            parts=sum(state.parts for state in states),
            tagged=sum(state.tagged for state in states),
            quarantined=sum(state.quarantined for state in states),
            complete=not left,
        )

    def _of(self, rank: int, *, marked: bool) -> State | None:
        below = _below(self.folder, rank)
        if (below / ARCHIVE).exists():
            return begun(below, self.settings)
        if marked:
            raise InputError(f"{below}: is missing; put it back, or begin with another folder")
        return None


def _pool(executor: Any, log: Path, tell: Callable[[], object]) -> None:
    """Run the tasks that are left on this machine, whose cores the workers share."""
    log.mkdir(exist_ok=True)
    each = str(max(1, threads() // executor.workers))
    with ProcessPoolExecutor(executor.workers, get_context("spawn"), initializer=_follow, initargs=(each,)) as pool:
        try:
            left = {pool.submit(_run, executor, rank, log / "stderr.log") for rank in executor.get_incomplete_ranks()}
            while left:
                done, left = wait(left, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                tell()
        except BrokenProcessPool:
            some = f"{len(executor.get_incomplete_ranks())} of {executor.world_size} tasks are left"
            raise InputError(f"{log.parent}: a worker was killed, {some}; the same command goes on where they stand") from None
        except BaseException:
            # Else the pool would first finish all that it was given.
            for worker in active_children():
                worker.terminate()
            raise


def _run(executor: Any, rank: int, log: Path) -> None:
    """In a worker. What datatrove says of a task, a traceback too, has its own file; what raised goes to the first process."""
    with open(log, "a", encoding="utf-8") as file, redirect_stderr(file):
        executor._run_for_rank(rank, 1)


def _follow(each: str) -> None:
    """In a worker, before it loads torch: `each` threads, and an end with the first process, however that ends."""
    os.environ.setdefault("OMP_NUM_THREADS", each)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    first = parent_process()
    assert first is not None

    def wait_for_first() -> None:
        first.join()
        os._exit(1)

    Thread(target=wait_for_first, daemon=True).start()


def _slurm(kind: Callable[..., Any], step: Step, ours: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    try:
        return kind([step], **ours, **given)
    except TypeError as error:
        raise InputError(f"--slurm: not as datatrove's SlurmPipelineExecutor takes it: {error}") from None


def _submit(executor: Any) -> None:
    try:
        executor.run()
    except FileNotFoundError:
        raise InputError("sbatch is not installed here; expected a machine that gives jobs to Slurm") from None
    except subprocess.CalledProcessError as error:
        raise InputError(f"Slurm takes no job: {error}") from None
