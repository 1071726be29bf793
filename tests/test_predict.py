"""What predict.py reads and writes: every input form gives the same articles, every output form is read back whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import networkx
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.graphs import articles
from tests.support import ROOT, script
from train.corpora import jsonl, parquet
from train.document import Document
from train.errors import InputError
from train.graph.build import build
from train.graph.output import write_graph
from train.inputs import check_apart, count, iterate_articles, read_articles, rereadable
from train.outputs import chosen_format, write_documents
from train.schema import Schema
from train.tagger import Tagger
from train.triples import COLUMNS

NASTY = 'a, "b"\r\n\tc; =1+1'


@pytest.fixture
def tagged(schema: Schema) -> list[Document]:
    """Articles with relations and scores, one with quotes, commas and line breaks in a mention, and one with nothing in it."""
    found = []
    for document in articles(schema):
        text = document.text.replace(" সঙ্গে", f" {NASTY} সঙ্গে", 1)
        shift = len(text) - len(document.text)
        at = text.find(NASTY)
        moved = [
            replace(m, start=m.start + shift * (m.start >= at >= 0), end=m.end + shift * (m.start >= at >= 0), score=0.75)
            for m in document.mentions
        ]
        relations = tuple(replace(r, score=0.5) for r in document.relations)
        found.append(replace(document, text=text, mentions=tuple(moved), relations=relations, extra={"url": "u", "n": [1]}))
    return [*found, Document("empty", "")]


def written(documents: list[Document], path: Path, schema: Schema) -> Path:
    write_documents(iter(documents), str(path), chosen_format(str(path), None), schema)
    return path


def test_csv_has_a_row_for_each_relation_which_csv_and_pandas_read_alike(tagged, schema: Schema, tmp_path: Path) -> None:
    path = written(tagged, tmp_path / "o.csv", schema)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfdocument,date,head,") and path.read_bytes().endswith(b"\r\n")
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    frame = pandas.read_csv(path, keep_default_na=False, dtype=str)
    assert tuple(frame.columns) == COLUMNS and frame.to_dict("records") == rows
    assert len(rows) == sum(len(d.relations) for d in tagged)
    given = {str(d.id): d for d in tagged}
    for row in rows:
        document = given[row["document"]]
        assert row["date"] == document.date and row["score"] == "0.5"
        for side in ("head", "tail"):
            surface = document.text[int(row[f"{side}_start"]) : int(row[f"{side}_end"])]
            assert row[side] == surface and row[side] in row["sentence"]
            assert row[f"{side}_entity"] in {e.name for e in document.entities}
    assert any('a, "b" … c; =1+1' in row["sentence"] for row in rows)


def test_csv_on_standard_output_has_no_byte_order_mark(tagged, schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    write_documents(tagged, "-", "csv", schema)
    assert out.buffer.getvalue().startswith(b"document,")  # type: ignore[attr-defined]


def test_parquet_gives_the_documents_back(tagged, schema: Schema, tmp_path: Path) -> None:
    path = written(tagged, tmp_path / "o.parquet", schema)
    assert read_articles([str(path)]) == tagged
    frame = pandas.read_parquet(path)
    assert [m["start"] for m in frame["mentions"][0]] == [m.start for m in tagged[0].mentions]
    assert list(frame["extra"])[:1] == ['{"url": "u", "n": [1]}'] and list(frame["relations"][3]) == []


def test_parquet_has_the_same_columns_whatever_is_in_it(tagged, schema: Schema, tmp_path: Path) -> None:
    full = written(tagged, tmp_path / "full.parquet", schema)
    bare = written([Document(7, "ক")], tmp_path / "bare.parquet", schema)
    none = written([], tmp_path / "none.parquet", schema)
    assert pq.read_schema(full).equals(pq.read_schema(bare)) and pq.read_schema(full).equals(pq.read_schema(none))
    assert pq.read_table(bare)["id"].to_pylist() == ["7"]


def test_graphml_is_the_graph_that_graph_py_writes(tagged, schema: Schema, tmp_path: Path) -> None:
    path = written(tagged, tmp_path / "o.graphml", schema)
    write_graph(build(tagged, schema), schema, str(tmp_path / "g.graphml"))
    assert path.read_bytes() == (tmp_path / "g.graphml").read_bytes()
    assert len(networkx.read_graphml(path)) == len(build(tagged, schema).nodes)


def test_json_lines_page_and_table_hold_every_document(tagged, schema: Schema, tmp_path: Path) -> None:
    assert jsonl.read(written(tagged, tmp_path / "o.jsonl", schema), schema) == tagged
    page = written(tagged, tmp_path / "o.HTML", schema).read_text(encoding="utf-8")
    table = written(tagged, tmp_path / "o.txt", schema).read_text(encoding="utf-8")
    assert all(d.title in page and d.title in table for d in tagged if d.title)
    assert table.endswith("\n\nempty\n  no mentions\n  no relations\n")


def test_a_stream_is_written_as_it_comes(tagged, schema: Schema, tmp_path: Path) -> None:
    """Of what the documents give, no list is made."""
    alive = 0

    class Counted(Document):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def stream() -> Iterator[Document]:
        nonlocal alive
        for i in range(300):
            alive += 1
            assert alive <= 2
            yield Counted(i, "ক")

    for name in ("o.jsonl", "o.csv", "o.txt"):
        write_documents(stream(), str(tmp_path / name), chosen_format(name, None), schema)


@pytest.mark.parametrize(
    ("out", "format_", "message"),
    [
        ("o.xlsx", None, r"o\.xlsx: unknown ending '\.xlsx'; expected one of \.csv, \.graphml, .*, or --format"),
        ("o", None, r"o: unknown ending ''; expected one of"),
        ("-", "parquet", "--format parquet: cannot go to standard output; expected --out FILE"),
    ],
)
def test_a_form_that_cannot_be_is_refused(out: str, format_: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen_format(out, format_)


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    monkeypatch.delitem(sys.modules, "train.graph.networks", raising=False)
    with pytest.raises(InputError, match=r"networkx is not installed; it comes with pip install -e '\.\[graph\]'"):
        chosen_format("o.graphml", None)


def test_files_folders_patterns_and_compressed_ones_give_the_same_articles(tmp_path: Path) -> None:
    lines = b'\xef\xbb\xbf{"id": "a", "text": "x", "source": "s"}\n\n{"id": 2, "text": "y", "date": "2025-01-01"}\n'
    expected = [Document("a", "x", extra={"source": "s"}), Document(2, "y", date="2025-01-01")]
    deep = tmp_path / "news" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.jsonl").write_bytes(lines)
    (deep / "ignored.pdf").write_bytes(b"\xff")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    stamps = pa.array([None, datetime(2025, 1, 1)])
    table = pa.table({"id": ["a", "b"], "text": ["x", "y"], "source": ["s", None], "date": stamps})
    pq.write_table(table, tmp_path / "c.parquet")
    assert read_articles([str(tmp_path / "news")]) == expected
    assert read_articles([str(tmp_path / "**" / "*.jsonl")]) == expected
    assert read_articles([str(tmp_path / "*.gz")]) == expected
    assert read_articles([str(tmp_path / "c.parquet")]) == [expected[0], replace(expected[1], id="b")]
    assert count([str(tmp_path)]) == 6


def test_text_files_are_articles_named_by_their_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in (("b.txt", b"\xef\xbb\xbfb\r\n"), ("a.txt.gz", gzip.compress(b"a")), ("plain", b"p"), ("x[1].txt", b"x")):
        Path(name).write_bytes(data)
    found = [(d.id, d.text) for d in read_articles(["plain", "*.txt*"])]
    assert found == [("plain", "p"), ("a.txt.gz", "a"), ("b.txt", "b\r\n"), ("x[1].txt", "x")]
    assert [d.id for d in read_articles(["x[1].txt"])] == ["x[1].txt"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"\n \n[1] \xe0\xa6\x95\n", [("-", "\n \n[1] ক\n")]),
        (b'\n{"id": "a", "text": "x"}\n{"id": "b", "text": ""}', [("a", "x"), ("b", "")]),
    ],
)
def test_standard_input_is_one_article_or_json_lines(given: bytes, expected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    assert [(d.id, d.text) for d in read_articles(["-"])] == expected
    assert count(["-"]) is None


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["https://example.org/a.txt"], r"https://example\.org/a\.txt: an address; nothing is fetched from the network"),
        (["*.txt.bz2"], r"\*\.txt\.bz2: no file fits this pattern"),
        (["gone.txt"], r"gone\.txt: no such file or folder"),
        (["a.json"], r"a\.json: unknown ending '\.json'; expected \.txt, \.jsonl, \.parquet"),
        (["a.jsonl", "b.jsonl"], r"b\.jsonl:2: id: 'b' is already the id of a\.jsonl:3"),
        (["a.jsonl", "a.jsonl"], r"a\.jsonl:1: id: 'a' is already the id of a\.jsonl:1"),
        (["t.txt", "./t.txt", "t.txt"], r"t\.txt: id: 't\.txt' is already the id of t\.txt"),
        (["cut.jsonl.gz"], r"cut\.jsonl\.gz: cannot be read: Compressed file ended"),
        (["no.txt.gz"], r"no\.txt\.gz: cannot be read: Not a gzipped file"),
        (["no.parquet"], r"no\.parquet: cannot be read as Parquet: "),
        (["columns.parquet"], r"columns\.parquet: expected a column 'text', got the columns id, body"),
        (["null.parquet"], r"null\.parquet:2: text: expected a string, got nothing"),
        (["latin.txt"], r"latin\.txt: expected UTF-8, got byte 0xe9 at offset 2"),
        (["empty.jsonl", "folder"], r"empty\.jsonl, folder: no articles in it; expected \.txt, \.jsonl"),
    ],
)
def test_bad_input_is_named(inputs: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    contents = {
        "a.json": b"[]", "t.txt": b"t", "latin.txt": b"ab\xe9", "no.txt.gz": b"no gzip", "no.parquet": b"no",
        "empty.jsonl": b"\n",
        "a.jsonl": b'{"id": "a", "text": ""}\n\n{"id": "b", "text": ""}\n',
        "b.jsonl": b'{"id": "c", "text": ""}\n{"id": "b", "text": ""}\n',
        "cut.jsonl.gz": gzip.compress(b"".join(b'{"id": %d, "text": ""}\n' % i for i in range(99)))[:-12],
    }  # fmt: skip
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.table({"id": ["a"], "body": ["x"]}), tmp_path / "columns.parquet")
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["x", None]}), tmp_path / "null.parquet")
    with pytest.raises(InputError, match=message):
        read_articles(inputs)


def test_a_folder_gives_files_whatever_the_case_of_their_ending_and_those_of_linked_folders(tmp_path: Path) -> None:
    folder, other = tmp_path / "news", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (folder / "b.TXT").write_text("b")
    (folder / "c.Jsonl.GZ").write_bytes(gzip.compress(b'{"id": "c", "text": "c"}'))
    (other / "d.txt").write_text("d")
    (folder / "linked").symlink_to(other)
    (other / "back").symlink_to(folder)
    assert [d.text for d in read_articles([str(folder)])] == ["b", "c", "d"]
    assert [d.text for d in read_articles([str(folder / "b.TXT")])] == ["b"]
    assert count([str(folder)]) == 3


def test_an_output_that_is_an_input_or_in_an_input_folder_is_refused(tmp_path: Path) -> None:
    line = '{"id": 1, "text": "x"}\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(line)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "in" / "a.jsonl")
    for given, out, apart in (
        ("in/a.jsonl", "./in/../in/a.jsonl", "in/a.jsonl"),
        ("in/*.jsonl", "link.jsonl", "in/*.jsonl"),
        ("in", "in/b.jsonl", "in"),
    ):
        done = script("predict.py", tmp_path / "no_checkpoint", given, "--out", out, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (
            1, f"error: {Path(out)}: is read as input too; expected a file apart from {apart}\n"
        )  # fmt: skip
    assert (tmp_path / "in" / "a.jsonl").read_text() == line
    check_apart(tmp_path / "b.jsonl", [str(tmp_path / "in")], "file")
    check_apart(tmp_path / "in" / "b.html", [str(tmp_path / "in")], "file")  # which no input is read from
    check_apart(Path("/dev/null"), ["/dev/null"], "file")


def test_a_pipe_is_not_read_to_be_counted(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.close(writer)
    assert count([f"/dev/fd/{reader}"]) is None and not rereadable([f"/dev/fd/{reader}"])
    assert [d.text for d in read_articles([f"/dev/fd/{reader}"])] == ["x"]
    os.close(reader)


def test_a_stream_of_articles_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "text": ""}\n{"id": 2}\n')
    found = iterate_articles([str(path)])
    assert next(found).id == 1
    with pytest.raises(InputError, match=r"a\.jsonl:2: text: expected a string"):
        next(found)


def test_parquet_of_others_keeps_decimals_times_and_lists(tmp_path: Path) -> None:
    from datetime import time
    from decimal import Decimal

    rows = {"id": ["a"], "text": ["x"], "price": [Decimal("1.50")], "at": [[datetime(2025, 1, 1, 9)]], "when": [{"t": time(8)}]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    ((number, _, found),) = parquet.attempts(tmp_path / "a.parquet")
    assert number == 1 and isinstance(found, Document)
    assert found.extra == {"price": "1.50", "at": ["2025-01-01T09:00:00"], "when": {"t": "08:00:00"}}


def test_the_stream_gives_what_tag_gives_in_the_same_order(eager: Tagger, documents: list[Document]) -> None:
    mixed = [replace(d, id=i) for i, d in enumerate([documents[-1], documents[0], Document("", ""), *documents])]
    found = list(eager.tag_stream(iter(mixed), buffer=5))
    expected = eager.tag(mixed)
    assert [d.id for d in found] == [d.id for d in mixed]
    for one, other in zip(found, expected, strict=True):
        assert [(m.start, m.end, m.type) for m in one.mentions] == [(m.start, m.end, m.type) for m in other.mentions]
        assert [(r.type, r.head, r.tail) for r in one.relations] == [(r.type, r.head, r.tail) for r in other.relations]


def test_the_script_writes_by_the_ending_and_loads_nothing_for_help(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন।\n", encoding="utf-8")
    done = script("predict.py", trained, "*.txt", "--out", "o.parquet", "--progress", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1/1" in done.stderr and pq.read_table(tmp_path / "o.parquet")["id"].to_pylist() == ["a.txt"]
    code = (
        "import runpy, sys\n"
        "sys.argv = ['predict.py', '--help']\n"
        f"try: runpy.run_path({str(ROOT / 'scripts' / 'predict.py')!r}, run_name='__main__')\n"
        "except SystemExit: print({'torch', 'pyarrow', 'numpy', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.endswith("set()\n"), done.stderr


def test_a_bad_record_is_found_before_the_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "x"}\n{"id": 1, "text": "y"}\n')
    done = script("predict.py", tmp_path / "no_checkpoint", "a.jsonl", "--out", "o.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: a.jsonl:2: id: 1 is already the id of a.jsonl:1\n")
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["id"] == 1
