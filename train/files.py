"""Reading text exactly, and writing files and folders so that nobody ever sees half of one."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, TextIO, overload

from train.errors import InputError


def read_text(path: str | Path, *, keep_bom: bool = False) -> str:
    """The UTF-8 text of a file with its line ends as they are, without a byte order mark unless that is kept.

    Raises InputError if the file cannot be read or is not UTF-8; this names the byte offset in the file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8, got other bytes at byte offset {error.start}") from None
    return text.removeprefix("\ufeff") if not keep_bom else text


@overload
def atomic_write(path: str | Path, *, binary: Literal[False] = False) -> AbstractContextManager[TextIO]: ...
@overload
def atomic_write(path: str | Path, *, binary: Literal[True]) -> AbstractContextManager[BinaryIO]: ...
def atomic_write(path: str | Path, *, binary: bool = False) -> AbstractContextManager[Any]:
    """A file (UTF-8 text with `\\n` line ends, or bytes) that takes the place of `path` when the block ends well.

    Missing folders are made. When the block raises, `path` is as it was before and no temporary file stays. A path that
    is no regular file, such as a pipe or /dev/null, is written directly, and so is what /dev/stdout or /dev/fd/3 stands for.
    Raises InputError if `path` cannot be written.
    """
    return _atomic_write(path, binary)


@contextmanager
def _atomic_write(path: str | Path, binary: bool) -> Iterator[IO[Any]]:
    if os.path.isdir(path):
        raise InputError(f"{path}: is a folder; expected the path of a file")
    descriptor = _descriptor(path)
    if descriptor is not None or (os.path.exists(path) and not os.path.isfile(path)):
        with _opened(Path(path) if descriptor is None else descriptor, path, binary) as file:
            yield file
        return
    target = Path(os.path.realpath(path))  # a symbolic link goes on pointing at its file
    temporary = _beside(target, path)
    try:
        with _opened(temporary, path, binary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place, old content and all, when the block ends well.

    When the block raises, `path` is as it was before and the temporary folder is removed. Raises InputError if `path`
    is a file or cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise InputError(f"{path}: is a file; expected the path of a folder")
    temporary = _beside(target, path)
    try:
        with _named_errors(path):
            temporary.mkdir()
        yield temporary
        _replace_folder(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _replace_folder(new: Path, target: Path) -> None:
    """Folders cannot be replaced in one step: the old one moves aside, and comes back if the new one cannot move in."""
    if not target.exists():
        os.replace(new, target)
        return
    old = _beside(target, target)
    os.replace(target, old)
    try:
        os.replace(new, target)
    except BaseException:
        os.replace(old, target)
        raise
    shutil.rmtree(old)


def _beside(target: Path, named: str | Path) -> Path:
    """An unused hidden name in the folder of `target`, since only a move inside one file system is atomic."""
    with _named_errors(named):
        target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f".{target.name[:50]}.{secrets.token_hex(6)}.part"


def _descriptor(path: str | Path) -> int | None:
    """Which of the process's open files a path stands for. To open that anew would empty it where it is a regular file."""
    name = {"/dev/stdout": "/dev/fd/1", "/dev/stderr": "/dev/fd/2"}.get(str(path), str(path))
    found = re.fullmatch(r"(?:/dev|/proc/self)/fd/([0-9]+)", name)
    return int(found[1]) if found else None


@contextmanager
def _opened(path: Path | int, named: str | Path, binary: bool) -> Iterator[IO[Any]]:
    with _named_errors(named):
        of = os.dup(path) if isinstance(path, int) else path
        # Not through tempfile, whose mode 0600 would make the result unreadable to others.
        file: IO[Any] = open(of, "wb") if binary else open(of, "w", encoding="utf-8", newline="\n")  # noqa: SIM115
    with file:
        yield file


@contextmanager
def _named_errors(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
