"""What a graph is written as: each form holds nodes, edges, statuses, sentences; the page is safe and whole; the script."""

from __future__ import annotations

import html.parser
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import networkx
import pyarrow.parquet as pq
import pytest

from tests.graphs import articles
from tests.support import script
from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.graph.build import build
from train.graph.linked import jsonld
from train.graph.networks import gexf, graphml
from train.graph.output import read_merges, write_graph, write_merges
from train.graph.page import page, timeline_page
from train.graph.structure import Graph
from train.graph.timeline import timeline
from train.schema import Schema

NASTY = '</script><script>alert("x")</script><!--'


@pytest.fixture
def graph(schema: Schema) -> Graph:
    return build(articles(schema), schema)


@pytest.fixture
def nasty(schema: Schema) -> Graph:
    """A graph with markup and a control character in every text that comes from the input."""
    found = []
    for d in articles(schema):
        entities = tuple(replace(e, name=f"{NASTY}{e.name}\x01") for e in d.entities)
        found.append(
            replace(d, id=f"{d.id}{NASTY}", title=NASTY, entities=entities, text=d.text.replace("নিন্দা", f"{NASTY}\x01"))
        )
    return build(found, schema)


@pytest.mark.parametrize("form", ["graphml", "gexf"])
def test_networks_keep_nodes_edges_and_statements(schema: Schema, graph: Graph, form: str) -> None:
    data = io.BytesIO(graphml(graph, schema) if form == "graphml" else gexf(graph, schema))
    network = networkx.read_graphml(data) if form == "graphml" else networkx.read_gexf(data)
    assert set(network.nodes) == set(graph.nodes) and network.number_of_edges() == len(graph.edges)
    assert network.nodes["GPE/চীন"]["kind"] == "GPE" and json.loads(network.nodes["GPE/চীন"]["aliases"]) == {"চীন": 3}
    meets = {e["status"]: e for _, _, e in network.edges(data=True) if e["relation"] == "meets"}
    assert meets["asserted"]["contradicted_by"] == "negated" and meets["asserted"]["plover"] == "CONSULT"
    assert json.loads(meets["negated"]["statements"])[0]["sentence"].startswith("মঙ্গলবার চীন")


@pytest.mark.parametrize("form", [graphml, gexf])
def test_networks_stay_valid_xml_whatever_the_text(schema: Schema, nasty: Graph, form) -> None:
    import xml.etree.ElementTree as ElementTree

    assert ElementTree.fromstring(form(nasty, schema)).tag


def test_tables_meet_in_their_ids(schema: Schema, graph: Graph, tmp_path: Path) -> None:
    write_graph(graph, schema, str(tmp_path / "tables"))
    tables = {
        name: pq.read_table(tmp_path / "tables" / f"{name}.parquet").to_pylist() for name in ("nodes", "edges", "statements")
    }
    ids = {row["id"] for row in tables["nodes"]}
    assert ids == set(graph.nodes) and all({row["head"], row["tail"]} <= ids for row in tables["edges"])
    assert {row["edge"] for row in tables["statements"]} == {row["edge"] for row in tables["edges"]}
    assert next(row for row in tables["edges"] if row["type"] == "holds_post")["wikidata"] == "P39"
    write_graph(graph, schema, str(tmp_path / "tables"))
    (tmp_path / "tables" / "mine.parquet").write_text("x")
    with pytest.raises(InputError, match=r"holds mine\.parquet; expected a new folder, .* nothing but nodes\.parquet, edges"):
        write_graph(graph, schema, str(tmp_path / "tables"))


def test_an_empty_graph_has_tables_of_the_same_columns(schema: Schema, graph: Graph, tmp_path: Path) -> None:
    write_graph(graph, schema, str(tmp_path / "a"))
    write_graph(build([], schema), schema, str(tmp_path / "b"))
    for name in ("nodes", "edges", "statements", "merges"):
        full, empty = (pq.read_schema(tmp_path / folder / f"{name}.parquet") for folder in "ab")
        assert full.equals(empty)


def test_json_ld_names_wikidata_and_plover_and_states_no_contradicted_fact(schema: Schema, graph: Graph) -> None:
    data = json.loads(jsonld(graph, schema))
    context, items = data["@context"], {item["@id"]: item for item in data["@graph"]}
    assert context["wdt"] == "http://www.wikidata.org/prop/direct/" and context["plover"].endswith(":")
    assert len(items) == len(graph.nodes) + len(graph.edges) and not any(re.search(r"[\s<>]", id_) for id_ in items)
    people = [item for item in items.values() if item["@type"] == "wd:Q5"]
    assert len(people) == 3 and any("wdt:P39" in person for person in people)
    china = next(item for item in items.values() if item.get("name") == "চীন")
    assert "raj:relation/meets" not in china
    meets = [item for item in items.values() if item.get("relation") == "meets"]
    assert [m["status"] for m in meets] == ["asserted", "negated"] and meets[0]["codes"] == ["plover:CONSULT"]
    assert {m["subject"] for m in meets} == {china["@id"]}


def test_several_plover_codes_are_several(schema: Schema) -> None:
    text = "## a | 2024-01-01 | x | y\n= a GPE চীন\n= b GPE ভারত\n\n{চীন|a} {ভারতে|b} হামলা করে।\n- a attacks b\n"
    data = json.loads(jsonld(build(articles(schema, text), schema), schema))
    assert data["@graph"][-1]["codes"] == ["plover:ASSAULT", "plover:COERCE"]


class Page(html.parser.HTMLParser):
    """The tags of a page and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self.scripts += [""] if tag == "script" else []

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data


def test_the_page_holds_the_whole_graph_and_no_text_ends_its_script(schema: Schema, nasty: Graph) -> None:
    text = page(nasty, schema)
    found = Page(text)
    assert len(found.scripts) == 2 and "alert" not in text.replace('\\u003cscript\\u003ealert(\\"x\\")', "")
    data = json.loads(found.scripts[0])
    assert len(data["nodes"]) == len(nasty.nodes) and len(data["edges"]) == len(nasty.edges)
    assert data["nodes"][0]["name"].startswith(NASTY)
    said = data["edges"][0]["said"][0]
    assert data["passages"][said[5][0]][1] == nasty.edges[0].statements[0].passages[0][1]


def test_the_page_script_puts_text_in_as_text(schema: Schema, graph: Graph) -> None:
    code = Page(page(graph, schema)).scripts[1]
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert unsafe not in code


def test_pages_need_no_network(schema: Schema, graph: Graph) -> None:
    pair = ("GPE/চীন", "GPE/ভারত")
    for text in (page(graph, schema), timeline_page(graph, pair, timeline(graph, *pair), schema)):
        tags = Page(text).tags
        assert not any("src" in a or "href" in a or tag in {"link", "img", "iframe"} for tag, a in tags)
        assert "@import" not in text and "url(" not in text and "https://" not in text
        assert any((a.get("content") or "").startswith("default-src 'none'") for tag, a in tags if tag == "meta")


def test_the_page_marks_contradictions_and_carries_the_merges(schema: Schema, graph: Graph) -> None:
    data = json.loads(Page(page(graph, schema)).scripts[0])
    assert [e["also"] for e in data["edges"] if e["type"] == "meets"] == [["negated"], ["asserted"]]
    assert sorted({merge[2] for merge in data["merges"]}, reverse=True) == ["neighbour", "name"]
    assert [s["look"] for s in data["statuses"]] == [0, 1, 2, 3]


def test_the_timeline_page_marks_both_ends_and_escapes(schema: Schema, graph: Graph, nasty: Graph) -> None:
    pair = ("GPE/চীন", "GPE/ভারত")
    text = timeline_page(graph, pair, timeline(graph, *pair), schema)
    assert "<mark>চীনের</mark> সঙ্গে বৈঠক করেছে <mark>ভারত</mark>।" in text and text.count("said clash") == 2
    edge = nasty.edges[0]
    pair = (edge.head, edge.tail)
    assert "<script>" not in timeline_page(nasty, pair, timeline(nasty, *pair), schema)


def test_merges_that_are_written_are_read_for_undo(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "merges.jsonl"
    write_merges(graph.merges, str(path))
    assert read_merges(str(path)) == {m.id for m in graph.merges}
    path.write_text('{"id": "a#x"}\n{"node": 1}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"merges\.jsonl:2: id: expected the id of a merge"):
        read_merges(str(path))


@pytest.fixture
def tagged(schema: Schema, tmp_path: Path) -> Path:
    path = tmp_path / "tagged" / "x.jsonl"
    jsonl.write(path, articles(schema))
    return path


def test_the_script_writes_by_the_ending_and_undoes_merges(tagged: Path, tmp_path: Path) -> None:
    merges = tmp_path / "merges.jsonl"
    done = script("graph.py", tagged.parent, "--out", tmp_path / "g.html", "--merges", merges)
    assert done.returncode == 0, done.stderr
    wrong = [line for line in merges.read_text(encoding="utf-8").splitlines() if '"b#karim"' in line]
    (tmp_path / "undo.jsonl").write_text("\n".join(wrong), encoding="utf-8")
    done = script("graph.py", tagged, "--out", tmp_path / "h.html", "--undo", tmp_path / "undo.jsonl")
    assert done.returncode == 0, done.stderr
    first, second = (
        len(json.loads(Page((tmp_path / name).read_text(encoding="utf-8")).scripts[0])["nodes"])
        for name in ("g.html", "h.html")
    )
    assert second == first + 1


def test_the_script_prints_a_timeline(tagged: Path) -> None:
    done = script("graph.py", tagged, "--timeline", "চীন", "ভারত", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and done.stdout.index("2023-06-01") < done.stdout.index("2024-01-05")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--out", "g.xyz"],
            "error: g.xyz: unknown ending '.xyz'; expected one of .html, .graphml, .gexf, .jsonld, or a folder",
        ),
        (["--timeline", "চীন", "ভারতt"], "error: ভারতt: no node bears this name; close are ভারত"),
        (
            ["--timeline", "চীন", "ভারত", "--out", "t.gexf"],
            "error: t.gexf: unknown ending '.gexf'; expected one of .html, .json",
        ),
        (["--out", "g.html", "--min-score", "2"], "error: --min-score: expected 0 to 1, got 2.0"),
        (["--out", "g.html", "--undo", "none.jsonl"], "error: none.jsonl: cannot be read"),
        (["--out", "tagged/tables"], "error: tagged/tables: is read as input too; expected a folder apart from"),
        (["--merges", "tagged/x.jsonl"], "error: tagged/x.jsonl: is read as input too; expected a file apart from"),
        (["--out", "-"], "error: --out: only a timeline goes to standard output"),
    ],
)
def test_bad_input_ends_in_one_line(tagged: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = script("graph.py", tagged.parent, *arguments, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith(message) and done.stderr.count("\n") == 1


def test_documents_without_mentions_are_refused(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "raw.jsonl", [Document("a", "চীন")])
    for given, message in (("raw.jsonl", "no document has mentions"), ("gone.jsonl", "no such file")):
        done = script("graph.py", tmp_path / given, "--out", tmp_path / "g.html")
        assert done.returncode == 1 and message in done.stderr and not (tmp_path / "g.html").exists()
