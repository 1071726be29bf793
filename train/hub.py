"""The Hugging Face Hub: names with a revision, downloads into the shared cache, and its failures in one line.

Where the Hub is, whose token is used and whether to go online at all is said to huggingface_hub in the usual ways: HF_ENDPOINT,
HF_TOKEN or `hf auth login`, HF_HUB_OFFLINE, HF_HOME.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from train.errors import InputError

# What Tagger.load reads; a checkpoint's code, card and pictures are not fetched for it.
CHECKPOINT = (
    "*.safetensors", "*.safetensors.index.json", "*.onnx", "onnx.json",
    "config.json", "tokenizer.json", "tokenizer_config.json",
)  # fmt: skip
_REVISION = re.compile(r"(?P<name>(?:hub:)?[\w.-]+(?:/[\w.-]+)?)@(?P<revision>\S+)", re.ASCII)
_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def parse(name: str) -> tuple[str, str | None]:
    """owner/name@revision as its two parts; the revision of anything else is None."""
    found = _REVISION.fullmatch(name)
    return (found["name"], found["revision"]) if found else (name, None)


def split_revision(data: Any, key: str) -> Any:
    """A config's mapping with the @revision of `key` moved to its key `revision`; folders stay as they are.

    Raises ValueError if the mapping names another revision as well.
    """
    if not isinstance(data, dict) or not isinstance(data.get(key), str) or Path(data[key]).is_dir():
        return data
    name, revision = parse(data[key])
    if revision is None:
        return data
    if data.get("revision") not in (None, revision):
        raise ValueError(f"{key}: @{revision} and revision {data['revision']!r} are two; expected one of them")
    return {**data, key: name, "revision": revision}


def resolve(checkpoint: str | Path, patterns: Sequence[str] = CHECKPOINT) -> Path:
    """A checkpoint's folder as it is, or the cached folder of owner/name or owner/name@revision, fetched where it is not whole.

    `patterns` are of the names of files that are fetched. Raises InputError if it is neither, or is not to be had.
    """
    folder, text = Path(checkpoint), str(checkpoint)
    if folder.is_dir():
        return folder
    name, revision = parse(text)
    if folder.exists() or not _ID.fullmatch(name):
        raise InputError(f"{text}: no such checkpoint folder; expected one, or owner/name or owner/name@revision on the Hub")
    with failures(f"{text}: no such checkpoint folder, and not to be had from the Hub"):
        return download(name, revision, patterns)


def download(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """The cached folder with those files of a model's revision (None: main) that fit a pattern; its name is the commit.

    Only what is not in the cache goes over the network; raises what huggingface_hub raises.
    """
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Turn failures of huggingface_hub into an InputError of one line: `what`, and why."""
    from huggingface_hub.errors import HTTPError

    try:
        yield
    except InputError:
        raise
    # A ValueError is a name or a card that the Hub does not take, a RuntimeError a file that did not get there.
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{what}: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """Why the Hub did not do what it was asked for, in one line."""
    from huggingface_hub import errors

    told = " ".join(str(error).split())
    response = getattr(error, "response", None)
    if isinstance(error, RuntimeError) and error.__cause__:
        return f"{told} {reason(error.__cause__)}"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return _not_in_cache(error)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return "no token; expected one in HF_TOKEN or from `hf auth login`"
    if isinstance(error, errors.GatedRepoError):
        return "access to it must be asked for on its page"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no such repository, or a private one that the token, if there is one, may not read"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision"
    if response is not None:
        return _refused(response) or told
    if isinstance(error, errors.HTTPError | errors.OfflineModeIsEnabled):
        return f"the Hub cannot be reached: {told}"
    return told


def _not_in_cache(error: BaseException) -> str:
    """A download that failed over to the cache and found no whole copy there."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    cause = error.__cause__
    if cause is None or isinstance(cause, OfflineModeIsEnabled):
        return "offline mode (HF_HUB_OFFLINE) is on, and the cache does not hold all of it"
    return f"{reason(cause)}; and the cache does not hold all of it"


def _refused(response: Any) -> str | None:
    """What the Hub's status means, where that is not said by the exception's class."""
    said = response.headers.get("X-Error-Message")
    if response.status_code == 401:
        return "the token is not valid; expected one in HF_TOKEN or from `hf auth login`"
    if response.status_code == 403:
        return f"the token may not do this{f': {said}' if said else ''}"
    return f"the Hub answered {response.status_code}: {said}" if said else None
