"""The documentation's pages as tests see them: blocks, commands, anchors; and how a command of a page is run or parsed."""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from tests.support import ROOT

PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s+)#(?: .*|!.*|SBATCH .*)$")
_SCRIPT = re.compile(r"python scripts/(?P<name>\w+\.py)(?: (?P<arguments>[^|;<>&$]*))?")


@dataclass(frozen=True)
class Block:
    """A fenced block, with the line of its first line of content, as in `page:line`."""

    page: str
    line: int
    language: str
    body: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str, page: str, *languages: str) -> list[Block]:
    """The fenced blocks of the languages, without the indentation that a list gives them."""
    found = []
    for match in _FENCE.finditer(text):
        body = "\n".join(line.removeprefix(match["indent"]) for line in match["body"].splitlines())
        found.append(Block(page, text.count("\n", 0, match.start()) + 2, match["language"], body))
    return [block for block in found if block.language in languages]


def commands(block: Block) -> list[str]:
    """The commands of a block, a line each, without comments; a line that ends with a backslash goes on."""
    lines = (_COMMENT.sub("", line) for line in block.body.replace("\\\n", " ").split("\n"))
    return [line.strip() for line in lines if line.strip()]


def anchors(text: str) -> set[str]:
    """What the Hub and GitHub call the headings of a page."""
    plain = _FENCE.sub("", text)
    headings = re.findall(r"^#+ (.+)$", plain, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(text: str) -> list[str]:
    """Where the links and pictures of a page lead, those to elsewhere left out."""
    plain = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))
    found = [*re.findall(r"\]\(([^)\s]+)\)", plain), *re.findall(r'src="([^"]+)"', plain)]
    return [target for target in found if not target.startswith(("http:", "https:"))]


def execute(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Run a command in a folder; returns None when all is well, else what went wrong.

    One that is nothing but a script runs in this process, which saves it the time to load torch; the shell runs all others.
    """
    if match := _SCRIPT.fullmatch(command):
        status = _script(match["name"], shlex.split(match["arguments"] or ""), folder, monkeypatch)
        return f"status {status}" if status else None
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return f"status {done.returncode}: {done.stdout}{done.stderr}" if done.returncode else None


def _script(name: str, arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [name, *arguments])
        patch.setattr(sys, "path", list(sys.path))
        for variable, value in (("MKL_DYNAMIC", "FALSE"), ("TOKENIZERS_PARALLELISM", "false")):
            patch.setenv(variable, os.environ.get(variable, value))  # the scripts set them: give them back
        try:
            runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else bool(end.code)
        finally:
            AcceleratorState._reset_state(
                reset_partial_state=True
            )  # as in a new process, the next run is free in its precision
    return 0


class _Parsed(Exception):  # noqa: N818 - no error
    """The arguments were understood, and nothing of the script shall run."""


def parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand a command's words after `scripts/…py` to that script's own parser; fails where it does not take them."""
    name = next(word for word in words if word.startswith("scripts/"))
    arguments = words[words.index(name) + 1 :]
    given = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *args: object) -> None:
        given(parser, *args)  # type: ignore[call-overload]
        raise _Parsed

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(_Parsed):
            _script(Path(name).name, arguments, ROOT, patch)
