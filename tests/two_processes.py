"""What test_processes.py has two processes do in one launch: tag shares of documents, go on with a run, train with FSDP.

Arguments: the config, the folder of the runs, a checkpoint, documents, and further settings of the runs.
"""

import json
import os
import sys
from pathlib import Path

from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

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
    train(loaded("fsdp-resumed", "resume=true"))


if __name__ == "__main__":
    main(*sys.argv[1:])
