"""Figures of a corpus, and agreement of two annotations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from train.corpora import inline, statistics
from train.corpora.agreement import agreement, disagreements
from train.document import Document
from train.errors import InputError
from train.schema import Schema

FIRST = """## d-1
= acc GOV দুর্নীতি দমন কমিশন
= karim PER আবদুল করিম
= dhaka GPE ঢাকা

{দুর্নীতি দমন কমিশন|acc} ({দুদক|acc}) {আবদুল করিমকে|karim} ডাকে।
- acc urges karim
{করিম|karim} {ঢাকায়|dhaka} যাননি।
- karim visits dhaka negated
- acc opposes karim
"""


@pytest.fixture
def document(schema: Schema) -> Document:
    return inline.parse(FIRST, schema)[0]


def test_aliases_and_relations_over_a_sentence_end_are_counted(document: Document, schema: Schema) -> None:
    assert statistics.has_alias(document)
    assert statistics.far_relations(document) == 1
    inflected = inline.parse("## x\n= d GPE ঢাকা\n\n{ঢাকায়|d} ও {ঢাকার|d} বাইরে।", schema)[0]
    assert not statistics.has_alias(inflected)


def test_names_and_wording_of_test_that_train_lacks(document: Document, schema: Schema) -> None:
    other = inline.parse("## x\n= d GPE ঢাকা\n= r GPE রংপুর\n\n{ঢাকায়|d} ও {রংপুরে|r} বৃষ্টি।", schema)[0]
    assert statistics.new_names([document], [other]) == 0.5
    assert statistics.shared_wording([document], [document]) == 1
    assert statistics.shared_wording([document], [other]) == 0


def test_goals_name_what_a_small_corpus_lacks(document: Document, schema: Schema) -> None:
    found = {g.name: g for g in statistics.goals({"train": [document], "test": [document]}, schema)}
    assert not found["documents"].met
    assert found["share of relations not asserted"].value == pytest.approx(1 / 3)
    assert found["share of relations not asserted"].met
    assert not found["share of test wording not in train"].met


def test_text_figures_count_words_sentences_and_marks() -> None:
    figures = statistics.text_figures(["ক খ গ, ঘ। ‘ঙ’ বলেন ১০ জন (চ)।"])
    assert figures["words a sentence, mean"] == 4.5
    assert figures["commas, per 1,000 words"] == pytest.approx(1000 / 9)
    assert figures["verbs of saying, per 1,000 words"] == pytest.approx(1000 / 9)


def test_an_annotation_agrees_with_itself_and_differences_are_listed(document: Document, schema: Schema) -> None:
    same = agreement([document], [document], schema, resamples=10)
    assert same["mention_strict_f1"] == same["relation_strict_f1"] == same["conll_f1"] == 1
    assert list(disagreements([document], [document], schema)) == []
    kept = tuple(m for m in document.mentions if document.surface(m) != "ঢাকায়")
    gone = {m.id for m in document.mentions} - {m.id for m in kept}
    fewer = replace(
        document,
        mentions=kept,
        entities=document.entities[:2],
        relations=tuple(r for r in document.relations if r.tail not in gone),
    )
    found = agreement([document], [fewer], schema, resamples=10)
    assert found["mention_strict_f1"] == pytest.approx(2 * 4 / 9)
    assert found["relation_strict_f1"] == pytest.approx(2 * 2 / 5)
    assert found["relation_shared_mentions_f1"] == 1
    lines = list(disagreements([document], [fewer], schema))
    assert lines == [
        "d-1: first only: GPE 'ঢাকায়': করিম ঢাকায় যাননি।",
        "d-1: first only: visits(করিম, ঢাকায়) negated: করিম ঢাকায় যাননি।",
    ]


def test_symmetric_relations_agree_in_either_order_and_links_are_listed(schema: Schema) -> None:
    text = "{করিম|k} ও {সেলিম|s} বসেন।\n{করিম|k} যান।\n"
    head = "## d\n= k PER করিম\n= s PER সেলিম\n\n"
    first, second = (inline.parse(head + text + f"- {pair}\n", schema) for pair in ("k@1 meets s@1", "s@1 meets k@1"))
    assert list(disagreements(first, second, schema)) == []
    apart = "## d\n= k PER করিম\n= s PER সেলিম\n= x PER করিম\n\n" + text.replace("{করিম|k} যান", "{করিম|x} যান")
    third = inline.parse(apart + "- k@1 meets s@1\n", schema)
    assert list(disagreements(first, third, schema)) == ["d: first only: 'করিম' is 'করিম' at 0: করিম যান।"]


def test_texts_without_a_sentence_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="news: no sentences in it"):
        statistics.text_figures(["", " "], "news")


def test_agreement_of_different_texts_is_refused(document: Document, schema: Schema) -> None:
    with pytest.raises(InputError, match="the text differs"):
        agreement([document], [Document("d-1", "অন্য")], schema)
