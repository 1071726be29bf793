"""Modules that need a package which a plain install may lack."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from train.errors import InputError


def needed(module: str, extra: str) -> ModuleType:
    """The module, imported now; raises InputError that says which extra brings the package that it lacks."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed; it comes with pip install -e '.[{extra}]'") from None
