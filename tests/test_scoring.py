"""Scores of mentions and relations, against arithmetic worked by hand and seqeval."""

from __future__ import annotations

import random
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from seqeval.metrics import classification_report

from train.document import Document, Mention, Relation
from train.errors import InputError
from train.schema import Schema
from train.scoring import headline, score

SCHEMA = Schema.load(Path(__file__).parents[1] / "configs" / "schema" / "politics.yaml")
TEXT = "ক" * 100


def spans(id_: str, *mentions: tuple[int, int, str] | tuple[int, int, str, str]) -> Document:
    """A document of mentions (start, end, type[, entity])."""
    made = (Mention(f"m{i}", m[0], m[1], m[2], m[3] if len(m) > 3 else None) for i, m in enumerate(mentions))
    return Document(id_, TEXT, tuple(made))


def related(*relations: tuple[str, str, str, str], types: str = "PER GPE GPE POST GOV LAW") -> Document:
    """A document with mentions m0, m1, … of the given types, ten apart, and relations (type, head, tail, status)."""
    mentions = tuple(Mention(f"m{i}", 10 * i, 10 * i + 5, type_) for i, type_ in enumerate(types.split()))
    return Document("d", TEXT, mentions, relations=tuple(Relation(*relation) for relation in relations))


def fast(gold: list[Document], predicted: list[Document], **options: Any) -> dict[str, Any]:
    return score(gold, predicted, SCHEMA, **{"resamples": 0, **options})


def row(precision: float, recall: float, f1: float, support: int, predicted: int) -> Any:
    values = {"precision": precision, "recall": recall, "f1": f1, "support": support, "predicted": predicted}
    return pytest.approx(values)


class TestMentions:
    gold = (
        spans("a", (0, 4, "PER"), (5, 9, "GPE"), (10, 20, "GOV"), (21, 25, "POST")),
        spans("b", (0, 3, "PER"), (5, 8, "PER")),
    )
    predicted = (
        # Right; a wrong type; an end too early; made up. The POST is missing.
        spans("a", (0, 4, "PER"), (5, 9, "LOC"), (10, 15, "GOV"), (30, 33, "DATE")),
        spans("b", (0, 3, "PER")),
    )

    @pytest.fixture(scope="class")
    def scores(self) -> dict[str, Any]:
        return fast(list(self.gold), list(self.predicted))["mentions"]

    def test_strict(self, scores: dict[str, Any]) -> None:
        # PER 0:4 and PER 0:3 of 6 gold and 5 predicted: P 2/5, R 2/6, F1 2·2/(5+6).
        assert scores["strict"]["micro"] == row(2 / 5, 2 / 6, 4 / 11, 6, 5)
        # PER has 2 of 3 gold, 2 of 2 predicted: P 1, R 2/3, F1 4/5. The other rows are 0.
        assert scores["strict"]["per_type"]["PER"] == row(1, 2 / 3, 4 / 5, 3, 2)
        assert scores["strict"]["per_type"]["GPE"] == row(0, 0, 0, 1, 0)
        assert scores["strict"]["per_type"]["LOC"] == row(0, 0, 0, 0, 1)
        # Over PER, GPE, GOV and POST, which occur in gold; not over LOC and DATE, which are only predicted.
        assert scores["strict"]["macro"] == row(1 / 4, 2 / 3 / 4, 4 / 5 / 4, 6, 5)

    def test_boundaries(self, scores: dict[str, Any]) -> None:
        # GPE 5:9 predicted as LOC counts too: P 3/5, R 3/6, F1 2·3/11.
        assert scores["boundaries"]["micro"] == row(3 / 5, 3 / 6, 6 / 11, 6, 5)
        # By type: the gold GPE is found, no GPE is predicted; the predicted LOC is a mention, no LOC is in gold.
        assert scores["boundaries"]["per_type"]["GPE"] == row(0, 1, 0, 1, 0)
        assert scores["boundaries"]["per_type"]["LOC"] == row(1, 0, 0, 0, 1)

    def test_partial(self, scores: dict[str, Any]) -> None:
        # Three equal spans and half of GOV make 3.5: P 3.5/5, R 3.5/6, F1 2·3.5/11.
        assert scores["partial"]["micro"] == row(3.5 / 5, 3.5 / 6, 7 / 11, 6, 5)
        assert scores["partial"]["per_type"]["GOV"] == row(0.5, 0.5, 0.5, 1, 1)

    def test_all_schema_types_have_a_row(self, scores: dict[str, Any]) -> None:
        assert list(scores["strict"]["per_type"]) == list(SCHEMA.mentions)

    def test_order_of_documents_is_free(self, scores: dict[str, Any]) -> None:
        assert fast(list(self.gold), list(self.predicted)[::-1])["mentions"] == scores

    def test_swapping_sides_swaps_precision_and_recall(self, scores: dict[str, Any]) -> None:
        swapped = fast(list(self.predicted), list(self.gold))["mentions"]
        for name in ("strict", "boundaries", "partial"):
            there, back = scores[name]["micro"], swapped[name]["micro"]
            assert (there["precision"], there["recall"]) == (back["recall"], back["precision"])
            assert there["f1"] == pytest.approx(back["f1"])

    @pytest.mark.parametrize(
        ("gold", "predicted", "credit"),
        [
            # The long prediction overlaps both gold spans, but pairs with one.
            ([(0, 10), (10, 20)], [(0, 20)], 0.5),
            # 2:8 shares as much with 0:12 as with its equal, which goes first.
            ([(0, 12), (2, 8)], [(2, 8)], 1.0),
            # 0:7 then still finds 0:12.
            ([(0, 12), (0, 8)], [(0, 8), (0, 7)], 1.5),
            # 5:12 shares 5 with 0:10 and 2 with 10:14. It takes 0:10, so that 0:4 finds nothing left.
            ([(0, 10), (10, 14)], [(5, 12), (0, 4)], 0.5),
            # Touching is not overlapping.
            ([(0, 5)], [(5, 10)], 0.0),
            # Nested on both sides, all equal.
            ([(0, 20), (0, 5), (6, 20)], [(6, 20), (0, 20), (0, 5)], 3.0),
        ],
    )
    def test_partial_pairs_one_to_one_by_greatest_overlap(
        self, gold: list[tuple[int, int]], predicted: list[tuple[int, int]], credit: float
    ) -> None:
        sides = [spans("d", *((start, end, "ORG") for start, end in side)) for side in (gold, predicted)]
        micro = fast([sides[0]], [sides[1]])["mentions"]["partial"]["micro"]
        assert micro["recall"] == pytest.approx(credit / len(gold))
        assert micro["precision"] == pytest.approx(credit / len(predicted))

    def test_nested_spans_are_apart(self) -> None:
        gold = spans("d", (0, 20, "PARTY"), (6, 20, "PARTY"))
        assert fast([gold], [spans("d", (6, 20, "PARTY"))])["mentions"]["strict"]["micro"] == row(1, 1 / 2, 2 / 3, 2, 1)

    def test_duplicates_count_once(self) -> None:
        gold = spans("d", (0, 4, "PER"), (5, 9, "GPE"))
        predicted = spans("d", (0, 4, "PER"), (0, 4, "PER"), (0, 4, "PER"))
        for table in fast([gold], [predicted])["mentions"].values():
            assert table["micro"] == row(1, 1 / 2, 2 / 3, 2, 1)

    def test_two_types_of_a_span_are_two_strictly_and_one_by_boundaries(self) -> None:
        scores = fast([spans("d", (0, 4, "PER"))], [spans("d", (0, 4, "GPE"), (0, 4, "PER"))])["mentions"]
        assert scores["strict"]["micro"] == row(1 / 2, 1, 2 / 3, 1, 2)
        assert scores["boundaries"]["micro"] == row(1, 1, 1, 1, 1)
        assert scores["boundaries"]["per_type"]["GPE"]["predicted"] == 1

    def test_types_restrict_both_sides(self) -> None:
        scores = fast(list(self.gold), list(self.predicted), types=["GOV", "GPE", "LOC"])["mentions"]
        # GPE 5:9, GOV 10:20 against LOC 5:9, GOV 10:15.
        assert scores["strict"]["micro"] == row(0, 0, 0, 2, 2)
        assert scores["boundaries"]["micro"] == row(1 / 2, 1 / 2, 1 / 2, 2, 2)
        assert list(scores["strict"]["per_type"]) == ["GPE", "LOC", "GOV"]


# Random flat mentions: seqeval's default mode and its strict one read the same spans out of well-formed IOB2.
@pytest.mark.parametrize("seed", range(25))
def test_mentions_agree_with_seqeval(seed: int) -> None:
    rng = random.Random(seed)
    types = rng.sample(list(SCHEMA.mentions), rng.randint(1, 5))
    gold: list[Document] = []
    predicted: list[Document] = []
    gold_tags: list[list[str]] = []
    predicted_tags: list[list[str]] = []
    for i in range(rng.randint(1, 6)):
        sides = [_random_tags(rng, types, 15) for _ in range(2)]
        for side, documents, tags in zip(sides, (gold, predicted), (gold_tags, predicted_tags), strict=True):
            documents.append(spans(str(i), *side[0]))
            tags.append(side[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = classification_report(gold_tags, predicted_tags, output_dict=True, zero_division=0)
    ours = fast(gold, predicted)["mentions"]["strict"]
    _agree(ours["micro"], expected["micro avg"])
    # seqeval's macro also averages types that are only predicted; ours agrees where there are none.
    if all(ours["per_type"][type_]["support"] for type_ in expected if type_ in SCHEMA.mentions):
        _agree(ours["macro"], expected["macro avg"])
    for type_, found in ours["per_type"].items():
        if found["support"] or found["predicted"]:
            _agree(found, expected[type_])


def _random_tags(rng: random.Random, types: list[str], length: int) -> tuple[list[tuple[int, int, str]], list[str]]:
    mentions, tags, i = [], ["O"] * length, 0
    while i < length:
        width = rng.randint(1, 2)
        if rng.random() < 0.5 and i + width <= length:
            type_ = rng.choice(types)
            mentions.append((i, i + width, type_))
            tags[i : i + width] = [f"B-{type_}", f"I-{type_}"][:width]
        i += width
    return mentions, tags


def _agree(ours: dict[str, Any], expected: dict[str, Any]) -> None:
    assert ours["precision"] == pytest.approx(expected["precision"])
    assert ours["recall"] == pytest.approx(expected["recall"])
    assert ours["f1"] == pytest.approx(expected["f1-score"])
    assert ours["support"] == expected["support"]


class TestRelations:
    def test_by_hand(self) -> None:
        gold = related(
            ("holds_post", "m0", "m3", "asserted"),
            ("represents", "m0", "m1", "former"),
            ("attacks", "m1", "m2", "negated"),
            ("agrees", "m1", "m5", "asserted"),
        )
        predicted = related(
            ("holds_post", "m0", "m3", "former"),  # right, but for the status
            ("represents", "m0", "m1", "former"),  # right
            ("attacks", "m2", "m1", "negated"),  # head and tail exchanged
        )
        scores = fast([gold], [predicted])
        # 2 of 4 gold and 3 predicted: P 2/3, R 1/2, F1 2·2/7; with status 1: P 1/3, R 1/4, F1 2/7.
        assert scores["relations"]["strict"]["micro"] == row(2 / 3, 1 / 2, 4 / 7, 4, 3)
        assert scores["relations"]["boundaries"]["micro"] == row(2 / 3, 1 / 2, 4 / 7, 4, 3)
        assert scores["relations"]["with_status"]["micro"] == row(1 / 3, 1 / 4, 2 / 7, 4, 3)
        # Four types in gold, two of them found whole: macro 2/4.
        assert scores["relations"]["strict"]["macro"] == row(1 / 2, 1 / 2, 1 / 2, 4, 3)
        assert scores["relations"]["strict"]["per_type"]["represents"] == row(1, 1, 1, 1, 1)
        assert scores["status"]["accuracy"] == pytest.approx(1 / 2)

    def test_a_wrong_mention_type_fails_strict_only(self) -> None:
        gold = related(("visits", "m0", "m1", "asserted"), types="PER GPE")
        predicted = related(("visits", "m0", "m1", "asserted"), types="PER LOC")
        scores = fast([gold], [predicted])
        assert scores["relations"]["strict"]["micro"] == row(0, 0, 0, 1, 1)
        assert scores["relations"]["boundaries"]["micro"] == row(1, 1, 1, 1, 1)
        assert scores["status"]["matched"] == 0

    @pytest.mark.parametrize(("type_", "f1"), [("meets", 1.0), ("agrees", 1.0), ("criticizes", 0.0)])
    def test_order_counts_unless_symmetric(self, type_: str, f1: float) -> None:
        gold = related((type_, "m0", "m1", "asserted"))
        predicted = related((type_, "m1", "m0", "asserted"))
        relations = fast([gold], [predicted])["relations"]
        assert {name: table["micro"]["f1"] for name, table in relations.items()} == dict.fromkeys(relations, f1)

    def test_order_counts_for_types_that_only_one_order_allows(self) -> None:
        # agrees holds between actors in either order, but only from an actor to a law. The second is no valid relation.
        gold = related(("agrees", "m0", "m5", "asserted"))
        predicted = related(("agrees", "m5", "m0", "asserted"))
        assert fast([gold], [predicted])["relations"]["strict"]["micro"]["f1"] == 0
        # Without types an actor mistaken for a law, or the reverse, must not decide about order.
        mistyped = related(("agrees", "m1", "m0", "asserted"), types="LAW PER")
        right = related(("agrees", "m0", "m1", "asserted"), types="PER PER")
        assert fast([mistyped], [right])["relations"]["boundaries"]["micro"]["f1"] == 1

    def test_duplicates_count_once(self) -> None:
        gold = related(("meets", "m0", "m1", "asserted"), ("visits", "m0", "m1", "asserted"))
        predicted = related(
            ("meets", "m0", "m1", "asserted"),
            ("meets", "m1", "m0", "asserted"),
            ("meets", "m1", "m0", "negated"),
        )
        scores = fast([gold], [predicted])
        for table in scores["relations"].values():
            assert table["micro"] == row(1, 1 / 2, 2 / 3, 2, 1)
        assert scores["status"]["matched"] == 1

    def test_relations_between_copies_of_a_mention_are_one(self) -> None:
        predicted = related(("visits", "m0", "m1", "asserted"), types="PER GPE")
        twin = Mention("twin", 0, 5, "PER")
        predicted = replace(
            predicted,
            mentions=(*predicted.mentions, twin),
            relations=(*predicted.relations, Relation("visits", "twin", "m1", "asserted")),
        )
        gold = related(("visits", "m0", "m1", "asserted"), types="PER GPE")
        assert fast([gold], [predicted])["relations"]["strict"]["micro"] == row(1, 1, 1, 1, 1)

    def test_types_drop_relations_with_an_end_outside(self) -> None:
        gold = related(
            ("visits", "m0", "m1", "asserted"),
            ("holds_post", "m0", "m3", "asserted"),
            ("post_in", "m3", "m1", "asserted"),
        )
        scores = fast([gold], [gold], types=["PER", "GPE"])
        assert scores["relations"]["strict"]["micro"] == row(1, 1, 1, 1, 1)

    def test_given_gold_mentions(self) -> None:
        gold = related(("visits", "m0", "m1", "asserted"), ("meets", "m0", "m1", "asserted"), types="PER GPE")
        given = related(("meets", "m1", "m0", "former"), types="PER GPE")
        scores = fast([gold], [related(types="")], given_gold=[given])
        assert scores["relations"]["given_gold"]["micro"] == row(1, 1 / 2, 2 / 3, 2, 1)
        assert scores["relations"]["strict"]["micro"]["f1"] == 0
        assert headline(scores)["relation_given_gold_f1"] == pytest.approx(2 / 3)
        assert "given_gold" not in fast([gold], [gold])["relations"]

    def test_given_gold_must_have_gold_mentions(self) -> None:
        gold, given = related(types="PER GPE"), related(types="PER LOC")
        with pytest.raises(InputError, match=r"document 'd': .* have LOC 10:15, which gold lacks"):
            fast([gold], [gold], given_gold=[given])
        with pytest.raises(InputError, match="'d': is in gold but not among the predictions given gold mentions"):
            fast([gold], [gold], given_gold=[])

    def test_status(self) -> None:
        heads = [("attacks", "m1", "m2"), ("visits", "m0", "m1"), ("urges", "m0", "m1"), ("aids", "m1", "m2")]
        gold_statuses = ["asserted", "asserted", "negated", "former"]
        predicted_statuses = ["asserted", "negated", "negated", "asserted"]
        gold = related(*((*h, s) for h, s in zip(heads, gold_statuses, strict=True)), ("threatens", "m1", "m2", "unrealised"))
        predicted = related(
            *((*h, s) for h, s in zip(heads, predicted_statuses, strict=True)), ("protests", "m0", "m5", "former")
        )
        status = fast([gold], [predicted])["status"]
        # threatens and protests are on one side only. Of the other four, attacks and urges have the right status.
        assert status["matched"] == 4
        assert status["accuracy"] == pytest.approx(2 / 4)
        # asserted: 1 of 2 gold and of 2 predicted. negated: 1 of 1 and of 2. former: 0 of 1, none predicted.
        assert status["per_status"]["asserted"] == row(1 / 2, 1 / 2, 1 / 2, 2, 2)
        assert status["per_status"]["negated"] == row(1 / 2, 1, 2 / 3, 1, 2)
        assert status["per_status"]["former"] == row(0, 0, 0, 1, 0)
        assert status["per_status"]["unrealised"] == row(0, 0, 0, 0, 0)
        # Over the three that occur among matched gold relations.
        assert status["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
