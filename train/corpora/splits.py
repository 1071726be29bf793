"""A corpus divided into training, validation and test documents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from train.document import Document
from train.errors import InputError

SPLITS = ("train", "validation", "test")
_NAMES = {"train": ("train",), "validation": ("validation", "dev", "val"), "test": ("test",)}


def located(folder: Path, split: str, endings: Sequence[str]) -> Path | None:
    """Where a folder has a split: the file of such an ending, or the folder for the ending "".

    None where there is none; raises InputError if two are of the one split.
    """
    paths = [(folder / f"{name}{ending}", ending) for name in _NAMES[split] for ending in endings]
    found = [path for path, ending in paths if (path.is_file() if ending else path.is_dir())]
    if len(found) > 1:
        raise InputError(f"{found[1]}: {found[0].name} beside it is of {split} too; expected one of them")
    return found[0] if found else None


def split(
    documents: Sequence[Document], shares: Sequence[float], *, kept: Mapping[str | int, str] = {}, seed: int = 13
) -> dict[str, list[Document]]:
    """The documents by split, in their order; `shares` are of train, validation and test and sum to 1.

    A document whose id `kept` names stays in that split; the others are drawn by seed and id, so that each split comes as
    near to its share of all as it can. Raises InputError for other shares, and where a split would stay empty.
    """
    if len(shares) != len(SPLITS) or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"shares: expected three above 0 that sum to 1, got {', '.join(f'{s:g}' for s in shares)}")
    place = {d.id: kept[d.id] for d in documents if d.id in kept}
    new = [d for d in documents if d.id not in place]
    new.sort(key=lambda d: hashlib.sha256(f"{seed}:{d.id}".encode()).digest())
    wanted = {name: max(1, round(share * len(documents))) for name, share in zip(SPLITS, shares, strict=True)}
    for name in ("test", "validation"):
        missing = max(0, wanted[name] - sum(found == name for found in place.values()))
        drawn, new = new[:missing], new[missing:]
        place |= dict.fromkeys((d.id for d in drawn), name)
    place |= dict.fromkeys((d.id for d in new), "train")
    parts = {name: [d for d in documents if place[d.id] == name] for name in SPLITS}
    if empty := [name for name, part in parts.items() if not part]:
        raise InputError(f"{len(documents)} documents leave none for {empty[0]}; expected at least one for each split")
    return parts
