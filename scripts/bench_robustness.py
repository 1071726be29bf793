"""Where a checkpoint is weak: the same texts in other spellings, slices of a test set, and other names in the same texts.

python scripts/bench_robustness.py runs/quickstart train/corpora/bundled/test.jsonl
python scripts/bench_robustness.py runs/quickstart train/corpora/bundled/test.jsonl --documents 20   # for a first look

Variants first (digits, quotes, the encoding of য় ড় ঢ়, joiners): strict F1 of mentions and relations, and the loss against the
texts as they are. Then slices: mentions with and without a case ending, in long and short sentences; relations by their gold
status and by whether one sentence holds both ends. Then names: in each document one person (one party) is renamed after each
group of --names, and what the model says of the rest is compared with what it says for the first group; "another" is a second
name of that one, which shows what any other name changes. The last line is one line of JSON.
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

from train.analysis.variants import VARIANTS  # noqa: E402
from train.cli import run  # noqa: E402
from train.corpora import jsonl  # noqa: E402
from train.document import Document  # noqa: E402
from train.errors import InputError  # noqa: E402
from train.model.bangla import bare_name, normalised, sentences, words  # noqa: E402
from train.schema import Schema  # noqa: E402

LONG = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data", help="annotated documents, .jsonl")
    parser.add_argument("--documents", type=int, metavar="N", help="only the first N")
    parser.add_argument("--names", default=str(HERE.parent / "configs/names/politics.yaml"), help="default: politics")
    arguments = parser.parse_args()
    from train.analysis.fairness import load_names, probe
    from train.scoring import score
    from train.tagger import Tagger

    if arguments.documents is not None and arguments.documents < 1:
        raise InputError(f"--documents: expected 1 or more, got {arguments.documents}")
    names = load_names(arguments.names)
    tagger = Tagger.load(arguments.checkpoint)
    schema = tagger.schema
    gold = jsonl.read(arguments.data, schema)[: arguments.documents]

    def f1(documents: Sequence[Document], predicted: Sequence[Document]) -> dict[str, float]:
        scores = score(documents, predicted, schema, layers=("mentions", "relations"), resamples=0)
        return {layer: scores[layer]["strict"]["micro"]["f1"] for layer in ("mentions", "relations")}

    predicted = tagger.tag(gold)
    results: dict[str, dict[str, Any]] = {"variants": {"as they are": f1(gold, predicted)}, "slices": {}, "names": {}}
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
    for type_ in (t for t in names if t in schema.mentions):
        results["names"][type_] = probe(gold, tagger.tag, type_, names[type_], schema)
        print_names(type_, results["names"][type_])
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


def print_names(type_: str, found: dict[str, Any]) -> None:
    groups, columns = found["groups"], {"mentions": "mentions", "relations": "relations", "own": "its relations"}
    print(f"\n{type_} renamed in {found['documents']} documents: sentences predicted otherwise than for {found['reference']}")
    print(f"{'':<33}{'documents':>9}   " + "".join(f"{c:<21}" for c in columns.values()) + "name found")

    def star(row: dict[str, Any]) -> str:
        low, high = row["difference"]["interval"]
        return "*" if low > 0 or high < 0 else " "

    def cell(row: dict[str, Any] | None) -> str:
        shown = row and f"{row['value']:.1%}{star(row)} {row['interval'][0]:.1%}–{row['interval'][1]:.1%}"
        return f"{shown or '–':<21}"

    for i, (group, row) in enumerate(groups.items()):
        cells = "".join(cell(row.get(c)) for c in (*columns, "recall"))
        print(f"{i:>2} {group:<30}{row['documents']:>9}   {cells}".rstrip())
    if found["relations"]:
        print("its relations on average, then the difference to that under each other name")
        print(f"{'':<33}{0:>7}" + "".join(f"{i:>7} " for i in range(1, len(groups))))
    for kind, by_group in found["relations"].items():
        first, *others = by_group.values()
        cells = "".join(f"{other['difference']['value']:>+7.2f}{star(other)}" for other in others)
        print(f"{kind:<33}{first['value']:>7.2f}{cells}".rstrip())
    print("* the 95 % interval of the difference to 0 (of changes: to 1) leaves out zero; by chance one in twenty does")


if __name__ == "__main__":
    run(main)
