"""The annotation schema: mention types, relation types with signatures, statuses. Read from YAML, written into checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex
import yaml

from train.errors import InputError
from train.yamls import read_yaml

_TOP_KEYS = {"name", "language", "mentions", "groups", "relations", "statuses", "card"}
_COMMON_KEYS = {"definition", "example", "wikidata", "plover"}
_MENTION_KEYS = _COMMON_KEYS | {"outside", "across"}
_ACROSS_KEYS = {"words", "shared", "apart"}
_RELATION_KEYS = _COMMON_KEYS | {"symmetric", "signatures"}
_CARD_KEYS = {"texts", "tags", "examples", "purpose"}
# What every form of annotation can write: brat and the inline markup separate fields by white space and other signs.
_NAME = regex.compile(r"[\p{L}\p{M}\p{N}_-]+")
# What joins mentions of one thing in Label Studio, whose relations have the names of relations and statuses as well.
SAME = "same"


@dataclass(frozen=True, slots=True)
class Across:
    """When entities of two documents that bear one bare name are one thing; by default, when it has two words or more.

    A name of at least `words` words is enough (None: no name is), unless documents tie it by a relation of `apart` to
    tails of different names. Else the two are one where both have one node as tail of a relation of `shared`. An entity
    that one document ties to several tails by a relation of `apart` joins no other.
    """

    words: int | None = 2
    shared: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MentionType:
    """One type of mention; `codes` maps an outside vocabulary ("wikidata", "plover") to its code there.

    `outside` are words that stand before such a mention and never belong to it, as honorifics before a name.
    `across` says what makes one node of entities in several documents, when a graph is built.
    """

    name: str
    definition: str
    example: str
    codes: Mapping[str, str] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    across: Across = Across()


@dataclass(frozen=True, slots=True)
class RelationType:
    """One type of relation; `pairs` holds every allowed (head type, tail type)."""

    name: str
    definition: str
    example: str
    pairs: frozenset[tuple[str, str]]
    symmetric: bool = False
    codes: Mapping[str, str] = field(default_factory=dict)

    def allows(self, head: str, tail: str) -> bool:
        return (head, tail) in self.pairs

    def either_order(self, head: str, tail: str) -> bool:
        """Whether (head, tail) and (tail, head) state the same relation between mentions of these types."""
        return self.symmetric and (tail, head) in self.pairs


@dataclass(frozen=True, slots=True)
class CardTexts:
    """What a model card says of every model of a schema: the texts that it tags in a few words, tags for the Hub, sentences
    to try by title (the first is the card's example) and what it is for."""

    texts: str
    tags: tuple[str, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """All that may be annotated. The order of types and statuses is the order of the model's outputs."""

    name: str
    language: str
    mentions: Mapping[str, MentionType]
    relations: Mapping[str, RelationType]
    statuses: Mapping[str, str]
    card: CardTexts

    @classmethod
    def load(cls, path: str | Path) -> Schema:
        """Read a schema from YAML; raises InputError that names the file and the field."""
        return cls.from_dict(read_yaml(path, "schema file"), source=str(path))

    @classmethod
    def from_dict(cls, data: Any, *, source: str = "schema") -> Schema:
        """Build a schema from the YAML file's content; `source` is named in errors."""
        top = _mapping(data, f"{source}", allowed=_TOP_KEYS, required={"name", "mentions", "relations", "statuses"})
        groups = _mapping(top.get("groups") or {}, f"{source}: groups")
        mentions = {
            name: _mention_type(name, entry, f"{source}: mentions.{name}")
            for name, entry in _named(top["mentions"], f"{source}: mentions").items()
        }
        if not mentions:
            raise InputError(f"{source}: mentions: expected at least one type")
        relations = {
            name: _relation_type(name, entry, f"{source}: relations.{name}", mentions, groups)
            for name, entry in _named(top["relations"], f"{source}: relations").items()
        }
        _check_across(mentions, relations, source)
        statuses = {
            name: _text(text, f"{source}: statuses.{name}")
            for name, text in _named(top["statuses"], f"{source}: statuses").items()
        }
        if not statuses:
            raise InputError(f"{source}: statuses: expected at least one, the default first")
        if both := sorted(relations.keys() & statuses.keys()):
            raise InputError(f"{source}: statuses.{both[0]}: is the name of a relation too; expected another")
        for layer, names in (("relations", relations.keys()), ("statuses", statuses.keys())):
            if SAME in names:
                raise InputError(f"{source}: {layer}.{SAME}: joins mentions of one thing in Label Studio; choose another name")
        name, language = (_text(top.get(key, ""), f"{source}: {key}") for key in ("name", "language"))
        return cls(name, language, mentions, relations, statuses, _card(top.get("card", {}), f"{source}: card", name))

    def to_dict(self) -> dict[str, Any]:
        """The content of a YAML file that loads to an equal schema (groups are written out)."""
        return {
            "name": self.name,
            "language": self.language,
            "mentions": {
                t.name: {
                    "definition": t.definition,
                    "example": t.example,
                    **t.codes,
                    **({"outside": list(t.outside)} if t.outside else {}),
                    **({"across": _across_dict(t.across)} if t.across != Across() else {}),
                }
                for t in self.mentions.values()
            },
            "relations": {
                t.name: {
                    "definition": t.definition,
                    "example": t.example,
                    **t.codes,
                    "symmetric": t.symmetric,
                    "signatures": _signatures(t.pairs, list(self.mentions)),
                }
                for t in self.relations.values()
            },
            "statuses": dict(self.statuses),
            "card": {
                "texts": self.card.texts,
                "tags": list(self.card.tags),
                "examples": dict(self.card.examples),
                "purpose": self.card.purpose,
            },
        }

    def save(self, path: str | Path) -> None:
        Path(path).write_text(yaml.safe_dump(self.to_dict(), allow_unicode=True, sort_keys=False, width=120), encoding="utf-8")

    @property
    def default_status(self) -> str:
        return next(iter(self.statuses))

    def difference(self, other: Schema) -> str | None:
        """What a model of `other` would not understand of this schema, in a few words; None when labels agree."""
        for what in ("mentions", "relations", "statuses"):
            mine, theirs = set(getattr(self, what)), set(getattr(other, what))
            if mine != theirs:
                return f"{what}: only in {self.name}: {sorted(mine - theirs)}, only in {other.name}: {sorted(theirs - mine)}"
        for name, relation in self.relations.items():
            if relation.pairs != other.relations[name].pairs or relation.symmetric != other.relations[name].symmetric:
                return f"relations.{name}: signatures differ"
        return None


def _mention_type(name: str, entry: Any, where: str) -> MentionType:
    entry = _mapping(entry, where, allowed=_MENTION_KEYS, required={"definition"})
    outside = _strings(entry.get("outside", []), f"{where}.outside", "words")
    across = _across(entry["across"], f"{where}.across") if "across" in entry else Across()
    definition, example = (_text(entry.get(key, ""), f"{where}.{key}") for key in ("definition", "example"))
    return MentionType(name, definition, example, _codes(entry, where), outside, across)


def _across(given: Any, where: str) -> Across:
    """An empty mapping merges nothing; only a missing one is the default."""
    entry = _mapping(given, where, allowed=_ACROSS_KEYS)
    words = entry.get("words")
    if words is not None and (isinstance(words, bool) or not isinstance(words, int) or words < 1):
        raise InputError(f"{where}.words: expected a whole number from 1 on, got {words!r}")
    shared, apart = (_strings(entry.get(key, []), f"{where}.{key}", "relation types") for key in ("shared", "apart"))
    return Across(words, shared, apart)


def _across_dict(across: Across) -> dict[str, Any]:
    named = {"words": across.words, "shared": list(across.shared), "apart": list(across.apart)}
    return {key: value for key, value in named.items() if value}


def _check_across(mentions: Mapping[str, MentionType], relations: Mapping[str, RelationType], source: str) -> None:
    for mention in mentions.values():
        for key in ("shared", "apart"):
            for name in getattr(mention.across, key):
                if name not in relations or mention.name not in {head for head, _ in relations[name].pairs}:
                    raise InputError(f"{source}: mentions.{mention.name}.across.{key}: no relation {name!r} has it as head")


def _card(given: Any, where: str, name: str) -> CardTexts:
    entry = _mapping(given, where, allowed=_CARD_KEYS)
    texts, purpose = (_text(entry.get(key, ""), f"{where}.{key}") for key in ("texts", "purpose"))
    examples = _mapping(entry.get("examples", {}), f"{where}.examples")
    for title, text in examples.items():
        if not (isinstance(title, str) and isinstance(text, str)):
            raise InputError(f"{where}.examples: expected a sentence by title, got {title!r}: {text!r}")
    tags = _strings(entry.get("tags", [name]), f"{where}.tags", "words")
    return CardTexts(texts or f"{name} texts", tags, examples, purpose.strip())


def _strings(given: Any, where: str, what: str) -> tuple[str, ...]:
    if not (isinstance(given, list) and all(isinstance(item, str) for item in given)):
        raise InputError(f"{where}: expected a list of {what}, got {given!r}")
    return tuple(given)


def _relation_type(
    name: str, entry: Any, where: str, mentions: Mapping[str, MentionType], groups: Mapping[str, Any]
) -> RelationType:
    entry = _mapping(entry, where, allowed=_RELATION_KEYS, required={"definition", "signatures"})
    if not isinstance(entry["signatures"], list):
        raise InputError(f"{where}.signatures: expected a list of [heads, tails], got {entry['signatures']!r}")
    if not isinstance(symmetric := entry.get("symmetric", False), bool):
        raise InputError(f"{where}.symmetric: expected true or false, got {symmetric!r}")
    pairs: set[tuple[str, str]] = set()
    for signature in entry["signatures"]:
        if not (isinstance(signature, list) and len(signature) == 2):
            raise InputError(f"{where}.signatures: expected [heads, tails], got {signature!r}")
        heads, tails = (_side(side, f"{where}.signatures", mentions, groups) for side in signature)
        pairs.update((head, tail) for head in heads for tail in tails)
    definition, example = (_text(entry.get(key, ""), f"{where}.{key}") for key in ("definition", "example"))
    return RelationType(name, definition, example, frozenset(pairs), symmetric, _codes(entry, where))


def _side(given: Any, where: str, mentions: Mapping[str, MentionType], groups: Mapping[str, Any]) -> list[str]:
    """One side of a signature: a list of mention types, or the name of a group of them."""
    side = groups.get(given) if isinstance(given, str) else given
    if not isinstance(side, list):
        raise InputError(f"{where}: {given!r} is neither a list of mention types nor a group")
    for mention in side:
        if not isinstance(mention, str) or mention not in mentions:
            raise InputError(f"{where}: unknown mention type {mention!r}")
    return side


def _codes(entry: Mapping[str, Any], where: str) -> dict[str, str]:
    return {key: _text(entry[key], f"{where}.{key}") for key in ("wikidata", "plover") if key in entry}


def _signatures(pairs: frozenset[tuple[str, str]], order: list[str]) -> list[list[list[str]]]:
    by_tails: dict[tuple[str, ...], list[str]] = {}
    for head in order:
        tails = tuple(tail for tail in order if (head, tail) in pairs)
        if tails:
            by_tails.setdefault(tails, []).append(head)
    return [[heads, list(tails)] for tails, heads in by_tails.items()]


def _text(value: Any, where: str) -> str:
    """YAML reads what is left empty as nothing, an unquoted no as false, and 2024 as a number."""
    if not isinstance(value, str):
        raise InputError(f"{where}: expected a text, got {value!r}{'' if value is None else '; put it in quotes if it is one'}")
    return value


def _named(value: Any, where: str) -> dict[str, Any]:
    """A mapping by names; YAML reads an unquoted NO or ON as true or false, and 2024 as a number."""
    for name in (entries := _mapping(value, where)):
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise InputError(
                f"{where}: expected a name of letters, digits, _ and -, in quotes if YAML reads it otherwise, got {name!r}"
            )
    return entries


def _mapping(value: Any, where: str, *, allowed: set[str] | None = None, required: set[str] = frozenset()) -> dict:  # type: ignore[assignment]
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a mapping, got {type(value).__name__}")
    if allowed is not None and (unknown := sorted(set(value) - allowed, key=str)):
        raise InputError(f"{where}: unknown key {unknown[0]!r}; expected one of {sorted(allowed)}")
    if missing := sorted(required - set(value)):
        raise InputError(f"{where}: missing key {missing[0]!r}")
    return value
