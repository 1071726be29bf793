"""A dictionary of training names: tags every run of words that was a mention in training. The floor for a model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from train.document import Document, Mention
from train.model.bangla import bare_name, normalised, words


@dataclass(frozen=True)
class Dictionary:
    """Names as they stood in training and in bare form, each with its most frequent type."""

    types: dict[str, str]
    longest: int

    @classmethod
    def learn(cls, documents: Iterable[Document]) -> Dictionary:
        """A name counts where it is a mention in at least half of its occurrences in the training texts."""
        marked: dict[str, Counter[str]] = defaultdict(Counter)
        longest = 1
        documents = list(documents)
        for document in documents:
            for mention in document.mentions:
                surface = document.surface(mention)
                longest = max(longest, len(words(surface)))
                for form in {normalised(surface), bare_name(surface)}:
                    marked[form][mention.type] += 1
        seen: Counter[str] = Counter()
        for document in documents:
            for start, end in _runs(document.text, longest):
                surface = document.text[start:end]
                seen.update(form for form in {normalised(surface), bare_name(surface)} if form in marked)
        types = {form: counts.most_common(1)[0][0] for form, counts in marked.items() if 2 * counts.total() >= seen[form]}
        return cls(types, longest)

    def tag(self, documents: Sequence[Document]) -> list[Document]:
        """The texts with the longest known names, from left to right, without relations or identities."""
        return [replace(d, mentions=tuple(self._find(d.text)), entities=(), relations=()) for d in documents]

    def _find(self, text: str) -> Iterable[Mention]:
        spans = words(text)
        i = 0
        while i < len(spans):
            for j in range(min(len(spans), i + self.longest), i, -1):
                start, end = spans[i][0], spans[j - 1][1]
                type_ = self.types.get(normalised(text[start:end])) or self.types.get(bare_name(text[start:end]))
                if type_:
                    yield Mention(f"m{i}", start, end, type_)
                    i = j - 1
                    break
            i += 1


def _runs(text: str, longest: int) -> Iterable[tuple[int, int]]:
    spans = words(text)
    for i in range(len(spans)):
        for j in range(i, min(len(spans), i + longest)):
            yield spans[i][0], spans[j][1]
