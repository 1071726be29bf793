"""Views: everything is shown, nested as it is, escaped, and without the network."""

from __future__ import annotations

import html.parser
import re
from dataclasses import replace
from typing import Any

import pytest

from train.corpora import inline
from train.document import Document, Entity, Mention, Relation
from train.errors import InputError
from train.schema import Schema
from train.views import to_html, to_table

MARKUP = """## gov-001 | 2024-03-05 | diplomacy | ঢাকায় <i>চীনের</i> মন্ত্রী
= cn GPE চীন
= in GPE ভারত
= wang PER ওয়াং ই
= fm POST পররাষ্ট্রমন্ত্রী
= un IGO জাতিসংঘ
= unsc IGO জাতিসংঘ নিরাপত্তা পরিষদ
= sess EVENT জাতিসংঘ নিরাপত্তা পরিষদের বৈঠক

{চীনের|cn} {পররাষ্ট্রমন্ত্রী|fm} {ওয়াং ই|wang} বলেন, <b>"না" & হ্যাঁ</b>।
- wang holds_post fm
- wang meets in
{চীন|cn} {{{জাতিসংঘ|un} নিরাপত্তা পরিষদের|unsc} বৈঠকে|sess} {ভারতের|in} নিন্দা করেনি।
- cn criticizes in negated
- un participates_in sess unrealised
- wang represents cn@1 former

আবহাওয়া ভালো।
"""


@pytest.fixture
def document(schema: Schema) -> Document:
    return inline.parse(MARKUP, schema)[0]


def scored(document: Document) -> Document:
    return replace(
        document,
        mentions=tuple(replace(m, score=0.99 - i / 100) for i, m in enumerate(document.mentions)),
        relations=tuple(replace(r, score=0.5 + i / 100) for i, r in enumerate(document.relations)),
    )


class Page(html.parser.HTMLParser):
    """Reads a page: marks with what is inside them, rows, links; refuses tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[tuple[str, dict[str, str]]] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.marks: dict[str, dict[str, Any]] = {}
        self.text: dict[str, list[str]] = {}
        self.rows: list[dict[str, Any]] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.tags.append((tag, found))
        if tag not in {"meta", "link", "br", "img"}:
            self.stack.append((tag, found))
        if tag == "mark":
            outer = [a["id"] for t, a in self.stack[:-1] if t == "mark"]
            self.marks[found["id"]] = {"outer": outer, "surface": "", "label": "", "style": found["style"]}
        if "data-marks" in found:
            self.rows.append({"class": found["class"], "marks": found["data-marks"].split(), "text": "", "looks": []})
        if "look-" in found.get("class", "") and any("data-marks" in a for _, a in self.stack):
            self.rows[-1]["looks"] = re.findall(r"look-\d|both", found["class"])

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        opened = [t for t, _ in self.stack]
        in_marks = [a["id"] for t, a in self.stack if t == "mark"]
        if in_marks and "small" in opened:
            self.marks[in_marks[-1]]["label"] += data
        for key in in_marks if "small" not in opened else []:
            self.marks[key]["surface"] += data
        if any("data-marks" in a for _, a in self.stack):
            self.rows[-1]["text"] += data
        if opened:
            self.text.setdefault(opened[-1], []).append(data)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["class"] == kind]

    def surface(self, key: str) -> str:
        return self.marks[key]["surface"]


def words(row: dict[str, Any]) -> str:
    return " ".join(str(row["text"]).split())


def test_every_mention_is_marked_with_its_type_and_nested_as_in_the_text(schema: Schema, document: Document) -> None:
    page = Page(to_html([document], schema))
    found = [(mark["surface"], mark["label"], len(mark["outer"])) for mark in page.marks.values()]
    ordered = sorted(document.mentions, key=lambda m: (m.start, -m.end))
    depth = [sum(o.start <= m.start and m.end <= o.end and o is not m for o in ordered) for m in ordered]
    assert found == [(document.surface(m), m.type, d) for m, d in zip(ordered, depth, strict=True)]
    assert max(depth) == 2
    session = next(m for m in page.marks.values() if m["label"] == "EVENT")
    assert session["style"].endswith("--n:2")


def test_the_text_is_whole_sentence_by_sentence(schema: Schema, document: Document) -> None:
    page = Page(re.sub(r"<small>.*?</small>", "", to_html([document], schema)))
    shown = "".join(page.text["p"] + page.text["mark"])
    for part in ('বলেন, <b>"না" & হ্যাঁ</b>।', "আবহাওয়া ভালো।", "নিন্দা করেনি।"):
        assert part in shown


def test_relations_stand_under_their_sentence_with_status_and_direction(schema: Schema, document: Document) -> None:
    rows = Page(to_html([document], schema)).of("relation")
    assert [(words(row), row["looks"]) for row in rows] == [
        ("ওয়াং ই holds_post পররাষ্ট্রমন্ত্রী", ["look-0"]),
        ("ওয়াং ই represents চীনের former", ["look-3"]),
        ("ওয়াং ই sentence 1 meets ভারতের", ["look-0", "both"]),
        ("চীন criticizes ভারতের negated", ["look-1"]),
        ("জাতিসংঘ participates_in জাতিসংঘ নিরাপত্তা পরিষদের বৈঠকে unrealised", ["look-2"]),
    ]


def test_a_relation_points_at_its_two_mentions_and_an_entity_at_all_of_its_own(schema: Schema, document: Document) -> None:
    page = Page(to_html([document], schema))
    negated = next(row for row in page.of("relation") if "negated" in words(row))
    assert [page.surface(key) for key in negated["marks"]] == ["চীন", "ভারতের"]
    china = next(row for row in page.of("entity") if words(row).startswith("চীন"))
    assert [page.surface(key) for key in china["marks"]] == ["চীনের", "চীন"]
    assert words(china) == "চীন 2 GPE চীনের, চীন"


def test_all_is_escaped(schema: Schema, document: Document) -> None:
    nasty = '<script>alert("x")</script>&amp;'
    d = replace(
        document,
        id=nasty,
        title=f"{nasty} শিরোনাম",
        topic=nasty,
        date=nasty,
        entities=tuple(replace(e, name=nasty, id=e.id) for e in document.entities),
        text=document.text + nasty,
    )
    text = to_html([d, d], schema)
    assert "<script>alert" not in text and "&amp;amp;" in text
    assert [tag for tag, _ in Page(text).tags].count("script") == 1
    quoted = Schema.from_dict({**schema.to_dict(), "language": '"><script>'})
    assert '"><script>' not in to_html([document], quoted)


def test_the_page_needs_no_network(schema: Schema, document: Document) -> None:
    text = to_html([document, document], schema)
    page = Page(text)
    assert not any("src" in a or tag in {"link", "img", "iframe", "object"} for tag, a in page.tags)
    assert all(a["href"].startswith("#") for tag, a in page.tags if tag == "a")
    assert "@import" not in text and "url(" not in text and "http://" not in text and "https://" not in text
    assert any(a.get("content", "").startswith("default-src 'none'") for tag, a in page.tags if tag == "meta")


def test_scores_are_shown_where_there_are_any(schema: Schema, document: Document) -> None:
    assert not re.search(r"\b0\.\d\d\b", re.sub(r"(?s)<style>.*?</style>", "", to_html([document], schema)))
    page = Page(to_html([scored(document)], schema))
    assert next(iter(page.marks.values()))["label"] == "GPE0.99"
    assert words(page.of("relation")[0]).endswith("0.50")


def test_keys_are_unique_across_documents_and_the_index_links_them(schema: Schema, document: Document) -> None:
    text = to_html([document, Document(2, "কিছু নেই।"), document], schema)
    page = Page(text)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert [a["href"] for tag, a in page.tags if tag == "a"] == ["#d0", "#d1", "#d2"]
    assert {f"d{i}" for i in range(3)} <= set(ids)
    assert all(key in ids for row in page.rows for key in row["marks"])
    assert 'class="index"' not in to_html([document], schema)


@pytest.mark.parametrize("documents", [[], [Document("x", "")], [Document("x", "শুধু কথা।"), Document("y", " \n ")]])
def test_documents_without_annotation_make_a_page(schema: Schema, documents: list[Document]) -> None:
    page = Page(to_html(documents, schema))
    assert page.marks == {} and page.rows == []


def test_a_mention_without_an_entity_and_one_over_two_sentences_are_shown(schema: Schema) -> None:
    d = Document("x", "কেন? দল এল। শেষ", (Mention("m", 0, 7, "ORG"),))
    page = Page(to_html([d], schema))
    assert [mark["surface"] for mark in page.marks.values()] == ["কেন? দল"]
    assert words(page.of("entity")[0]) == "কেন? দল 1 ORG"


def test_other_schemas_get_their_own_types_and_line_styles() -> None:
    schema = Schema.from_dict(
        {
            "name": "x",
            "mentions": {f"T{i}": {"definition": "d"} for i in range(30)},
            "relations": {"r": {"definition": "d", "signatures": [[["T0"], ["T29"]]]}},
            "statuses": {name: name for name in "abcdef"},
        }
    )
    mentions = (Mention("m", 0, 1, "T29"), Mention("n", 2, 3, "T0"))
    text = to_html([Document("x", "ক খ", mentions, relations=(Relation("r", "n", "m", "f"),))], schema)
    assert [re.search(rf"look-(\d)\" title=\"{name}\"", text)[1] for name in "abcdef"] == list("012312")


def test_a_document_that_breaks_the_schema_is_refused_by_id(schema: Schema) -> None:
    bad = Document("d7", "ক", (Mention("m", 0, 1, "X"),))
    for view in (lambda: to_html([bad], schema), lambda: to_table(bad, schema)):
        with pytest.raises(InputError, match=r"^d7: mentions\[0\]\.type: unknown type 'X'"):
            view()


def test_the_table_groups_mentions_by_entity_and_relations_by_sentence(
    schema: Schema, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rows = [re.split(r"\s{2,}", line.strip()) for line in to_table(scored(document), schema).splitlines()]
    assert rows[0] == ["gov-001", "2024-03-05", "ঢাকায় <i>চীনের</i> মন্ত্রী"]
    assert ["চীন", "GPE", "চীনের", "1", "0.99"] in rows
    assert ["চীন", "1", "0.96"] in rows  # the second form of the entity
    at = rows.index([document.text.splitlines()[0].split("। ")[0] + "।"])
    assert rows[at + 1] == ["ওয়াং ই —holds_post→ পররাষ্ট্রমন্ত্রী", "asserted", "0.50"]
    assert ["চীন —criticizes→ ভারতের", "negated", "0.52"] in rows
    assert ["ওয়াং ই ←meets→ ভারতের", "asserted", "0.51"] in rows


def test_the_table_counts_repeated_forms_and_says_when_there_is_nothing(schema: Schema) -> None:
    d = Document(
        3, "চীন চীন [b]", (Mention("a", 0, 3, "GPE", "e"), Mention("b", 4, 7, "GPE", "e")), (Entity("e", "GPE", "চীন"),)
    )
    table = to_table(d, schema)
    assert re.search(r"চীন +GPE +চীন +2\n", table) and "no relations" in table and "score" not in table
    assert to_table(Document("x", ""), schema) == "x\n  no mentions\n  no relations\n"


def test_the_table_prints_brackets_as_they_are_and_fits_the_terminal(
    schema: Schema, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    d = replace(document, title="[bold]শিরোনাম[/bold]")
    table = to_table(d, schema)
    assert "[bold]শিরোনাম[/bold]" in table and "\x1b" not in table
    from rich.cells import cell_len

    assert max(cell_len(line) for line in table.splitlines()) <= 60
