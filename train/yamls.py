"""YAML that people write: read to its content, with nothing in it lost unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from train.errors import InputError

_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: str | Path, what: str = "config file") -> dict[str, Any]:
    """The mapping that a file holds; raises InputError where it is none, or where one key stands twice in a mapping."""
    try:
        data = parse_yaml(Path(path).read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"{path}: no such {what}: {error.strerror}") from None
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid UTF-8 YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a mapping of keys, got {type(data).__name__}")
    return data


def parse_yaml(text: str, source: str) -> Any:
    """The content of a text; raises InputError that names `source`, line and key where one stands twice in a mapping.

    Raises what PyYAML raises where it is no YAML: YAMLError, and ValueError for a date that there is not.
    """
    loader = _Loader(text)
    loader.name = source
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys. They are looked for before it merges mappings, whose keys may be set anew."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE):
            if (key.tag, key.value) in seen:
                raise InputError(f"{self.name}:{key.start_mark.line + 1}: key {key.value!r} is given twice; expected it once")
            seen.add((key.tag, key.value))
        return node
