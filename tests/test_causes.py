"""Each wrong or missed relation has one cause, and two sets of predictions are compared on the same resamples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from train.analysis.causes import CAUSES, relation_errors, to_markdown
from train.analysis.compare import compare, to_text
from train.corpora import inline
from train.document import Document, Relation
from train.errors import InputError
from train.schema import Schema
from train.views import errors_to_html

MARKUP = """## d-1
= acc GOV দুর্নীতি দমন কমিশন
= karim PER আবদুল করিম
= selim PER সেলিম খান
= dhaka GPE ঢাকা

{দুর্নীতি দমন কমিশন|acc} {আবদুল করিমকে|karim} ডাকে, {সেলিম খান|selim} {ঢাকায়|dhaka} যান।
- acc urges karim
- selim visits dhaka
"""


@pytest.fixture
def gold(schema: Schema) -> Document:
    return inline.parse(MARKUP, schema)[0]


def without(document: Document, surface: str) -> Document:
    gone = {m.id for m in document.mentions if document.surface(m) == surface}
    relations = tuple(r for r in document.relations if not gone & {r.head, r.tail})
    return replace(document, mentions=tuple(m for m in document.mentions if m.id not in gone), relations=relations)


def causes(gold: Document, predicted: Document, schema: Schema, **options) -> list[tuple[str, str, str]]:
    return [(e.side, e.relation, e.cause) for e in relation_errors(gold, predicted, schema, **options)]


def test_equal_documents_have_no_errors(gold: Document, schema: Schema) -> None:
    assert causes(gold, gold, schema) == []


def test_a_mention_that_was_not_found_or_is_spurious_takes_its_relations_with_it(gold: Document, schema: Schema) -> None:
    fewer = without(gold, "আবদুল করিমকে")
    assert causes(gold, fewer, schema) == [("missed", "urges", "mention missed")]
    assert causes(fewer, gold, schema) == [("wrong", "urges", "mention spurious")]


def test_boundary_and_type_of_an_end_are_told_apart(gold: Document, schema: Schema) -> None:
    shorter = replace(
        gold, mentions=tuple(replace(m, start=m.start + 6) if "করিমকে" in gold.surface(m) else m for m in gold.mentions)
    )
    assert causes(gold, shorter, schema) == [("missed", "urges", "boundary"), ("wrong", "urges", "boundary")]
    retyped = replace(gold, mentions=tuple(replace(m, type="ORG") if m.type == "GOV" else m for m in gold.mentions))
    assert causes(gold, retyped, schema) == [("missed", "urges", "mention type"), ("wrong", "urges", "mention type")]


def test_pairs_of_right_mentions_fail_by_direction_label_absence_or_invention(gold: Document, schema: Schema) -> None:
    urges, visits = gold.relations
    turned = replace(gold, relations=(replace(urges, head=urges.tail, tail=urges.head), visits))
    assert causes(gold, turned, schema) == [("missed", "urges", "direction"), ("wrong", "urges", "direction")]
    other = replace(gold, relations=(replace(urges, type="criticizes"), visits))
    assert causes(gold, other, schema) == [("missed", "urges", "relation type"), ("wrong", "criticizes", "relation type")]
    assert causes(gold, replace(gold, relations=(urges,)), schema) == [("missed", "visits", "not found")]
    added = replace(gold, relations=(*gold.relations, Relation("meets", urges.head, visits.head, "asserted")))
    assert causes(gold, added, schema) == [("wrong", "meets", "spurious co-occurrence")]


def test_a_second_relation_of_a_pair_is_judged_by_itself(gold: Document, schema: Schema) -> None:
    urges, visits = gold.relations
    both = replace(gold, relations=(urges, replace(urges, type="criticizes"), visits))
    assert causes(both, gold, schema) == [("missed", "criticizes", "not found")]
    assert causes(gold, both, schema) == [("wrong", "criticizes", "spurious co-occurrence")]


def test_what_windows_and_pruning_put_out_of_reach_is_said(gold: Document, schema: Schema) -> None:
    none = replace(gold, relations=())
    assert causes(gold, none, schema, unreachable={0: "pruning", 1: "window_edge"}) == [
        ("missed", "urges", "pruned"),
        ("missed", "visits", "window edge"),
    ]


def test_a_wrong_status_is_an_error_of_its_own(gold: Document, schema: Schema) -> None:
    urges, visits = gold.relations
    assert causes(gold, replace(gold, relations=(urges, replace(visits, status="negated"))), schema) == [
        ("status", "visits", "status")
    ]


def test_the_report_counts_every_error_once_and_shows_its_sentence(gold: Document, schema: Schema) -> None:
    errors = relation_errors(gold, without(gold, "ঢাকায়"), schema)
    text = to_markdown(errors, gold=2, predicted=1)
    assert "2 gold relations, 1 of them missed; 1 predicted, 0 of them wrong" in text
    assert f"| mention missed | 1 |  |  | {CAUSES['mention missed']} |" in text
    assert "`d-1` missed: **visits**(সেলিম খান, ঢাকায়) asserted: দুর্নীতি দমন কমিশন আবদুল করিমকে ডাকে" in text
    page = errors_to_html(errors, gold=2, predicted=1)
    assert page.count("<details>") == 1
    assert "সেলিম খান → ঢাকায়" in page


def test_a_difference_that_all_documents_share_is_sure_and_none_is_none(gold: Document, schema: Schema) -> None:
    several = [replace(gold, id=f"d-{i}") for i in range(12)]
    worse = [without(d, "ঢাকায়") for d in several]
    found = compare(several, several, worse, schema, resamples=200)
    row = found["mentions.strict.f1"]
    assert row["first"] == 1
    assert row["difference"] == pytest.approx(1 - 6 / 7)
    assert row["interval"][0] > 0
    assert 0 < row["p"] < 0.01
    same = compare(several, worse, worse, schema, resamples=200)["relations.strict.f1"]
    assert (same["difference"], same["interval"], same["p"]) == (0, [0, 0], 1)
    assert "mentions.strict.f1" in to_text(found)


def test_a_comparison_needs_resamples(gold: Document, schema: Schema) -> None:
    with pytest.raises(InputError, match="a comparison needs 1 or more, got 0"):
        compare([gold], [gold], [gold], schema, resamples=0)


def test_a_difference_in_one_document_of_many_is_not_sure(gold: Document, schema: Schema) -> None:
    several = [replace(gold, id=f"d-{i}") for i in range(12)]
    mixed = [without(several[0], "ঢাকায়"), *several[1:]]
    row = compare(several, several, mixed, schema, resamples=500)["relations.strict.f1"]
    assert row["difference"] > 0
    assert row["p"] > 0.05
