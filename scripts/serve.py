"""Serve a checkpoint: a page where a person pastes an article, and JSON for programs.

    python scripts/serve.py runs/quickstart
    python scripts/serve.py OWNER/rajniti@v1 --port 9000
    curl http://127.0.0.1:8000/tag -H 'Content-Type: application/json' -d '{"text": "চীনের পররাষ্ট্রমন্ত্রী ঢাকায় পৌঁছেছেন।"}'

POST /tag takes {"text": …} or {"texts": [ … ]}, each text a string or an object with text, id, title, date and topic, and
min_precision as predict.py does. GET /health says what is served. An error is {"error": "one line"} with its HTTP status.
"""

import argparse
import logging
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.errors import InputError  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a folder that train.py or export.py wrote, or OWNER/NAME[@REVISION] on the Hub")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s; 0 takes a free one")
    for name, default, help_ in (
        ("--max-bytes", 1_048_576, "of a request's body"),
        ("--max-texts", 64, "in a request"),
        ("--max-characters", 100_000, "of all texts of a request"),
        ("--queue", 256, "texts that may wait; more are refused with 503"),
        ("--batch-characters", 20_000, "tagged at once; requests that come meanwhile share a batch"),
    ):
        parser.add_argument(name, type=int, default=default, metavar="N", help=f"{help_} (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds that a request may take (default: %(default)g)"
    )
    arguments = parser.parse_args()
    _check(arguments)
    try:
        from train.serving.run import bind, serve
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed; expected: pip install -e '.[serve]'") from None
    # Before the model, which takes seconds to load.
    bound = bind(arguments.host, arguments.port)
    from train.serving.app import create_app
    from train.serving.requests import Limits
    from train.tagger import Tagger

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    limits = Limits(
        max_bytes=arguments.max_bytes,
        max_texts=arguments.max_texts,
        max_characters=arguments.max_characters,
        timeout=arguments.timeout,
    )
    app = create_app(
        Tagger.load(arguments.checkpoint, backend="auto"),
        checkpoint=arguments.checkpoint,
        limits=limits,
        queue=arguments.queue,
        batch_characters=arguments.batch_characters,
    )
    serve(app, bound, grace=arguments.timeout)


def _check(arguments: argparse.Namespace) -> None:
    if not 0 <= arguments.port <= 65535:
        raise InputError(f"--port: expected 0 to 65535, got {arguments.port}")
    for name in ("max_bytes", "max_texts", "max_characters", "queue", "batch_characters", "timeout"):
        if not 0 < getattr(arguments, name) < float("inf"):
            raise InputError(f"--{name.replace('_', '-')}: expected more than 0, got {getattr(arguments, name)}")
    if arguments.queue < arguments.max_texts:
        raise InputError(f"--queue: expected at least --max-texts {arguments.max_texts}, got {arguments.queue}")


if __name__ == "__main__":
    run(main)
