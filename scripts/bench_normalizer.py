"""How far the tokenizer's normalisation agrees with csebuetnlp's own: sentence by sentence, and what differs.

python scripts/bench_normalizer.py                      # the bundled corpus
python scripts/bench_normalizer.py news.txt test.conll  # lines of text, or CoNLL columns

Needs csebuetnlp's package (non-commercial licence, pins old ftfy and emoji), best in a folder of its own:
pip install --target /tmp/csebuetnlp csebuetnlp-normalizer
PYTHONPATH=/tmp/csebuetnlp python scripts/bench_normalizer.py
The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

import regex  # noqa: E402

from train.cli import run  # noqa: E402
from train.encoders.normalizer import bangla_normalizer  # noqa: E402
from train.errors import InputError  # noqa: E402
from train.model.bangla import sentences  # noqa: E402

BUNDLED = HERE.parent / "train" / "corpora" / "bundled"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, help="text, CoNLL or .jsonl files (default: the bundled corpus)")
    parser.add_argument("--show", type=int, default=20, help="how many differing sentences to list (default 20)")
    arguments = parser.parse_args()
    theirs, fix_encoding = reference()
    paths = arguments.paths or sorted(BUNDLED.glob("*.jsonl"))
    texts = [text for path in paths for text in read(path)]
    if not texts:
        raise InputError("no sentences to compare: name text, CoNLL or .jsonl files")
    normaliser = bangla_normalizer()
    start = time.perf_counter()
    ours = [normaliser.normalize_str(text) for text in texts]
    seconds = time.perf_counter() - start
    differing = [(text, expected, got) for text, got in zip(texts, ours, strict=True) if (expected := theirs(text)) != got]
    classes: Counter[str] = Counter()
    for number, (text, expected, got) in enumerate(differing):
        why = explain(text, expected, got, fix_encoding)
        classes[why] += 1
        if number < arguments.show:
            print(f"{why}: {'; '.join(edits(expected, got))}\n  {text}")
    changed_length = sum(len(text) != len(got) for text, got in zip(texts, ours, strict=True))
    agreement = 1 - len(differing) / len(texts)
    print(f"{len(texts)} sentences: {len(texts) - len(differing)} agree ({agreement:.3%}); {changed_length} change length")
    report = {
        "sentences": len(texts),
        "differ": len(differing),
        "agreement": round(agreement, 6),
        "length_changed": changed_length,
        "microseconds_a_sentence": round(1e6 * seconds / len(texts), 1),
        "classes": dict(classes),
    }
    print(json.dumps(report, ensure_ascii=False))


def reference() -> tuple[Callable[[str], str], Callable[[str], str]]:
    """csebuetnlp's normalize, and ftfy's fix_encoding to tell what it repaired."""
    try:
        from ftfy import fix_encoding
        from normalizer import normalize
    except ImportError as error:
        command = "pip install --target DIR csebuetnlp-normalizer, then PYTHONPATH=DIR python scripts/bench_normalizer.py"
        raise InputError(f"csebuetnlp's package is not installed ({error}): {command}") from None
    return normalize, fix_encoding


def read(path: Path) -> list[str]:
    """The sentences of a .jsonl file's texts, of CoNLL columns (joined by spaces), or the lines of any other file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    filled = [line for line in lines if line.strip()]
    if path.suffix == ".jsonl":
        try:
            texts = [json.loads(line)["text"] for line in filled]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: expected a JSON object with a text on each line: {error!r}") from None
        return [text[start:end] for text in texts for start, end in sentences(text)]
    if sum(len(line.split()) == 2 for line in filled) > 0.9 * len(filled):
        groups = "\n".join(line.strip() for line in lines).split("\n\n")
        return [" ".join(line.split()[0] for line in group.split("\n") if line) for group in groups if group.strip()]
    return filled


def explain(text: str, theirs: str, ours: str, fix_encoding: Callable[[str], str]) -> str:
    """The class of a difference: which of csebuetnlp's steps the tokenizer's rules leave out."""
    different = "".join(theirs[a:b] + ours[c:d] for tag, a, b, c, d in opcodes(theirs, ours) if tag != "equal")
    if html.unescape(text) != text:
        return "HTML entity"
    if fix_encoding(text) != text:
        return "mojibake"
    if regex.search(r"[\x1b\x80-\x9f]", text):
        return "control character"
    if regex.search(r"\u09c7.\u09d7", text, regex.DOTALL):
        return "vowel sign in handwriting order"
    if regex.fullmatch(r"[\p{Latin}\p{Mn}\u02bc·']+", different):
        return "rare Latin letter"
    return "unexplained"


def opcodes(theirs: str, ours: str) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes()


def edits(theirs: str, ours: str) -> list[str]:
    """Each difference as code points, theirs and then ours."""
    changed = [(theirs[a:b], ours[c:d]) for tag, a, b, c, d in opcodes(theirs, ours) if tag != "equal"]
    return [f"{code_points(expected)} theirs, {code_points(got)} here" for expected, got in changed]


def code_points(text: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in text) or "nothing"


if __name__ == "__main__":
    run(main)
