"""Another name for one entity of an annotated document, in the case endings of the old one, and the way back.

`swap` renames; `restored` puts what a model predicts for the renamed text back onto the original, for comparison.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import regex

from train.document import Document, Mention
from train.errors import InputError
from train.model.bangla import bare_name, normalised

_ENDING = regex.compile(
    r"(?:(?P<plural>ে?রা)|(?P<genitive>(?:ে|য়ে|এ)?র)|(?P<locative>ে|য়ে?|তে)|(?P<same>কে|দের(?:কে)?))?(?P<particle>সহ|ও|ই)?"
)
# The forms of a case after ং ই উ, after া ো, after other vowels, and after consonants.
_FORMS = {"plural": ("য়েরা", "রা", "রা", "েরা"), "genitive": ("য়ের", "র", "র", "ের"), "locative": ("য়ে", "য়", "তে", "ে")}
_CLASSES = ("ংইউ", "াো", "িীুূৃেৈৌঅআঈঊঋএঐওঔ")


def case_ending(surface: str, name: str = "") -> str:
    """The case ending and particles of an inflected surface; the words of the entity's bare `name` tell সরকার from -র."""
    last = normalised(surface).split(" ")[-1]
    for word in sorted(normalised(name).split(" "), key=len, reverse=True):
        rest = regex.sub(r"^[-–'’]", "", last.removeprefix(word))
        if word and last.startswith(word) and _ENDING.fullmatch(rest):
            return rest
    rest = normalised(surface)[len(bare_name(surface)) :].lstrip("'’")
    return rest if _ENDING.fullmatch(rest) else ""


def inflected(name: str, ending: str) -> str:
    """The name in the case that `ending` marks, in the form that its own last sound asks for: -র, -ের or -য়ের."""
    match = _ENDING.fullmatch(ending)
    if match is None:
        return unicodedata.normalize("NFC", name + ending)
    last = normalised(name).rstrip("ঁ")[-1:]
    form = next((i for i, letters in enumerate(_CLASSES) if last in letters), 3)
    case = next((forms[form] for kind, forms in _FORMS.items() if match[kind]), match["same"] or "")
    return unicodedata.normalize("NFC", name + case + (match["particle"] or ""))


def swap(document: Document, entity: str, name: str, *, short_forms: bool = False) -> Document:
    """The document with every mention of an entity (by its id) under another name, in the case that it had.

    With `short_forms` a mention of one word gets one word of the new name: the first where it was the first (or only) word
    of the old one, else the last. Mentions inside a swapped one are dropped with their relations, and one around it grows.
    Raises InputError where the entity has no mention.
    """
    old = next((e.name for e in document.entities if e.id == entity), "")
    spans: list[Mention] = []
    for m in sorted((m for m in document.mentions if m.entity == entity), key=lambda m: (m.start, -m.end)):
        if not spans or m.start >= spans[-1].end:
            spans.append(m)
    if not spans:
        raise InputError(f"document {document.id!r}: entity {entity!r} has no mention")
    text, cursor, pieces = "", 0, []
    for m in spans:
        ending = case_ending(document.surface(m), old)
        new = name
        if short_forms and len(words := normalised(document.surface(m)).split(" ")) == 1:
            first = words[0].removesuffix(ending).rstrip("-–'’") == normalised(old).split(" ")[0]
            new = name.split()[0 if first else -1]
        text += document.text[cursor : m.start]
        pieces.append(((m.start, m.end), (len(text), len(text) + len(inflected(new, ending)))))
        text, cursor = text + inflected(new, ending), m.end
    moved = _moved(document, text + document.text[cursor:], pieces)
    entities = tuple(replace(e, name=name) if e.id == entity else e for e in moved.entities)
    return replace(moved, entities=entities)


def restored(predicted: Document, *, swapped: Document, original: Document, entity: str) -> Document:
    """A prediction for a swapped document in the original's text and offsets.

    A mention that starts or ends inside a swapped name stands for nothing there, and is dropped with its relations.
    """
    there = {m.id: (m.start, m.end) for m in swapped.mentions}
    own = sorted((m.start, m.end, m.id) for m in original.mentions if m.entity == entity and m.id in there)
    return _moved(predicted, original.text, [(there[id_], (start, end)) for start, end, id_ in own])


_Span = tuple[int, int]


def _moved(document: Document, text: str, pieces: Sequence[tuple[_Span, _Span]]) -> Document:
    """The annotation on a text whose pieces (from, to), disjoint and in order, were exchanged; none inside a piece."""

    def moved(offset: int) -> int:
        shift = 0
        for (start, end), (_, new_end) in pieces:
            if offset <= start:
                break
            if offset < end:
                return -1
            shift = new_end - end
        return offset + shift

    mentions = [replace(m, start=moved(m.start), end=moved(m.end)) for m in document.mentions]
    mentions = [m for m in mentions if m.start >= 0 and m.end >= 0]
    kept, named = {m.id for m in mentions}, {m.entity for m in mentions}
    relations = tuple(r for r in document.relations if {r.head, r.tail} <= kept)
    entities = tuple(e for e in document.entities if e.id in named)
    return replace(document, text=text, mentions=tuple(mentions), entities=entities, relations=relations)
