"""One way to tag texts, in a process of its own, whose memory is then its own; bench_inference_peers.py starts it.

python speed_worker.py WAY: the first line of standard input is a JSON object with what the way needs; the answer says what
it is and covers. Each further line is answered with the seconds that all texts took and the process's peak memory. It runs in
spaCy's environment too, so it imports nothing but what its way needs.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])  # not this folder, whose `data` and `common` could hide others'

Way = tuple[Callable[[], object], dict[str, Any]]  # what tags all texts, and what is to be said of it

STRIDE = 64
"""Pieces that neighbouring parts of a long text share; without a stride, pipeline() cuts texts off."""
BATCHES = (1, 8, 32)
SMALL_STEPS, STEPS, BATCH = 100, 20, 4
"""Until spaCy's pipelines find names at all; a pretrained encoder takes fewer."""


def ours(given: dict[str, Any]) -> Way:
    from train.document import Document
    from train.tagger import Tagger

    tagger = Tagger.load(given["checkpoint"], backend=given["backend"], device="cpu")
    documents = [Document(str(i), text) for i, text in enumerate(given["texts"])]
    found = tagger.tag(documents)
    mentions = [[(m.start, m.end, m.type) for m in document.mentions] for document in found]
    relations = sum(len(document.relations) for document in found)
    return lambda: tagger.tag(documents), {"mentions": mentions, "relations": relations}


def hf(given: dict[str, Any]) -> Way:
    from transformers import pipeline

    texts = given["texts"]
    tag = pipeline("token-classification", model=given["encoder"], aggregation_strategy="simple", stride=STRIDE, device="cpu")
    # Not from what it gives: of groups that overlap in two parts of a text it drops one, words and all.
    parts = [list(tag.preprocess(text, **tag._preprocess_params)) for text in texts]
    read = [[(start, end) for part in of for start, end in part["offset_mapping"][0].tolist()] for of in parts]

    def seconds(batch: int) -> float:
        began = time.perf_counter()
        tag(texts, batch_size=batch)
        return time.perf_counter() - began

    batch = min(BATCHES, key=seconds)
    found = tag(texts, batch_size=batch)
    mentions = [[(group["start"], group["end"], group["entity_group"]) for group in groups] for groups in found]
    return lambda: tag(texts, batch_size=batch), {"batch": batch, "mentions": mentions, **covered(texts, read)}


def spacy(given: dict[str, Any]) -> Way:
    import spacy

    texts, nlp = given["texts"], spacy.load(given["model"])
    docs = list(nlp.pipe(texts))
    read = [[(t.idx, t.idx + len(t)) for i, t in enumerate(doc) if _has_pieces(doc, i)] for doc in docs]
    mentions = [[(span.start_char, span.end_char, span.label_) for span in doc.ents] for doc in docs]
    # A list, as nlp.pipe is lazy.
    return lambda: list(nlp.pipe(texts)), {"mentions": mentions, **covered(texts, read)}


def _has_pieces(doc: Any, token: int) -> bool:
    """Whether the encoder read a token; a pipeline without one reads all."""
    return not doc.has_extension("trf_data") or bool(doc._.trf_data.align[token].data.size)


def spacy_prepare(given: dict[str, Any]) -> Way:
    """Write a pipeline as `spacy init config` gives it, trained for a few steps: speed depends little on what it learnt."""
    import spacy
    from spacy.cli.init_config import init_config
    from spacy.training import Example
    from spacy.util import filter_spans

    encoder = given.get("encoder")
    config = init_config(lang=given["language"], pipeline=["ner"], optimize="efficiency", gpu=bool(encoder))
    if encoder:
        if "transformer" not in config["components"]:
            raise RuntimeError("spacy-transformers is not installed")
        config["components"]["transformer"]["model"]["name"] = encoder
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    examples = []
    for text, mentions in zip(given["texts"], given["mentions"], strict=True):
        doc = nlp.make_doc(text)
        spans = [doc.char_span(start, end, label=type_, alignment_mode="expand") for start, end, type_ in mentions]
        doc.ents = filter_spans([span for span in spans if span is not None])
        examples.append(Example(nlp.make_doc(text), doc))
    nlp.initialize(lambda: examples)
    for step in range(STEPS if encoder else SMALL_STEPS):
        nlp.update([examples[(step * BATCH + i) % len(examples)] for i in range(BATCH)])
    nlp.to_disk(given["model"])
    return lambda: None, {}


def covered(texts: Iterable[str], read: Iterable[Iterable[tuple[int, int]]]) -> dict[str, float]:
    """The share of the words between white space of which something was read."""
    words = seen = 0
    for text, spans in zip(texts, read, strict=True):
        marks = bytearray(len(text))
        for start, end in spans:
            marks[start:end] = b"\1" * (end - start)
        found = [any(marks[slice(*match.span())]) for match in re.finditer(r"\S+", text)]
        words, seen = words + len(found), seen + sum(found)
    return {"covered": seen / max(1, words)}


WAYS = {"ours": ours, "hf": hf, "spacy": spacy, "spacy-prepare": spacy_prepare}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    tag, about = WAYS[sys.argv[1]](json.loads(sys.stdin.readline()))
    packages = [name for name in ("torch", "transformers", "onnxruntime", "spacy", "spacy_transformers") if name in sys.modules]
    print(json.dumps({**about, "versions": {name: _version(name) for name in packages}}), file=answers, flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        tag()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "peak_mib": peak()}), file=answers, flush=True)


def peak() -> float:
    """The most MiB that this process held. Linux counts to ru_maxrss what the process that started it held then."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package.replace("_", "-"))


if __name__ == "__main__":
    main()
