"""MUC, B³ and CEAF against worked examples from the literature and brute force."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.coreference import clusters, identity_counts
from train.document import Document, Mention
from train.schema import Schema
from train.scoring import score

SCHEMA = Schema.load(Path(__file__).parents[1] / "configs" / "schema" / "politics.yaml")
TEXT = "ক" * 100


def spans(id_: str, *mentions: tuple[int, int, str] | tuple[int, int, str, str]) -> Document:
    """A document of mentions (start, end, type[, entity])."""
    made = (Mention(f"m{i}", m[0], m[1], m[2], m[3] if len(m) > 3 else None) for i, m in enumerate(mentions))
    return Document(id_, TEXT, tuple(made))


def entities(partition: str) -> Document:
    """A document whose mentions are letters, from "abc de": one entity of three mentions and one of two."""
    mentions = [
        (ord(letter) - ord("A"), ord(letter) - ord("A") + 1, "PER", group) for group in partition.split() for letter in group
    ]
    return spans("d", *mentions)


def scored(gold: list[Document], predicted: list[Document], **options: Any) -> dict[str, Any]:
    return score(gold, predicted, SCHEMA, layers=["identities"], resamples=0, **options)["identities"]


def identities(key: str, response: str) -> dict[str, Any]:
    return scored([entities(key)], [entities(response)])


def measured(found: dict[str, float]) -> tuple[float, float]:
    return found["recall"], found["precision"]


def test_example_of_pradhan_et_al_2014() -> None:
    scores = identities("abc defg", "ab cd fghi")
    # MUC: links 2+3 in the key, 1+1+3 in the response. {abc} falls into ab|c and {defg} into d|e|fg: recall
    # (3-2 + 4-3)/5; {ab} stays, {cd} falls apart, {fghi} into fg|h|i: precision (1 + 0 + 1)/5.
    assert measured(scores["muc"]) == pytest.approx((2 / 5, 2 / 5))
    # B³: recall (2²/3 + 1²/3 + 1²/4 + 2²/4)/7 = 35/84, precision (2²/2 + 1²/2 + 1²/2 + 2²/4)/8 = 1/2.
    assert measured(scores["b_cubed"]) == pytest.approx((35 / 84, 1 / 2))
    # CEAF: {abc}-{ab} 2·2/5, {defg}-{fghi} 2·2/8 make 1.3; recall 1.3/2, precision 1.3/3.
    assert measured(scores["ceaf_e"]) == pytest.approx((1.3 / 2, 1.3 / 3))
    # F1: 2/5; 2·(35/84)/2 / (77/84) = 5/11; 2·1.3/(2+3) = 0.52. Their mean is the CoNLL F1.
    assert [scores[name]["f1"] for name in ("muc", "b_cubed", "ceaf_e")] == pytest.approx([2 / 5, 5 / 11, 0.52])
    assert scores["conll_f1"] == pytest.approx((2 / 5 + 5 / 11 + 0.52) / 3)


# Recall and precision as the test suite of the reference implementation (Pradhan et al. 2014) states them, with
# singletons kept. Some cases are the worked examples of the B³ and the MUC paper.
@pytest.mark.parametrize(
    ("key", "response", "expected"),
    [
        ("a bc def", "a bc def", {"muc": (1, 1), "b_cubed": (1, 1), "ceaf_e": (1, 1)}),
        ("a bc def", "a de", {"muc": (1 / 3, 1), "b_cubed": (7 / 18, 1), "ceaf_e": (0.6, 0.9)}),
        (
            "a bc def",
            "a bcx defy z",
            {"muc": (1, 3 / 5), "b_cubed": (1, 55 / 108), "ceaf_e": (0.88571, 0.66429)},
        ),
        (
            "a bc def",
            "a bcx dy z",
            {"muc": (1 / 3, 1 / 3), "b_cubed": (5 / 9, 17 / 42), "ceaf_e": (0.73333, 0.55)},
        ),
        (
            "a bc def",
            "a bcxw dy z",
            {"muc": (1 / 3, 1 / 4), "b_cubed": (5 / 9, 5 / 16), "ceaf_e": (0.68889, 0.51667)},
        ),
        # A span in two entities stays in the first.
        (
            "a bc def",
            "a bcx dy bz",
            {"muc": (1 / 3, 1 / 3), "b_cubed": (5 / 9, 17 / 42), "ceaf_e": (0.73333, 0.55)},
        ),
        ("a bc def", "a b c d e f", {"muc": (0, 0), "b_cubed": (1 / 2, 1)}),
        ("a bc def", "abcdef", {"muc": (1, 3 / 5), "b_cubed": (1, 7 / 18)}),
        ("a bc def", "a x y c d e z", {"muc": (0, 0), "b_cubed": (13 / 36, 4 / 7)}),
        ("a bc def", "axycdez", {"muc": (1 / 3, 1 / 6), "b_cubed": (17 / 36, 6 / 49)}),
        ("abcde fg hijkl", "abcde fghijkl", {"muc": (1, 9 / 10), "b_cubed": (1, 16 / 21)}),
        ("abcde fg hijkl", "abcdehijkl fg", {"muc": (1, 9 / 10), "b_cubed": (1, 7 / 12)}),
        ("abcd", "ab cd", {"muc": (2 / 3, 1)}),
        ("ab cd", "abcd", {"muc": (1, 2 / 3)}),
        ("abc", "ac", {"muc": (1 / 2, 1)}),
        ("bcdeghj", "abc def ghi", {"muc": (3 / 6, 3 / 6)}),
        ("abc defg", "ab cd fgh", {"muc": (2 / 5, 2 / 4)}),
        ("a b c d e f", "a b c d e f", {"muc": (0, 0), "b_cubed": (1, 1), "ceaf_e": (1, 1)}),
    ],
)
def test_reference_implementation(key: str, response: str, expected: dict[str, tuple[float, float]]) -> None:
    scores = identities(key, response)
    for name, values in expected.items():
        assert measured(scores[name]) == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    gold, predicted = (_random_partition(rng) for _ in range(2))
    counts = identity_counts(gold, predicted)
    assert counts[:, :2] == pytest.approx(np.array([_muc(gold, predicted), _b_cubed(gold, predicted), *_ceaf(gold, predicted)]))
    assert counts == pytest.approx(identity_counts(predicted, gold)[:, [2, 3, 0, 1]])


def test_counts_add_up_over_documents() -> None:
    sides = [[replace(entities(p), id=id_) for id_, p in enumerate(side)] for side in (("abc", "ab c"), ("abc", "a bc"))]
    # MUC links: 2 of 2 and 0 of 1, not the mean of 1 and 0.
    assert scored(sides[0], sides[1])["muc"]["recall"] == pytest.approx(2 / 3)


def test_a_mention_without_entity_is_one_by_itself() -> None:
    document = spans("d", (0, 1, "PER"), (2, 3, "PER"), (4, 5, "PER", "e"), (6, 7, "GPE", "e"), (4, 5, "PER", "f"))
    expected = [{(0, 1)}, {(2, 3)}, {(4, 5), (6, 7)}]
    assert [set(group) for group in clusters(document.mentions)] == expected


def test_types_and_ids_of_entities_do_not_matter() -> None:
    gold = spans("d", (0, 1, "PER", "e1"), (2, 3, "PER", "e1"))
    predicted = spans("d", (2, 3, "GPE", "x"), (0, 1, "ORG", "x"))
    assert scored([gold], [predicted])["conll_f1"] == pytest.approx(1)


def test_types_leave_mentions_out_of_entities() -> None:
    gold = spans("d", (0, 1, "PER", "e1"), (2, 3, "PER", "e1"), (4, 5, "GPE", "e2"))
    predicted = spans("d", (0, 1, "PER", "x"), (2, 3, "PER", "x"), (4, 5, "GPE", "x"))
    assert scored([gold], [predicted], types=["PER"])["conll_f1"] == pytest.approx(1)
    assert scored([gold], [predicted])["conll_f1"] < 1


def _random_partition(rng: random.Random) -> list[frozenset[tuple[int, int]]]:
    groups: dict[int, set[tuple[int, int]]] = {}
    for i in range(9):
        if rng.random() < 0.8:
            groups.setdefault(rng.randrange(5), set()).add((i, i + 1))
    return [frozenset(group) for group in groups.values()]


def _muc(key: list[frozenset[Any]], response: list[frozenset[Any]]) -> tuple[float, float]:
    parts = [{frozenset(k & r) for r in response} - {frozenset()} for k in key]
    lone = [len(k - frozenset().union(*response)) for k in key]
    kept = sum(len(k) - len(p) - n for k, p, n in zip(key, parts, lone, strict=True))
    return kept, sum(len(k) - 1 for k in key)


def _b_cubed(key: list[frozenset[Any]], response: list[frozenset[Any]]) -> tuple[float, float]:
    shares = [len(k & r) / len(k) for k in key for m in k for r in response if m in r]
    return sum(shares), sum(len(k) for k in key)


def _ceaf(key: list[frozenset[Any]], response: list[frozenset[Any]]) -> list[tuple[float, float]]:
    short, long = sorted((key, response), key=len)
    best = max(
        sum(2 * len(a & b) / (len(a) + len(b)) for a, b in zip(short, chosen, strict=True))
        for chosen in itertools.permutations(long, len(short))
    )
    return [(best, len(key))]
