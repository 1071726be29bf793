"""What people write in YAML: nothing in it vanishes, and what is wrong is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from train.analysis.fairness import load_names
from train.config import RunConfig
from train.errors import InputError
from train.schema import Schema
from train.yamls import read_yaml

TWICE = "a: {c: 1}\nmentions:\n  PER: {definition: A person.}\n  ORG: {definition: A body.}\n  'PER': {definition: Somebody.}\n"


@pytest.mark.parametrize("load", [read_yaml, Schema.load, RunConfig.load, load_names])
def test_a_key_given_twice_is_refused_by_file_and_line(load: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(TWICE)
    with pytest.raises(InputError, match=r"a\.yaml:5: key 'PER' is given twice; expected it once$"):
        load(path)


def test_a_key_given_twice_in_an_override_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("output_dir: out\nschema: s.yaml\nencoder: {name: e}\nsources: [{path: bundled}]\n")
    with pytest.raises(InputError, match=r"override .*:1: key 'mentions' is given twice"):
        RunConfig.load(path, ["loss={mentions: 1, mentions: 2}"])


def test_one_key_in_two_mappings_or_over_a_merged_one_is_no_second_one(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {k: 1, m: 2}\nb: {<<: *a, k: 3}\n")
    assert read_yaml(path) == {"a": {"k": 1, "m": 2}, "b": {"k": 3, "m": 2}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 2024-13-45", "not valid UTF-8 YAML: month must be in 1..12"),
        (b"[" * 10_000, "not valid UTF-8 YAML"),
        (b"a: \xff", "not valid UTF-8 YAML"),
        (b"", "expected a mapping of keys, got NoneType"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.yaml: {message}") as error:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such file of things"):
        read_yaml(tmp_path / "none.yaml", "file of things")
