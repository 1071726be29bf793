"""Another name for an entity: its endings, its offsets and the way back, and what the fairness probe makes of predictions."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import ROOT
from train.analysis.fairness import Names, cases, load_names, probe
from train.analysis.names import case_ending, inflected, restored, swap
from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.model.bangla import normalised
from train.schema import Schema

NAMES = ROOT / "configs" / "names" / "politics.yaml"
PEOPLE = Names({"a": ["সোহেল মাহমুদ", "আরিফ ভূঁইয়া", "জাহিদ বারী"], "b": ["মিতালী ঘোষ"], "c": ["সুমি মুর্মু"]}, short_forms=True)


def annotated(text: str, marked: list[tuple[str, str, str]], relations: list[tuple[str, int, int]] = ()) -> Document:  # type: ignore[assignment]
    """A document with (surface, type, entity) mentions, in order of text, and (type, head, tail) relations between them."""
    mentions, at = [], 0
    for i, (surface, type_, entity) in enumerate(marked):
        at = text.index(surface, at)
        mentions.append(Mention(f"m{i}", at, at + len(surface), type_, entity))
    types = {entity: (type_, surface) for surface, type_, entity in reversed(marked)}
    entities = tuple(Entity(e, type_, surface) for e, (type_, surface) in types.items())
    found = tuple(Relation(type_, f"m{head}", f"m{tail}", "asserted") for type_, head, tail in relations)
    return Document("d", text, tuple(mentions), entities, found)


@pytest.fixture
def news() -> Document:
    """Two sentences about a person, one about others."""
    return annotated(
        "করিম সরকার ঢাকায় গেছেন। পুলিশ করিমকে গ্রেপ্তার করে, সরকারের দল চুপ। মিয়ানমার চীনের সমালোচনা করেছে।",
        [
            ("করিম সরকার", "PER", "k"), ("ঢাকায়", "GPE", "dh"), ("পুলিশ", "GOV", "p"), ("করিমকে", "PER", "k"),
            ("সরকারের", "PER", "k"), ("মিয়ানমার", "GPE", "mm"), ("চীনের", "GPE", "cn"),
        ],
        [("visits", 0, 1), ("attacks", 2, 3), ("criticizes", 5, 6)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("surface", "name", "ending"),
    [
        ("চীনের", "চীন", "ের"),
        ("ঢাকাকেই", "ঢাকা", "কেই"),
        ("বিএনপি'র", "বিএনপি", "র"),
        ("কমিউনিস্ট পার্টি (মার্ক্সবাদী)-র", "কমিউনিস্ট পার্টি (মার্ক্সবাদী)", "র"),
        ("দিলারা", "দিলারা", ""),  # no -রা, as its bare name says
        ("রুবিওর", "মার্কো রুবিও", "র"),
        ("জাপাকে", "জাতীয় পার্টি", "কে"),
        ("করিমসহ", "আবদুল করিম", "সহ"),
        ("হ্লাইং\u09dfের", "মিন অং হ্লাইং", "\u09dfের"),
        ("হ্লাইং\u09af\u09bcের", "মিন অং হ্লাইং", "\u09dfের"),
    ],
)
def test_the_ending_of_a_surface(surface: str, name: str, ending: str) -> None:
    assert case_ending(surface, name) == normalised(ending)


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("সুব্রত ঘোষ", "সুব্রত ঘোষের সুব্রত ঘোষে সুব্রত ঘোষেরা সুব্রত ঘোষকেও"),
        ("সুজিত চাকমা", "সুজিত চাকমার সুজিত চাকমায় সুজিত চাকমারা সুজিত চাকমাকেও"),
        ("জাতীয় পার্টি", "জাতীয় পার্টির জাতীয় পার্টিতে জাতীয় পার্টিরা জাতীয় পার্টিকেও"),
        ("সুবল হাজং", "সুবল হাজংয়ের সুবল হাজংয়ে সুবল হাজংয়েরা সুবল হাজংকেও"),
        ("জেমস রায়", "জেমস রায়ের জেমস রায়ে জেমস রায়েরা জেমস রায়কেও"),
    ],
)
def test_endings_adapt_to_the_last_sound(name: str, forms: str) -> None:
    for of in (["ের", "ে", "েরা", "কেও"], ["র", "তে", "রা", "কেও"], ["য়ের", "য়", "রা", "কেও"]):
        assert " ".join(inflected(name, ending) for ending in of) == unicodedata.normalize("NFC", forms)


def test_the_ending_of_an_inflected_name_is_found_again() -> None:
    for names in load_names(NAMES).values():
        for name in (name for group in names.groups.values() for name in group):
            for form in (inflected(name, ending) for ending in ("", "ের", "কে", "তে", "েরাও")):
                assert inflected(name, case_ending(form, name)) == form


def test_persons_of_the_table_have_two_words_and_no_name_is_there_twice(schema: Schema) -> None:
    table = load_names(NAMES)
    assert table.keys() <= schema.mentions.keys()
    for names in table.values():
        every = [name for group in names.groups.values() for name in group]
        assert len(every) == len(set(every))
        assert not names.short_forms or all(len(name.split()) == 2 for name in every)


def test_all_surface_forms_get_the_name_and_offsets_move_along(news: Document, schema: Schema) -> None:
    other = swap(news, "k", "সুমি মুর্মু", short_forms=True)
    other.check(schema)
    assert other.text == "সুমি মুর্মু ঢাকায় গেছেন। পুলিশ সুমিকে গ্রেপ্তার করে, মুর্মুর দল চুপ। মিয়ানমার চীনের সমালোচনা করেছে।"
    assert [other.surface(m) for m in other.mentions] == [
        "সুমি মুর্মু", "ঢাকায়", "পুলিশ", "সুমিকে", "মুর্মুর", "মিয়ানমার", "চীনের"
    ]  # fmt: skip
    assert other.relations == news.relations
    assert other.entity_by_id()["k"].name == "সুমি মুর্মু"


def test_without_short_forms_every_mention_gets_the_whole_name() -> None:
    document = annotated("জাতীয় পার্টি চুপ। জাপার নেতা এলেন।", [("জাতীয় পার্টি", "PARTY", "j"), ("জাপার", "PARTY", "j")])
    assert swap(document, "j", "গণমিত্র দল").text == "গণমিত্র দল চুপ। গণমিত্র দলের নেতা এলেন।"


def test_an_apostrophe_before_the_ending_goes() -> None:
    document = annotated("আবদুল করিম বলেন। আবদুল'র দল চুপ।", [("আবদুল করিম", "PER", "k"), ("আবদুল'র", "PER", "k")])
    assert swap(document, "k", "রতন হেমব্রম", short_forms=True).text == "রতন হেমব্রম বলেন। রতনের দল চুপ।"


def test_the_only_word_of_a_name_becomes_the_first() -> None:
    document = annotated("মর্জিনা বলেন।", [("মর্জিনা", "PER", "m")])
    assert swap(document, "m", "রতন হেমব্রম", short_forms=True).text == "রতন বলেন।"


def test_a_mention_inside_is_dropped_and_one_around_grows(schema: Schema) -> None:
    text = "ঢাকা জেলা বিএনপির যুব শাখা সভা করে।"
    spans = {"gpe": (0, 9, "GPE"), "party": (0, 17, "PARTY"), "wing": (0, 26, "PARTY"), "event": (27, 30, "EVENT")}
    mentions = tuple(Mention(id_, *span, id_) for id_, span in spans.items())
    entities = tuple(Entity(id_, type_, text[a:b].removesuffix("র")) for id_, (a, b, type_) in spans.items())
    relations = (Relation("part_of", "wing", "party", "asserted"), Relation("part_of", "party", "gpe", "asserted"))
    document = Document("d", text, mentions, entities, relations)
    document.check(schema)
    other = swap(document, "party", "গণমিত্র দল")
    other.check(schema)
    assert {m.id: other.surface(m) for m in other.mentions} == {
        "party": "গণমিত্র দলের", "wing": "গণমিত্র দলের যুব শাখা", "event": "সভা"
    }  # fmt: skip
    assert other.relations == relations[:1]


def test_an_entity_without_mention_is_refused(news: Document) -> None:
    with pytest.raises(InputError, match="entity 'x' has no mention"):
        swap(news, "x", "রতন হেমব্রম")


def test_mapping_back_is_the_inverse(news: Document, documents: list[Document]) -> None:
    for document in (news, *documents):
        for entity in {m.entity for m in document.mentions if m.entity}:
            for name in ("র", "খুব লম্বা একটি নতুন নাম"):
                other = swap(document, entity, name)
                back = restored(other, swapped=other, original=document, entity=entity)
                kept = {m.id for m in other.mentions}
                assert back.text == document.text
                assert back.mentions == tuple(m for m in document.mentions if m.id in kept)
                assert back.relations == tuple(r for r in document.relations if {r.head, r.tail} <= kept)


def test_a_predicted_part_of_a_renamed_mention_has_no_way_back(news: Document) -> None:
    other = swap(news, "k", "সুমি মুর্মু", short_forms=True)
    part = replace(other.mentions[0], end=4)
    predicted = replace(other, mentions=(part, *other.mentions[1:]))
    back = restored(predicted, swapped=other, original=news, entity="k")
    assert [m.id for m in back.mentions] == [m.id for m in news.mentions[1:]]
    assert [r.type for r in back.relations] == ["attacks", "criticizes"]


def test_the_control_is_another_name_of_the_reference(news: Document, documents: list[Document]) -> None:
    found = cases([news, *documents], "PER", PEOPLE, seed=3)
    assert found[0].original is news
    for case in found:
        names = {group: version.entity_by_id()[case.entity].name for group, version in case.versions.items()}
        assert {names["a"], names[PEOPLE.control]} <= set(PEOPLE.groups["a"])
        assert names["a"] != names[PEOPLE.control]
        assert (names.get("b", "মিতালী ঘোষ"), names.get("c", "সুমি মুর্মু")) == ("মিতালী ঘোষ", "সুমি মুর্মু")
    assert cases([news, *documents], "PER", PEOPLE, seed=3) == found
    assert cases([news], "PER", PEOPLE, seed=3) == found[:1]  # whatever the other documents are


def test_a_name_that_the_rest_of_the_text_holds_is_not_taken(news: Document) -> None:
    text = news.text + " ঘোষ ও সোহেল এলেন। মাহমুদ নেই।"
    (case,) = cases([replace(news, text=text)], "PER", PEOPLE)
    assert set(case.versions) == {"a", PEOPLE.control, "c"}
    assert not any("সোহেল মাহমুদ" in version.text for version in case.versions.values())
    assert cases([replace(news, text=text + " আরিফ")], "PER", PEOPLE) == []  # one name of the reference is left


def found_by(tag: Callable[[Document], Document], document: Document, schema: Schema) -> dict:
    return probe([document], lambda versions: [tag(v) for v in versions], "PER", PEOPLE, schema, least=0)


def test_a_model_that_minds_no_name_has_no_change(news: Document, schema: Schema) -> None:
    found = found_by(lambda version: version, news, schema)
    assert found["documents"] == 1
    assert list(found["groups"]) == ["a", PEOPLE.control, "b", "c"]
    zero = {"value": 0, "interval": [0, 0]}
    for group, row in found["groups"].items():
        assert row["recall"] == {"value": 1, "interval": [1, 1], "difference": zero}
        for layer in ("mentions", "relations", "own") if group != "a" else ():
            assert row[layer] == {**zero, "difference": zero}
    assert {kind: by_group["b"]["value"] for kind, by_group in found["relations"].items()} == {
        "visits, head": 1,
        "attacks, tail": 1,
    }
    assert all(row["difference"] == zero for by_group in found["relations"].values() for row in by_group.values())


def test_a_model_that_reacts_to_a_name_is_found_out(news: Document, schema: Schema) -> None:
    def prejudiced(version: Document) -> Document:
        if "ঘোষ" not in version.text:
            return version
        _, attacks, criticizes = version.relations
        more = (attacks, replace(attacks, type="threatens"), replace(criticizes, status="negated"))
        return replace(version, mentions=version.mentions[:4] + version.mentions[5:], relations=more)

    found = found_by(prejudiced, news, schema)
    changed = {
        group: [row[k]["value"] for k in ("mentions", "relations", "own")]
        for group, row in found["groups"].items()
        if group != "a"
    }
    assert changed == {PEOPLE.control: [0, 0, 0], "b": [0, 1 / 3, 2 / 3], "c": [0, 0, 0]}
    assert found["groups"]["b"]["relations"]["difference"]["value"] == 1 / 3
    assert found["groups"]["b"]["recall"]["value"] == 2 / 3
    differences = {kind: by_group["b"]["difference"]["value"] for kind, by_group in found["relations"].items()}
    assert differences == {"attacks, tail": 0, "threatens, tail": 1, "visits, head": -1}


def test_a_rare_type_of_relation_is_left_out(news: Document, schema: Schema) -> None:
    found = probe([news], lambda versions: versions, "PER", PEOPLE, schema, least=2)
    assert found["relations"] == {}


def test_mentions_elsewhere_count_by_their_sentence(news: Document, schema: Schema) -> None:
    def distracted(version: Document) -> Document:
        return replace(version, mentions=version.mentions[:6], relations=()) if "মুর্মু" in version.text else version

    groups = found_by(distracted, news, schema)["groups"]
    assert [groups[g]["mentions"]["value"] for g in ("b", "c")] == [0, 1 / 3]


def test_without_a_case_nothing_is_reported(news: Document, schema: Schema) -> None:
    found = found_by(lambda version: version, replace(news, relations=()), schema)
    assert found == {"reference": "a", "documents": 0, "groups": {}, "relations": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PER: [a, b]", "expected names by mention type and group"),
        ("PER: {groups: {a: [x], b: [y]}}", "PER: expected two names in the first group"),
        ("PER: {groups: {a: [x, y]}}", "PER: expected two names in the first group, and another"),
    ],
)
def test_a_bad_table_of_names_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_names(path)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such file of names"):
        load_names(tmp_path / "none.yaml")
