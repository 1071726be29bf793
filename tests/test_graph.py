"""The graph: what becomes one node and what does not, edges with their statements, contradictions, timelines."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.graphs import articles
from train.document import Document, Mention, Relation
from train.errors import InputError
from train.graph.build import build
from train.graph.structure import Edge, Graph
from train.graph.timeline import find_node, timeline, to_json, to_table
from train.schema import Schema


@pytest.fixture
def documents(schema: Schema) -> list[Document]:
    return articles(schema)


@pytest.fixture
def graph(schema: Schema, documents: list[Document]) -> Graph:
    return build(documents, schema)


def in_documents(graph: Graph, type_: str, name: str) -> list[tuple[str, ...]]:
    return sorted(n.documents for n in graph.nodes.values() if (n.type, n.name) == (type_, name))


def edges(graph: Graph, type_: str) -> list[Edge]:
    return [edge for edge in graph.edges if edge.type == type_]


def test_one_word_is_enough_for_a_country_and_not_for_a_date(graph: Graph) -> None:
    assert in_documents(graph, "GPE", "চীন") == [("a", "b")]
    assert in_documents(graph, "DATE", "মঙ্গলবার") == [("a",), ("b",)]


def test_a_full_name_joins_people_of_two_documents(graph: Graph) -> None:
    assert in_documents(graph, "PER", "আনোয়ার হোসেন") == [("a", "b")]


def test_posts_of_one_name_are_one_at_the_same_body_only_and_their_holders_with_them(graph: Graph) -> None:
    assert in_documents(graph, "POST", "প্রধানমন্ত্রী") == [("a", "b"), ("c",)]
    assert in_documents(graph, "PER", "রহিম") == [("a", "b"), ("c",)]


def test_a_one_word_name_of_a_person_does_not_join_by_itself(schema: Schema, documents: list[Document]) -> None:
    alone = [replace(d, relations=()) for d in documents]
    assert in_documents(build(alone, schema), "PER", "রহিম") == [("a",), ("b",), ("c",)]


def test_a_negated_relation_is_no_evidence_for_a_merge(schema: Schema, documents: list[Document]) -> None:
    denied = replace(documents[1], relations=tuple(replace(r, status="negated") for r in documents[1].relations))
    assert in_documents(build([documents[0], denied], schema), "PER", "রহিম") == [("a",), ("b",)]


def test_what_one_document_keeps_apart_stays_apart_and_draws_no_other(schema: Schema) -> None:
    text = """## a | 2024-01-01 | x | y
= p PER আনোয়ার হোসেন
= q PER আনোয়ার হোসেন

{আনোয়ার হোসেন|p} ও {আনোয়ার হোসেন|q} আসেন।

## b | 2024-01-02 | x | y
= p PER আনোয়ার হোসেন

{আনোয়ার হোসেন|p} আসেন।
"""
    assert in_documents(build(articles(schema, text), schema), "PER", "আনোয়ার হোসেন") == [("a",), ("a",), ("b",)]


def test_places_of_one_name_in_two_wholes_are_two(schema: Schema) -> None:
    text = """## a | 2024-01-01 | x | y
= w GPE {0}
= p GPE পাঞ্জাব

{{{0}|w}} প্রদেশ {{পাঞ্জাব|p}}।
- p part_of w
"""
    both = articles(schema, text.format("ভারত")) + articles(schema, text.replace("## a", "## b").format("পাকিস্তান"))
    assert in_documents(build(both, schema), "GPE", "পাঞ্জাব") == [("a",), ("b",)]
    same = articles(schema, text.format("ভারত")) + articles(schema, text.replace("## a", "## b").format("ভারত"))
    assert in_documents(build(same, schema), "GPE", "পাঞ্জাব") == [("a", "b")]


def test_a_post_of_two_countries_at_once_joins_neither_countrys(schema: Schema) -> None:
    text = """## {0} | 2024-01-01 | x | y
= a GPE ভারত
= b GPE নেপাল
= p POST প্রধানমন্ত্রী

{{ভারত|a}} ও {{নেপালের|b}} {{প্রধানমন্ত্রী|p}}।
"""
    stated = {
        "one": "- p post_in a\n",
        "other": "- p post_in b\n",
        "both": "- p post_in a\n- p post_in b\n",
        "again": "- p post_in a\n",
    }
    found = build([d for id_, lines in stated.items() for d in articles(schema, text.format(id_) + lines)], schema)
    assert in_documents(found, "POST", "প্রধানমন্ত্রী") == [("both",), ("one", "again"), ("other",)]
    assert "প্রধানমন্ত্রী (ভারত, নেপাল)" in {node.label for node in found.nodes.values()}


def test_hyphens_and_case_keep_no_two_names_apart(schema: Schema) -> None:
    spelled = [Document(i, name, (Mention("m", 0, len(name), "MEDIA"),)) for i, name in enumerate(["আল-জাজিরা", "আল জাজিরা"])]
    assert len(build(spelled, schema).nodes) == 1


def test_every_merge_says_why_and_can_be_undone_alone(schema: Schema, documents: list[Document], graph: Graph) -> None:
    merges = {m.id: m for m in graph.merges}
    holder = merges["b#karim"]
    assert (holder.rule, holder.type, holder.name) == ("neighbour", "PER", "রহিম")
    assert holder.evidence.startswith("same name, and holds_post POST/প্রধানমন্ত্রী")
    assert merges["b#cn"].rule == "name" and "in 2 documents" in merges["b#cn"].evidence
    assert not [id_ for id_ in merges if id_.startswith("c#")]
    undone = build(documents, schema, undo={"b#karim"})
    assert in_documents(undone, "PER", "রহিম") == [("a",), ("b",), ("c",)]
    assert in_documents(undone, "GPE", "চীন") == [("a", "b")]
    with pytest.raises(InputError, match=r"^b#nobody: no entity of the documents has this id"):
        build(documents, schema, undo={"b#nobody"})


def test_undoing_the_merge_that_others_rest_on_undoes_those(schema: Schema, documents: list[Document]) -> None:
    undone = build(documents, schema, undo={"a#in"})
    assert in_documents(undone, "POST", "প্রধানমন্ত্রী") == [("a",), ("b",), ("c",)]
    assert in_documents(undone, "PER", "রহিম") == [("a",), ("b",), ("c",)]


def test_ids_stay_when_documents_are_added(schema: Schema, documents: list[Document], graph: Graph) -> None:
    assert set(build(documents[:2], schema).nodes) <= set(graph.nodes)
    assert "GPE/চীন" in graph.nodes


def test_a_node_counts_its_bare_forms_and_tells_itself_from_others_of_its_name(graph: Graph) -> None:
    china = graph.nodes["GPE/চীন"]
    assert china.aliases == {"চীন": 3} and china.mentions == 3 and china.label == "চীন"
    assert sorted(n.label for n in graph.nodes.values() if n.type == "POST") == ["প্রধানমন্ত্রী (নেপাল)", "প্রধানমন্ত্রী (ভারত)"]


def test_a_symmetric_relation_is_one_edge_and_its_contradiction_shows_on_both(graph: Graph) -> None:
    found = edges(graph, "meets")
    assert {(e.head, e.tail) for e in found} == {("GPE/চীন", "GPE/ভারত")}
    assert {e.status: e.contradicted_by for e in found} == {"asserted": ("negated",), "negated": ("asserted",)}
    assert all(not e.contradicted_by for e in edges(graph, "criticizes"))


def test_a_statement_keeps_sentence_document_date_and_offsets(graph: Graph, documents: list[Document]) -> None:
    said = next(e for e in edges(graph, "meets") if e.status == "asserted").statements[0]
    assert (said.document, said.date, said.sentence) == ("a", "2024-01-05", "চীনের সঙ্গে বৈঠক করেছে ভারত।")
    assert [documents[0].text[slice(*span)] for span in (said.head, said.tail)] == ["চীনের", "ভারত"]


def test_statements_of_an_edge_gather_by_date_and_its_confidence_is_the_best_score(
    schema: Schema, documents: list[Document]
) -> None:
    scored = [
        replace(d, relations=tuple(replace(r, score=s) for r in d.relations))
        for d, s in zip(documents, (0.6, 0.9, 0.3), strict=True)
    ]
    held = edges(build(scored, schema), "holds_post")
    assert [(e.confidence, [s.document for s in e.statements]) for e in held] == [(0.9, ["b", "a"]), (0.3, ["c"])]
    assert len(edges(build(scored, schema, min_score=0.5), "holds_post")) == 1
    assert held[0].dates == ["2023-06-01", "2024-01-05"]


def test_mentions_that_score_too_low_go_with_their_relations(schema: Schema, documents: list[Document]) -> None:
    weak = replace(documents[2], mentions=tuple(replace(m, score=0.2) for m in documents[2].mentions))
    assert not build([weak], schema, min_score=0.5).nodes
    assert len(build([weak], schema).nodes) == 3


def test_mentions_without_identities_are_one_by_a_name_that_is_enough(schema: Schema) -> None:
    text = "চীনের চীন রহিম রহিম"
    spans = [(0, 5, "GPE"), (6, 9, "GPE"), (10, 14, "PER"), (15, 19, "PER")]
    d = Document(1, text, tuple(Mention(f"m{i}", *span) for i, span in enumerate(spans)))
    assert sorted(n.name for n in build([d], schema).nodes.values()) == ["চীন", "রহিম", "রহিম"]


def test_two_documents_of_one_id_are_refused(schema: Schema, documents: list[Document]) -> None:
    with pytest.raises(InputError, match=r"^a: two documents have this id"):
        build([documents[0], documents[0]], schema)
    broken = replace(documents[0], relations=(Relation("meets", "x", "y", "asserted"),))
    with pytest.raises(InputError, match=r"^a: relations\[0\]\.head"):
        build([broken], schema)


def test_the_timeline_of_a_pair_goes_by_date_in_both_directions(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    entries = timeline(graph, "GPE/ভারত", "GPE/চীন")
    assert [(x.statement.date, x.edge.status) for x in entries] == [("2023-06-01", "negated"), ("2024-01-05", "asserted")]
    assert re.search(r"2023-06-01 +চীন ←meets→ ভারত +negated", to_table(graph, entries))
    assert "(also asserted)" in to_table(graph, entries)
    assert '"sentence": "চীনের সঙ্গে বৈঠক করেছে ভারত।"' in to_json(graph, entries)
    assert to_table(graph, []) == "nothing is stated between them\n"


def test_undated_statements_come_last(schema: Schema, documents: list[Document]) -> None:
    undated = build([replace(documents[1], date=None), documents[0]], schema)
    assert [x.statement.document for x in timeline(undated, "GPE/চীন", "GPE/ভারত")] == ["a", "b"]


def test_a_name_finds_its_node_and_an_unknown_one_is_answered_with_close_ones(graph: Graph) -> None:
    assert find_node(graph, "চীন").id == "GPE/চীন"
    assert find_node(graph, "প্রধানমন্ত্রী (নেপাল)").documents == ("c",)
    with pytest.raises(InputError, match="আনোয়ার হোসে: no node bears this name; close are আনোয়ার হোসেন"):
        find_node(graph, "আনোয়ার হোসে")
    with pytest.raises(InputError, match="রহিম: 2 nodes bear this name; give an id, such as 'PER/রহিম/a#karim'"):
        find_node(graph, "রহিম")
    with pytest.raises(InputError, match="none is close"):
        find_node(graph, "xyz")
