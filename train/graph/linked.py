"""A graph as JSON-LD, with Wikidata's items and properties as IRIs and PLOVER's codes in a namespace of their own.

Each edge is an rdf:Statement about its triple, with status, confidence and sources, so that what is negated or planned
is never a fact of the RDF. Only edges of the default status that nothing contradicts also stand as plain triples.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from train.graph.structure import Edge, Graph, Node, Statement
from train.schema import Schema

_XSD = "http://www.w3.org/2001/XMLSchema#"
_CONTEXT = {
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
    "plover": "urn:plover:",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": _XSD,
    "raj": "urn:rajniti:",
    "subject": {"@id": "rdf:subject", "@type": "@id"},
    "predicate": {"@id": "rdf:predicate", "@type": "@id"},
    "object": {"@id": "rdf:object", "@type": "@id"},
    "codes": {"@id": "raj:code", "@type": "@id", "@container": "@set"},
    "contradicted_by": {"@id": "raj:contradicted_by", "@container": "@set"},
    "statements": {"@id": "raj:statement", "@container": "@set"},
    "documents": {"@id": "raj:document", "@container": "@set"},
    "confidence": {"@id": "raj:confidence", "@type": "xsd:double"},
    "score": {"@id": "raj:score", "@type": "xsd:double"},
    **{key: f"raj:{key}" for key in ("kind", "relation", "status", "document", "mentions", "date", "head_span", "tail_span")},
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def jsonld(graph: Graph, schema: Schema) -> str:
    """One JSON-LD document with its context inside; names and sentences carry the schema's language."""
    language = {"@language": schema.language} if schema.language else {}
    names = {"name": {"@id": "rdfs:label", **language}, "aliases": {"@id": "skos:altLabel", "@container": "@set", **language}}
    context = {**_CONTEXT, **names, "sentence": {"@id": "raj:sentence", **language}}
    plain: dict[str, dict[str, list[dict[str, str]]]] = {}
    for edge in graph.edges:
        if edge.status == schema.default_status and not edge.contradicted_by:
            tails = plain.setdefault(edge.head, {}).setdefault(_predicate(edge.type, schema), [])
            tails.append({"@id": _iri("node", edge.tail)})
    nodes = [{**_node(node, schema), **plain.get(node.id, {})} for node in graph.nodes.values()]
    edges = [_edge(edge, schema) for edge in graph.edges]
    return json.dumps({"@context": context, "@graph": nodes + edges}, ensure_ascii=False, indent=1) + "\n"


def _node(node: Node, schema: Schema) -> dict[str, Any]:
    code = schema.mentions[node.type].codes.get("wikidata")
    return {
        "@id": _iri("node", node.id),
        "@type": f"wd:{code}" if code else f"raj:type/{quote(node.type, safe='')}",
        "kind": node.type,
        "name": node.name,
        "aliases": [alias for alias in node.aliases if alias != node.name],
        "mentions": node.mentions,
        "documents": list(node.documents),
    }


def _edge(edge: Edge, schema: Schema) -> dict[str, Any]:
    return {
        "@id": _iri("edge", edge.id),
        "@type": "rdf:Statement",
        "subject": _iri("node", edge.head),
        "predicate": _predicate(edge.type, schema),
        "object": _iri("node", edge.tail),
        "codes": _codes(edge.type, schema),
        "relation": edge.type,
        "status": edge.status,
        "confidence": edge.confidence,
        "contradicted_by": list(edge.contradicted_by),
        "statements": [_statement(statement) for statement in edge.statements],
    }


def _statement(said: Statement) -> dict[str, Any]:
    found: dict[str, Any] = {
        "document": said.document,
        "sentence": said.sentence,
        "head_span": {"@list": list(said.head)},
        "tail_span": {"@list": list(said.tail)},
    }
    if said.date is not None:
        day = _DAY.fullmatch(said.date)
        found["date"] = {"@value": said.date, "@type": "xsd:date"} if day else said.date
    if said.score is not None:
        found["score"] = said.score
    return found


def _predicate(relation: str, schema: Schema) -> str:
    """Wikidata's property; PLOVER's codes are coarser than types (two share one), so that these stand beside the type."""
    code = schema.relations[relation].codes.get("wikidata")
    return f"wdt:{code}" if code else f"raj:relation/{quote(relation, safe='')}"


def _codes(relation: str, schema: Schema) -> list[str]:
    given = schema.relations[relation].codes.get("plover", "")
    return [f"plover:{quote(code.strip(), safe='')}" for code in given.split(",") if code.strip()]


def _iri(kind: str, id_: str) -> str:
    return f"raj:{kind}/{quote(id_, safe='/')}"
