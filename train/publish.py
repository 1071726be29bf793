"""A release on the Hub: what of a folder may go there, and its way there in one commit with a tag."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

from train import hub, licences
from train.backends import check_graphs, weights_hash
from train.card import check_filled
from train.config import RunConfig
from train.errors import InputError
from train.export import RELEASED, released
from train.files import read_text
from train.onnx.model import FILES as GRAPHS
from train.tagger import Tagger

# How the card names its own folder in the examples; on the Hub its id stands there.
_HERE = '"."'


@dataclass(frozen=True)
class Release:
    """What goes to the repository `name`: files by their name there, the card as bytes, all others as they lie on disk.

    `weights` is the SHA-256 of model.safetensors.
    """

    name: str
    files: Mapping[str, Path | bytes]
    weights: str

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {n: len(f) if isinstance(f, bytes) else f.stat().st_size for n, f in self.files.items()}


@dataclass(frozen=True)
class Published:
    """Where a release is. `tag` is None where the repository held the same files already."""

    url: str
    commit: str
    tag: str | None
    private: bool


def prepare(checkpoint: str | Path, name: str) -> Release:
    """The release of a finished run's or an exported folder as owner/name; nothing is sent, and no folder needs the network.

    `checkpoint` may be a release on the Hub too, owner/name[@revision]. Raises InputError if it is no whole checkpoint, if its
    card has placeholders, if its scores, card or ONNX graphs are of other weights, if its licence is none that its encoder's
    allows, or if it was trained on a source that is not for release.
    """
    if "/" not in name:
        raise InputError(f"{name}: expected owner/name")
    with hub.failures(name):
        validate_repo_id(name)
    folder = hub.resolve(checkpoint, RELEASED)
    for needed in ("README.md", "model.safetensors", "scores.json", "run.json", "run_config.yaml"):
        if not (folder / needed).exists():
            raise InputError(f"{folder}: {needed} is missing; expected a finished run's folder or an export of one")
    _check_sources(folder / "run_config.yaml")
    weights = weights_hash(folder)
    if (scored := _json(folder / "scores.json").get("weights_sha256")) != weights:
        raise InputError(f"{folder / 'scores.json'}: weights_sha256: expected {weights}, the checkpoint's, got {scored!r}")
    text = read_text(folder / "README.md")
    _check_card(text, folder / "README.md", weights)
    if any((folder / name).exists() for name in GRAPHS):
        check_graphs(folder)
    _check_licence(text, folder)
    Tagger.load(folder, device="cpu")
    files: dict[str, Path | bytes] = {file.name: file for file in released(folder)}
    here = _HERE if Path(checkpoint).is_dir() else f'"{hub.parse(str(checkpoint))[0]}"'
    files["README.md"] = text.replace(here, f'"{name}"').encode()
    return Release(name, files, weights)


def _check_sources(path: Path) -> None:
    for i, source in enumerate(RunConfig.saved(path).sources):
        if "train" in source.splits and not source.release:
            raise InputError(f"{path}: sources.{i}: {source.path} is not for release, nor what is trained on it")


def _check_card(text: str, path: Path, weights: str) -> None:
    check_filled(text, str(path))
    if weights[:12] not in text:
        raise InputError(f"{path}: a card of other weights; expected the SHA-256 {weights[:12]}… in it")


def _check_licence(text: str, folder: Path) -> None:
    try:
        stated = ModelCard(text).data.get("license")
    except ValueError as error:
        raise InputError(f"{folder / 'README.md'}: metadata: {' '.join(str(error).split())}") from None
    encoder = _json(folder / "run.json").get("encoder") or {}
    binding = licences.of_encoder(str(encoder.get("name")), encoder.get("license"))
    if not binding:
        raise InputError(f"{folder / 'run.json'}: encoder.license: expected the licence of {encoder.get('name')}, got none")
    if not isinstance(stated, str) or not licences.may_become(binding, stated):
        raise InputError(
            f"{folder / 'README.md'}: license: {stated!r} contradicts {binding}, the licence of the encoder {encoder['name']}"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected an object, got {type(data).__name__}")
    return data


def publish(
    release: Release,
    *,
    public: bool = False,
    message: str | None = None,
    tag: str | None = None,
    api: HfApi | None = None,
) -> Published:
    """Bring a release to the Hub: one commit on main, then a tag (by default v1, or the next number).

    A repository that is not there is created private, and made public only when all is done. One that is there keeps its
    visibility unless `public`, and its files that no release writes; files of an earlier release that this one has not are
    removed in the same commit. Raises InputError where something fails; a repository that was begun is then removed, and one
    that was there is as it was, or has the commit whole and lacks the tag, as the message says.
    """
    api = api or HfApi()
    name = release.name
    with hub.failures(f"{name}: not published"):
        api.whoami()
        before = _existing(api, name)
        tag = _free_tag(api, name, tag) if before else tag or "v1"
        if before is None:
            api.create_repo(name, private=True)
    try:
        with hub.failures(f"{name}: not published"):
            return _upload(api, release, before, public=public, message=message, tag=tag)
    except InputError as error:
        raise InputError(f"{error}; {_undo(api, name, before)}") from None
    except BaseException:
        _undo(api, name, before)
        raise


def _existing(api: HfApi, name: str) -> Any:
    try:
        return api.model_info(name)
    except RepositoryNotFoundError:
        return None


def _free_tag(api: HfApi, name: str, tag: str | None) -> str:
    taken = {ref.name for ref in api.list_repo_refs(name).tags}
    if tag in taken:
        raise InputError(f"--tag: {name} has {tag} already; expected another one")
    numbers = [int(found[1]) for t in taken if (found := re.fullmatch(r"v(\d+)", t))]
    return tag or f"v{max(numbers, default=0) + 1}"


def _upload(api: HfApi, release: Release, before: Any, *, public: bool, message: str | None, tag: str) -> Published:
    name = release.name
    message = message or f"Release {tag}, weights {release.weights[:12]}"
    there = [] if before is None else api.list_repo_files(name, revision=before.sha)
    stale = [f for f in there if f not in release.files and "/" not in f and any(fnmatch(f, p) for p in RELEASED)]
    commit = api.create_commit(
        name,
        [
            *(CommitOperationAdd(n, f if isinstance(f, bytes) else str(f)) for n, f in release.files.items()),
            *(CommitOperationDelete(file) for file in stale),
        ],
        commit_message=message,
        parent_commit=before.sha if before else None,
    ).oid
    changed = before is None or commit != before.sha
    if changed:
        api.create_tag(name, tag=tag, tag_message=message, revision=commit)
    if public and (before is None or before.private):
        api.update_repo_settings(name, private=False)
    private = not public and (before is None or bool(before.private))
    return Published(f"{api.endpoint}/{name}", commit, tag if changed else None, private)


def _undo(api: HfApi, name: str, before: Any) -> str:
    """Remove a repository that was begun here; returns what there is now, in words."""
    try:
        with hub.failures("what there is now could not be settled"):
            if before is None:
                api.delete_repo(name)
                return "the repository begun for it is removed"
            head = api.model_info(name).sha
    except InputError as error:
        return f"{error}; look at {api.endpoint}/{name}"
    if head == before.sha:
        return "the repository is as it was"
    return f"its commit {head} is whole, but what should come after it, the tag or --public, is not done"
