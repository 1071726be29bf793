"""A whole archive by several workers: the same articles as of one process, whoever is killed, and none twice."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from tests.support import ROOT, script
from tests.test_archive import Marker
from train import engine
from train.archive import Settings, tag_archive
from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.inputs import read_articles, records

pytest.importorskip("datatrove")
SETTINGS = Settings("checkpoint", part_size=4)


def joined(folder: Path, name: str) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob(name)))


def marked(folder: Path) -> dict[str, int]:
    """When the state of each task that has a marker was last written."""
    done = [f"task-{path.name}" for path in (folder / "engine" / "completions").glob("*")]
    return {name: (folder / name / "archive.json").stat().st_mtime_ns for name in done}


@contextmanager
def half_way(command: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """The command as it runs, with more done than was before, and its two workers."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    before = len(marked(folder))
    with subprocess.Popen(command, cwd=folder.parent, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while len(marked(folder)) < before + 3:
            assert process.poll() is None
            time.sleep(0.001)
        children = psutil.Process(process.pid).children()
        yield process, [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def test_whoever_is_killed_the_same_command_again_gives_what_one_process_gives(
    trained: Path, archive: Path, tmp_path: Path
) -> None:
    command = ("predict.py", trained, archive.name, "--part-size", "12", "--archive")
    assert script(*command, "whole", cwd=tmp_path).returncode == 0
    shared, options = tmp_path / "shared", ("shared", "--engine", "local", "--workers", "2")
    arguments = [sys.executable, str(ROOT / "scripts" / command[0]), *map(str, command[1:]), *options]

    with half_way(arguments, shared) as (process, workers):
        assert len(workers) == 2
        process.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(workers, timeout=60)[1] == []

    with half_way(arguments, shared) as (process, workers):
        workers[0].kill()
        errors = process.communicate()[1]
    assert process.returncode == 1
    assert re.fullmatch(r"error: \S+: a worker was killed, \d+ of 24 tasks are left; the same command goes .*\n", errors)

    done = marked(shared)
    assert 6 <= len(done) < 24
    last = script(*command, *options, "--strict", cwd=tmp_path)
    assert last.returncode == 1
    assert last.stderr == f"shared: 280 articles in 24 parts, 2 set aside in {Path('shared/task-*/quarantine.jsonl')}\n"
    assert {name: written for name, written in marked(shared).items() if name in done} == done
    for name in ("part-*", "quarantine.jsonl"):
        assert joined(shared, name) == joined(tmp_path / "whole", name) != b""
    assert read_articles([str(shared)]) == read_articles([str(tmp_path / "whole")])


def test_slurm_gets_the_tasks_that_are_left_and_the_same_command_says_how_far_they_are(
    trained: Path, archive: Path, tmp_path: Path
) -> None:
    """In place of a cluster, `sbatch` keeps what it is given, and this test runs it."""
    (tmp_path / "bin").mkdir()
    for name, body in {
        "sbatch": 'for last; do :; done; grep -q merge_stats $last || cp $last job; echo "Submitted batch job 7"',
        "srun": 'shift 3; exec "$@"',
        "scontrol": "echo here",
    }.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    paths = [str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {"PATH": os.pathsep.join(paths), "PYTHONPATH": str(ROOT), "SLURM_NODELIST": "here", "OMP_NUM_THREADS": "1"}
    (tmp_path / "slurm.yaml").write_text("{time: '01:00:00', partition: cpu, sbatch_args: {account: news}}")
    command = ("predict.py", trained, archive.name, "--part-size", "150", "--archive", "tagged", "--engine", "slurm")

    def said() -> str:
        done = script(*command, "--slurm", "slurm.yaml", cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stderr.splitlines()[-1]

    assert said().startswith("tagged: 0 articles in 0 parts, none set aside; Slurm has the rest")
    job = (tmp_path / "job").read_text()
    assert "#SBATCH --array=0-1\n" in job and "#SBATCH --account=news\n" in job
    subprocess.run(
        ["bash", "job"],
        cwd=tmp_path,
        env={**os.environ, **environment, "SLURM_ARRAY_TASK_ID": "1"},
        check=True,
        capture_output=True,
    )
    assert (
        said().startswith("tagged: 131 articles in 1 part, 1 set aside") and "--array=0-0\n" in (tmp_path / "job").read_text()
    )
    assert [path.name for path in (tmp_path / "tagged").glob("task-*")] == ["task-00001"]


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """Files of several kinds, one of them given twice, with records that are none and ids that come again in another file."""
    a, b, c, d = (str(tmp_path / name) for name in ("a.jsonl", "b.jsonl.gz", "c.txt", "d.parquet"))
    jsonl.write(a, [Document(f"a{i}", "ক") for i in range(7)])
    lines = ['{"id": "b0", "text": "x"}', "no JSON", "", '{"id": "a3", "text": "y"}', '{"id": "b1", "text": "z"}']
    Path(b).write_bytes(gzip.compress("\n".join(lines).encode()))
    Path(c).write_bytes(b"\xff")
    pytest.importorskip("train.corpora.parquet").write(d, [Document(f"d{i}", "খ") for i in range(3)])
    return [a, b, c, a, d]


@pytest.mark.parametrize(("part_size", "parts"), [(1, 1), (2, 1), (2, 3), (5, 1), (100, 1)])
def test_tasks_are_the_input_in_its_order_with_nothing_twice_or_left_out(mixed: list[str], part_size: int, parts: int) -> None:
    tasks = list(engine.divided(mixed, part_size, parts))
    assert [record for task in tasks for record in task.read()] == list(records(mixed))
    assert [task.records for task in tasks[:-1]] == [part_size * parts] * (len(tasks) - 1)
    assert sum(len(task.repeated) for task in tasks) == 1 + 7
    assert list(engine.divided(mixed, part_size, parts)) == [engine.Task(**json.loads(json.dumps(vars(t)))) for t in tasks]


def test_other_articles_options_and_checkpoints_and_a_lost_task_are_refused(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.jsonl", tmp_path / "tagged"
    jsonl.write(path, [Document(i, "ক") for i in range(9)])

    def fill(settings: Settings = SETTINGS) -> None:
        engine.fill([str(path)], tmp_path, folder, settings, engine="local", workers=2)

    with pytest.raises(InputError, match="is another checkpoint than the archive was begun with"):
        fill()
    with pytest.raises(InputError, match=r"was begun with min-precision None, now 0\.5"):
        fill(replace(SETTINGS, min_precision=0.5))
    with pytest.raises(InputError, match="was begun with --engine"):
        tag_archive(records([str(path)]), Marker(), folder, SETTINGS)
    (folder / "engine" / "completions").mkdir()
    (folder / "engine" / "completions" / "00001").touch()
    with pytest.raises(InputError, match=r"task-00001: is missing; put it back"):
        fill()
    jsonl.write(path, [Document(i, "ক") for i in range(10)])
    with pytest.raises(InputError, match="was made of other articles than the input now"):
        fill()
    tag_archive(records([str(path)]), Marker(), tmp_path / "alone", SETTINGS)
    with pytest.raises(InputError, match="was begun without --engine"):
        engine.fill([str(path)], tmp_path, tmp_path / "alone", SETTINGS, engine="local")
    with pytest.raises(InputError, match="standard input can be read only once"):
        engine.fill(["-"], tmp_path, folder, SETTINGS, engine="local")


@pytest.mark.parametrize(("given", "taken"), [(None, "3"), ("2", "2")])
def test_a_worker_takes_its_share_of_the_threads_unless_their_number_is_set(
    given: str | None, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=engine._follow, initargs=("3",)) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == taken


@pytest.mark.parametrize("option", ["colour", "tasks"])
def test_an_option_that_slurm_or_this_command_does_not_leave_open_is_named(option: str, tmp_path: Path) -> None:
    jsonl.write(tmp_path / "a.jsonl", [Document("a", "ক")])
    slurm = {"time": "01:00:00", "partition": "cpu", option: 1}
    with pytest.raises(InputError, match=f"--slurm: not as datatrove's .*'{option}'"):
        engine.fill([str(tmp_path / "a.jsonl")], tmp_path, tmp_path / "tagged", SETTINGS, engine="slurm", slurm=slurm)


def test_a_time_that_yaml_reads_as_a_number_is_refused_before_anything_is_read(trained: Path, tmp_path: Path) -> None:
    jsonl.write(tmp_path / "a.jsonl", [Document("a", "ক")])
    (tmp_path / "slurm.yaml").write_text("time: 20:00:00\npartition: cpu\n")
    options = ("--archive", "tagged", "--engine", "slurm", "--slurm", "slurm.yaml")
    done = script("predict.py", trained, "a.jsonl", *options, cwd=tmp_path)
    assert done.returncode == 1 and not (tmp_path / "tagged").exists()
    assert done.stderr.splitlines()[-1] == 'error: --slurm: time: expected it in quotes, as "20:00:00", got 72000'


def test_an_installation_without_the_engine_says_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datatrove", None)
    monkeypatch.delitem(sys.modules, "datatrove.executor", raising=False)
    with pytest.raises(InputError, match=r"datatrove\S* is not installed; it comes with pip install -e '\.\[engine\]'"):
        engine.fill(["a.jsonl"], tmp_path, tmp_path / "tagged", SETTINGS, engine="local")
    assert not (tmp_path / "tagged").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--engine", "local"],
        ["--archive", "x", "--workers", "2"],
        ["--archive", "x", "--engine", "slurm"],
        ["--archive", "x", "--engine", "local", "--slurm", "y"],
    ],
)
def test_options_of_an_engine_go_with_one(options: list[str]) -> None:
    assert script("predict.py", "checkpoint", "a.txt", *options).returncode == 2
