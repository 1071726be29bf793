"""Bangla text: words, sentences, and the bare name of an inflected one. All offsets count code points of the raw text.

This module is copied into every exported checkpoint, so it imports nothing but `regex` (a requirement of transformers).
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import regex

# A word is a run of letters, marks, digits and joiners. Apostrophes join a word to its case ending (বিএনপি'র), and
# points or commas stay inside numbers (১০.৫, ১,২০,০০০). Any other character that shows is a word by itself; white space and
# what is never seen (zero-width spaces, lone joiners, byte order marks) is none.
_LETTERS = r"[\p{L}\p{M}\p{N}\u200c\u200d]"
_RUN = rf"[\p{{L}}\p{{M}}\p{{N}}]{_LETTERS}*"
WORD = regex.compile(rf"{_RUN}(?:(?:['’](?=\p{{L}})|(?<=\p{{N}})[.,](?=\p{{N}})){_RUN})*|[^\s\p{{Cf}}\p{{Co}}\p{{Cc}}]")
_LETTER = regex.compile(_LETTERS)


def words(text: str) -> list[tuple[int, int]]:
    """The (start, end) of each word and punctuation mark, in order."""
    return [match.span() for match in WORD.finditer(text)]


def is_word_edge(text: str, position: int) -> bool:
    """Whether a mention may start or end at `position`: no letter, mark or digit is cut from its word there."""
    if not 0 < position < len(text):
        return True
    return not (_LETTER.match(text[position - 1]) and _LETTER.match(text[position]))


def is_punctuation(text: str) -> bool:
    """Whether the text holds no letter and no digit, so that no mention starts or ends with it."""
    return not regex.search(r"[\p{L}\p{N}]", text)


# Abbreviations after which a full stop ends no sentence: honorifics, name parts, ranks, units and bodies.
ABBREVIATIONS = frozenset(
    (
    "মো মোঃ মোহা মুহা মোছা মোসা মু ড ডা ডাঃ অ্যাড এড এডভোকেট প্রফেসর প্রকৌ ইঞ্জি অধ্যা অধ্যাপক লে মে মেজ জে ব্রি "
    "কর্নেল ক্যাপ্টেন মি মিস মিসেস শ্রী সেন্ট নং পৃ খ্রি খ্রিস্টপূর্ব বাং লি কো কি সে মা আ এ এম বি কে জি সি এস আর "
    "টি ডি পি এইচ এন এফ এল ই ও জ রা সা হ Mr Mrs Dr Prof St vs No"
    ).split()
)
_SENTENCE_END = regex.compile(r"[।॥?!]+|\.(?!\.)|\n+|…")
_CLOSERS = regex.compile(r"[’”»\"'\)\]]+")
_STOP_BEFORE = regex.compile(rf"({_LETTERS}+)$")


def sentences(text: str) -> list[tuple[int, int]]:
    """The (start, end) of each sentence without white space at its edges.

    A sentence ends at ।, ?, ! or a line break, and at a full stop that follows neither an abbreviation (মো., ড.) nor an
    initial (এ.) and stands inside no number (১০.৫); closing quotes and brackets belong to the sentence that they close. A
    mark that a quote closes inside a running sentence (“… হবে?” বলেন তিনি) ends none, as the sentence goes on after it.
    """
    ends: list[int] = []
    for match in _SENTENCE_END.finditer(text):
        mark, end = match.group(), match.end()
        if mark.startswith("\n"):
            ends.append(match.start())
            continue
        if mark == "." and not _full_stop(text, match.start()):
            continue
        closer = _CLOSERS.match(text, end)
        if closer:
            end = closer.end()
            if _goes_on(text, end):
                continue
        if end < len(text) and not text[end].isspace() and mark == ".":
            continue
        ends.append(end)
    spans = []
    for start, end in pairwise([0, *ends, len(text)]):
        stripped = text[start:end].strip()
        if stripped:
            first = start + text[start:end].index(stripped[0])
            spans.append((first, first + len(stripped)))
    return spans


def _full_stop(text: str, at: int) -> bool:
    before = _STOP_BEFORE.search(text, max(0, at - 24), at)
    if not before:
        return True
    word = before.group(1)
    if word in ABBREVIATIONS:
        return False
    return not (word[-1].isdigit() and at + 1 < len(text) and text[at + 1].isdigit())


_SPEECH = regex.compile(r"\s*(?:[,–—-]|(?:বলে|বলেন|বলেছেন|বলেও|এমন|এ কথা|এই|জানান|মন্তব্য|প্রশ্ন)(?!\p{L}|\p{M}))")


def _goes_on(text: str, end: int) -> bool:
    return bool(_SPEECH.match(text, end))


# Case endings, longest first, with the plural and definite markers that stand before them.
_VOWEL_SIGNS = "ািীুূৃেৈোৌ"
_ENDINGS = (
    "গুলোকে গুলোর গুলোতে দেরকে দেরও েরাও দেরই ের-ই েরও েরই দের টির টিকে টিতে টার টাকে েরা য়ের য়েও য়েই ের য়ে "
    "রা কেও কেই কে তেও তেই তে রও রই েও েই র য় ে"
).split()


def bare_name(surface: str) -> str:
    """The name without the case ending of its last word: চীনের, চীনকে, চীনে give চীন; ঢাকায় gives ঢাকা.

    Bangla names end in endings' letters too (কাদের, খবর, সরকার), and no rule over letters can tell these apart, so the result
    is a key that is equal for most forms of one name rather than a dictionary form. See `same_name` for comparing two.
    """
    name = normalised(surface).strip()
    name = regex.sub(r"['’](?=(?:র|এর|কে|তে)$)", "", name)
    for ending in _ENDINGS:
        if name.endswith(ending):
            stem = name[: -len(ending)]
            if _may_strip(stem, ending):
                return stem
    return name


def _may_strip(stem: str, ending: str) -> bool:
    last_word = stem.split()[-1] if stem.split() else ""
    letters = [c for c in last_word if unicodedata.category(c) == "Lo"]
    if len(letters) < 2 or stem.endswith((" ", "-", "্")):
        return False
    after_vowel = last_word[-1] in _VOWEL_SIGNS
    if ending in ("র", "রও", "রই", "য়", "তে", "তেও", "তেই"):
        return after_vowel
    if ending.startswith("ে"):
        return not after_vowel
    return True


_PAIRS = {"ড\u09bc": "ড়", "ঢ\u09bc": "ঢ়", "য\u09bc": "য়"}


def normalised(text: str) -> str:
    """A form for comparing names: NFC with ড় ঢ় য় as one code point, without joiners, white space runs as one space."""
    text = unicodedata.normalize("NFC", text)
    for decomposed, composed in _PAIRS.items():
        text = text.replace(decomposed, composed)
    return regex.sub(r"\s+", " ", regex.sub(r"[\u200c\u200d]", "", text))
