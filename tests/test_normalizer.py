"""csebuetnlp's normalisation inside the tokenizer, as examples; parity where its package is installed."""

from __future__ import annotations

import pytest

from train.corpora.load import BUNDLED
from train.document import Document
from train.encoders.normalizer import bangla_normalizer

NORMALISER = bangla_normalizer()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("‘আমরা’ “যাব” ‚নিচু‛ `টিক´", "'আমরা' \"যাব\" 'নিচু' 'টিক'"),
        ("«উদ্ধৃতি» ‹এক› 「দুই」 《তিন》", '"উদ্ধৃতি" "এক" "দুই" "তিন"'),
        ("বিএনপি’র", "বিএনপি'র"),
        ("ঢাকা–চট্টগ্রাম", "ঢাকা-চট্টগ্রাম"),
        ("তিনি—একা — যান", "তিনি - একা - যান"),
        ("আরও…", "আরও..."),
    ],
)
def test_quotes_and_dashes_are_folded(text: str, expected: str) -> None:
    assert NORMALISER.normalize_str(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u09df \u09dc \u09dd", "\u09af\u09bc \u09a1\u09bc \u09a2\u09bc"),  # য় ড় ঢ় are decomposed: NFC excludes them
        ("\u09af\u09bc \u09a1\u09bc", "\u09af\u09bc \u09a1\u09bc"),
        ("\u0995\u09c7\u09be \u0995\u09c7\u09d7", "\u0995\u09cb \u0995\u09cc"),  # ো and ৌ are composed
        ("\u09ac\u09bc", "\u09b0"),  # a dotted ব is র
        ("\u0985\u09be", "\u0986"),
        ("শেষ\u09f7", "শেষ।"),
        ("প\u09c7\u0981\u09d7ছে", "প\u09cc\u0981ছে"),  # candrabindu inside of ৌ
    ],
)
def test_letters_have_one_form(text: str, expected: str) -> None:
    assert NORMALISER.normalize_str(text) == expected


def test_joiners_stay_and_empty_characters_go() -> None:
    assert NORMALISER.normalize_str("র\u200d্যাব শব্\u200cদ") == "র\u200d্যাব শব্\u200cদ"
    assert NORMALISER.normalize_str("\ufeffক\u200bখ\u00adগ\u2060ঘ\x07") == "কখগঘ"


def test_white_space_becomes_one_space_and_is_not_stripped() -> None:
    assert NORMALISER.normalize_str(" ক\u00a0\t খ\n\nগ\u2003ঘ ") == " ক খ গ ঘ "


def test_digits_and_currency_stay() -> None:
    assert NORMALISER.normalize_str("১২৩ 123 ৳৫০ ₹১০.৫%") == "১২৩ 123 ৳৫০ ₹১০.৫%"
    assert NORMALISER.normalize_str("１２３ ²") == "123 2"


def test_latin_letters_lose_their_accents() -> None:
    assert NORMALISER.normalize_str("Café São Erdoğan Łódź Øre e\u0301") == "Cafe Sao Erdogan Lodz Ore e"


def test_marks_of_bangla_survive() -> None:
    text = "প্রধানমন্ত্রী চাঁদ দুঃখ কৃষ্ণ অংশ"
    assert NORMALISER.normalize_str(text) == text


def test_twice_is_once(documents: list[Document]) -> None:
    for document in documents:
        once = NORMALISER.normalize_str(document.text)
        assert NORMALISER.normalize_str(once) == once


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="the bundled corpus is not in this checkout")
def test_parity_with_csebuetnlp(documents: list[Document]) -> None:
    reference = pytest.importorskip("normalizer", reason="csebuetnlp-normalizer is not installed").normalize
    texts = ["ব\u09bc অ\u09be “ক”—‘খ’ … \u09df\u200d", *(document.text for document in documents)]
    assert [text for text in texts if NORMALISER.normalize_str(text) != reference(text)] == []
