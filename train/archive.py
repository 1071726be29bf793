"""A whole archive to a folder of parts. A run that was stopped goes on where it stood, and ends with the same bytes.

Each part holds what so many records of the input gave, in their order; quarantine.jsonl holds those that gave nothing, and
archive.json says how far the folder has come. It is replaced after each part, which is whole before, so that whatever
stands there after a crash is either counted or made again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Protocol

from train import __version__
from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.extras import needed
from train.files import atomic_write, read_text
from train.inputs import ARCHIVE, QUARANTINE, Record, check_apart
from train.onnx.model import FILES as GRAPHS

_LOCK = ".lock"


class Streams(Protocol):
    """What an archive needs of a Tagger."""

    def tag_stream(
        self,
        documents: Iterable[Document],
        *,
        min_precision: float | None = None,
        on_tagged: Callable[[int], object] | None = None,
        on_failure: Callable[[Document, Exception], None] | None = None,
    ) -> Iterator[Document]: ...


@dataclass(frozen=True)
class Settings:
    """What must not change while a folder is filled. `checkpoint` is a digest of all that decides what is predicted."""

    checkpoint: str
    format: str = "jsonl"
    part_size: int = 1024
    min_precision: float | None = None
    backend: str = "torch"
    rajniti: str = __version__


@dataclass(frozen=True)
class State:
    """How far a folder has come. `input_sha256` is that of the records so far, part by part."""

    records: int = 0
    parts: int = 0
    tagged: int = 0
    quarantined: int = 0
    quarantine_bytes: int = 0
    input_sha256: str = ""
    complete: bool = False


def checkpoint_digest(folder: Path) -> str:
    """SHA-256 of the weights, the graphs, the configuration and the tokenizer that a checkpoint's folder has."""
    total = hashlib.sha256()
    for name in ("model.safetensors", *GRAPHS, "config.json", "tokenizer.json"):
        if (folder / name).exists():
            with open(folder / name, "rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def check_folder(folder: Path, inputs: Sequence[str]) -> None:
    """Raise InputError for a folder that holds anything but an archive, or that the inputs would be read from."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder for the parts of an archive")
    check_apart(folder, inputs, "folder")
    others = [p.name for p in folder.iterdir() if p.name != _LOCK] if folder.is_dir() else []
    if others and ARCHIVE not in others:
        raise InputError(f"{folder}: holds {min(others)}; expected a new folder, or one that an earlier run began")


def tag_archive(
    records: Iterable[Record],
    tagger: Streams,
    folder: Path,
    settings: Settings,
    *,
    on_done: Callable[[int], object] | None = None,
) -> State:
    """Tag what `folder` lacks of the records, in parts of `settings.part_size`; `on_done` hears how many records were done.

    Raises InputError where the folder is in use, was begun with other settings, lacks a part, or was made of other
    records than come first now. What is in memory is a buffer of articles and what `records` itself keeps.
    """
    tell = on_done or (lambda _: None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            state, left = begun(folder, settings), iter(records)
            _skip(left, state, folder, settings, tell)
            _clear(folder, state, settings)
            while not state.complete:
                state = _part(left, tagger, folder, settings, state, tell)
                _save(folder, settings, state)
            return state
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _part(
    left: Iterator[Record], tagger: Streams, folder: Path, settings: Settings, state: State, tell: Callable[[int], object]
) -> State:
    """Write one part, or find that there is nothing left."""
    first = next(left, None)
    if first is None:
        return replace(state, complete=True)
    with open(folder / QUARANTINE, "ab") as quarantine:
        reading = _Reading(chain([first], islice(left, settings.part_size - 1)), quarantine, tell)
        documents = tagger.tag_stream(
            reading.documents(), min_precision=settings.min_precision, on_tagged=tell, on_failure=reading.failed
        )
        tagged = _writer(settings)(folder / _name(state.parts, settings), documents)
        quarantine.flush()
        os.fsync(quarantine.fileno())
        end = quarantine.tell()
    return State(
        records=state.records + reading.count,
        parts=state.parts + 1,
        tagged=state.tagged + tagged,
        quarantined=state.quarantined + reading.quarantined,
        quarantine_bytes=end,
        input_sha256=_chained(state.input_sha256, reading.digest.hexdigest()),
        complete=reading.count < settings.part_size,
    )


class _Reading:
    """The records of one part on their way: counted, digested, and written to the quarantine where they are no documents."""

    def __init__(self, records: Iterable[Record], quarantine: BinaryIO, tell: Callable[[int], object]) -> None:
        self.records, self.quarantine, self.tell = records, quarantine, tell
        self.count = self.quarantined = 0
        self.digest = hashlib.sha256()
        self._places: dict[str | int, tuple[str, int | None]] = {}

    def documents(self) -> Iterator[Document]:
        for record in self.records:
            self.count += 1
            self.digest.update(_bytes(record))
            if record.document is None:
                self._set_aside(record.file, record.line, record.reason, record.raw)
                self.tell(1)
            else:
                self._places[record.document.id] = (record.file, record.line)
                yield record.document

    def failed(self, document: Document, error: Exception) -> None:
        reason = f"cannot be tagged: {type(error).__name__}: {' '.join(str(error).split())}"
        self._set_aside(*self._places[document.id], reason, jsonl.to_line(document).rstrip("\n"))

    def _set_aside(self, file: str, line: int | None, reason: str, raw: str) -> None:
        row = {"file": file, "line": line, "reason": reason, "record": raw}
        self.quarantine.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self.quarantined += 1


def _bytes(record: Record) -> bytes:
    """What the digest of the input is of: documents wherever they stand, and the rest by place and content."""
    if record.document is not None:
        return jsonl.to_line(record.document).encode("utf-8")
    return json.dumps([record.where, record.reason, record.raw]).encode("ascii") + b"\n"


def _chained(before: str, part: str) -> str:
    return hashlib.sha256(f"{before}{part}".encode()).hexdigest()


def digested(records: Iterator[Record], part_size: int, tell: Callable[[int], object]) -> tuple[str, int]:
    """What State.input_sha256 is after these records, and how many they are."""
    sha256, total = "", 0
    while True:
        digest, count = hashlib.sha256(), 0
        for record in islice(records, part_size):
            digest.update(_bytes(record))
            count += 1
        if not count:
            return sha256, total
        sha256, total = _chained(sha256, digest.hexdigest()), total + count
        tell(count)


def _skip(left: Iterator[Record], state: State, folder: Path, settings: Settings, tell: Callable[[int], object]) -> None:
    """Read on past the records that are done, and see that they are those of which it was done."""
    sha256, count = digested(islice(left, state.records), settings.part_size, tell)
    if (sha256, count) != (state.input_sha256, state.records):
        raise InputError(
            f"{folder}: was made of other articles than the first {state.records} of the input now; expected the same input, "
            "or another folder"
        )
    if state.complete and next(left, None) is not None:
        raise InputError(
            f"{folder}: is complete, and the input goes on after its {state.records} records; expected another folder"
        )


def begun(folder: Path, settings: Settings) -> State:
    """The state of a folder, whose settings and parts are as they should be; a new one where it is empty."""
    path = folder / ARCHIVE
    if not path.exists():
        _save(folder, settings, State())
        return State()
    try:
        data = json.loads(read_text(path))
        if "tasks" in data:
            raise InputError(f"{folder}: was begun with --engine; expected the same, or another folder")
        was, state = Settings(**data["settings"]), State(**data["state"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not as this command writes it: {error}") from None
    check_settings(folder, was, settings)
    for number in range(state.parts):
        if not (folder / _name(number, settings)).exists():
            raise InputError(f"{folder}: {_name(number, settings)} is missing; put it back, or begin with another folder")
    return state


def check_settings(folder: Path, begun: Settings, settings: Settings) -> None:
    """Raise InputError where a folder was begun with others."""
    for field in fields(Settings):
        was, now = getattr(begun, field.name), getattr(settings, field.name)
        if was != now:
            name = field.name.replace("_", "-")
            raise InputError(f"{folder}: was begun with {name} {was}, now {now}; expected the same, or another folder")


def _clear(folder: Path, state: State, settings: Settings) -> None:
    """Remove what a run that was killed left behind without counting it."""
    counted = {_name(number, settings) for number in range(state.parts)}
    for path in folder.iterdir():
        if path.name.endswith(".part") or (path.name.startswith("part-") and path.name not in counted):
            path.unlink()
    with open(folder / QUARANTINE, "ab") as file:
        if file.tell() < state.quarantine_bytes:
            raise InputError(f"{folder / QUARANTINE}: has lost lines; put it back, or begin with another folder")
        file.truncate(state.quarantine_bytes)


def _save(folder: Path, settings: Settings, state: State) -> None:
    with atomic_write(folder / ARCHIVE) as file:
        json.dump({"settings": asdict(settings), "state": asdict(state)}, file, ensure_ascii=False, indent=1)
        file.write("\n")


def _name(number: int, settings: Settings) -> str:
    return f"part-{number:05}.{settings.format}"


def _writer(settings: Settings) -> Callable[[Path, Iterable[Document]], int]:
    if settings.format == "parquet":
        write: Callable[[Path, Iterable[Document]], int] = needed("train.corpora.parquet", "parquet").write
        return write
    return jsonl.write


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process fills a folder. The system gives the lock back however the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(folder / _LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder}: another process is filling it; wait for it, or use another folder") from None
        yield
