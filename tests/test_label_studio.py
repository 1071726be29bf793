"""Label Studio tasks: a round trip that loses nothing, what people export, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from train.corpora import label_studio
from train.corpora.jsonl import read
from train.corpora.load import BUNDLED
from train.document import Document, Relation
from train.errors import InputError
from train.schema import Schema

TEXT = "😀 চীনের মন্ত্রী ওয়াং ই এসেছেন, ওয়াং কাল যাবেন।"


def region(id_: str, surface: str, label: str, *, units: int = 0, at: int = 0) -> dict[str, Any]:
    start = TEXT.index(surface, at)
    value = {"start": start + units, "end": start + len(surface) + units, "text": surface, "labels": [label]}
    return {"id": id_, "type": "labels", "from_name": "label", "to_name": "text", "value": value}


def link(head: str, tail: str, *labels: str, direction: str = "right") -> dict[str, Any]:
    return {"type": "relation", "from_id": head, "to_id": tail, "direction": direction, "labels": list(labels)}


def export(folder: Path, *result: dict[str, Any], **task: Any) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps([{"id": 7, "data": {"text": TEXT}, "annotations": [{"result": result}], **task}]))
    return path


def test_documents_come_back_equal(tmp_path: Path, schema: Schema) -> None:
    documents = read(BUNDLED / "validation.jsonl", schema)
    label_studio.write(tmp_path / "tasks.json", documents, schema)
    assert label_studio.read(tmp_path / "tasks.json", schema) == documents


def test_what_a_person_marked_becomes_a_document(tmp_path: Path, schema: Schema) -> None:
    regions = [
        region("a", "চীনের", "GPE"),
        region("b", "মন্ত্রী", "POST"),
        region("c", "ওয়াং ই", "PER"),
        region("d", "ওয়াং", "PER", at=TEXT.index("ওয়াং") + 3),
    ]
    links = [link("c", "d", "same"), link("b", "a", "post_in"), link("b", "c", "holds_post", "former", direction="left")]
    document = label_studio.read(export(tmp_path, *regions, *links), schema)[0]
    assert document.id == "task-7"
    assert [document.surface(m) for m in document.mentions] == ["চীনের", "মন্ত্রী", "ওয়াং ই", "ওয়াং"]
    assert [e.name for e in document.entities] == ["চীন", "মন্ত্রী", "ওয়াং ই"]
    assert document.mentions[2].entity == document.mentions[3].entity
    assert document.relations == (Relation("post_in", "b", "a", "asserted"), Relation("holds_post", "c", "b", "former"))


def test_offsets_in_utf16_units_are_read_too(tmp_path: Path, schema: Schema) -> None:
    document = label_studio.read(export(tmp_path, region("a", "চীনের", "GPE", units=1)), schema)[0]
    assert document.surface(document.mentions[0]) == "চীনের"


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([region("a", "চীনের", "TEAM")], r"task 0: mentions\[0\]\.type: unknown type 'TEAM'"),
        ([region("a", "চীনের", "GPE", units=3)], r"task 0: region 'a': the text at \d+:\d+ is not 'চীনের'"),
        ([region("a", "চীনের", "GPE"), link("a", "zz", "same")], "'zz' is no region"),
        ([region("a", "চীনের", "GPE"), link("a", "a", "likes")], "expected one relation type and at most one status"),
        ([{"type": "choices", "value": {}}], "a result of type 'choices'"),
        ([{"type": "labels", "id": "a"}], "not in Label Studio's JSON form: KeyError 'value'"),
    ],
)
def test_what_does_not_fit_is_refused_by_task_and_field(tmp_path: Path, schema: Schema, result: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        label_studio.read(export(tmp_path, *result), schema)


def test_broken_json_is_refused_by_line(tmp_path: Path, schema: Schema) -> None:
    (tmp_path / "x.json").write_text("[\n{]")
    with pytest.raises(InputError, match=r"x\.json:2: not valid JSON"):
        label_studio.read(tmp_path / "x.json", schema)


def test_the_interface_offers_every_label_of_the_schema(schema: Schema) -> None:
    tree = ElementTree.fromstring(label_studio.interface(schema))
    assert [e.get("value") for e in tree.iter("Label")] == list(schema.mentions)
    offered = {e.get("value") for e in tree.iter("Relation")}
    assert offered == {*schema.relations, "negated", "unrealised", "former", "same"}


def test_a_document_without_annotation_is_a_task_without_result(tmp_path: Path, schema: Schema) -> None:
    label_studio.write(tmp_path / "t.json", [Document("d", TEXT)], schema)
    assert label_studio.read(tmp_path / "t.json", schema) == [Document("d", TEXT)]
