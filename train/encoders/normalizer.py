"""The text normalisation that BanglaBERT was pretrained with, as a normaliser of a fast tokenizer.

csebuetnlp's `normalizer` (Hasan et al., 2020) repairs text with ftfy, folds quotes and dashes, maps some characters,
applies NFKC and squeezes white space, which changes lengths. Inside a tokenizer, `tokenizers` keeps the map to the
raw text.

Written from that description, from Unicode's own data and from its answers to single characters and pairs; none of its
tables is used. Left out, as no rule over characters expresses it: ftfy's repair of mojibake, of HTML entities and of
terminal escapes, nor what was typed in the order of handwriting (ে before a letter, ৗ after it).
scripts/bench_normalizer.py measures the agreement and lists what differs.
"""

from __future__ import annotations

from tokenizers import Regex, normalizers

# ftfy drops control characters and format characters without a meaning of their own; joiners (ZWJ, ZWNJ) stay.
_DROPPED = r"[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad\u200b\u2060\u206a-\u206f\ufeff\ufff9-\ufffc]"

# Quotation marks of every script, accents that stand for quotes, and U+0080.. where Windows-1252 has them.
_SINGLE_QUOTES = r"[`\u0082\u0091\u0092´ʼ‘’‚‛❛❜\u1fef\u1ffd｀]"
_DOUBLE_QUOTES = r"[\u0084\u008b\u0093\u0094\u009b«»“”„‟‹›❝❞❮❯《》「」〝〞〟｢｣]"

# Every precomposed Latin letter becomes its base letter. Those whose stroke is no combining mark in Unicode:
_STROKES = {
    "[ÐĐ]": "D",
    "[ðđ]": "d",
    "Ø": "O",
    "ø": "o",
    "Ħ": "H",
    "ħ": "h",
    "[ıɨ]": "i",
    "Ł": "L",
    "ł": "l",
    "Ŧ": "T",
    "ŧ": "t",
}

_REPLACEMENTS = {
    _DROPPED: "",
    _SINGLE_QUOTES: "'",
    _DOUBLE_QUOTES: '"',
    r"[\u0096–━]": "-",
    r"[\u0097—]": " - ",
    r"[〈\u2329]": "<",
    r"[〉\u232a]": ">",
    r"[、､]": ",",
    "【": "[",
    "】": "]",
    "∶": ":",
    "৷": "।",  # the numerator four is typed for the danda that it looks like
    "অা": "আ",  # one letter that was typed as two
    "ব\u09bc": "র",
    "\u09c7\u0981\u09be": "\u09cb\u0981",  # candrabindu typed between the two halves of ো or ৌ: পেঁৗছে
    "\u09c7\u0981\u09d7": "\u09cc\u0981",
    **_STROKES,
}


def bangla_normalizer() -> normalizers.Sequence:
    """csebuetnlp's normalisation for `tokenizers`: folded quotes and dashes, mapped characters, NFKC, single spaces.

    NFKC comes last as there, so that য়, ড় and ঢ় are two code points each, and ো and ৌ are one.
    """
    replacements = [normalizers.Replace(Regex(pattern), content) for pattern, content in _REPLACEMENTS.items()]
    return normalizers.Sequence(
        [
            normalizers.NFC(),
            *replacements,
            # Decomposed, a letter's accents are marks that can be dropped; NFKC composes again what is no Latin letter.
            normalizers.NFD(),
            normalizers.Replace(Regex(r"(?<=[A-Za-z])[\u0300-\u036f]+"), ""),
            normalizers.NFKC(),
            normalizers.Replace(Regex(r"\s+"), " "),
        ]
    )
