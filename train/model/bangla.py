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
_LETTER_OR_DIGIT = regex.compile(r"[\p{L}\p{N}]")


def words(text: str) -> list[tuple[int, int]]:
    """The (start, end) of each word and punctuation mark, in order."""
    return [match.span() for match in WORD.finditer(text)]


def is_word_edge(text: str, position: int) -> bool:
    """Whether a mention may start or end at `position`: no letter, mark or digit is cut from its word there."""
    if not 0 < position < len(text):
        return True
    before = position - 1
    while before > 0 and text[before] in "\u200c\u200d":  # joiners that no letter comes before belong to no word
        before -= 1
    return not (text[before] not in "\u200c\u200d" and _LETTER.match(text[before]) and _LETTER.match(text[position]))


def is_punctuation(text: str) -> bool:
    """Whether the text holds no letter and no digit, so that no mention starts or ends with it."""
    return not _LETTER_OR_DIGIT.search(text)


# Abbreviations after which a full stop ends no sentence: honorifics, name parts, ranks, units and bodies.
ABBREVIATIONS = frozenset(
    (
        "মো মোঃ মোহা মুহা মোছা মোসা মু ড ডা ডাঃ অ্যাড এড এডভোকেট প্রফেসর প্রকৌ ইঞ্জি অধ্যা অধ্যাপক লে মে মেজ জে ব্রি "
        "কর্নেল ক্যাপ্টেন মি মিস মিসেস শ্রী সেন্ট নং পৃ খ্রি খ্রিস্টপূর্ব বাং লি কো কি সে মা আ এ এম বি কে জি সি এস আর "
        "টি ডি পি এইচ এন এফ এল ই ও জ রা সা হ "
        "Mr Mrs Ms Dr Prof St vs No Gen Sen Gov Rep Lt Col Maj Capt Sgt Jr Inc Jan Feb Aug Sept Oct Nov Dec"
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
    if word in ABBREVIATIONS or (len(word) == 1 and word.isascii() and word.isalpha()):
        return False
    return not (word[-1].isdigit() and at + 1 < len(text) and text[at + 1].isdigit())


_SPEECH = regex.compile(r"\s*(?:[,–—-]|(?:বলে|বলেন|বলেছেন|বলেও|এমন|এ কথা|এই|জানান|মন্তব্য|প্রশ্ন)(?!\p{L}|\p{M}))")


def _goes_on(text: str, end: int) -> bool:
    return bool(_SPEECH.match(text, end))


# Case endings with the particles that may follow them, longest first.
_VOWEL_SIGNS = "ািীুূৃেৈোৌ"
_ENDINGS = (
    "দেরকে দেরও দেরই দের েরাও েরা য়েরও য়েরই য়ের য়েও য়েই য়ে েরও েরই ের রাও রা কেও কেই কে তেও তেই তে রও রই েও েই র য় ে"
).split()
# Words that end like inflected ones and are not: weekdays, offices, and the ends of many names.
_KEPT = regex.compile(
    r"(?:(?:সোম|মঙ্গল|বুধ|বৃহস্পতি|শুক্র|শনি|রবি|রোব)বার|সরকার|স্পিকার|স্পীকার|খন্দকার|কমিশনার|কমান্ডার|সুপার|চ্যান্সেলর|ম্যানেজার|"
    r"ইশতেহার|ব্যাপার|বাজার|হাজার|পুর|কুমার|মিয়ানমার|কাতার|জিম্বাবুয়ে|নরওয়ে|রেলওয়ে|মাদাগাস্কার|জিব্রাল্টার|পেশোয়ার|বিহার|মণিহার|"
    r"আনোয়ার|মনোয়ার|দেলোয়ার|সারোয়ার|সরোয়ার|হায়দার|সরদার|সর্দার|তালুকদার|মজুমদার|তরফদার|হাওলাদার|জোয়ার্দার|পোদ্দার|শিকদার|"
    r"সিকদার|জমাদার|জব্বার|সাত্তার|গফফার|গফ্ফার|ছাত্তার|মোক্তার|মুক্তার|আখতার|আক্তার|ইফতেখার|জুলফিকার|বাহার|আজহার|মাজহার|আসফার|থ্যাচার|"
    r"আমির|আমীর|নাসির|নাছির|মনির|মুনীর|বশির|বশীর|কবির|কবীর|জাকির|শাকির|জহির|নজির|সাব্বির|তানভীর|তানবীর|জাহাঙ্গীর|আলমগীর|মীর|পীর|জাহিদুর|"
    r"কাদের|নাদের|তাহের|মাহের|শের|চন্দ্রশেখর|ঠাকুর|নুর|নূর|মঞ্জুর|মনজুর|শুকুর|গফুর|সবুর|সুর|ময়ূর|সোনার|মেম্বার|ব্যারিস্টার|মিনিস্টার|মাস্টার|"
    r"রায়|দায়|ন্যায়|অধ্যায়|উপায়|মে|দে|মালে|ইউএনও|পম্পেও|মতিউর|নাইজার)"
)
_APOSTROPHE = regex.compile(r"['’](?=(?:র|এর|কে|তে)$)")
_GENITIVE = regex.compile(r"(?<=\p{L}\p{M}*)এর$")
_PARTICLE = regex.compile(r"(?<=[^াঁ\s])(?:সহ|ও)$|(?<=[ক-হ])ই$|(?<=া)সহ$")
_BREAK = regex.compile(r"[\s–—-]")
_SPACES, _JOINERS = regex.compile(r"\s+"), regex.compile(r"[\u200c\u200d]")


def bare_name(surface: str) -> str:
    """The name without the case ending of its last word: চীনের, চীনকে, চীনে give চীন; ঢাকায় gives ঢাকা.

    Bangla names end in endings' letters too (কাদের, সরকার), which no rule over letters can tell apart, so common ones are
    listed; a rare one loses its end. The result is equal for most forms of one name, which makes it a key as well.
    """
    name = _APOSTROPHE.sub("", normalised(surface).strip())
    name = _GENITIVE.sub("", _PARTICLE.sub("", name))
    last = name.split(" ")[-1]
    if _KEPT.fullmatch(last) or last.endswith(("পুর", "ধ্যায়", "প্রদায়", "কমিশনার")):
        return name
    if last.endswith(("বৈঠকে", "স্মারকে", "সড়কে", "ব্যাংকে", "চকে")):  # -ে after ক, not -কে
        return name[:-1]
    for ending in _ENDINGS:
        if name.endswith(ending) and _may_strip(name[: -len(ending)], ending):
            return name[: -len(ending)]
    return name


def _may_strip(stem: str, ending: str) -> bool:
    """Whether Bangla puts this ending after a stem that ends like this one."""
    last = _BREAK.split(stem)[-1]
    letters = sum(unicodedata.category(c) == "Lo" for c in last)
    if not letters or last.endswith("্") or (letters == 1 and ending.startswith(("ে", "রা", "য়")) and last != "ই"):
        return False
    if _KEPT.fullmatch(last):
        return True
    sign, before = last[-1], last[-2:-1]
    if ending.startswith("দের"):  # not the end of পরিষদ, আহমেদ, ইসলামাবাদ before -ের
        return sign in "িীুূ" or before == "্"
    if ending.startswith("য়ে"):  # বেইজিংয়ের, but মন্ত্রণালয়-ের
        return sign in "ংঁইউওএ"
    if ending == "য়":
        return sign in "াো"
    if ending in ("র", "রও", "রই", "তে", "তেও", "তেই"):
        return sign in _VOWEL_SIGNS or sign in "ঁংইউওএআ"
    if ending.startswith("ে"):
        return sign not in _VOWEL_SIGNS
    return True


def normalised(text: str) -> str:
    """A form for comparing names: NFC, in which ড় ঢ় য় are two code points, without joiners, white space runs as one space."""
    text = unicodedata.normalize("NFC", text)
    return _SPACES.sub(" ", _JOINERS.sub("", text))
