"""How the processes of a run come together, and whole weights where each of them holds a part only (FSDP2).

FSDP2 divides weights, gradients and optimiser states over the processes, which put a layer together when its turn comes. What
evaluates, exports and keeps the best weights takes forward passes that the others take no part in, so it gets a twin of the
model that is not divided. Nothing else differs: the weights stay in 32 bits and autocast chooses, as on one device.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from train.config import RunConfig
from train.errors import InputError
from train.model.modeling_rajniti import RajnitiModel

# The names of an encoder's layers, with their places.
LAYER = re.compile(r"\blayers?\.(\d+)\b")


def precision(config: RunConfig) -> str:
    """Mixed precision in accelerate's words; by device where the config leaves it open. Raises InputError for fp16 on a CPU."""
    chosen = config.training.precision
    if chosen is None:
        # Older cards emulate bf16, which is slower than fp32.
        native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
        chosen = "bf16" if native else "fp32"
    if chosen == "fp16" and not torch.accelerator.is_available():  # accelerate would train in fp32 and say nothing
        raise InputError("training.precision: fp16 needs a GPU, and there is none: expected fp32, bf16 or null")
    return "no" if chosen == "fp32" else chosen


def join(config: RunConfig) -> Accelerator:
    """The accelerator of this run; raises InputError where the processes or FSDP cannot be had as they were launched."""
    folder = Path(config.output_dir)
    launched = int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1
    accelerator = Accelerator(
        mixed_precision=precision(config),
        # Without a GPU accelerate lets each process train alone, and all write the same files, unless told of the CPU.
        cpu=launched > 1 and not torch.accelerator.is_available(),
        log_with=list(config.trackers),
        project_config=ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder / "logs")),
    )
    if accelerator.num_processes != launched:
        raise InputError(f"{launched} processes were launched, and this device joins none of them: expected --num_processes 1")
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        if not accelerator.is_fsdp2:
            raise InputError("FSDP: expected GPUs and fsdp_version: 2, as in configs/accelerate/fsdp.yaml")
        accelerator.state.fsdp_plugin.mixed_precision_policy = None
    return accelerator


def prepare(accelerator: Accelerator, model: RajnitiModel, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    """Model and optimiser for these processes, divided by the encoder's layers where it is FSDP."""
    if accelerator.is_fsdp2:
        # What a layer is: ELECTRA does not say, and BERT names its embeddings too, which accelerate then divides twice.
        layers = (m for name, m in model.encoder.named_modules() if (found := LAYER.search(name)) and found.end() == len(name))
        model._no_split_modules = {type(layer).__name__ for layer in layers}
    return accelerator.prepare(model, optimizer)


def twin(accelerator: Accelerator, model: RajnitiModel) -> RajnitiModel:
    """A model that is whole on every process: a copy where FSDP is going to divide the model, else the model itself."""
    return deepcopy(model) if accelerator.is_fsdp2 else model


@contextmanager
def gathered(accelerator: Accelerator, model: Any, whole: RajnitiModel) -> Iterator[None]:
    """Within the block `whole` has the weights as they are now, and lies on the device; all processes must enter."""
    if accelerator.is_fsdp2:
        weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
        whole.to(accelerator.device).load_state_dict(weights)
        del weights
    yield
    if accelerator.is_fsdp2:
        nn.Module.to(whole, "cpu")
