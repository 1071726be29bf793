"""JSON Lines: what is kept, what is refused at which line and field, and files that are whole or not there."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from train.corpora import jsonl
from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.files import atomic_folder, atomic_write, read_text
from train.schema import Schema

FULL = Document(
    "গ-১",
    "চীনের ওয়াং ই।",
    (Mention("m1", 0, 5, "GPE", "cn", 0.5), Mention("m2", 6, 13, "PER")),
    (Entity("cn", "GPE", "চীন"),),
    (Relation("represents", "m2", "m1", "asserted", 0.25),),
    "শিরোনাম",
    "2024-03-05",
    "diplomacy",
    {"source": {"url": "x", "n": [1, None]}},
)


def lines(folder: Path, *content: str | bytes) -> Path:
    path = folder / "f.jsonl"
    path.write_bytes(b"\n".join(c.encode() if isinstance(c, str) else c for c in content))
    return path


def test_what_is_written_reads_back_equal(tmp_path: Path, schema: Schema) -> None:
    documents = [FULL, Document(7, ""), Document("খ", "ক\u2028খ\r\nগ \u200c\U0001f600")]
    assert jsonl.write(tmp_path / "new" / "f.jsonl", documents) == 3
    assert jsonl.read(tmp_path / "new" / "f.jsonl", schema) == documents


def test_lines_hold_fields_in_the_documented_order_and_plain_bangla(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "f.jsonl", [FULL])
    line = (tmp_path / "f.jsonl").read_text(encoding="utf-8")
    assert list(json.loads(line)) == "id title date topic text mentions entities relations source".split()
    assert '"চীনের ওয়াং ই।"' in line and line.endswith("}\n") and line.count("\n") == 1


def test_absent_scores_entities_and_headers_are_not_written() -> None:
    assert jsonl.to_dict(Document(1, "ক", (Mention("m", 0, 1, "GPE"),))) == {
        "id": 1,
        "text": "ক",
        "mentions": [{"id": "m", "start": 0, "end": 1, "type": "GPE"}],
        "entities": [],
        "relations": [],
    }
    scored = jsonl.to_dict(replace(FULL, mentions=(replace(FULL.mentions[0], score=0.0),)))
    assert scored["mentions"] == [{"id": "m1", "start": 0, "end": 5, "type": "GPE", "entity": "cn", "score": 0.0}]


def test_extra_fields_cannot_hide_known_ones() -> None:
    with pytest.raises(InputError, match="extra: 'text' is a field of the form"):
        jsonl.to_dict(Document(1, "ক", extra={"text": "খ"}))


def test_only_id_and_text_are_needed_and_unknown_fields_are_kept() -> None:
    d = jsonl.from_dict({"id": 3, "text": "ক", "url": "u", "title": None}, where="x")
    assert d == Document(3, "ক", extra={"url": "u"})


def test_empty_lines_and_a_byte_order_mark_are_skipped(tmp_path: Path) -> None:
    path = lines(tmp_path, b"\xef\xbb\xbf" + b'{"id": 1, "text": ""}', " ", "", '{"id": 2, "text": ""}\r')
    assert [d.id for d in jsonl.read(path, None)] == [1, 2]


def test_lines_are_read_one_at_a_time(tmp_path: Path) -> None:
    reader = jsonl.iterate(lines(tmp_path, '{"id": 1, "text": ""}', "{"), None)
    assert next(reader).id == 1
    with pytest.raises(InputError, match=r"f\.jsonl:2: not valid JSON"):
        next(reader)


MENTION = {"id": "m", "start": 0, "end": 1, "type": "GPE"}
RELATION = {"type": "visits", "head": "m", "tail": "n", "status": "asserted"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": True}, "id: expected a non-empty string or an integer, got True"),
        ({"id": ""}, "id: expected a non-empty string or an integer, got ''"),
        ({"id": 1.5}, "id: expected a non-empty string or an integer, got 1.5"),
        ({"text": None}, "text: expected a string, got None"),
        ({"text": "ক\ud800"}, "text: expected whole characters, got half a surrogate pair at offset 1"),
        ({"url": "\ud800"}, "unknown fields cannot be kept as UTF-8 JSON"),
        ({"title": 3}, "title: expected a string, got 3"),
        ({"mentions": None}, "mentions: expected a list, got None"),
        ({"mentions": ["ক"]}, "mentions[0]: expected an object, got 'ক'"),
        ({"mentions": [MENTION, {**MENTION, "start": "a"}]}, "mentions[1].start: expected an integer, got 'a'"),
        ({"mentions": [{**MENTION, "end": True}]}, "mentions[0].end: expected an integer, got True"),
        ({"mentions": [{**MENTION, "end": 1.0}]}, "mentions[0].end: expected an integer, got 1.0"),
        ({"mentions": [{**MENTION, "score": "high"}]}, "mentions[0].score: expected a number, got 'high'"),
        ({"mentions": [{**MENTION, "score": True}]}, "mentions[0].score: expected a number, got True"),
        (
            {"mentions": [{**MENTION, "surface": "ক"}]},
            "mentions[0]: unknown field 'surface'; expected one of id, start",
        ),
        ({"mentions": [{"id": "m", "start": 0, "type": "GPE"}]}, "mentions[0].end: expected an integer, got nothing"),
        ({"entities": [{"id": "e", "type": "GPE"}]}, "entities[0].name: expected a string, got nothing"),
        ({"relations": [{**RELATION, "status": None}]}, "relations[0].status: expected a string, got None"),
        ({"relations": [{**RELATION, "head": 1}]}, "relations[0].head: expected a string, got 1"),
    ],
)
def test_errors_name_line_and_field(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = lines(tmp_path, '{"id": "a", "text": ""}', "", json.dumps({"id": "b", "text": "ক", **fields}))
    with pytest.raises(InputError) as caught:
        jsonl.read(path, None)
    assert str(caught.value).startswith(f"{path}:3: {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1, "text": "", }', "not valid JSON: "),
        ("[1]", "expected a JSON object, got [1]"),
        ('{"id": 1, "text": ""} {}', "not valid JSON: Extra data at column 23"),
        ('{"id": 1, "text": "", "id": 2}', "field 'id' is given twice"),
        ('{"id": 1, "text": "", "n": NaN}', "NaN is no JSON number"),
        (
            '{"id": 1, "text": "", "mentions": [{"id":"m","start":0,"end":1,"type":"A","score":1e999}]}',
            "mentions[0].score",
        ),
        ("[" * 99999, "not valid JSON: "),
        ('{"text": "ক"}', "id: expected a non-empty string or an integer, got nothing"),
        (b'{"id": 1, "text": "\xff"}', "expected UTF-8, got other bytes at byte offset 43"),
    ],
)
def test_bad_lines_are_refused_in_one_line(tmp_path: Path, line: str | bytes, message: str) -> None:
    path = lines(tmp_path, '{"id": "a", "text": ""}', line)
    with pytest.raises(InputError) as caught:
        jsonl.read(path, None)
    assert str(caught.value).startswith(f"{path}:2: {message}")
    assert "\n" not in str(caught.value)


def test_byte_offsets_count_the_byte_order_mark(tmp_path: Path) -> None:
    path = lines(tmp_path, b'\xef\xbb\xbf{"id": 1, "text": "\xff"}')
    with pytest.raises(InputError, match=r"byte offset 22$"):
        jsonl.read(path, None)
    path = lines(tmp_path, b'\xef\xbb\xbf{"id": 1, "text": ""}', b"\xff")
    with pytest.raises(InputError, match=r"f\.jsonl:2: expected UTF-8, got other bytes at byte offset 25$"):
        jsonl.read(path, None)
    path = lines(tmp_path, '{"id": 1, "text": ""}'.encode("utf-16"))
    with pytest.raises(InputError, match=r"f\.jsonl:1: expected UTF-8, got other bytes at byte offset 0"):
        jsonl.read(path, None)


def test_two_lines_of_one_id_are_both_named(tmp_path: Path) -> None:
    path = lines(tmp_path, '{"id": 1, "text": ""}', '{"id": "1", "text": ""}', "", '{"id": 1, "text": "ক"}')
    with pytest.raises(InputError, match=r"f\.jsonl:4: id: 1 is already the id of line 1$"):
        jsonl.read(path, None)


def test_a_repeated_id_names_the_line_that_had_it_first(tmp_path: Path) -> None:
    path = lines(tmp_path, '{"id": 1, "text": ""}', "", '{"id": 2, "text": ""}', '{"id": 2, "text": ""}')
    with pytest.raises(InputError, match=r"f\.jsonl:4: id: 2 is already the id of line 3$"):
        jsonl.read(path, None)


def test_a_schema_checks_each_document_and_none_checks_nothing(tmp_path: Path, schema: Schema) -> None:
    path = lines(tmp_path, '{"id": 1, "text": ""}', json.dumps({"id": 2, "text": "ক", "mentions": [{**MENTION, "type": "X"}]}))
    with pytest.raises(InputError, match=r"f\.jsonl:2: mentions\[0\]\.type: unknown type 'X'"):
        jsonl.read(path, schema)
    assert len(jsonl.read(path, None)) == 2


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_path_that_is_no_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        jsonl.read(tmp_path / name, None)


def test_a_dash_is_standard_input_and_output(monkeypatch: pytest.MonkeyPatch, capsysbinary: Any) -> None:
    class Input:
        buffer = io.BytesIO('{"id": 1, "text": "ক"}\n{'.encode())

    monkeypatch.setattr(sys, "stdin", Input)
    with pytest.raises(InputError, match=r"^standard input:2: not valid JSON"):
        jsonl.read("-", None)
    assert jsonl.write("-", [Document(1, "ক")]) == 1
    assert json.loads(capsysbinary.readouterr().out.decode("utf-8"))["text"] == "ক"


def test_an_open_file_is_read_like_standard_input() -> None:
    with pytest.raises(InputError, match=r"^standard input:2: expected a JSON object"):
        list(jsonl.iterate(io.BytesIO(b'{"id": 1, "text": ""}\n3'), None))


def failing() -> Iterator[Document]:
    yield Document(1, "ক")
    raise RuntimeError("half way")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        jsonl.write(path, failing())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_may_be_rewritten_from_itself(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    jsonl.write(path, [FULL, Document(2, "ক")])
    jsonl.write(path, (replace(d, topic="x") for d in jsonl.iterate(path, None)))
    assert [d.topic for d in jsonl.read(path, None)] == ["x", "x"]


def test_atomic_write_keeps_the_mode_and_follows_links(tmp_path: Path) -> None:
    path, link = tmp_path / "f", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with atomic_write(link, binary=True) as file:
        file.write(b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode), link.is_symlink()) == (b"new", 0o640, True)
    with atomic_write(tmp_path / "g") as other:
        other.write("a\nb\r\n")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "g").read_bytes() == b"a\nb\r\n"
    assert stat.S_IMODE((tmp_path / "g").stat().st_mode) == 0o666 & ~umask
    with atomic_write("/dev/null") as device:
        device.write("gone")
    reader, writer = os.pipe()
    with atomic_write(f"/dev/fd/{writer}") as pipe:
        pipe.write("on its way")
    assert os.read(reader, 99) == b"on its way"
    os.close(reader)
    os.close(writer)
    with open(path, "r+b", buffering=0) as log:
        log.write(b"n")
        with atomic_write(f"/dev/fd/{log.fileno()}") as rest:
            rest.write("ext")
        log.write(b"!")
    assert path.read_bytes() == b"next!"
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(tmp_path / "fifo") as pipe:
        pipe.write("on its way")
    assert os.read(reader, 99) == b"on its way"
    os.close(reader)


def test_atomic_write_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"), atomic_write(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/below: cannot be written"), atomic_write(tmp_path / "file" / "below"):
        pass


def half_a_folder(folder: Path) -> None:
    with atomic_folder(folder) as temporary:
        (temporary / "y").write_text("2")
        raise RuntimeError


def test_atomic_folder_replaces_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with atomic_folder(folder) as temporary:
        (temporary / "x").write_text("1")
        assert not folder.exists()
    with pytest.raises(RuntimeError):
        half_a_folder(folder)
    assert [p.name for p in folder.iterdir()] == ["x"]
    with atomic_folder(folder) as temporary:
        (temporary / "z").write_text("3")
    assert [p.name for p in folder.iterdir()] == ["z"]
    assert [p.name for p in folder.parent.iterdir()] == ["b"]
    with pytest.raises(InputError, match="is a file; expected the path of a folder"), atomic_folder(folder / "z"):
        pass


def test_read_text_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("\ufeffক\r\nখ\r".encode())
    assert read_text(path) == "ক\r\nখ\r"
    assert read_text(path, keep_bom=True) == "\ufeffক\r\nখ\r"
    path.write_bytes(b"\xef\xbb\xbfa\xff")
    with pytest.raises(InputError, match="expected UTF-8, got other bytes at byte offset 4"):
        read_text(path)
