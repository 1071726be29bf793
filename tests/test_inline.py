"""The inline markup: what its lines mean, what is refused at which line, and the round trip."""

from __future__ import annotations

from dataclasses import replace

import pytest

from train.corpora import inline, jsonl
from train.corpora.load import BUNDLED
from train.document import Document, Entity, Mention
from train.errors import InputError
from train.schema import Schema

MARKUP = """## gov-001 | 2024-03-05 | diplomacy | ঢাকায় চীনের মন্ত্রী
= cn GPE চীন
= wang PER ওয়াং ই
= fm POST পররাষ্ট্রমন্ত্রী
= dhaka GPE ঢাকা

{চীনের|cn} {পররাষ্ট্রমন্ত্রী|fm} {ওয়াং ই|wang} {ঢাকায়|dhaka} পৌঁছেছেন।
- wang holds_post fm
- fm post_in cn
{চীন|cn} ও {চীনের|cn} কথা বলেন {ওয়াং|wang}।
- wang visits dhaka former
- wang supports cn.2

{ঢাকা|dhaka} ছাড়েননি {ওয়াং ই|wang}।
- wang criticizes cn@1 negated
"""


def one(markup: str, schema: Schema) -> Document:
    [document] = inline.parse(markup, schema, source="f.txt")
    return document


def canonical(document: Document) -> Document:
    """Mentions in the text's order with ids by it, relations sorted, and no scores, which the markup has no place for."""
    ordered = sorted(document.mentions, key=lambda m: (m.start, -m.end))
    ids = {m.id: f"m{i}" for i, m in enumerate(ordered, 1)}
    relations = [replace(r, head=ids[r.head], tail=ids[r.tail], score=None) for r in document.relations]
    return replace(
        document,
        mentions=tuple(replace(m, id=ids[m.id], score=None) for m in ordered),
        relations=tuple(sorted(relations, key=str)),
    )


def test_header_entities_text_and_mentions_are_read(schema: Schema) -> None:
    d = one(MARKUP, schema)
    assert (d.id, d.date, d.topic, d.title) == ("gov-001", "2024-03-05", "diplomacy", "ঢাকায় চীনের মন্ত্রী")
    assert d.text == ("চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই ঢাকায় পৌঁছেছেন। চীন ও চীনের কথা বলেন ওয়াং।\nঢাকা ছাড়েননি ওয়াং ই।")
    assert d.entities[1] == Entity("wang", "PER", "ওয়াং ই")
    assert [(m.id, d.surface(m), m.entity) for m in d.mentions][:3] == [
        ("m1", "চীনের", "cn"),
        ("m2", "পররাষ্ট্রমন্ত্রী", "fm"),
        ("m3", "ওয়াং ই", "wang"),
    ]


def test_references_choose_in_the_sentence_then_before_then_by_number(schema: Schema) -> None:
    d = one(MARKUP, schema)
    found = [(r.type, r.head, r.tail, r.status) for r in d.relations]
    assert found == [
        ("holds_post", "m3", "m2", "asserted"),
        ("post_in", "m2", "m1", "asserted"),
        ("visits", "m7", "m4", "former"),  # dhaka is not in the second sentence: the nearest before
        ("supports", "m7", "m6", "asserted"),  # cn.2: the second of this sentence
        ("criticizes", "m9", "m1", "negated"),  # cn@1: the first of the document
    ]


def test_a_reference_looks_ahead_where_nothing_stands_before(schema: Schema) -> None:
    d = one("## a\n= a PER ক\n= b GPE খ\n{ক|a} এলেন।\n- a visits b\n{খ|b} দেশ। {খ|b} বড়।\n", schema)
    assert d.relations[0].tail == "m2"


def test_a_reference_takes_the_nearest_of_several_before(schema: Schema) -> None:
    d = one("## a\n= a PER ক\n= b GPE খ\n{খ|b} দেশ। {খ|b} বড়।\n{ক|a} এলেন।\n- a visits b\n", schema)
    assert (d.relations[0].head, d.relations[0].tail) == ("m3", "m2")


def test_mentions_nest(schema: Schema) -> None:
    d = one("## a\n= u IGO জাতিসংঘ\n= c IGO পরিষদ\n{{জাতিসংঘ|u} পরিষদের|c} কথা\n", schema)
    assert [(m.id, d.surface(m)) for m in d.mentions] == [("m1", "জাতিসংঘ পরিষদের"), ("m2", "জাতিসংঘ")]


def test_escapes_and_line_ends(schema: Schema) -> None:
    d = one("## a\n\n\\- ক \\{খ\\|গ\\} \\\\ | ঘ\\nঙ\n\nচ  ছ\nজ\\ \n", schema)
    assert d.text == "- ক {খ|গ} \\ | ঘ\nঙ\nচ  ছ জ "


def test_line_feeds_with_carriage_returns_read_alike(schema: Schema) -> None:
    assert one(MARKUP.replace("\n", "\r\n"), schema) == one(MARKUP, schema)


def test_several_documents_and_bare_headers(schema: Schema) -> None:
    documents = inline.parse("\n## a\nক\n## b | | গ\nখ\n", schema)
    assert [(d.id, d.date, d.topic, d.text) for d in documents] == [("a", None, None, "ক"), ("b", None, "গ", "খ")]
    assert inline.parse("", schema) == []


@pytest.mark.parametrize(
    ("markup", "message"),
    [
        ("ক", "f.txt:1: expected a line '## id"),
        ("## \nক", "f.txt:1: expected an id after '##'"),
        ("## a\n= x GPE", "f.txt:2: expected '= key TYPE name'"),
        ("## a\n= x CITY ক", "f.txt:2: unknown mention type 'CITY'; expected one of PER"),
        ("## a\n= x GPE ক\n= x GPE খ", "f.txt:3: entity 'x' is declared twice"),
        ("## a\n= x.1 GPE ক", "f.txt:2: entity 'x.1': expected a key without"),
        ("## a\n= x GPE ক\n= y GPE খ\n{ক|x}", "f.txt:3: entity 'y' is declared but never mentioned"),
        ("## a\n= x GPE ক\n\n{ক|y}", r"f.txt:4: expected '|entity}' with a declared entity, got '|y}'"),
        ("## a\n= x GPE ক\n{ক|x", "f.txt:3: expected '|entity}'"),
        ("## a\n{ক", "f.txt:2: '{' is never closed"),
        ("## a\nক}", "f.txt:2: '}' without"),
        ("## a\n= x GPE ক\n{ক|x}খ", "f.txt:1: a: mentions[0]: 0:1 'ক' cuts a word"),
        ("## a\n= x GPE ক\n{ক|x}\n- x visits", "f.txt:4: expected '- head type tail [status]'"),
        ("## a\n= x GPE ক\n{ক|x}\n- x visits y", "f.txt:4: 'y' names no declared entity"),
        ("## a\n= x GPE ক\n{ক|x} {খ|x}\n- x likes x.2", "f.txt:4: unknown relation type 'likes'"),
        (
            "## a\n= x GPE ক\n{ক|x} {খ|x}\n- x holds_post x.2",
            "f.txt:4: holds_post cannot hold from GPE 'x' to GPE 'x.2'",
        ),
        ("## a\n= x GPE ক\n{ক|x} {খ|x}\n- x visits x.2 maybe", "f.txt:4: unknown status 'maybe'"),
        ("## a\n= x GPE ক\n{ক|x}\n{খ|x}\n- x visits x.2", "f.txt:5: 'x.2': there is no such mention"),
        ("## a\n= x GPE ক\n{ক|x}\n- x visits x@2", "f.txt:4: 'x@2': there is no such mention"),
        ("## a\n= x GPE ক\n{ক|x} {খ|x}\n- x visits x.0", "f.txt:4: 'x.0' names no declared entity"),
        ("## a\n= x GPE ক\n{ক|x} {খ|x}\n- x visits x@0", "f.txt:4: 'x@0' names no declared entity"),
        ("## a\nক\n\n## b\nখ\n## a\nগ", "f.txt:6: id 'a' is already the id of line 1"),
    ],
)
def test_errors_name_the_line(schema: Schema, markup: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        inline.parse(markup, schema, source="f.txt")
    assert str(caught.value).startswith(message)


def test_what_is_written_reads_back_equal(schema: Schema) -> None:
    d = one(MARKUP, schema)
    markup = inline.write([d], schema)
    assert canonical(one(markup, schema)) == canonical(d)
    assert markup.startswith("## gov-001 | 2024-03-05 | diplomacy | ঢাকায় চীনের মন্ত্রী\n= cn GPE চীন\n")
    assert "\n{চীন|cn} ও {চীনের|cn} কথা বলেন {ওয়াং|wang}।\n- wang@2 visits dhaka@1 former\n" in markup


def test_the_bundled_corpus_reads_back_equal(schema: Schema) -> None:
    documents = jsonl.read(BUNDLED / "validation.jsonl", schema)
    again = inline.parse(inline.write(documents, schema), schema)
    assert [canonical(d) for d in again] == [canonical(d) for d in documents]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ক। ",
        "\n\nক।  খ\n\n\nগ\n",
        "- ক\n= খ\n## গ",
        "ক।\n- খ।",
        "{ক|খ} \\ \\n",
        "ক\\",
        "ক\u2028খ\x85গ\r\nঘ\r",
        "ক। \tখ",
        "“কী?” বলেন। তিনি",
    ],
)
def test_any_text_reads_back_equal(schema: Schema, text: str) -> None:
    assert one(inline.write([Document("a", text)], schema), schema).text == text


def test_mentions_out_of_order_keep_their_relations(schema: Schema) -> None:
    d = one(MARKUP, schema)
    turned = replace(d, mentions=d.mentions[::-1], relations=d.relations[::-1])
    assert canonical(one(inline.write([turned], schema), schema)) == canonical(d)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (Document("a", "ক", (Mention("m1", 0, 1, "GPE"),)), "a: mention 'm1' cannot be written; it has no entity"),
        (Document("a", "ক", extra={"url": "x"}), "a: field 'url' cannot be written; the markup has no place for it"),
        (Document(7, "ক"), "7: id 7 cannot be written; it is a number"),
        (Document("a|b", "ক"), "id 'a|b' cannot be written; it holds |"),
        (Document("a", "ক", title="খ\nগ"), "a: title 'খ\\nগ' cannot be written"),
        (Document("a", "ক", date=" "), "a: date ' ' cannot be written"),
        (
            Document("a", "ক", (Mention("m1", 0, 1, "GPE", "e.1"),), (Entity("e.1", "GPE", "ক"),)),
            "a: entity id 'e.1' cannot be written",
        ),
        (
            Document("a", "ক", (Mention("m1", 0, 1, "GPE", "e"),), (Entity("e", "GPE", "ক\nখ"),)),
            "a: entity name 'ক\\nখ' cannot be written",
        ),
    ],
)
def test_what_the_markup_cannot_hold_is_refused(schema: Schema, document: Document, message: str) -> None:
    with pytest.raises(InputError) as caught:
        inline.write([document], schema)
    assert message in str(caught.value)
