"""Documents: what each broken invariant is told as."""

from __future__ import annotations

from dataclasses import replace

import pytest

from train.document import Document, Entity, Mention, Relation, crossing
from train.errors import InputError
from train.schema import Schema

TEXT = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই ঢাকায় পৌঁছেছেন।"
WORDS = {"চীনের": (0, 5), "পররাষ্ট্রমন্ত্রী": (6, 22), "ওয়াং ই": (23, 30), "ঢাকায়": (31, 37)}


def document() -> Document:
    return Document(
        "d",
        TEXT,
        (
            Mention("m1", *WORDS["চীনের"], "GPE", "cn"),
            Mention("m2", *WORDS["পররাষ্ট্রমন্ত্রী"], "POST", "fm"),
            Mention("m3", *WORDS["ওয়াং ই"], "PER", "wang"),
            Mention("m4", *WORDS["ঢাকায়"], "GPE"),
        ),
        (Entity("cn", "GPE", "চীন"), Entity("fm", "POST", "পররাষ্ট্রমন্ত্রী"), Entity("wang", "PER", "ওয়াং ই")),
        (Relation("holds_post", "m3", "m2", "asserted"), Relation("meets", "m3", "m1", "negated")),
    )


def with_mention(**changes: object) -> Document:
    d = document()
    return replace(d, mentions=(*d.mentions[:3], replace(d.mentions[3], **changes)))  # type: ignore[arg-type]


def with_relation(**changes: object) -> Document:
    d = document()
    return replace(d, relations=(d.relations[0], replace(d.relations[1], **changes)))  # type: ignore[arg-type]


def test_a_sound_document_passes(schema: Schema) -> None:
    document().check(schema)
    Document(1, "").check(schema)


def test_surface_counts_code_points(schema: Schema) -> None:
    d = document()
    assert [d.surface(m) for m in d.mentions] == list(WORDS)
    decomposed = "হ\u09af\u09bc"  # য় as two code points counts two, a sign beyond the first plane one
    assert Document("x", f"\U0001f600 {decomposed}।").surface(Mention("m", 2, 5, "PER")) == decomposed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "m1"}, r"mentions\[3\]\.id: 'm1' is used twice"),
        ({"type": "CITY"}, r"mentions\[3\]\.type: unknown type 'CITY'; expected one of PER, GPE"),
        ({"end": 99}, r"mentions\[3\]: offsets 31:99 lie outside the text; expected 0 <= start < end <= 47"),
        ({"start": 37}, r"mentions\[3\]: offsets 37:37 lie outside"),
        ({"start": -3, "end": 5}, r"mentions\[3\]: offsets -3:5 lie outside"),
        ({"end": 34}, r"mentions\[3\]: 31:34 'ঢাক' cuts a word; expected whole words"),
        ({"start": 33}, r"cuts a word"),
        ({"end": 38}, r"mentions\[3\]: 31:38 'ঢাকায় ' has white space at its edge"),
        ({"start": 30}, r"has white space at its edge"),
        ({"start": 23, "end": 30}, r"mentions\[3\]: 23:30 'ওয়াং ই' is annotated twice"),
        ({"start": 29, "end": 37}, r"'ওয়াং ই' \(m3\) and 'ই ঢাকায়' \(m4\) cross; expected nested or disjoint"),
        ({"entity": "nobody"}, r"mentions\[3\]\.entity: 'nobody' is not among the entities"),
        ({"entity": "wang"}, r"mentions\[3\]\.type: GPE differs from its entity's type PER"),
    ],
)
def test_a_broken_mention_is_named_by_its_place(schema: Schema, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_mention(**changes).check(schema)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "likes"}, r"relations\[1\]\.type: unknown type 'likes'; expected one of holds_post"),
        ({"status": "true"}, r"relations\[1\]\.status: unknown status 'true'; expected one of asserted, negated"),
        ({"head": "m9"}, r"relations\[1\]\.head: 'm9' is not among the mentions"),
        ({"tail": "m9"}, r"relations\[1\]\.tail: 'm9' is not among the mentions"),
        ({"tail": "m3"}, r"relations\[1\]: head and tail are the same mention 'm3'"),
        ({"type": "post_in"}, r"relations\[1\]: post_in cannot hold from PER 'ওয়াং ই' to GPE 'চীনের'"),
        (
            {"type": "holds_post", "tail": "m2", "status": "former"},
            r"relations\[1\]: holds_post from 'm3' to 'm2' is stated twice",
        ),
    ],
)
def test_a_broken_relation_is_named_by_its_place(schema: Schema, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_relation(**changes).check(schema)


def test_entities_need_unique_ids_known_types_and_a_mention(schema: Schema) -> None:
    d = document()
    with pytest.raises(InputError, match=r"entities\[3\]\.id: 'cn' is used twice"):
        replace(d, entities=(*d.entities, Entity("cn", "GPE", "চীন"))).check(schema)
    with pytest.raises(InputError, match=r"entities\[3\]\.type: unknown type 'X'"):
        replace(d, entities=(*d.entities, Entity("x", "X", "চীন"))).check(schema)
    with pytest.raises(InputError, match=r"entities: 'in' has no mention"):
        replace(d, entities=(*d.entities, Entity("in", "GPE", "ভারত"))).check(schema)


def test_a_symmetric_relation_counts_once_in_either_order(schema: Schema) -> None:
    d = document()
    turned = Relation("meets", "m1", "m3", "asserted")
    with pytest.raises(InputError, match="stated twice"):
        replace(d, relations=(*d.relations, turned)).check(schema)
    # visits goes one way, so that both directions are two relations
    both = (Relation("criticizes", "m3", "m1", "asserted"), Relation("criticizes", "m1", "m3", "asserted"))
    replace(d, relations=both).check(schema)


def test_nested_mentions_pass_and_deep_crossings_are_found(schema: Schema) -> None:
    d = Document("x", "ক খ গ ঘ", tuple(Mention(f"m{i}", a, b, "ORG") for i, (a, b) in enumerate([(0, 7), (0, 3), (0, 1)])))
    d.check(schema)
    with pytest.raises(InputError, match="cross"):
        replace(d, mentions=(*d.mentions, Mention("m9", 2, 5, "ORG"))).check(schema)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 5), (3, 8), True),
        ((3, 8), (0, 5), True),
        ((0, 5), (5, 8), False),
        ((0, 8), (3, 5), False),
        ((0, 5), (0, 8), False),
    ],
)
def test_crossing_is_overlap_without_nesting(a: tuple[int, int], b: tuple[int, int], expected: bool) -> None:
    assert crossing(*a, *b) is expected
