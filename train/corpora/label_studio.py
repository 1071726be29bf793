"""Tasks of the annotation tool Label Studio, in its JSON form.

One task a document: `data` holds its text, id, title, date, topic, other fields and its entities' order; its annotation (the
prediction, where nobody has annotated it) holds a region of type "labels" for each mention and a "relation" for each
relation, whose labels are the type and, where it is not the schema's default, the status. Mentions of one entity are
chained by relations labelled SAME; each region's `meta.text` holds "entity=… name=…", which joins mentions too.
`interface` is the project's labelling configuration. Label Studio counts UTF-16 units where a text holds characters beyond
U+FFFF; both are read, by what a region says that its text is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from train.corpora import jsonl
from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.files import atomic_write, read_text
from train.model.bangla import bare_name
from train.schema import SAME, Schema

_LAYERS = ("mentions", "entities", "relations")


def write(path: str | Path, documents: Iterable[Document], schema: Schema) -> None:
    """Write tasks that Label Studio imports; `read` gives the documents back without scores.

    A mention without an entity comes back with one of its own.
    """
    tasks = [_task(document, schema) for document in documents]
    with atomic_write(path) as file:
        json.dump(tasks, file, ensure_ascii=False, indent=1)
        file.write("\n")


def read(path: str | Path, schema: Schema) -> list[Document]:
    """The documents of an export, without the tasks that all their annotators skipped, which standard error names.

    Raises InputError that names the file, the task and the field, also for a task annotated more than once.
    """
    try:
        tasks = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: JSON that cannot be read: {error}") from None
    if not isinstance(tasks, list):
        raise InputError(f"{path}: expected a list of tasks, got {type(tasks).__name__}")
    documents: list[Document] = []
    for number, task in enumerate(tasks):
        where = f"{path}: task {task['id'] if isinstance(task, dict) and 'id' in task else f'number {number + 1}'}"
        try:
            if (result := _result(task, where)) is None:
                print(f"{where}: left out, as all its annotators skipped it", file=sys.stderr)
                continue
            documents.append(_document(task, result, number, schema, where))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            lacks = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{where}: not in Label Studio's full JSON form: {lacks}") from None
        if documents[-1].id in {d.id for d in documents[:-1]}:
            raise InputError(f"{where}: id {documents[-1].id!r} is used twice")
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
    data = {k: v for k, v in jsonl.to_dict(document).items() if k not in _LAYERS}
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
        if m.entity is not None:  # on each mention, so that one deleted there does not tear the entity apart
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
    return {"data": data, "annotations": [{"result": result}] if result else []}


def _relation(head: str, tail: str, labels: list[str]) -> dict[str, Any]:
    return {"type": "relation", "from_id": head, "to_id": tail, "direction": "right", "labels": labels}


def _result(task: Mapping[str, Any], where: str) -> list[Any] | None:
    """What the one annotation of a task says, else the one prediction; None where each annotator skipped the task."""
    annotations = task.get("annotations") or []
    kept = [a for a in annotations if not a.get("was_cancelled")]
    if annotations and not kept:  # who skips a text has said neither that nothing is in it nor that the model is right
        return None
    kind, found = ("annotation", kept) if kept else ("prediction", task.get("predictions") or [{"result": []}])
    if len(found) > 1:
        raise InputError(f"{where}: {len(found)} {kind}s; expected one, as a document holds one: delete the others")
    result: list[Any] = found[0]["result"]
    return result


def _document(task: Mapping[str, Any], result: Sequence[Any], number: int, schema: Schema, where: str) -> Document:
    """Built through the JSON Lines form, whose reader checks every field's type."""
    data = task["data"]
    if other := [r["type"] for r in result if r["type"] not in ("labels", "relation")]:
        raise InputError(f"{where}: a result of type {other[0]!r}; expected 'labels' or 'relation'")
    fields = {k: v for k, v in data.items() if k not in _LAYERS}
    if fields.get("id") is None:
        fields["id"] = f"task-{task.get('id', number + 1)}"
    blank = jsonl.from_dict(fields, where=where)
    text = blank.text
    regions = [r for r in result if r["type"] == "labels"]
    mentions = [_mention(region, text, where) for region in regions]
    links = [r for r in result if r["type"] == "relation"]
    notes = {str(r["id"]): " ".join((r.get("meta") or {}).get("text", [])) for r in regions}
    same = [r for r in links if SAME in r.get("labels", ())]
    entities, entity_of = _entities(mentions, same, notes, text, where)
    order = {id_: i for i, id_ in enumerate(data.get("entities", ()))}
    document = replace(
        blank,
        mentions=tuple(replace(m, entity=entity_of[m.id]) for m in mentions),
        entities=tuple(sorted(entities, key=lambda e: order.get(e.id, len(order)))),
        relations=tuple(_stated(r, schema, where) for r in links if r not in same),
    )
    try:
        document.check(schema)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return document


def _mention(region: Mapping[str, Any], text: str, where: str) -> Mention:
    value = region["value"]
    start, end, labels = value["start"], value["end"], value["labels"]
    if not (isinstance(start, int) and isinstance(end, int)):
        raise InputError(f"{where}: region {region['id']!r}: expected whole numbers as start and end, got {start!r}:{end!r}")
    if len(labels) != 1:
        raise InputError(f"{where}: region {region['id']!r}: expected one label, got {labels!r}")
    if "text" in value and text[start:end] != value["text"]:
        units = text.encode("utf-16-le")
        start, end = (len(units[: 2 * offset].decode("utf-16-le", "replace")) for offset in (start, end))
        if text[start:end] != value["text"]:
            raise InputError(f"{where}: region {region['id']!r}: the text at {start}:{end} is not {value['text']!r}")
    return Mention(str(region["id"]), start, end, labels[0])


def _stated(link: Mapping[str, Any], schema: Schema, where: str) -> Relation:
    labels, pair = link.get("labels") or [], f"{link['from_id']} -> {link['to_id']}"
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

    def join(a: str, b: str) -> None:
        parent[root(b)] = root(a)

    for link in links:
        ends = str(link["from_id"]), str(link["to_id"])
        if missing := [end for end in ends if end not in parent]:
            raise InputError(f"{where}: relation {SAME!r}: {missing[0]!r} is no region")
        join(*ends)
    noted: dict[str, str] = {}
    for m in mentions:
        if notes[m.id].startswith("entity="):
            join(noted.setdefault(_noted(notes[m.id])[0], m.id), m.id)
    groups: dict[str, list[Mention]] = {}
    for m in mentions:
        groups.setdefault(root(m.id), []).append(m)
    free = (id_ for id_ in map("e{}".format, count(1)) if id_ not in noted)
    entities, entity_of = [], {}
    for members in groups.values():
        id_, name = next((_noted(notes[m.id]) for m in members if notes[m.id].startswith("entity=")), ("", ""))
        longest = max((bare_name(text[m.start : m.end]) for m in members), key=len)
        entities.append(Entity(id_ or next(free), members[0].type, name or longest))
        entity_of.update(dict.fromkeys((m.id for m in members), entities[-1].id))
    return tuple(entities), entity_of


def _noted(note: str) -> tuple[str, str]:
    """Entity id and name of a note "entity=… name=…"."""
    id_, _, name = note.removeprefix("entity=").partition(" name=")
    return id_, name
