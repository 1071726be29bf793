"""CoNLL columns: sentences, spaces, the defects of real files, and BIO back out."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.corpora import conll
from train.document import Document, Mention
from train.errors import InputError
from train.model.bangla import words
from train.schema import Schema


def columns(folder: Path, content: str, name: str = "f.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8"))
    return path


def named(documents: list[Document]) -> list[list[tuple[str, str]]]:
    return [[(d.surface(m), m.type) for m in d.mentions] for d in documents]


CLEAN = "\ufeffচীনের\tB-GPE\nওয়াং\tB-PER\nই\tI-PER\nএলেন\tO\n।\tO\n\n\nঢাকা\tB-GPE\nভারত\tB-GPE\n"


def test_sentences_become_documents_with_mentions(tmp_path: Path, schema: Schema) -> None:
    documents, repairs = conll.read(columns(tmp_path, CLEAN), mapping=None)
    assert [(d.id, d.text) for d in documents] == [("f.txt:1", "চীনের ওয়াং ই এলেন।"), ("f.txt:8", "ঢাকা ভারত")]
    assert named(documents) == [[("চীনের", "GPE"), ("ওয়াং ই", "PER")], [("ঢাকা", "GPE"), ("ভারত", "GPE")]]
    assert [m.id for m in documents[0].mentions] == ["m1", "m2"]
    assert repairs == []
    for document in documents:
        document.check(schema)


@pytest.mark.parametrize("separator", ["\t", " ", "  \t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_blank_separates_columns(tmp_path: Path, separator: str, end: str) -> None:
    content = end.join([f"ঢাকা{separator}B-GPE", "", f"ভারত{separator}O", ""])
    documents, _ = conll.read(columns(tmp_path, content), mapping=None)
    assert named(documents) == [[("ঢাকা", "GPE")], []]


def test_the_first_column_is_the_token_and_the_last_the_tag(tmp_path: Path) -> None:
    content = "-DOCSTART- -X- -X- O\n\nঢাকা NN B-NP B-LOC\nএলেন VB B-VP O\n"
    documents, _ = conll.read(columns(tmp_path, content), mapping=None)
    assert named(documents) == [[("ঢাকা", "LOC")]]


def test_a_tag_of_another_type_ends_a_mention_and_begins_the_next(tmp_path: Path) -> None:
    documents, _ = conll.read(columns(tmp_path, "ক B-PER\nখ B-PER\nগ I-PER\nঘ B-ORG\n"), mapping=None)
    assert named(documents) == [[("ক", "PER"), ("খ গ", "PER"), ("ঘ", "ORG")]]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("( ওসি ) বলেন , ‘ না ’ ।", "(ওসি) বলেন, ‘না’।"),
        ("“ কী ? ” তিনি ! : ;", "“কী?” তিনি!:;"),
        ("১০ ,৫ ১০ , ৫", "১০ ,৫ ১০, ৫"),
        ("না ।’ বিএনপি ’ র", "না।’ বিএনপি’ র"),
        ("ক - খ % গ", "ক - খ % গ"),
        ("( ‘ ক ’ )", "(‘ক’)"),
    ],
)
def test_text_has_the_spaces_of_print(tmp_path: Path, tokens: str, text: str) -> None:
    content = "".join(f"{token}\tO\n" for token in tokens.split())
    documents, _ = conll.read(columns(tmp_path, content), mapping=None)
    assert documents[0].text == text


@pytest.mark.parametrize("punctuation", list("।,.;:?!()‘’“”'\"-–[]%/…"))
def test_no_two_tokens_fuse_into_one_word(tmp_path: Path, punctuation: str) -> None:
    tokens = [
        "১০",
        punctuation,
        "৫",
        f"{punctuation}ক",
        "খ",
        f"গ{punctuation}",
        "র",
        punctuation,
        punctuation,
        "\u09be",
        "১",
    ]
    content = "".join(f"{token}\tB-X\n" for token in tokens)
    [document], _ = conll.read(columns(tmp_path, content), mapping=None)
    assert [document.surface(m) for m in document.mentions] == tokens
    spans = words(document.text)
    assert {m.start for m in document.mentions} <= {start for start, _ in spans}
    assert {m.end for m in document.mentions} <= {end for _, end in spans}


DEFECTS = [
    ("ক\n", 1, "expected 2 columns, got 1 ('ক')", "the line was dropped"),
    ("ক O\n\n\tB-X\nখ O\n", 3, "expected 2 columns, got 1 ('B-X')", "the line was dropped"),
    ("ক O\nখ O\nগ ঘ O\n", 3, "expected 2 columns, got 3 ('গ ঘ O')", "the line was dropped"),
    ("ক O\nখ I-PER\nগ I-PER\n", 2, "I-PER without B-PER before it", "it begins a mention"),
    ("ক B-ORG\nখ I-PER\n", 2, "I-PER without B-PER before it", "it begins a mention"),
    ("ক B-PER\n\nখ I-PER\n", 3, "I-PER without B-PER before it", "it begins a mention"),
    ("ক TIM\nখ TIM\nগ O\n", 1, "type TIM without B- or I-", "lines 1 to 2 became one mention"),
    ("ক O\nখ TIM\n", 2, "type TIM without B- or I-", "line 2 became one mention"),
]


@pytest.mark.parametrize(("content", "line", "what", "how"), DEFECTS)
def test_a_defect_is_refused_by_its_line_or_repaired_and_listed(
    tmp_path: Path, content: str, line: int, what: str, how: str
) -> None:
    path = columns(tmp_path, content)
    with pytest.raises(InputError) as caught:
        conll.read(path, mapping=None)
    assert str(caught.value) == f"{path}:{line}: {what}"
    _, repairs = conll.read(path, mapping=None, repair=True)
    assert repairs == [f"{path}:{line}: {what}; {how}"]


def test_repairs_make_the_mentions_they_say(tmp_path: Path) -> None:
    def repaired(content: str) -> list[tuple[str, str]]:
        documents, _ = conll.read(columns(tmp_path, content), mapping=None, repair=True)
        return named(documents)[0]

    assert repaired("ক O\nখ I-PER\nগ I-PER\n") == [("খ গ", "PER")]
    assert repaired("ক B-ORG\nখ I-PER\nগ I-ORG\n") == [("ক", "ORG"), ("খ", "PER"), ("গ", "ORG")]
    assert repaired("ক TIM\nখ TIM\nগ O\nঘ TIM\nঙ LOC\n") == [("ক খ", "TIM"), ("ঘ", "TIM"), ("ঙ", "LOC")]
    assert repaired("ক B-PER\n\tO\nখ I-PER\nগ O\n") == [("ক খ", "PER")]
    # IOB1: B- only where a mention of the same type stands right before
    assert repaired("ক I-PER\nখ B-PER\nগ I-PER\n") == [("ক", "PER"), ("খ গ", "PER")]


@pytest.mark.parametrize(
    ("tokens", "plain", "repaired"),
    [
        ("‘চীন", "‘চীন", "চীন"),
        ("( ওসি ) ।", "(ওসি)।", "ওসি"),
        ("মহানবী (সা.)", "মহানবী (সা.)", "মহানবী (সা.)"),
        ("(ক) দল -", "(ক) দল -", "(ক) দল"),
        ("সা.", "সা.", "সা"),
        ("রাশিয়া – ইউক্রেন", "রাশিয়া – ইউক্রেন", "রাশিয়া – ইউক্রেন"),
    ],
)
def test_punctuation_at_a_mentions_edge_stays_unless_repaired(tmp_path: Path, tokens: str, plain: str, repaired: str) -> None:
    content = "".join(f"{token} {'I' if i else 'B'}-X\n" for i, token in enumerate(tokens.split()))
    path = columns(tmp_path, content)
    assert named(conll.read(path, mapping=None)[0]) == [[(plain, "X")]]
    documents, repairs = conll.read(path, mapping=None, repair=True)
    assert named(documents) == [[(repaired, "X")]]
    expected = f"{path}:1: mention {plain!r} has punctuation at its edge; it became {repaired!r}"
    assert repairs == ([] if plain == repaired else [expected])


def test_a_mention_of_punctuation_alone_is_dropped_when_repaired(tmp_path: Path) -> None:
    path = columns(tmp_path, "ক O\n% B-UNIT\n")
    documents, repairs = conll.read(path, mapping=None, repair=True)
    assert named(documents) == [[]]
    assert repairs == [f"{path}:2: mention '%' is punctuation alone; it was dropped"]


def test_a_mapping_renames_drops_and_must_know_every_type(tmp_path: Path) -> None:
    path = columns(tmp_path, "ক B-LOC\nখ B-D&T\nগ I-D&T\nঘ B-NUM\n")
    documents, _ = conll.read(path, mapping={"LOC": "GPE", "D&T": "DATE", "NUM": None})
    assert named(documents) == [[("ক", "GPE"), ("খ গ", "DATE")]]
    assert [m.id for m in documents[0].mentions] == ["m1", "m2"]
    for repair in (False, True):
        with pytest.raises(InputError, match=r"f\.txt:2: unknown type 'D&T'; expected one that is mapped: LOC, NUM"):
            conll.read(path, mapping={"LOC": "GPE", "NUM": None}, repair=repair)


@pytest.mark.parametrize("tag", ["S-PER", "B-", "I-", "-", "0", "b-PER"])
def test_tags_of_another_scheme_are_refused(tmp_path: Path, tag: str) -> None:
    path = columns(tmp_path, f"ক O\nখ {tag}\n")
    for repair in (False, True):
        with pytest.raises(InputError, match=rf"f\.txt:2: tag '{tag}': expected O, B-TYPE or I-TYPE"):
            conll.read(path, mapping=None, repair=repair)


def test_other_encodings_are_refused_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes("ক O\n".encode() + b"\xff O\n")
    with pytest.raises(InputError, match=r"f\.txt: expected UTF-8, got other bytes at byte offset 6"):
        conll.read(path, mapping=None)


def test_an_empty_file_has_no_documents(tmp_path: Path) -> None:
    assert conll.read(columns(tmp_path, "\n\n"), mapping=None) == ([], [])


def test_writing_tags_our_words_by_sentence(tmp_path: Path) -> None:
    text = "ওয়াং ই এলেন। ঢাকা, চীন।"
    spans = [(0, 7), (14, 18), (20, 23)]
    document = Document("d", text, tuple(Mention(f"m{i}", a, b, "X") for i, (a, b) in enumerate(spans)))
    assert conll.write(tmp_path / "f.txt", [document, Document("e", ""), Document("f", "শেষ")]) == 0
    assert (tmp_path / "f.txt").read_text(encoding="utf-8") == (
        "ওয়াং\tB-X\nই\tI-X\nএলেন\tO\n।\tO\n\nঢাকা\tB-X\n,\tO\nচীন\tB-X\n।\tO\n\nশেষ\tO\n\n"
    )


def test_writing_keeps_the_outermost_and_counts_the_rest(tmp_path: Path) -> None:
    inner = (Mention("m1", 4, 5, "A"), Mention("m2", 0, 5, "B"), Mention("m3", 0, 1, "A"), Mention("m4", 6, 7, "A"))
    assert conll.write(tmp_path / "f.txt", [Document("d", "ক খ গ ঘ", inner)]) == 2
    assert (tmp_path / "f.txt").read_text(encoding="utf-8") == "ক\tB-B\nখ\tI-B\nগ\tI-B\nঘ\tB-A\n\n"


def test_mentions_without_a_gap_are_both_written(tmp_path: Path) -> None:
    document = Document("d", "ক(খ", (Mention("m1", 0, 1, "A"), Mention("m2", 1, 3, "A")))
    assert conll.write(tmp_path / "f.txt", [document]) == 0
    assert (tmp_path / "f.txt").read_text(encoding="utf-8") == "ক\tB-A\n(\tB-A\nখ\tI-A\n\n"


def test_writing_never_ends_a_sentence_inside_a_mention(tmp_path: Path) -> None:
    document = Document("d", "কেন? দল এল। শেষ", (Mention("m", 0, 7, "ORG"),))
    conll.write(tmp_path / "f.txt", [document])
    documents, _ = conll.read(tmp_path / "f.txt", mapping=None)
    assert named(documents) == [[("কেন? দল", "ORG")], []]


def test_a_mention_of_part_of_a_word_takes_it_and_the_second_in_it_is_counted(tmp_path: Path) -> None:
    document = Document("d", "বিএনপি'র", (Mention("m1", 0, 6, "PARTY"), Mention("m2", 7, 8, "ORG")))
    assert conll.write(tmp_path / "f.txt", [document]) == 1
    assert (tmp_path / "f.txt").read_text(encoding="utf-8") == "বিএনপি'র\tB-PARTY\n\n"


def test_what_is_written_reads_back_with_the_same_mentions(tmp_path: Path, documents: list[Document]) -> None:
    conll.write(tmp_path / "f.txt", documents)
    again, _ = conll.read(tmp_path / "f.txt", mapping=None)
    assert conll.write(tmp_path / "g.txt", again) == 0
    assert (tmp_path / "g.txt").read_text(encoding="utf-8") == (tmp_path / "f.txt").read_text(encoding="utf-8")
