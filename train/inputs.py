"""Articles from files, folders, patterns and standard input, one at a time."""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Literal, cast

from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.extras import needed

KINDS = ".txt, .jsonl, .parquet, .txt.gz or .jsonl.gz"
# What an archive's folder holds beside its parts: how far it has come, and what is no article (see train/archive.py).
ARCHIVE, QUARANTINE = "archive.json", "quarantine.jsonl"
_STDIN = "standard input"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Record:
    """What stands at a place of the input: a document, or the reason why what is there (`raw`) is none.

    `line` counts from 1, rows in Parquet; a file that is one article has none. `repeated`: an earlier document has its id.
    """

    file: str
    line: int | None
    document: Document | None
    reason: str = ""
    raw: str = ""
    repeated: bool = False

    @property
    def where(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def as_repeated(self, reason: str) -> Record:
        assert self.document is not None
        return Record(self.file, self.line, None, reason, jsonl.to_line(self.document).rstrip("\n"), repeated=True)


def read_articles(inputs: Sequence[str]) -> list[Document]:
    """The documents of all inputs in a list; see `iterate_articles`."""
    return list(iterate_articles(inputs))


def iterate_articles(inputs: Sequence[str]) -> Iterator[Document]:
    """The documents of all inputs, in order; raises InputError at the first record that is none, and where there are none.

    .txt is one article, whose id is its path; .jsonl and .parquet hold one a line or row, and keep fields of their own;
    all but .parquet may be gzipped. A folder gives such files by name, sub-folders and linked ones too; a pattern gives the
    files that it fits, by name; "-" is standard input. Ids may not come twice.
    """
    for record in records(inputs):
        if record.document is None:
            raise InputError(f"{record.where}: {record.reason}")
        yield record.document


def records(inputs: Sequence[str]) -> Iterator[Record]:
    """All that the inputs hold, whether or not it is a document; `files` and a file that breaks off raise InputError."""
    return (record for _, _, record in placed_records(inputs))


def placed_records(inputs: Sequence[str]) -> Iterator[tuple[int, int, Record]]:
    """The same, each after the place of its file among `files` and its own among the records of that file, from 0."""
    seen, some = _Ids(), False
    for number, file in enumerate(files(inputs)):
        for place, record in enumerate(_records(file)):
            some = True
            first = seen.add(record) if record.document else None
            if record.document and first:
                record = record.as_repeated(f"id: {record.document.id!r} is already the id of {first}")
            yield number, place, record
    if not some:
        raise InputError(f"{', '.join(inputs)}: no articles in it; expected {KINDS}")


def records_between(names: Sequence[str], skip: int, count: int) -> Iterator[Record]:
    """`count` records of these files after the first `skip`, without a look at whether ids come twice."""
    return islice(chain.from_iterable(map(_records, names)), skip, skip + count)


def count(inputs: Sequence[str]) -> int | None:
    """How many records there are, found without parsing them; None where something can be read only once."""
    return sum(_count(file) for file in files(inputs)) if rereadable(inputs) else None


def rereadable(inputs: Sequence[str]) -> bool:
    """Whether all inputs can be read more than once, as standard input and pipes cannot."""
    return all(file != "-" and Path(file).is_file() for file in files(inputs))


def check_apart(path: Path, inputs: Sequence[str], what: Literal["file", "folder"]) -> None:
    """Raise InputError for an output that is an input, holds one, or would be read as one the next time."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # a terminal may be both
    here = path.resolve()
    would_be_read = what == "folder" or _kind(path)
    within = [
        given for given in inputs if would_be_read and Path(given).is_dir() and here.is_relative_to(Path(given).resolve())
    ]
    if within or any(Path(file).resolve().is_relative_to(here) for file in files(inputs) if file != "-"):
        raise InputError(f"{path}: is read as input too; expected a {what} apart from {', '.join(within or inputs)}")


def files(inputs: Sequence[str]) -> list[str]:
    """The files of all inputs in order, "-" for standard input; raises InputError for one that is not there or of no use."""
    return [file for given in inputs for file in _files(given)]


def _files(given: str) -> list[str]:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", given):
        raise InputError(f"{given}: an address; nothing is fetched from the network: expected a file, a folder, a pattern or -")
    path = Path(given)
    if given == "-":
        return ["-"]
    if path.is_dir():
        return sorted(str(p) for p in _below(path) if _kind(p) and p.is_file() and not _set_aside(p))
    if not path.exists() and glob.has_magic(given):
        # Folders are left out, since `**` gives both a folder and what is in it.
        found = sorted(p for p in glob.glob(given, recursive=True) if not Path(p).is_dir())
        if not found:
            raise InputError(f"{given}: no file fits this pattern")
        return [file for name in found for file in _files(name)]
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.suffix and not _kind(path):
        raise InputError(f"{path}: unknown ending {path.suffix!r}; expected {KINDS}")
    return [str(path)]


def _below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """What is in a folder and its sub-folders, linked ones too unless they lead back up to one of those `above`."""
    here = os.path.realpath(folder)
    if here in above:
        return
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from None
    for path in entries:
        if path.is_dir():
            yield from _below(path, above | {here})
        else:
            yield path


def _set_aside(path: Path) -> bool:
    return path.name == QUARANTINE and path.with_name(ARCHIVE).exists()


def _kind(path: Path) -> str | None:
    """The ending of a known kind, in small letters and without .gz."""
    path = Path(path.name.lower())
    kinds = (".txt", ".jsonl") if path.suffix == ".gz" else (".txt", ".jsonl", ".parquet")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    return suffix if suffix in kinds else None


def _records(file: str) -> Iterator[Record]:
    if file == "-":
        yield from _standard_input()
    elif _kind(Path(file)) == ".parquet":
        for number, raw, found in needed("train.corpora.parquet", "parquet").attempts(file):
            yield _record(file, number, raw, found)
    else:
        with _opened(file) as stream:
            if _kind(Path(file)) == ".jsonl":
                yield from _json_lines(stream, file)
            else:
                yield _article(stream.read(), file, id_=file)


def _count(file: str) -> int:
    kind = _kind(Path(file))
    if kind == ".parquet":
        return int(needed("train.corpora.parquet", "parquet").count(file))
    if kind != ".jsonl":
        return 1
    with _opened(file) as stream:
        return sum(1 for line in stream if line.strip())


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    """Raises InputError if the file cannot be read, now or when its reader comes to a broken place."""
    try:
        with cast(BinaryIO, gzip.open(file)) if file.lower().endswith(".gz") else open(file, "rb") as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file}: cannot be read: {reason}") from None


def _standard_input() -> Iterator[Record]:
    """JSON Lines where the first line that is not blank begins with a brace, else one article."""
    stream, head = sys.stdin.buffer, []
    for line in stream:
        head.append(line)
        if line.removeprefix(_BOM).strip():
            break
    if head and head[-1].removeprefix(_BOM).lstrip().startswith(b"{"):
        yield from _json_lines(chain(head, stream), _STDIN)
    else:
        yield _article(b"".join(head) + stream.read(), _STDIN, id_="-")


def _json_lines(lines: Iterable[bytes], name: str) -> Iterator[Record]:
    for number, raw, found in jsonl.attempts(lines, name):
        yield _record(name, number, raw.decode("utf-8", "backslashreplace").rstrip("\r\n"), found)


def _record(name: str, number: int, raw: str, found: Document | InputError) -> Record:
    if isinstance(found, Document):
        return Record(name, number, found)
    return Record(name, number, None, str(found).removeprefix(f"{name}:{number}: "), raw)


def _article(data: bytes, name: str, *, id_: str) -> Record:
    try:
        return Record(name, None, Document(id_, data.decode("utf-8").removeprefix("\ufeff")))
    except UnicodeDecodeError as error:
        reason = f"expected UTF-8, got byte {data[error.start]:#04x} at offset {error.start}"
        return Record(name, None, None, reason, data.decode("utf-8", "backslashreplace"))


class _Ids:
    """Which ids were given, and where first. An id takes a digest and two numbers, as an archive may hold millions."""

    def __init__(self) -> None:
        self._places: dict[bytes, tuple[int, int | None]] = {}
        self._files: list[str] = []

    def add(self, record: Record) -> str | None:
        """Where the id of the record's document was given before, or None if this is the first time."""
        assert record.document is not None
        if not self._files or self._files[-1] != record.file:
            self._files.append(record.file)
        key = hashlib.blake2b(repr(record.document.id).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if key in self._places:
            file, line = self._places[key]
            return Record(self._files[file], line, None).where
        self._places[key] = (len(self._files) - 1, record.line)
        return None
