"""Checkpoints as folders that the Hub and `transformers` alone can use."""

from __future__ import annotations

import shutil
from copy import deepcopy
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from train import hub
from train.backends import weights_hash
from train.errors import InputError
from train.files import atomic_folder
from train.onnx.model import FILES as GRAPHS

if TYPE_CHECKING:
    from train.tagger import Tagger

# How transformers finds the pipeline; AutoModel's own code names its file in config.json by itself.
PIPELINES = {"political-ie": {"impl": "pipeline_rajniti.PoliticalPipeline", "pt": ["AutoModel"]}}
CODE = Path(__file__).with_name("model") / "pipeline_rajniti.py"
REQUIREMENTS = Path(__file__).with_name("templates") / "requirements.txt"
# What of a run's folder belongs to the model; states for resuming, logs and predictions stay behind.
RUN_FILES = ("README.md", "schema.yaml", "scores.json", "run.json", "run_config.yaml", "training_curve.png", "reliability.png")
RELEASED = (*hub.CHECKPOINT, *RUN_FILES, REQUIREMENTS.name, "*.py")


def save_checkpoint(folder: Path, tagger: Tagger) -> None:
    """Write weights (safetensors), configuration, tokenizer, the model's code and the schema into a folder.

    The code is this package's own model/ as it stands, so `AutoModel.from_pretrained(folder, trust_remote_code=True)` and
    `pipeline("political-ie", folder, trust_remote_code=True)` need nothing but torch and transformers. Files are made beside
    the folder and moved in when all are there.
    """
    tagger.model.config.custom_pipelines = deepcopy(PIPELINES)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder / ".checkpoint") as temporary:
        tagger.model.save_pretrained(temporary)
        tagger.tokenizer.save_pretrained(temporary)
        tagger.schema.save(temporary / "schema.yaml")
        for file in (CODE, REQUIREMENTS):
            shutil.copyfile(file, temporary / file.name)
    for file in sorted((folder / ".checkpoint").iterdir()):
        file.chmod(0o644)  # safetensors are written for their owner alone
        file.replace(folder / file.name)
    (folder / ".checkpoint").rmdir()
    for name in GRAPHS:  # of the weights that were here before
        (folder / name).unlink(missing_ok=True)


def export(checkpoint: str | Path, target: Path, *, onnx: Literal["int8", "fp32"] | None = None) -> list[str]:
    """Copy what belongs on the Hub into a new or empty folder, or over an earlier export, checked by loading it.

    `checkpoint` is a folder, or owner/name[@revision] on the Hub. With `onnx`, ONNX graphs of such a precision are made in the
    target. Returns the names there. Raises InputError if the checkpoint does not load, lacks its card, or the target is the
    checkpoint or holds something else.
    """
    source = hub.resolve(checkpoint, RELEASED)
    _check_target(target, source)
    from train.tagger import Tagger

    tagger = Tagger.load(source, device="cpu")
    if not (source / "README.md").exists():
        raise InputError(f"{checkpoint}: no model card (README.md) in it; expected a finished run's folder")
    files = released(source)
    with atomic_folder(target) as temporary:
        for file in files:
            shutil.copy2(file, temporary / file.name)
        if onnx:
            from train.onnx.export import export_onnx

            export_onnx(tagger.model, tagger.tokenizer, temporary, weights=weights_hash(temporary), precision=onnx)
        return sorted(file.name for file in temporary.iterdir())


def _check_target(target: Path, source: Path) -> None:
    """An existing folder is replaced as a whole, so that one with anything else in it than an export is refused."""
    if target.resolve() == source.resolve():
        raise InputError(f"{target}: is the checkpoint itself; expected another folder")
    others = sorted(target.iterdir()) if target.is_dir() else []
    for other in others:
        if other.is_dir() or not any(fnmatch(other.name, pattern) for pattern in RELEASED):
            raise InputError(f"{target}: holds {other.name}; expected a new or empty folder, or an earlier export")
    if others and not (target / "model.safetensors").exists():
        raise InputError(f"{target}: holds other files; expected a new or empty folder, or an earlier export")


def released(folder: Path) -> list[Path]:
    """The files of a folder that belong on the Hub, by name."""
    return sorted({file for pattern in RELEASED for file in folder.glob(pattern)})
