"""What test_processes.py has two processes do in one launch: tag shares of documents, go on with a run, train with FSDP.

Arguments: the config, the folder of the runs, a checkpoint, documents, and further settings of the runs.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.fsdp import FSDPModule

from train import processes
from train.config import RunConfig
from train.corpora import jsonl
from train.document import Document
from train.evaluation import predict
from train.run import train
from train.tagger import Tagger


class Sharding(Accelerator):
    """With FSDP over CPUs. accelerate turns it on for GPUs alone; what it does then is the same, and torch does it here too."""

    def __init__(self, **options: object):
        super().__init__(**options)
        self.state.fsdp_plugin = FullyShardedDataParallelPlugin()
        for state in (PartialState, AcceleratorState):
            state._shared_state["distributed_type"] = DistributedType.FSDP

    def prepare(self, *objects: Any) -> Any:
        """As it is, and notes in the environment what is divided apart from the rest."""
        model, *others = super().prepare(*objects)
        os.environ["DIVIDED"] = " ".join(name for name, module in model.named_modules() if isinstance(module, FSDPModule))
        return model, *others


class Counting(Tagger):
    """Notes what it is given."""

    def tag(self, documents: list[Document], **options: object) -> list[Document]:
        self.__dict__.setdefault("seen", []).extend(d.id for d in documents)
        return super().tag(documents, **options)


def main(config: str, runs: str, checkpoint: str, documents: str, *settings: str) -> None:
    def loaded(name: str, *more: str) -> RunConfig:
        return RunConfig.load(config, [*settings, "training.accumulation=1", f"output_dir={runs}/{name}", *more])

    Accelerator.end_training = lambda self: None  # type: ignore[method-assign]
    accelerator = processes.join(loaded("shares"))
    tagger = Counting.load(checkpoint)
    found = predict(tagger, jsonl.read(documents, tagger.schema), accelerator)
    result = {"seen": tagger.__dict__["seen"], "found": [jsonl.to_dict(d) for d in found]}
    Path(runs, f"shares-{accelerator.process_index}.json").write_text(json.dumps(result), encoding="utf-8")

    train(loaded("one-then-two", "resume=true"))

    processes.Accelerator = Sharding  # type: ignore[misc]
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    train(loaded("fsdp"))
    if accelerator.is_main_process:
        Path(runs, "divided.json").write_text(json.dumps(os.environ["DIVIDED"].split(" ")), encoding="utf-8")
        stop(Path(runs, "fsdp"), Path(runs, "fsdp-resumed"))
    accelerator.wait_for_everyone()
    train(loaded("fsdp-resumed", "resume=true"))


def stop(run: Path, copy: Path) -> None:
    """A copy of the run as it would be had it been killed after its second step."""
    shutil.copytree(run / "checkpoints" / "step-2", copy / "checkpoints" / "step-2")
    shutil.copy(run / "run_config.yaml", copy)


if __name__ == "__main__":
    main(*sys.argv[1:])
