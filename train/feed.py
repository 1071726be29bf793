"""A batch on its way to the device, in such a form that nothing in the step has to wait for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Encoders whose layers all attend to the whole window and take a mask of four dimensions as it is.
_PLAIN = ("bert", "camembert", "electra", "roberta", "xlm-roberta")


def feed(tensors: dict[str, Any], encoder_config: Any, device: torch.device) -> dict[str, Any]:
    """What `examples.batch` makes, with the attention mask as the encoder's layers take it, copied from pinned memory.

    transformers leaves the mask out where nothing is padded, and would have to fetch it from the device to know.
    """
    if encoder_config.model_type in _PLAIN and encoder_config._attn_implementation == "sdpa":
        mask: Tensor = tensors["attention_mask"].bool()
        tensors = {**tensors, "attention_mask": None if mask.numpy().all() else mask[:, None, None]}
    return {name: _copied(value, device) for name, value in tensors.items()}


def wait_for(device: torch.device) -> None:
    """Until the device has done all that it was given; a CPU has when the call returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _copied(value: Any, device: torch.device) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _copied(part, device) for name, part in value.items()}
    # From memory that may be paged out, a copy waits for all that the device has still to do.
    return (value.pin_memory() if device.type == "cuda" else value).to(device, non_blocking=True)
