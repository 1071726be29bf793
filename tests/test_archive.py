"""A whole archive: parts in the input's order, the same bytes after any stop, bad records set aside, little in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, script
from train.archive import Settings, State, check_folder, tag_archive
from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.inputs import Record, read_articles, records
from train.tagger import Tagger

SETTINGS = Settings("checkpoint", part_size=4)


class Marker(Tagger):
    """Marks each document in place of a model; `poison` in a text makes it fail, and after `stop` documents all do."""

    def __init__(self, stop: int | None = None) -> None:
        object.__setattr__(self, "sizes", [])
        object.__setattr__(self, "stop", stop)

    def tag(self, documents: Iterable[Document], *, min_precision: float | None = None) -> list[Document]:
        documents = list(documents)
        if any("poison" in d.text for d in documents):
            raise ValueError("no such\nthing")
        if self.stop is not None and sum(self.sizes) + len(documents) > self.stop:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        self.sizes.append(len(documents))  # type: ignore[attr-defined]
        return [replace(d, title=f"tagged at {min_precision}") for d in documents]


def given(count: int, *, text: Callable[[int], str] = lambda i: "ক" * (i * 7 % 5)) -> Iterator[Record]:
    return (Record("a.jsonl", i + 1, Document(f"d{i}", text(i))) for i in range(count))


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


def ids(folder: Path) -> list[str | int]:
    return [d.id for d in read_articles([str(folder)])]


@pytest.mark.parametrize(("count", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (1, [1])])
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_parts_hold_the_input_in_its_order(count: int, sizes: list[int], form: str, tmp_path: Path) -> None:
    heard: list[int] = []
    done = tag_archive(given(count), Marker(), tmp_path, replace(SETTINGS, format=form), on_done=heard.append)
    parts = sorted(tmp_path.glob("part-*"))
    assert [p.name for p in parts] == [f"part-{i:05}.{form}" for i in range(len(sizes))]
    assert [len(read_articles([str(p)])) for p in parts] == sizes
    assert ids(tmp_path) == [f"d{i}" for i in range(count)]
    assert (done.tagged, done.parts, done.quarantined, done.complete, sum(heard)) == (count, len(sizes), 0, True, count)


@pytest.mark.parametrize("stop", [0, 3, 4, 5, 8, 9, 11])
def test_a_run_that_was_stopped_anywhere_ends_with_the_same_bytes(stop: int, tmp_path: Path) -> None:
    tag_archive(given(12), Marker(), tmp_path / "whole", SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        tag_archive(given(12), Marker(stop), tmp_path / "stopped", SETTINGS)
    again = Marker()
    tag_archive(given(12), again, tmp_path / "stopped", SETTINGS)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert sum(again.sizes) == 12 - stop // 4 * 4  # type: ignore[attr-defined]


def test_what_a_kill_left_uncounted_is_made_again(tmp_path: Path) -> None:
    """The part and the quarantine are written before the state: a kill between leaves both ahead of it."""
    tag_archive(given(10), Marker(), tmp_path / "whole", SETTINGS)
    tag_archive(given(10), Marker(), tmp_path / "cut", SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        tag_archive(given(10), Marker(4), tmp_path / "begun", SETTINGS)
    (tmp_path / "cut" / "archive.json").write_bytes((tmp_path / "begun" / "archive.json").read_bytes())
    (tmp_path / "cut" / "part-00001.jsonl").write_text('{"id": "d4", "te')
    (tmp_path / "cut" / "quarantine.jsonl").write_text('{"file": "x"')
    (tmp_path / "cut" / ".part-00001.jsonl.abc.part").write_text("x")
    tag_archive(given(10), Marker(), tmp_path / "cut", SETTINGS)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_finished_archive_is_left_as_it_is(tmp_path: Path) -> None:
    tag_archive(given(9), Marker(), tmp_path, SETTINGS)
    before, marker = contents(tmp_path), Marker()
    assert tag_archive(given(9), marker, tmp_path, SETTINGS).tagged == 9
    assert contents(tmp_path) == before and marker.sizes == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("records", "change", "message"),
    [
        (given(12), {"checkpoint": "other"}, "was begun with checkpoint checkpoint, now other"),
        (given(12), {"part_size": 3}, "was begun with part-size 4, now 3"),
        (given(12), {"min_precision": 0.9}, r"was begun with min-precision None, now 0\.9"),
        (given(12), {"format": "parquet"}, "was begun with format jsonl, now parquet"),
        (given(12, text=lambda i: "other" if i == 2 else ""), {}, "was made of other articles than the first 8"),
        (given(7), {}, "was made of other articles than the first 8"),
    ],
)
def test_another_input_checkpoint_or_option_is_refused_and_nothing_changes(records, change, message, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tag_archive(given(12), Marker(8), tmp_path, SETTINGS)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=message):
        tag_archive(records, Marker(), tmp_path, replace(SETTINGS, **change))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("count", [8, 9])
def test_more_input_is_taken_until_the_archive_is_complete(count: int, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tag_archive(given(count - 3), Marker(4), tmp_path, SETTINGS)
    tag_archive(given(count), Marker(), tmp_path, SETTINGS)
    assert ids(tmp_path) == [f"d{i}" for i in range(count)]
    with pytest.raises(InputError, match=f"is complete, and the input goes on after its {count} records"):
        tag_archive(given(count + 1), Marker(), tmp_path, SETTINGS)


def test_a_lost_part_or_a_foreign_state_is_named(tmp_path: Path) -> None:
    tag_archive(given(9), Marker(), tmp_path, SETTINGS)
    (tmp_path / "part-00001.jsonl").rename(tmp_path / "kept")
    with pytest.raises(InputError, match=r"part-00001\.jsonl is missing; put it back"):
        tag_archive(given(9), Marker(), tmp_path, SETTINGS)
    (tmp_path / "archive.json").write_text('{"settings": {"colour": 1}}')
    with pytest.raises(InputError, match=r"archive\.json: not as this command writes it"):
        tag_archive(given(9), Marker(), tmp_path, SETTINGS)


def test_folders_that_hold_other_things_or_are_read_as_input_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    check_folder(tmp_path / "new", [str(tmp_path / "mine")])
    with pytest.raises(InputError, match=r"mine: holds thesis\.txt; expected a new folder"):
        check_folder(tmp_path / "mine", [])
    for inputs in ([str(tmp_path / "mine")], [str(tmp_path)]):
        with pytest.raises(InputError, match="tagged: is read as input too; expected a folder apart from"):
            check_folder(tmp_path / "mine" / "tagged", inputs)
    with pytest.raises(InputError, match="mine: is read as input too"):
        check_folder(tmp_path / "mine", [str(tmp_path / "**" / "*.txt")])
    with pytest.raises(InputError, match=r"thesis\.txt: is a file"):
        check_folder(tmp_path / "mine" / "thesis.txt", [])


def test_a_folder_that_another_process_fills_is_refused(tmp_path: Path) -> None:
    def slowly() -> Iterator[Record]:
        yield from given(2)
        with pytest.raises(InputError, match="another process is filling it"):
            tag_archive(given(2), Marker(), tmp_path, SETTINGS)

    assert tag_archive(slowly(), Marker(), tmp_path, SETTINGS).tagged == 2


def test_bad_records_are_set_aside_with_their_place_reason_and_bytes(tmp_path: Path) -> None:
    lines = [
        b'{"id": "a", "text": "x"}', b'{"id": "b", "text": "poison", "source": "s"}', b'{"id": "c"', b"", b'{"id": "d"}',
        b'{"id": "e", "text": "\xe9"}', b'{"id": "a", "text": "y"}', b'{"id": "f", "text": "z"}',
    ]  # fmt: skip
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    (tmp_path / "in" / "b.txt").write_bytes(b"\xff")
    done = tag_archive(records([str(tmp_path / "in")]), Marker(), tmp_path / "out", SETTINGS)
    assert ids(tmp_path / "out") == ["a", "f"] and (done.tagged, done.quarantined, done.records) == (2, 6, 8)
    rows = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()]
    found = {(Path(row["file"]).name, row["line"]): (row["reason"], row["record"]) for row in rows}
    assert found == {
        ("a.jsonl", 2): ("cannot be tagged: ValueError: no such thing", _annotated(lines[1])),
        ("a.jsonl", 3): ("not valid JSON: Expecting ',' delimiter at column 11", '{"id": "c"'),
        ("a.jsonl", 5): ("text: expected a string, got nothing", '{"id": "d"}'),
        ("a.jsonl", 6): (
            f"expected UTF-8, got other bytes at byte offset {sum(map(len, lines[:5])) + 5 + 21}",
            r'{"id": "e", "text": "\xe9"}',
        ),
        ("a.jsonl", 7): (f"id: 'a' is already the id of {path}:1", _annotated(lines[6])),
        ("b.txt", None): ("expected UTF-8, got byte 0xff at offset 0", r"\xff"),
    }


def _annotated(line: bytes) -> str:
    return jsonl.to_line(jsonl.from_dict(json.loads(line), where="")).rstrip("\n")


def test_a_fault_that_every_document_has_is_no_documents_fault(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such"):
        tag_archive(given(3, text=lambda _: "poison"), Marker(), tmp_path, SETTINGS)
    assert not list(tmp_path.glob("part-*"))


def test_an_archive_of_bad_records_alone_has_an_empty_part(tmp_path: Path) -> None:
    bad = [Record("a.jsonl", 1, None, "why", "raw")]
    assert tag_archive(bad, Marker(), tmp_path, replace(SETTINGS, format="parquet")) == replace(
        State(records=1, parts=1, quarantined=1, complete=True),
        quarantine_bytes=(tmp_path / "quarantine.jsonl").stat().st_size,
        input_sha256=json.loads((tmp_path / "archive.json").read_text())["state"]["input_sha256"],
    )


class Watched(Document):
    """A document that is counted while it is alive: before it is tagged (without a title) and after."""

    alive: Counter[bool] = Counter()
    most: Counter[bool] = Counter()

    def __init__(self, *fields: Any, **named: Any) -> None:
        super().__init__(*fields, **named)
        tagged = self.title is not None
        Watched.alive[tagged] += 1
        Watched.most[tagged] = max(Watched.most[tagged], Watched.alive[tagged])

    def __del__(self) -> None:
        Watched.alive[self.title is not None] -= 1


@pytest.mark.parametrize("length", [0, 3000])
def test_no_more_articles_than_a_buffer_are_alive(length: int) -> None:
    Watched.alive, Watched.most = Counter(), Counter()
    articles = (Watched(i, "ক" * (length + i % 7)) for i in range(1000))
    for number, document in enumerate(Marker().tag_stream(articles, buffer=64)):
        assert document.id == number
        assert Watched.alive[False] == 0  # what is given back was let go of, before more is asked for
    assert number == 999 and max(Watched.most.values()) <= 64 + 1
    del document
    assert sum(Watched.alive.values()) == 0


def test_an_archive_keeps_no_articles_however_large_its_parts(tmp_path: Path) -> None:
    Watched.alive, Watched.most = Counter(), Counter()
    found = (Record("a.jsonl", i + 1, Watched(i, "ক")) for i in range(4000))
    tag_archive(found, Marker(), tmp_path, replace(SETTINGS, part_size=3000))
    assert [len(read_articles([str(p)])) for p in sorted(tmp_path.glob("part-*"))] == [3000, 1000]
    assert max(Watched.most.values()) <= 1024 + 2


def test_texts_alike_in_length_are_tagged_together() -> None:
    class Lengths(Marker):
        def tag(self, documents: Iterable[Document], *, min_precision: float | None = None) -> list[Document]:
            documents = list(documents)
            lengths.append([len(d.text) for d in documents])
            return documents

    lengths: list[list[int]] = []
    texts = [Document(i, "ক" * (i * 3571 % 20_000)) for i in range(20)]
    assert list(Lengths().tag_stream(texts)) == texts
    assert list(chain.from_iterable(lengths)) == sorted(len(d.text) for d in texts)
    assert all(sum(group) <= 64_000 for group in lengths)
    assert len(lengths) == 4


def test_a_killed_process_and_the_same_command_again_give_the_same_bytes(trained: Path, archive: Path, tmp_path: Path) -> None:
    command = ("predict.py", trained, archive.name, "--part-size", "12", "--archive")
    whole = script(*command, "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    aside = Path("whole") / "quarantine.jsonl"
    assert whole.stderr.splitlines()[-1] == f"whole: 280 articles in 24 parts, 2 set aside in {aside}"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(ROOT / "scripts" / command[0]), *map(str, command[1:]), "killed"]
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "killed" / "part-00003.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    state = json.loads((tmp_path / "killed" / "archive.json").read_text())["state"]
    assert 3 <= state["parts"] < 24
    again = script(*command, "killed", "--strict", cwd=tmp_path)
    assert again.returncode == 1 and again.stderr.splitlines()[-1].startswith("killed: 280 articles in 24 parts, 2 set aside")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    refused = script(*command, "killed", "--min-precision", "0.5", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "error: killed: was begun with min-precision None, now 0.5; expected the same, or another folder"
    )


def test_options_of_an_archive_go_with_one() -> None:
    for arguments in (
        ["--strict"],
        ["--part-size", "3"],
        ["--archive", "x", "--out", "y"],
        ["--archive", "x", "--format", "csv"],
    ):
        assert script("predict.py", "checkpoint", "a.txt", *arguments).returncode == 2


def test_the_bench_measures_archives_that_are_tagged_as_by_tag(trained: Path) -> None:
    done = script("bench_archive.py", trained, "--documents", "2", "3", "--threads", "1")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["sizes"]
    assert [row["articles"] for row in rows] == [2, 3] and rows[0]["words"] < rows[1]["words"]
    assert all(row["articles_per_second"] > 0 and row["peak_mib"] > 100 for row in rows)
