import pytest
import regex

from train.corpora import jsonl
from train.corpora.load import BUNDLED
from train.model.bangla import bare_name, is_punctuation, is_word_edge, normalised, sentences, words


def _surfaces(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("র‍্যাব-১০ বলেছে।", ["র‍্যাব", "-", "১০", "বলেছে", "।"]),
        ("বিএনপি'র ‘আমার দেশ’", ["বিএনপি'র", "‘", "আমার", "দেশ", "’"]),
        ("১০.৫ ও ১,২০,০০০ টাকা.", ["১০.৫", "ও", "১,২০,০০০", "টাকা", "."]),
        ("ভারত–চীন/রাশিয়া", ["ভারত", "–", "চীন", "/", "রাশিয়া"]),
        ("ক\u200bখ \u200d \ufeffগ", ["ক", "খ", "গ"]),
        ("য\u09bc এবং য়", ["য\u09bc", "এবং", "য়"]),
        ("BNP-এর ২০২৪", ["BNP", "-", "এর", "২০২৪"]),
    ],
)
def test_words_are_letters_with_their_marks_and_endings(text: str, expected: list[str]) -> None:
    assert _surfaces(text, words(text)) == expected


def test_no_word_starts_or_ends_inside_a_grapheme_cluster() -> None:
    for document in jsonl.read(BUNDLED / "test.jsonl", None):
        clusters = {m.start() for m in regex.finditer(r"\X", document.text)} | {len(document.text)}
        for start, end in words(document.text):
            assert start in clusters
            assert end in clusters


def test_a_word_begins_after_joiners_that_follow_no_letter() -> None:
    assert is_word_edge("\u200cরিপোর্ট", 1)
    assert not is_word_edge("র\u200cিপোর্ট", 2)


def test_word_edges_are_where_no_letter_is_cut() -> None:
    text = "চীনের কথা"
    assert [i for i in range(len(text) + 1) if is_word_edge(text, i)] == [0, 5, 6, 9]
    assert is_punctuation("।")
    assert not is_punctuation("১")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("মো. করিম ও ড. রহিম এসেছেন। তিনি যান।", ["মো. করিম ও ড. রহিম এসেছেন।", "তিনি যান।"]),
        ("“আপনি কি যাবেন?” বলেন তিনি। শেষ", ["“আপনি কি যাবেন?” বলেন তিনি।", "শেষ"]),
        ("তিনি বলেন, ‘বৈঠক হবে।’ এরপর যান।", ["তিনি বলেন, ‘বৈঠক হবে।’", "এরপর যান।"]),
        ("ভোট পড়েছে ৪৫.৫ শতাংশ। ঠিক", ["ভোট পড়েছে ৪৫.৫ শতাংশ।", "ঠিক"]),
        ("শিরোনাম\n\nপ্রথম বাক্য! দ্বিতীয়?", ["শিরোনাম", "প্রথম বাক্য!", "দ্বিতীয়?"]),
        ("এ. কে. এম. করিম আসেন. তারপর", ["এ. কে. এম. করিম আসেন.", "তারপর"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_at_marks_and_not_at_abbreviations_numbers_or_quotes(text: str, expected: list[str]) -> None:
    assert _surfaces(text, sentences(text)) == expected


def test_sentences_cover_all_that_is_no_white_space() -> None:
    for document in jsonl.read(BUNDLED / "train.jsonl", None):
        covered = "".join(_surfaces(document.text, sentences(document.text)))
        assert regex.sub(r"\s", "", covered) == regex.sub(r"\s", "", document.text)


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("চীন", "চীনের চীনকে চীনে চীনও চীনেরও চীন"),
        ("ঢাকা", "ঢাকার ঢাকাকে ঢাকায় ঢাকাতে ঢাকা"),
        ("বেইজিং", "বেইজিংয়ের বেইজিংয়ে বেইজিংকে"),
        ("বিএনপি", "বিএনপির বিএনপিকে বিএনপি'র বিএনপিতে বিএনপি’র"),
        ("মস্কো", "মস্কোর মস্কোয় মস্কোকে"),
        ("সরকার", "সরকার সরকারের সরকারকে"),
        ("মন্ত্রণালয়", "মন্ত্রণালয়ের মন্ত্রণালয়ে মন্ত্রণালয়কে"),
        ("সংসদ", "সংসদের সংসদে সংসদকে"),
        ("রংপুর", "রংপুর রংপুরের রংপুরে"),
        ("কাদের", "কাদের কাদেরকে কাদেরের"),
        ("মঙ্গলবার", "মঙ্গলবার মঙ্গলবারের"),
        ("ইসলামাবাদ", "ইসলামাবাদের ইসলামাবাদে"),
        ("পার্টি", "পার্টির পার্টিকে পার্টিতে"),
        ("শি", "শি শির শিকে"),
        ("ওয়াং ই", "ওয়াং ইয়ের"),
    ],
)
def test_every_form_of_a_name_has_one_bare_name(name: str, forms: str) -> None:
    spelt = [forms] if " " in name else forms.split()
    assert {bare_name(form) for form in spelt} == {normalised(name)}


def test_bare_names_agree_with_the_corpus() -> None:
    right = total = 0
    for document in jsonl.read(BUNDLED / "train.jsonl", None):
        entities = document.entity_by_id()
        for mention in document.mentions:
            surface, name = normalised(document.surface(mention)), normalised(entities[mention.entity or ""].name)
            if surface.startswith(name[:-1]) and len(surface) - len(name) < 4:  # an inflection, no alias
                total += 1
                right += bare_name(surface) == name
    assert total > 1000
    assert right / total > 0.95
