"""What all scripts share: bad input ends in one line on standard error and status 1 (wrong usage in argparse's 2)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from train.errors import InputError


def run(main: Callable[[], None]) -> None:
    """Run a script's main function and exit with its status."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # MKL would take fewer threads while the machine is busy, and another number of threads rounds otherwise: the same
    # training would end with other weights.
    os.environ.setdefault("MKL_DYNAMIC", "FALSE")
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output has gone, as in `predict.py … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
