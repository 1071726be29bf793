"""Tasks of the annotation tool Label Studio, in its JSON form.

One task a document: `data` holds its text, id, title, date, topic and the order of its entities; the first annotation
(else the first prediction) holds a region of type "labels" for each mention and a "relation" for each relation, whose
labels are the type and, where it is not the schema's default, the status. Mentions of one entity are chained by relations
labelled SAME; a region's `meta.text` holds "entity=… name=…" as the entity's id and name, on its first mention.
`interface` is the project's labelling configuration. Label Studio counts UTF-16 units where a text holds characters beyond
U+FFFF; both are read, by what a region says that its text is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.files import atomic_write, read_text
from train.model.bangla import bare_name
from train.schema import Schema

SAME = "same"
_META = ("id", "title", "date", "topic")


def write(path: str | Path, documents: Iterable[Document], schema: Schema) -> None:
    """Write tasks that Label Studio imports and `read` gives equal documents back from."""
    tasks = [_task(document, schema) for document in documents]
    with atomic_write(path) as file:
        json.dump(tasks, file, ensure_ascii=False, indent=1)
        file.write("\n")


def read(path: str | Path, schema: Schema) -> list[Document]:
    """The documents of an export; raises InputError that names the file, the task and the field."""
    try:
        tasks = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    if not isinstance(tasks, list):
        raise InputError(f"{path}: expected a list of tasks, got {type(tasks).__name__}")
    documents = []
    for number, task in enumerate(tasks):
        where = f"{path}: task {number}"
        try:
            document = _document(task, number, schema, where)
            document.check(schema)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise InputError(f"{where}: not in Label Studio's JSON form: {type(error).__name__} {error}") from None
        except InputError as error:
            message = str(error)
            raise InputError(message if message.startswith(where) else f"{where}: {message}") from None
        documents.append(document)
    return documents


def interface(schema: Schema) -> str:
    """The labelling configuration of a project for this schema, to paste into Label Studio's settings."""
    mentions = "".join(
        f"    <Label value={quoteattr(name)} hint={quoteattr(t.definition)}/>\n" for name, t in schema.mentions.items()
    )
    labels = [*schema.relations, *(s for s in schema.statuses if s != schema.default_status), SAME]
    relations = "".join(f"    <Relation value={quoteattr(name)}/>\n" for name in labels)
    return (
        '<View>\n  <Labels name="label" toName="text">\n' + mentions + "  </Labels>\n"
        '  <Text name="text" value="$text" granularity="word"/>\n  <Relations>\n' + relations + "  </Relations>\n</View>\n"
    )


def _task(document: Document, schema: Schema) -> dict[str, Any]:
    data = {"text": document.text} | {k: v for k in _META if (v := getattr(document, k)) is not None}
    entities = document.entity_by_id()
    result: list[dict[str, Any]] = []
    last: dict[str, str] = {}
    for m in document.mentions:
        region: dict[str, Any] = {
            "id": m.id,
            "type": "labels",
            "from_name": "label",
            "to_name": "text",
            "value": {"start": m.start, "end": m.end, "text": document.surface(m), "labels": [m.type]},
        }
        if m.entity is not None and m.entity not in last:
            region["meta"] = {"text": [f"entity={m.entity} name={entities[m.entity].name}"]}
        result.append(region)
        if m.entity is not None:
            if m.entity in last:
                result.append(_relation(last[m.entity], m.id, [SAME]))
            last[m.entity] = m.id
    for r in document.relations:
        status = [] if r.status == schema.default_status else [r.status]
        result.append(_relation(r.head, r.tail, [r.type, *status]))
    data["entities"] = [e.id for e in document.entities]  # only their order
    return {"data": data, "annotations": [{"result": result}]}


def _relation(head: str, tail: str, labels: list[str]) -> dict[str, Any]:
    return {"type": "relation", "from_id": head, "to_id": tail, "direction": "right", "labels": labels}


def _document(task: Mapping[str, Any], number: int, schema: Schema, where: str) -> Document:
    data = task["data"]
    given = task.get("annotations") or task.get("predictions") or [{"result": []}]
    result = given[0]["result"]
    regions = [r for r in result if r["type"] == "labels"]
    mentions = [_mention(region, data["text"], where) for region in regions]
    links = [r for r in result if r["type"] == "relation"]
    if other := [r["type"] for r in result if r["type"] not in ("labels", "relation")]:
        raise InputError(f"{where}: a result of type {other[0]!r}; expected 'labels' or 'relation'")
    notes = {r["id"]: " ".join((r.get("meta") or {}).get("text", [])) for r in regions}
    entities, entity_of = _entities(mentions, [r for r in links if SAME in r["labels"]], notes, data["text"], where)
    relations = tuple(_stated(r, schema, where) for r in links if SAME not in r["labels"])
    order = {id_: i for i, id_ in enumerate(data.get("entities", ()))}
    entities = tuple(sorted(entities, key=lambda e: order.get(e.id, len(order))))
    meta = {k: data.get(k) for k in _META[1:]}
    whole = tuple(Mention(m.id, m.start, m.end, m.type, entity_of[m.id]) for m in mentions)
    return Document(data.get("id", f"task-{task.get('id', number)}"), data["text"], whole, entities, relations, **meta)


def _mention(region: Mapping[str, Any], text: str, where: str) -> Mention:
    value = region["value"]
    start, end, labels = value["start"], value["end"], value["labels"]
    if len(labels) != 1:
        raise InputError(f"{where}: region {region['id']!r}: expected one label, got {labels!r}")
    if "text" in value and text[start:end] != value["text"]:
        units = text.encode("utf-16-le")
        start, end = (len(units[: 2 * offset].decode("utf-16-le", "replace")) for offset in (start, end))
        if text[start:end] != value["text"]:
            raise InputError(f"{where}: region {region['id']!r}: the text at {start}:{end} is not {value['text']!r}")
    return Mention(str(region["id"]), start, end, labels[0])


def _stated(link: Mapping[str, Any], schema: Schema, where: str) -> Relation:
    labels, pair = link["labels"], f"{link['from_id']} -> {link['to_id']}"
    types = [name for name in labels if name in schema.relations]
    statuses = [name for name in labels if name in schema.statuses]
    if len(types) != 1 or len(statuses) > 1 or len(types) + len(statuses) != len(labels):
        raise InputError(f"{where}: relation {pair}: expected one relation type and at most one status, got {labels!r}")
    head, tail = str(link["from_id"]), str(link["to_id"])
    if link.get("direction", "right") == "left":
        head, tail = tail, head
    return Relation(types[0], head, tail, statuses[0] if statuses else schema.default_status)


def _entities(
    mentions: Sequence[Mention], links: Sequence[Mapping[str, Any]], notes: Mapping[str, str], text: str, where: str
) -> tuple[tuple[Entity, ...], dict[str, str]]:
    """Entities by chains of SAME, in order of their first mention; a mention without one founds its own."""
    parent = {m.id: m.id for m in mentions}

    def root(id_: str) -> str:
        while parent[id_] != id_:
            id_ = parent[id_]
        return id_

    for link in links:
        for end in (link["from_id"], link["to_id"]):
            if end not in parent:
                raise InputError(f"{where}: relation {SAME!r}: {end!r} is no region")
        parent[root(link["to_id"])] = root(link["from_id"])
    groups: dict[str, list[Mention]] = {}
    for m in mentions:
        groups.setdefault(root(m.id), []).append(m)
    entities, entity_of = [], {}
    for number, members in enumerate(groups.values(), 1):
        note = next((notes[m.id] for m in members if notes[m.id].startswith("entity=")), "")
        id_, _, name = note.removeprefix("entity=").partition(" name=")
        longest = max((bare_name(text[m.start : m.end]) for m in members), key=len)
        entities.append(Entity(id_ or f"e{number}", members[0].type, name or longest))
        entity_of.update(dict.fromkeys((m.id for m in members), entities[-1].id))
    return tuple(entities), entity_of
