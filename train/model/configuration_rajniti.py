"""Configuration of the joint tagger: the encoder's own configuration, the schema, and the sizes of the heads."""

from __future__ import annotations

import inspect
from typing import Any

from transformers import AutoConfig, BertConfig, PreTrainedConfig

from .settings import Settings


class RajnitiConfig(PreTrainedConfig, Settings):
    """What a checkpoint needs to be rebuilt and to read its own outputs: its encoder's configuration and its settings."""

    model_type = "rajniti"
    sub_configs = {"encoder": AutoConfig}

    def __init__(self, encoder: dict[str, Any] | PreTrainedConfig | None = None, **kwargs: Any):
        if isinstance(encoder, dict):
            fields = dict(encoder)
            encoder = AutoConfig.for_model(fields.pop("model_type"), **fields)
        self.encoder = BertConfig() if encoder is None else encoder
        own = inspect.signature(Settings.__init__).parameters.keys() & kwargs.keys()
        Settings.__init__(self, **{name: kwargs.pop(name) for name in own})
        super().__init__(**kwargs)


RajnitiConfig.register_for_auto_class()
