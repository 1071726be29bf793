"""Schemas: reading, writing, and how a bad one is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from train.errors import InputError
from train.schema import Across, Schema

SMALL: dict[str, Any] = {
    "name": "small",
    "language": "bn",
    "mentions": {
        "PER": {"definition": "A person.", "example": "করিম", "wikidata": "Q5"},
        "ORG": {"definition": "An organisation."},
        "GPE": {"definition": "A place."},
    },
    "groups": {"ACTOR": ["PER", "ORG"]},
    "relations": {
        "meets": {
            "definition": "They meet.",
            "symmetric": True,
            "signatures": [["ACTOR", "ACTOR"], ["ACTOR", ["GPE"]]],
        },
        "visits": {"definition": "Goes there.", "plover": "CONSULT", "signatures": [[["PER"], ["GPE"]]]},
    },
    "statuses": {"asserted": "So.", "negated": "Not so."},
}


def small(path: str = "", value: Any = None) -> dict[str, Any]:
    """SMALL with the value at a dotted path replaced, or removed for None."""
    data = copy.deepcopy(SMALL)
    *parents, last = path.split(".") if path else ["name"]
    at = data
    for key in parents:
        at = at[key]
    if path and value is None:
        del at[last]
    elif path:
        at[last] = value
    return data


def test_the_politics_schema_is_the_documented_one(schema: Schema) -> None:
    assert (len(schema.mentions), len(schema.relations), len(schema.statuses)) == (12, 20, 4)
    assert schema.default_status == "asserted"
    assert schema.relations["holds_post"].pairs == {("PER", "POST")}
    assert schema.relations["visits"].codes == {"plover": "CONSULT"}
    assert schema.mentions["PER"].codes == {"wikidata": "Q5"}
    assert [name for name, r in schema.relations.items() if r.symmetric] == ["meets", "agrees"]
    assert all(t.definition and t.example for t in schema.mentions.values())
    assert all(t.definition and t.example for t in schema.relations.values())


def test_signatures_combine_heads_and_tails_through_groups() -> None:
    schema = Schema.from_dict(SMALL)
    assert schema.relations["meets"].pairs == {(h, t) for h in ("PER", "ORG") for t in ("PER", "ORG", "GPE")}
    assert schema.relations["visits"].allows("PER", "GPE")
    assert not schema.relations["visits"].allows("GPE", "PER")


def test_a_symmetric_type_is_so_only_where_both_orders_are_allowed() -> None:
    schema = Schema.from_dict(SMALL)
    assert schema.relations["meets"].either_order("PER", "ORG")
    assert not schema.relations["meets"].either_order("PER", "GPE")
    assert not schema.relations["visits"].either_order("PER", "GPE")


def test_what_is_saved_loads_equal(schema: Schema, tmp_path: Path) -> None:
    schema.save(tmp_path / "politics.yaml")
    again = Schema.load(tmp_path / "politics.yaml")
    assert again == schema
    assert list(again.mentions) == list(schema.mentions) and list(again.relations) == list(schema.relations)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (small("statuses"), "schema: missing key 'statuses'"),
        (small("labels", []), "schema: unknown key 'labels'; expected one of"),
        (small("mentions", []), "schema: mentions: expected a mapping, got list"),
        (small("mentions", {}), "schema: mentions: expected at least one type"),
        (small("statuses", {}), "schema: statuses: expected at least one, the default first"),
        (small("mentions.PER", "A person."), "schema: mentions.PER: expected a mapping, got str"),
        (small("mentions.PER.definition"), "schema: mentions.PER: missing key 'definition'"),
        (small("mentions.PER.colour", "red"), "schema: mentions.PER: unknown key 'colour'"),
        (small("relations.visits.signatures"), "schema: relations.visits: missing key 'signatures'"),
        (small("relations.visits.signatures", [["PER"]]), r"relations.visits.signatures: expected \[heads, tails\]"),
        (
            small("relations.visits.signatures", [["CITY", ["GPE"]]]),
            "'CITY' is neither a list of mention types nor a group",
        ),
        (
            small("relations.visits.signatures", [[["PER"], ["CITY"]]]),
            "relations.visits.signatures: unknown mention type 'CITY'",
        ),
        ([], "schema: expected a mapping, got list"),
        (small("mentions.plays for", {"definition": "d"}), "mentions: expected a name of letters.*got 'plays for'"),
        (small("statuses", yaml.safe_load("{no: d}")), "statuses: expected a name of letters.*got False"),
        (small("statuses.visits", "d"), "statuses.visits: is the name of a relation too"),
        (small("relations.meets.symmetric", "no"), "relations.meets.symmetric: expected true or false, got 'no'"),
        (small("card", {"texts": 3}), "card.texts: expected a text, got 3"),
        (small("card", {"examples": {"a": 3}}), "card.examples: expected a sentence by title, got 'a': 3"),
        (small("card", {"title": "t"}), "card: unknown key 'title'"),
        ({**small(), 1: "d", "b": "d", None: "d"}, "schema: unknown key 1; expected one of"),
        (small("relations.same", {"definition": "d", "signatures": []}), "relations.same: joins mentions of one thing in"),
        (small("statuses.same", "d"), "statuses.same: joins mentions of one thing in Label Studio; choose another name"),
    ],
)
def test_a_bad_schema_is_refused_by_its_field(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Schema.from_dict(data)


@pytest.mark.parametrize(
    "path",
    [
        "name", "language", "mentions.PER.definition", "mentions.PER.example", "mentions.PER.wikidata",
        "relations.visits.definition", "relations.visits.plover", "statuses.asserted", "card.texts",
    ],
)  # fmt: skip
def test_what_yaml_reads_as_no_text_is_refused_where_one_belongs(path: str) -> None:
    for value, got in (("", "None$"), ("no", "False; put it in quotes if it is one$"), ("2024", "2024; put it in quotes")):
        data = {**copy.deepcopy(SMALL), "card": {}}
        *parents, last = path.split(".")
        at: Any = data
        for key in parents:
            at = at[key]
        at[last] = yaml.safe_load(value)
        with pytest.raises(InputError, match=rf"schema: {path}: expected a text, got {got}"):
            Schema.from_dict(data)


def test_a_bad_file_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    with pytest.raises(InputError, match=r"bad\.yaml: no such schema file"):
        Schema.load(path)
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.yaml: not valid UTF-8 YAML") as caught:
        Schema.load(path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"name: \xff")
    with pytest.raises(InputError, match=r"bad\.yaml: not valid UTF-8 YAML"):
        Schema.load(path)
    path.write_text(yaml.safe_dump(small("statuses")), encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.yaml: missing key 'statuses'"):
        Schema.load(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (small(), None),
        (small("name", "other"), None),
        (small("mentions.PER.definition", "Somebody."), None),
        (small("mentions.LOC", {"definition": "A region."}), "mentions: only in small: [], only in small: ['LOC']"),
        (small("statuses.former", "Once."), "statuses"),
        (small("relations.visits.signatures", [["ACTOR", ["GPE"]]]), "relations.visits: signatures differ"),
        (small("relations.meets.symmetric", False), "relations.meets: signatures differ"),
    ],
)
def test_difference_tells_what_labels_do_not_agree(data: Any, message: str | None) -> None:
    found = Schema.from_dict(SMALL).difference(Schema.from_dict(data))
    assert found is None if message is None else message in str(found)


@pytest.mark.parametrize(
    ("signatures", "message"),
    [
        (None, "expected a list of"),
        ([[["PER"], [["GPE"]]]], r"unknown mention type \['GPE'\]"),
        ([["NOBODY", ["PER"]]], "'NOBODY' is neither a list of mention types nor a group"),
    ],
)
def test_malformed_signatures_are_named(schema: Schema, signatures: object, message: str) -> None:
    data = schema.to_dict()
    data["relations"]["meets"]["signatures"] = signatures
    with pytest.raises(InputError, match=rf"relations\.meets\.signatures: .*{message}"):
        Schema.from_dict(data)


def test_when_names_are_one_across_documents_is_kept_and_means_nothing_to_a_model(tmp_path: Path) -> None:
    data = small("mentions.PER.across", {"words": 3, "shared": ["meets"], "apart": ["visits"]})
    data["mentions"]["GPE"]["across"] = {}
    schema = Schema.from_dict(data)
    assert schema.mentions["PER"].across == Across(3, ("meets",), ("visits",))
    assert schema.mentions["ORG"].across == Across() and schema.mentions["ORG"].across.words == 2
    assert schema.mentions["GPE"].across == Across(words=None)
    schema.save(tmp_path / "s.yaml")
    assert Schema.load(tmp_path / "s.yaml") == schema
    assert schema.difference(Schema.from_dict(SMALL)) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"words": 0}, r"mentions\.GPE\.across\.words: expected a whole number from 1 on, got 0"),
        ({"word": 1}, r"mentions\.GPE\.across: unknown key 'word'"),
        ({"shared": "visits"}, r"mentions\.GPE\.across\.shared: expected a list of relation types"),
        ({"shared": ["visits"]}, r"mentions\.GPE\.across\.shared: no relation 'visits' has it as head"),
        ({"apart": ["nothing"]}, r"mentions\.GPE\.across\.apart: no relation 'nothing' has it as head"),
    ],
)
def test_a_bad_rule_for_names_across_documents_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Schema.from_dict(small("mentions.GPE.across", value))


def test_a_schema_that_says_nothing_for_the_card_is_called_by_its_name() -> None:
    card = Schema.from_dict(SMALL).card
    assert (card.texts, card.tags, card.examples, card.purpose) == ("small texts", ("small",), {}, "")
