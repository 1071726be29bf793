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
from train.document import Document, Entity, Mention, Relation
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


def test_other_fields_and_whole_numbers_as_ids_come_back(tmp_path: Path, schema: Schema) -> None:
    documents = [Document(7, TEXT, extra={"url": "https://a.example/", "pages": [1, None]}), Document("7", TEXT)]
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
        ([region("a", "চীনের", "TEAM")], r"task 7: mentions\[0\]\.type: unknown type 'TEAM'"),
        ([region("a", "চীনের", "GPE", units=3)], r"task 7: region 'a': the text at \d+:\d+ is not 'চীনের'"),
        ([region("a", "চীনের", "GPE"), link("a", "zz", "same")], "'zz' is no region"),
        ([region("a", "চীনের", "GPE"), link("a", "a", "likes")], "expected one relation type and at most one status"),
        ([{"type": "choices", "value": {}}], "a result of type 'choices'"),
        ([{"type": "labels", "id": "a"}], "task 7: not in Label Studio's full JSON form: no 'value'"),
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


def test_an_entity_survives_a_deleted_region_and_new_mentions_get_free_ids(tmp_path: Path, schema: Schema) -> None:
    """What correcting a prediction does: the middle of a chain goes, and a mention without a note comes."""
    text = "ঢাকা, ঢাকা ও ঢাকা; করিম।"
    spans = [(0, 4), (6, 10), (13, 17)]
    document = Document(
        "d", text, tuple(Mention(f"m{i}", *span, "GPE", "e1") for i, span in enumerate(spans)), (Entity("e1", "GPE", "ঢাকা"),)
    )
    label_studio.write(tmp_path / "t.json", [document], schema)
    (task,) = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    result = [r for r in task["annotations"][0]["result"] if "m1" not in (r.get("id"), r.get("from_id"), r.get("to_id"))]
    new = {"id": "new", "type": "labels", "value": {"start": 19, "end": 23, "text": "করিম", "labels": ["PER"]}}
    task["annotations"][0]["result"] = [*result, new]
    (tmp_path / "t.json").write_text(json.dumps([task]), encoding="utf-8")
    (back,) = label_studio.read(tmp_path / "t.json", schema)
    assert [m.entity for m in back.mentions] == ["e1", "e1", "e2"]
    assert [e.name for e in back.entities] == ["ঢাকা", "করিম"]


def test_skipped_annotations_are_passed_over(tmp_path: Path, schema: Schema) -> None:
    annotations = [{"was_cancelled": True, "result": [region("a", "চীনের", "GPE")]}, {"result": []}]
    assert label_studio.read(export(tmp_path, annotations=annotations), schema)[0].mentions == ()


def test_a_task_that_all_annotators_skipped_is_left_out_whatever_a_model_predicts(
    tmp_path: Path, schema: Schema, capsys: pytest.CaptureFixture[str]
) -> None:
    task = {"annotations": [{"was_cancelled": True, "result": []}], "predictions": [{"result": [region("a", "চীনের", "GPE")]}]}
    assert label_studio.read(export(tmp_path, **task), schema) == []
    assert capsys.readouterr().err.endswith("export.json: task 7: left out, as all its annotators skipped it\n")
    (document,) = label_studio.read(export(tmp_path, **{**task, "annotations": []}), schema)
    assert [document.surface(m) for m in document.mentions] == ["চীনের"]


@pytest.mark.parametrize("kind", ["annotation", "prediction"])
def test_of_two_annotations_none_is_dropped(tmp_path: Path, schema: Schema, kind: str) -> None:
    two = [{"result": [region("a", "চীনের", "GPE")]}, {"result": []}]
    with pytest.raises(InputError, match=rf"export\.json: task 7: 2 {kind}s; expected one"):
        label_studio.read(export(tmp_path, **{"annotations": [], f"{kind}s": two}), schema)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"id": 3, "data": {"text": 5}}]', "task 3: text: expected a string, got 5"),
        ('[{"id": 3, "data": {"text": "ক", "title": 5}}]', "task 3: title: expected a string"),
        ('[{"id": 3, "text": "ক"}]', "task 3: not in Label Studio's full JSON form: no 'data'"),
        ('[{"data": {"id": "a", "text": "ক"}}, {"data": {"id": "a", "text": "খ"}}]', "task number 2: id 'a' is used twice"),
        ('{"data": 1}', "expected a list of tasks, got dict"),
        ("[" * 100_000, "JSON that cannot be read"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, schema: Schema, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        label_studio.read(tmp_path / "x.json", schema)
