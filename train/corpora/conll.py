"""Names in CoNLL columns: the token first, the tag last, a blank line after each sentence.

Tags are O, B-TYPE and I-TYPE. Real files hold defects, so each is found and named by its line. IOB1, where I- begins a
mention unless one of its type ends right before, reads with `repair`, which lists every such beginning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import regex

from train.document import Document, Mention
from train.errors import InputError
from train.files import atomic_write, read_text
from train.model.bangla import is_punctuation, sentences, words

_CLOSING = frozenset("।॥.,;:?!)]}’”»…")
_OPENING = frozenset("([{‘“«")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("‘", "’"), ("“", "”"), ("«", "»"))
_TAG = regex.compile(r"(?:(?P<prefix>[BI])-)?(?P<type>\p{L}[^-]*(?:-[^-]+)*)")
_OTHER_SCHEME = regex.compile(r"\p{L}-.*")


@dataclass(slots=True)
class _Token:
    line: int
    text: str
    tag: str


@dataclass(slots=True)
class _Run:
    """A mention as a range of its sentence's tokens, of a foreign type."""

    first: int
    last: int
    type: str
    bare: bool


def read(
    path: str | Path, *, mapping: Mapping[str, str | None] | None, repair: bool = False
) -> tuple[list[Document], list[str]]:
    """One document a sentence, with id "file name:first line", and the list of repairs ("file:line: what, and how").

    `mapping` gives our type for each foreign one, None to drop mentions of that type; without a mapping types stay as
    they are. The text is rebuilt from the tokens, with the spaces that Bangla is printed with. The first defect raises
    an InputError that names file and line; with `repair` a line with missing columns is dropped, an I- without its B-
    begins a mention, bare types in a row ("TIM", "TIM") become one mention, and punctuation at a mention's edge is left
    outside. A type that the mapping lacks and a tag of another scheme are errors all the same.
    """
    reader = _Reader(Path(path), mapping, repair)
    reader.run(read_text(path))
    return reader.documents, reader.repairs


@dataclass(slots=True)
class _Reader:
    """Reads one file; documents and repairs grow sentence by sentence."""

    path: Path
    mapping: Mapping[str, str | None] | None
    repair: bool
    documents: list[Document] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)

    def run(self, content: str) -> None:
        # Not str.splitlines, which also splits at characters that may stand inside a token.
        rows = [(number, _columns(line)) for number, line in enumerate(content.split("\n"), 1)]
        widths = Counter(len(row) for _, row in rows if len(row) > 1)
        width = widths.most_common(1)[0][0] if widths else 2
        sentence: list[_Token] = []
        for number, row in [*rows, (len(rows) + 1, [])]:
            if not row or row[0] == "-DOCSTART-":
                self._sentence(sentence)
                sentence = []
            elif len(row) != width:
                what = f"expected {width} columns, got {len(row)} ({' '.join(row)[:40]!r})"
                self._defect(number, what, "the line was dropped")
            else:
                sentence.append(_Token(number, row[0], row[-1]))

    def _sentence(self, tokens: list[_Token]) -> None:
        if not tokens:
            return
        text, spans = _joined([token.text for token in tokens])
        mentions: list[Mention] = []
        for run in self._runs(tokens):
            type_ = self._our_type(run.type, tokens[run.first].line)
            if type_ is None:
                continue
            start, end = spans[run.first][0], spans[run.last][1]
            if self.repair:
                start, end = self._trimmed(text, start, end, tokens[run.first].line)
            if start < end:
                mentions.append(Mention(f"m{len(mentions) + 1}", start, end, type_))
        self.documents.append(Document(f"{self.path.name}:{tokens[0].line}", text, tuple(mentions)))

    def _runs(self, tokens: list[_Token]) -> list[_Run]:
        runs: list[_Run] = []
        for i, token in enumerate(tokens):
            if token.tag == "O":
                continue
            prefix, type_ = self._tag(token)
            before = runs[-1] if runs and runs[-1].last == i - 1 and runs[-1].type == type_ else None
            if before and (prefix == "I" or (prefix is None and before.bare)):
                before.last = i
                continue
            if prefix == "I":
                self._defect(token.line, f"{token.tag} without B-{type_} before it", "it begins a mention")
            runs.append(_Run(i, i, type_, bare=prefix is None))
        for run in runs:
            if run.bare:
                first, last = tokens[run.first].line, tokens[run.last].line
                lines = f"line {first}" if first == last else f"lines {first} to {last}"
                self._defect(first, f"type {run.type} without B- or I-", f"{lines} became one mention")
        return runs

    def _tag(self, token: _Token) -> tuple[str | None, str]:
        match = _TAG.fullmatch(token.tag)
        if not match or (match["prefix"] is None and _OTHER_SCHEME.fullmatch(token.tag)):
            raise InputError(f"{self.path}:{token.line}: tag {token.tag!r}: expected O, B-TYPE or I-TYPE")
        return match["prefix"], match["type"]

    def _our_type(self, type_: str, line: int) -> str | None:
        if self.mapping is None:
            return type_
        if type_ not in self.mapping:
            known = ", ".join(self.mapping)
            raise InputError(f"{self.path}:{line}: unknown type {type_!r}; expected one that is mapped: {known}")
        return self.mapping[type_]

    def _trimmed(self, text: str, start: int, end: int, line: int) -> tuple[int, int]:
        inside = [(a, b) for a, b in words(text[start:end]) if not is_punctuation(text[start + a : start + b])]
        if not inside:
            self._defect(line, f"mention {text[start:end]!r} is punctuation alone", "it was dropped")
            return start, start
        new_start, new_end = _with_partners(text, start + inside[0][0], start + inside[-1][1], start, end)
        if (new_start, new_end) != (start, end):
            what = f"mention {text[start:end]!r} has punctuation at its edge"
            self._defect(line, what, f"it became {text[new_start:new_end]!r}")
        return new_start, new_end

    def _defect(self, line: int, what: str, how: str) -> None:
        if not self.repair:
            raise InputError(f"{self.path}:{line}: {what}")
        self.repairs.append(f"{self.path}:{line}: {what}; {how}")


def _with_partners(text: str, start: int, end: int, least: int, most: int) -> tuple[int, int]:
    """The span, widened within [least, most] to the partner of a bracket in it, so that মহানবী (সা.) keeps both."""
    for opening, closing in _PAIRS:
        inside = text[start:end]
        if inside.count(opening) > inside.count(closing) and (at := text.find(closing, end, most)) >= 0:
            end = at + 1
        elif inside.count(closing) > inside.count(opening) and (at := text.rfind(opening, least, start)) >= 0:
            start = at
    return start, end


def _columns(line: str) -> list[str]:
    return [part for part in regex.split(r"[ \t\r]+", line) if part]


def _joined(tokens: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text of tokens and each one's (start, end).

    Only tokens that are punctuation through and through lose a space, so that no two tokens fuse into one word: the
    tokens ১০ and ,৫ stay apart, as ১০,৫ would be one number.
    """
    text, spans = "", []
    after_opening = True
    for token in tokens:
        if not (after_opening or set(token) <= _CLOSING):
            text += " "
        spans.append((len(text), len(text) + len(token)))
        text += token
        after_opening = set(token) <= _OPENING
    return text, spans


def write(path: str | Path, documents: Iterable[Document]) -> int:
    """Write words and tags, tab separated, a blank line after each sentence; returns how many mentions are left out.

    Columns hold no nesting, so mentions inside another one are left out. So is the second of two mentions in one word;
    a mention of part of a word (বিএনপি in বিএনপি'র) takes the whole word. Ids, entities, relations and scores have no
    place here.
    """
    left_out = 0
    with atomic_write(path) as file:
        for document in documents:
            rows, missing = _rows(document)
            file.write("".join(f"{row}\n" for row in rows) + "\n" if rows else "")
            left_out += missing
    return left_out


def _rows(document: Document) -> tuple[list[str], int]:
    outer = outermost(document.mentions)
    # No sentence ends inside a mention, whatever its punctuation looks like.
    breaks = {start for start, _ in sentences(document.text)[1:] if not any(m.start < start < m.end for m in outer)}
    rows: list[str] = []
    begun: set[str] = set()
    for start, end in words(document.text):
        if start in breaks:
            rows.append("")
        tag = "O"
        mention = next((m for m in outer if m.start < end and start < m.end), None)
        if mention:
            tag = f"{'I' if mention.id in begun else 'B'}-{mention.type}"
            begun.add(mention.id)
        rows.append(f"{document.text[start:end]}\t{tag}")
    return rows, len(document.mentions) - len(begun)


def outermost(mentions: Iterable[Mention]) -> list[Mention]:
    """Mentions that lie in no other, in order of text: all that columns can hold."""
    outer: list[Mention] = []
    for mention in sorted(mentions, key=lambda m: (m.start, -m.end)):
        if not outer or mention.start >= outer[-1].end:
            outer.append(mention)
    return outer
