"""Where a checkpoint is weak: the same texts in other spellings, and slices of a test set.

python scripts/bench_robustness.py runs/quickstart train/corpora/bundled/test.jsonl

Variants first (digits, quotes, the encoding of য় ড় ঢ়, joiners): strict F1 of mentions and relations, and the loss against the
texts as they are. Then slices: mentions with and without a case ending, in long and short sentences; relations by their gold
status and by whether one sentence holds both ends. The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402
from train.corpora import jsonl  # noqa: E402
from train.document import Document  # noqa: E402
from train.model.bangla import bare_name, normalised, sentences, words  # noqa: E402
from train.schema import Schema  # noqa: E402
from train.variants import VARIANTS  # noqa: E402

LONG = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data", help="annotated documents, .jsonl")
    arguments = parser.parse_args()
    from train.scoring import score
    from train.tagger import Tagger

    tagger = Tagger.load(arguments.checkpoint)
    schema = tagger.schema
    gold = jsonl.read(arguments.data, schema)

    def f1(documents: Sequence[Document], predicted: Sequence[Document]) -> dict[str, float]:
        scores = score(documents, predicted, schema, layers=("mentions", "relations"), resamples=0)
        return {layer: scores[layer]["strict"]["micro"]["f1"] for layer in ("mentions", "relations")}

    predicted = tagger.tag(gold)
    results: dict[str, dict[str, Any]] = {"variants": {"as they are": f1(gold, predicted)}, "slices": {}}
    base = results["variants"]["as they are"]
    print(f"{'variant':<28}{'mentions':>10}{'':>9}{'relations':>10}")
    print(f"{'as they are':<28}{base['mentions']:>10.3f}{'':>9}{base['relations']:>10.3f}")
    for name, variant in VARIANTS.items():
        other = [variant(d) for d in gold]
        changed = sum(a.text != b.text for a, b in zip(gold, other, strict=True))
        found = results["variants"][name] = f1(other, tagger.tag(other)) if changed else base
        cells = "".join(f"{found[k]:>10.3f} {found[k] - base[k]:>+8.3f}" for k in ("mentions", "relations"))
        print(f"{name:<28}{cells}   {changed} documents changed")
    print(f"\n{'slice':<44}{'gold':>8}{'recall':>9}")
    for name, (kept, of) in slices(gold, predicted, schema).items():
        results["slices"][name] = {"recall": kept / of if of else 0.0, "gold": of}
        print(f"{name:<44}{of:>8}{kept / of if of else 0.0:>9.3f}")
    print(json.dumps({"checkpoint": arguments.checkpoint, "data": arguments.data, **results}, ensure_ascii=False))


def slices(gold: Sequence[Document], predicted: Sequence[Document], schema: Schema) -> dict[str, tuple[int, int]]:
    """Gold mentions and relations found, and in all, by kind. Recall alone: a spurious one has no gold status or sentence."""
    from train.scoring import relation_keys

    counts: dict[str, list[int]] = {}

    def count(name: str, right: bool) -> None:
        counts.setdefault(name, [0, 0])
        counts[name][0] += right
        counts[name][1] += 1

    for d, p in zip(gold, predicted, strict=True):
        spans = sentences(d.text)
        found = {(m.start, m.end, m.type) for m in p.mentions}
        related = set(relation_keys(p, schema))
        place = {m.id: next((i for i, (a, b) in enumerate(spans) if a <= m.start < b), -1) for m in d.mentions}
        long = {i for i, (a, b) in enumerate(spans) if len(words(d.text[a:b])) > LONG}
        for m in d.mentions:
            right = (m.start, m.end, m.type) in found
            inflected = bare_name(d.surface(m)) != normalised(d.surface(m))
            count(f"mentions {'with' if inflected else 'without'} a case ending", right)
            count(f"mentions in sentences of {'more than' if place[m.id] in long else 'at most'} {LONG} words", right)
        for r, key in zip(d.relations, relation_keys(d, schema), strict=True):
            right = key in related
            count(f"relations, {r.status}", right)
            near = place[r.head] == place[r.tail]
            count(f"relations {'within a sentence' if near else 'between sentences'}", right)
    return {name: (right, of) for name, (right, of) in sorted(counts.items())}


if __name__ == "__main__":
    run(main)
