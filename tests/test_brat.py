"""brat folders: a round trip that loses nothing, brat's own files, and what is refused at which line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from train.corpora import brat, inline
from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.schema import Schema

MARKUP = """## gov-001 | 2024-03-05 | diplomacy | ঢাকায় চীনের মন্ত্রী
= dhaka GPE ঢাকা
= cn GPE চীন
= wang PER ওয়াং ই
= fm POST পররাষ্ট্রমন্ত্রী
= un IGO জাতিসংঘ
= unsc IGO জাতিসংঘ নিরাপত্তা পরিষদ

{চীনের|cn} {পররাষ্ট্রমন্ত্রী|fm} {ওয়াং ই|wang} {ঢাকায়|dhaka} পৌঁছেছেন।
- wang holds_post fm
- fm post_in cn
- wang visits dhaka former
{ওয়াং|wang} কাল {{জাতিসংঘ|un} নিরাপত্তা পরিষদে|unsc} যাননি, {চীনও|cn} না।
- wang meets unsc negated
- un part_of cn unrealised
"""


@pytest.fixture
def document(schema: Schema) -> Document:
    return inline.parse(MARKUP, schema)[0]


def ann(folder: Path, text: str, lines: str, name: str = "x") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_bytes(lines.encode())
    return folder


def round_trip(folder: Path, documents: list[Document], schema: Schema) -> list[Document]:
    brat.write(folder, documents, schema)
    return brat.read(folder, schema)


def test_the_lines_are_those_of_brat(tmp_path: Path, schema: Schema, document: Document) -> None:
    brat.write(tmp_path / "out", [document], schema)
    assert (tmp_path / "out" / "gov-001.txt").read_text(encoding="utf-8") == document.text
    lines = (tmp_path / "out" / "gov-001.ann").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "T1\tGPE 0 5\tচীনের"
    assert "R3\tvisits Arg1:T3 Arg2:T4" in lines
    assert [line for line in lines if line.startswith("A")] == [
        "A1\tStatus R3 former",
        "A2\tStatus R4 negated",
        "A3\tStatus R5 unrealised",
    ]
    assert [line for line in lines if line.startswith("*")] == ["*\tAlias T1 T8", "*\tAlias T3 T5"]
    assert "#1\tAnnotatorNotes T4\tentity=dhaka name=ঢাকা" in lines


def test_what_is_written_reads_back_equal(tmp_path: Path, schema: Schema, document: Document) -> None:
    scored = replace(
        document,
        id=7,
        mentions=tuple(replace(m, score=i / 7) for i, m in enumerate(document.mentions)),
        relations=tuple(replace(r, score=1e-7 * i) for i, r in enumerate(document.relations)),
        entities=document.entities[::-1],
        title=None,
        extra={"url": "u", "n": {"a": [1]}},
    )
    odd = replace(
        document,
        id="a/b: গ",
        mentions=tuple(replace(m, id=f"{m.id} \tx\\20;") for m in document.mentions),
        relations=(),
        entities=tuple(replace(e, name=f" {e.name}\n") for e in document.entities),
    )
    bare = Document("7", "\ufeffচীন\r\n\r\n ঢাকা \n", (Mention("m7", 6, 10, "GPE"), Mention("m3", 1, 4, "GPE")))
    bare = replace(bare, mentions=(Mention("m7", 9, 13, "GPE"), Mention("m3", 1, 4, "GPE")))
    documents = [scored, document, odd, bare, Document("GOV-001", "")]
    assert round_trip(tmp_path / "out", documents, schema) == documents


def test_line_ends_inside_a_mention_survive(tmp_path: Path, schema: Schema) -> None:
    d = Document("d", "ঢাকা\r\nবিশ্ববিদ্যালয়\tহল", (Mention("m1", 0, 21, "ORG"), Mention("m2", 0, 4, "GPE")))
    d = replace(d, mentions=(replace(d.mentions[0], end=len(d.text)), d.mentions[1]))
    assert round_trip(tmp_path / "out", [d], schema) == [d]


def test_an_entity_of_an_empty_name_and_a_single_mention_survives(tmp_path: Path, schema: Schema) -> None:
    d = Document("d", "ঢাকা চীন", (Mention("m1", 0, 4, "GPE", "e"), Mention("m2", 5, 8, "GPE")), (Entity("e", "GPE", ""),))
    assert round_trip(tmp_path / "out", [d], schema) == [d]


def test_the_bundled_corpus_reads_back_equal(tmp_path: Path, schema: Schema, documents: list[Document]) -> None:
    assert round_trip(tmp_path / "out", documents, schema) == documents


def test_peoples_notes_are_kept_and_written_back(tmp_path: Path, schema: Schema, document: Document) -> None:
    [d] = brat.read(
        ann(
            tmp_path / "in",
            "চীন ঢাকা",
            "T1\tGPE 0 3\tচীন\nT2\tGPE 4 8\tঢাকা\nR9\tvisits Arg1:T1 Arg2:T2\n"
            "#1\tAnnotatorNotes R9\tপরে দেখুন: C:\\x\n#2\tWiki T2\tname=Q1354\n#3\tAnnotatorNotes T1\tscore=high\n",
        ),
        schema,
    )
    assert d.extra["brat_notes"] == [
        {"relation": 0, "type": "AnnotatorNotes", "text": "পরে দেখুন: C:\\x"},
        {"mention": "m2", "type": "Wiki", "text": "name=Q1354"},
        {"mention": "m1", "type": "AnnotatorNotes", "text": "score=high"},
    ]
    assert round_trip(tmp_path / "out", [d], schema) == [d]
    assert "brat_notes" not in (tmp_path / "out" / "documents.jsonl").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="brat_notes: no note of a mention or relation here"):
        brat.write(tmp_path / "bad", [replace(d, extra={"brat_notes": [{"mention": "m9", "type": "x", "text": ""}]})], schema)


def test_files_that_brat_alone_wrote_are_read(tmp_path: Path, schema: Schema) -> None:
    text = "চীনের মন্ত্রী চীনকে ঢাকায় চীন।"
    lines = (
        "*\tEquiv T1 T3\nR1\tpost_in Arg1:T2 Arg2:T1\t\nT2\tPOST 6 13\tমন্ত্রী\nT1\tGPE 0 5\tচীনের\n\n"
        "T3\tGPE 14 19\tচীনকে\r\nT4\tGPE 20 26\tঢাকায়\nT5\tGPE 27 30\tচীন\nA4\tStatus R1 negated\n*\tAlias T3 T5\n"
        "#7\tAnnotatorNotes T4\tname=ঢাকা শহর\n"
    )
    [d] = brat.read(ann(tmp_path / "in", text, lines, name="খবর"), schema)
    assert (d.id, d.text) == ("খবর", text)
    assert [(m.id, m.entity) for m in d.mentions] == [
        ("m2", None),
        ("m1", "e2"),
        ("m3", "e2"),
        ("m4", "e1"),
        ("m5", "e2"),
    ]
    assert d.entities == (Entity("e1", "GPE", "ঢাকা শহর"), Entity("e2", "GPE", "চীন"))
    assert d.relations == (Relation("post_in", "m2", "m1", "negated"),)
    assert brat.read(tmp_path / "in" / "খবর.txt", schema) == [d]


def test_notes_of_one_entity_tie_mentions_without_an_alias(tmp_path: Path, schema: Schema) -> None:
    lines = (
        "T1\tGPE 0 3\tচীন\nT2\tGPE 4 8\tঢাকা\nT3\tGPE 9 12\tচীন\n"
        "#1\tAnnotatorNotes T1\tentity=e1\n#2\tAnnotatorNotes T3\tentity=e1 name=চীন\n"
    )
    [d] = brat.read(ann(tmp_path / "in", "চীন ঢাকা চীন", lines), schema)
    assert [m.entity for m in d.mentions] == ["e1", None, "e1"]
    assert d.entities == (Entity("e1", "GPE", "চীন"),)


T1, T2 = "T1\tGPE 0 3\tচীন\n", "T2\tGPE 4 8\tঢাকা\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("T1\tGPE 0 3;4 8\tচীন ঢাকা\n", ":1: T1 is discontinuous (0 3;4 8); expected one span of text"),
        ("\nT1\tGPE 0\tচীন\n", ":2: expected 'T1<tab>TYPE start end<tab>text'"),
        ("T1\tGPE 0 3\n", ":1: expected 'T1<tab>TYPE start end<tab>text'"),
        ("T1 GPE 0 3 চীন\n", ":1: expected an id and a tab before the rest"),
        ("T1\tGPE 0 99\tচীন\n", ":1: offsets 0:99 lie outside the text of 8 characters"),
        ("T1\tGPE 0 3\tভারত\n", ":1: T1 says 'ভারত', but the text at 0:3 is 'চীন'"),
        ("T1\tCITY 0 3\tচীন\n", ":1: unknown type 'CITY'; expected one of PER"),
        (T1 + "T1\tGPE 4 8\tঢাকা\n", ":2: T1 is given twice"),
        (T1 + "T2\tGPE 4 7\tঢাক\n", ": mentions[1]: 4:7 'ঢাক' cuts a word"),
        (T1 + "R1\tvisits Arg1:T1\n", ":2: expected 'R1<tab>TYPE Arg1:T1 Arg2:T2'"),
        (T1 + "R1\tvisits Arg1:T1 Arg2:T5\n", ":2: 'T5' is not among the mentions"),
        (T1 + "R1\tlikes Arg1:T1 Arg2:T1\n", ":2: unknown type 'likes'"),
        (T1 + T2 + "R1\tvisits Arg1:T1 Arg2:T2\nR1\tvisits Arg1:T2 Arg2:T1\n", ":4: R1 is given twice"),
        (T1 + T2 + "R1\tholds_post Arg1:T1 Arg2:T2\n", ": relations[0]: holds_post cannot hold from GPE"),
        (T1 + "A1\tNegation T1\n", ":2: expected the attribute 'Status' of a relation, got 'Negation T1'"),
        (T1 + "A1\tStatus T1 negated\n", ":2: expected the attribute 'Status' of a relation"),
        (T1 + "A1\tStatus R1 maybe\n", ":2: unknown status 'maybe'; expected one of asserted, negated"),
        (T1 + "A1\tStatus R1 negated\n", ":2: 'R1' is not among the relations"),
        (T1 + "A1\tStatus R1 negated\nA2\tStatus R1 former\n", ":3: R1 has a second status"),
        (T1 + "*\tAlias T1\n", ":2: expected '*<tab>Alias T1 T2"),
        (T1 + T2 + "*\tSame T1 T2\n", ":3: expected '*<tab>Alias T1 T2"),
        (T1 + "*\tAlias T1 T9\n", ":2: 'T9' is not among the mentions"),
        (T1 + "E1\tMeet:T1\n", ":2: expected a line of kind T, R, A, * or #, got 'E1\\tMeet:T1'"),
        (T1 + "#1\tAnnotatorNotes T9\tname=চীন\n", ":2: note on 'T9', which is no mention and no relation"),
        (
            T1 + T2 + "*\tAlias T1 T2\n#1\tAnnotatorNotes T1\tname=চীন\n#2\tAnnotatorNotes T2\tname=ভারত\n",
            ":5: name 'ভারত' on T2, but 'চীন' on its alias T1",
        ),
        (
            T1 + T2 + "#1\tAnnotatorNotes T1\tentity=e name=চীন\n#2\tAnnotatorNotes T2\tentity=e name=ভারত\n",
            ":4: name 'ভারত' on T2, but 'চীন' on its alias T1",
        ),
        (
            T1 + T2 + "*\tAlias T1 T2\n#1\tAnnotatorNotes T1\tentity=a\n#2\tAnnotatorNotes T2\tentity=b\n",
            ":5: entity 'b' on T2, but 'a' on its alias T1",
        ),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, schema: Schema, lines: str, message: str) -> None:
    folder = ann(tmp_path / "in", "চীন ঢাকা", lines)
    with pytest.raises(InputError) as caught:
        brat.read(folder, schema)
    assert str(caught.value).startswith(f"{folder / 'x.ann'}{message}")


def test_missing_halves_and_folders_are_named(tmp_path: Path, schema: Schema) -> None:
    with pytest.raises(InputError, match=r"expected a folder or a \.txt file"):
        brat.read(tmp_path / "none", schema)
    with pytest.raises(InputError, match=r"expected a folder with \.txt and \.ann files"):
        brat.read(tmp_path, schema)
    (tmp_path / "a.txt").write_text("ক", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.ann: cannot be read: No such file"):
        brat.read(tmp_path, schema)
    (tmp_path / "a.ann").write_text("")
    (tmp_path / "b.ann").write_text("")
    with pytest.raises(InputError, match=r"b\.ann: there is no text b\.txt beside it"):
        brat.read(tmp_path, schema)


def test_a_file_in_a_sub_folder_is_refused_not_passed_over(tmp_path: Path, schema: Schema, document: Document) -> None:
    brat.write(tmp_path / "out", [document], schema)
    ann(tmp_path / "out" / "more", "ক", "", "late")
    with pytest.raises(InputError, match=r"more/late\.ann: in a sub-folder of .*out; expected no file deeper"):
        brat.read(tmp_path / "out", schema)


def test_the_index_gives_the_order_and_its_faults_are_named(tmp_path: Path, schema: Schema) -> None:
    folder = tmp_path / "out"
    brat.write(folder, [Document("খ", "ক"), Document("ক", "খ")], schema)
    ann(folder, "গ", "", name="0")
    assert [d.id for d in brat.read(folder, schema)] == ["খ", "ক", "0"]
    index = folder / "documents.jsonl"
    for content, message in [
        ("{", "documents.jsonl:1: expected a JSON object with a field 'file'"),
        ('{"file": "খ"}', "documents.jsonl:1: id: expected"),
        ('{"file": "খ", "id": 1, "title": 3}', "documents.jsonl:1: title: expected a string, got 3"),
        ('\n{"file": "খ", "id": 1}\n{"file": "খ", "id": 2}', "documents.jsonl:3: expected a new file name"),
        ('{"file": "ঘ", "id": 1}', "documents.jsonl: file 'ঘ': there is no ঘ.txt in the folder"),
    ]:
        index.write_text(content, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            brat.read(folder, schema)
        assert message in str(caught.value)


def test_file_names_are_safe_short_and_distinct(tmp_path: Path, schema: Schema) -> None:
    ids: list[str | int] = ["../x", "..", "a", "A", 1, "1", "ক" * 200, "ক" * 201, "con/ক্ষ ত:?", "train.txt:12"]
    documents = [Document(id_, f"পাঠ {i}") for i, id_ in enumerate(ids)]
    assert round_trip(tmp_path / "out", documents, schema) == documents
    entries = [json.loads(line) for line in (tmp_path / "out" / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    names = [entry["file"] for entry in entries]
    assert len({name.casefold() for name in names}) == len(ids)
    assert not any(set(name) & set("/:? ") or name.startswith(".") or len(name.encode()) > 130 for name in names)
    assert names[2:6] == ["a", "A-2", "1", "1-2"]


def test_a_folder_with_anything_in_it_is_not_overwritten(tmp_path: Path, schema: Schema) -> None:
    (tmp_path / "x.ann").write_text("somebody's work")
    with pytest.raises(InputError, match="is not empty; expected a new or empty folder"):
        brat.write(tmp_path, [Document(1, "ক")], schema)
    assert [p.name for p in tmp_path.iterdir()] == ["x.ann"]


def test_a_broken_document_leaves_no_folder(tmp_path: Path, schema: Schema) -> None:
    with pytest.raises(InputError, match=r"^b: mentions\[0\]\.type: unknown type 'X'"):
        brat.write(tmp_path / "out", [Document("a", "ক"), Document("b", "ক", (Mention("m", 0, 1, "X"),))], schema)
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_states_the_schema(tmp_path: Path, schema: Schema) -> None:
    brat.write(tmp_path / "out", [], schema)
    text = (tmp_path / "out" / "annotation.conf").read_text(encoding="utf-8")
    sections = dict(part.split("]\n", 1) for part in text.split("[")[1:])
    assert list(sections) == ["entities", "relations", "events", "attributes"]
    assert sections["entities"].split() == list(schema.mentions)
    relations = sections["relations"].splitlines()
    assert "holds_post\tArg1:PER, Arg2:POST" in relations
    actors = "PER|GPE|GOV|PARTY|IGO|ORG|MEDIA|POST"
    assert f"agrees\tArg1:{actors}, Arg2:{actors}, <REL-TYPE>:symmetric" in relations
    assert f"agrees\tArg1:{actors}, Arg2:LAW" in relations
    assert "Alias\tArg1:PER, Arg2:PER, <REL-TYPE>:symmetric-transitive" in relations
    assert "Status\tArg:<RELATION>, Value:negated|unrealised|former" in sections["attributes"]


def test_the_configuration_allows_exactly_the_schemas_pairs(schema: Schema) -> None:
    found: dict[str, set[tuple[str, str]]] = {name: set() for name in schema.relations}
    for line in brat.configuration(schema).splitlines():
        name, _, arguments = line.partition("\tArg1:")
        if name in found:
            heads, tails = arguments.split(", <REL-TYPE>")[0].split(", Arg2:")
            found[name] |= {(head, tail) for head in heads.split("|") for tail in tails.split("|")}
    assert found == {name: set(relation.pairs) for name, relation in schema.relations.items()}
