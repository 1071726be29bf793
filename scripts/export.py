"""Copy a finished run's checkpoint into a folder that can be put on the Hub as it is.

python scripts/export.py runs/quickstart rajniti-quickstart
python scripts/export.py runs/quickstart rajniti-quickstart --onnx   # with graphs that tag faster on a CPU
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
    parser.add_argument("checkpoint", help="a folder that train.py wrote, or OWNER/NAME[@REVISION] on the Hub")
    parser.add_argument("folder", help="the new folder")
    parser.add_argument(
        "--onnx",
        nargs="?",
        const="int8",
        choices=("int8", "fp32"),
        help="write ONNX graphs too, which predict.py and serve.py then take on machines without a GPU (int8 if not said)",
    )
    arguments = parser.parse_args()
    from train.export import export

    names = export(arguments.checkpoint, Path(arguments.folder), onnx=arguments.onnx)
    print(f"{arguments.folder}: {', '.join(names)}")


if __name__ == "__main__":
    run(main)
