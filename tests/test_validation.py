"""What the validator finds, in one document and across a corpus, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from train.corpora import inline
from train.corpora.validation import Finding, validate
from train.document import Document
from train.schema import Schema

ENTITIES = """= acc GOV দুর্নীতি দমন কমিশন
= karim PER আবদুল করিম
= chair POST চেয়ারম্যান
= dhaka GPE ঢাকা
= rally EVENT সমাবেশ
"""
CLEAN = """{দুর্নীতি দমন কমিশনের|acc} {চেয়ারম্যান|chair} {আবদুল করিম|karim} {ঢাকায়|dhaka} {সমাবেশে|rally} যান।
- karim holds_post chair
"""


def document(schema: Schema, text: str, id_: str = "d-1", entities: str = ENTITIES) -> Document:
    used = "".join(line + "\n" for line in entities.splitlines() if f"|{line.split()[1]}}}" in text)
    return inline.parse(f"## {id_}\n{used}\n{text}", schema)[0]


def found(schema: Schema, *documents: Document) -> list[tuple[str, str]]:
    return [(f.severity, f.kind) for f in validate({"all": documents}, schema)]


def test_a_clean_document_gives_no_finding(schema: Schema) -> None:
    assert found(schema, document(schema, CLEAN)) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{দুর্নীতি দমন কমিশন|acc} গতকাল বলেছে। তবে দুর্নীতি দমন কমিশনকে কেউ ডাকেনি।", "unmarked"),
        ("{অধ্যাপক আবদুল করিম|karim} যান।", "edge"),
        ("{সাবেক চেয়ারম্যান|chair} যান।", "edge"),
        ("{ওই সমাবেশে|rally} যান।", "edge"),
        ("{কমিশন|acc} যায়।", "name"),
    ],
)
def test_each_of_these_is_a_warning(schema: Schema, text: str, kind: str) -> None:
    findings = found(schema, document(schema, text))
    assert ("warning", kind) in findings
    assert {kind for _, kind in findings} <= {kind, "name"}  # a wrong edge spoils the name too


def test_one_name_as_two_types_or_two_entities_is_a_warning(schema: Schema) -> None:
    two = "= karim PER আবদুল করিম\n= other PER আবদুল করিম\n"
    text = "{আবদুল করিম|karim} ও {আবদুল করিমের|other} ভাই যান।"
    assert found(schema, document(schema, text, entities=two)) == [("warning", "two entities")]
    types = "= karim PER আবদুল করিম\n= firm ORG আবদুল করিম\n"
    text = "{আবদুল করিম|karim} ও {আবদুল করিমের|firm} ভাই যান।"
    assert found(schema, document(schema, text, entities=types)) == [("warning", "two types")]


def test_a_mention_over_a_sentence_end_or_with_punctuation_or_without_an_entity_is_an_error(schema: Schema) -> None:
    assert ("error", "sentences") in found(schema, document(schema, "{আবদুল। করিম|karim} যান।"))
    assert ("error", "punctuation") in found(schema, document(schema, "‘{আবদুল করিম’|karim} যান।"))
    clean = document(schema, CLEAN)
    bare = replace(clean, mentions=tuple(replace(m, entity=None) for m in clean.mentions), entities=())
    assert {kind for _, kind in found(schema, bare)} == {"identity"}


def test_a_relation_over_many_sentences_and_one_within_an_entity_are_warnings(schema: Schema) -> None:
    filler = "\n".join(f"এখানে {n} জনের কথা লেখা আছে।" for n in ("দুই", "তিন", "চার", "পাঁচ", "ছয়", "সাত", "আট"))
    text = f"{{আবদুল করিম|karim}} যান।\n{filler}\n{{ঢাকায়|dhaka}} বৃষ্টি।\n- karim visits dhaka\n"
    assert found(schema, document(schema, text)) == [("warning", "far")]
    text = "{আবদুল করিম|karim} ও {করিমের|karim} সহকারী।\n- karim meets karim.2\n"
    assert found(schema, document(schema, text)) == [("warning", "reflexive")]


def test_two_documents_with_the_same_wording_or_id_are_errors(schema: Schema) -> None:
    long = CLEAN.splitlines()[0] + " " + " ".join(f"শব্দ{n}" for n in range(30))
    first, second = (document(schema, long, id_) for id_ in ("d-1", "d-2"))
    assert [str(f) for f in validate({"a": [first], "b": [second]}, schema)] == [
        "d-2: error: duplicate: shares 100% of the shorter text's wording with d-1"
    ]
    assert ("error", "duplicate") in found(schema, first, document(schema, CLEAN, "d-1"))


def test_a_short_text_within_a_long_one_is_found_in_either_order(schema: Schema) -> None:
    short = CLEAN.splitlines()[0] + " " + " ".join(f"শব্দ{n}" for n in range(6))
    long = short + " " + " ".join(f"অন্য{n}" for n in range(300))
    documents = [document(schema, long, "long"), document(schema, short, "short")]
    assert ("error", "duplicate") in found(schema, *documents)
    assert ("error", "duplicate") in found(schema, *reversed(documents))
    tiny = [document(schema, "{ঢাকায়|dhaka} বৃষ্টি।", id_) for id_ in ("a", "b")]
    assert ("error", "duplicate") in found(schema, *tiny)


def test_a_name_marked_otherwise_than_nearly_everywhere_is_a_warning(schema: Schema) -> None:
    usual = [document(schema, f"{{ঢাকায়|dhaka}} বৃষ্টি {n}।", f"d-{n}") for n in range(12)]
    odd = document(schema, "{ঢাকায়|place} রোদ।", "odd", entities="= place LOC ঢাকা\n")
    bare = document(schema, "ঢাকায় মেঘ।", "bare")
    assert validate({"all": [*usual, odd, bare]}, schema) == [
        Finding("odd", "warning", "unusual type", "'ঢাকায়' is LOC, elsewhere GPE (12 of 13)"),
        Finding("bare", "warning", "usually marked", "'ঢাকায়' is usually marked (13 of 14), mostly GPE: … ঢাকায় মেঘ। …"),
    ]
