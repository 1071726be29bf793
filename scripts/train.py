"""Fine-tune an encoder as a config says, score it, and leave a folder with checkpoint, model card and predictions.

    python scripts/train.py configs/quickstart.yaml
    accelerate launch scripts/train.py configs/banglabert.yaml training.batch_tokens=8192 output_dir=runs/big

resume=true continues the run in output_dir from its newest state.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a YAML file, such as those in configs/")
    parser.add_argument("override", nargs="*", help="key=value, with dotted keys: training.epochs=3")
    arguments = parser.parse_args()
    from train.config import RunConfig

    config = RunConfig.load(arguments.config, arguments.override)
    from train.run import train

    train(config)


if __name__ == "__main__":
    run(main)
