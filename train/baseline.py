"""A dictionary of training names: tags every run of words that was a mention in training. The floor for a model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from train.document import Document, Mention
from train.model.bangla import bare_name, normalised, words


@dataclass(frozen=True)
class Dictionary:
    """Names as they stood in training and in bare form, each with its most frequent type.

    `reach` is the number of words of the longest name by its first word, so that texts are not searched for what no name
    begins with; a bare form differs from its surface in the last word alone.
    """

    types: dict[str, str]
    reach: dict[str, int]

    @classmethod
    def learn(cls, documents: Iterable[Document]) -> Dictionary:
        """A name counts where it is a mention in at least half of its occurrences in the training texts."""
        marked: dict[str, Counter[str]] = defaultdict(Counter)
        reach: dict[str, int] = {}
        documents = list(documents)
        for document in documents:
            for mention in document.mentions:
                surface = document.surface(mention)
                spans = words(surface)
                first = normalised(surface[slice(*spans[0])])
                reach[first] = max(len(spans), reach.get(first, 1))
                for form in _forms(surface):
                    marked[form][mention.type] += 1
        seen: Counter[str] = Counter()
        for document in documents:
            spans = words(document.text)
            for i in range(len(spans)):
                for surface in _runs(document.text, spans, i, reach):
                    seen.update(form for form in _forms(surface) if form in marked)
        types = {form: counts.most_common(1)[0][0] for form, counts in marked.items() if 2 * counts.total() >= seen[form]}
        return cls(types, reach)

    def tag(self, documents: Sequence[Document]) -> list[Document]:
        """The texts with the longest known names, from left to right, without relations or identities."""
        return [replace(d, mentions=tuple(self._find(d.text)), entities=(), relations=()) for d in documents]

    def _find(self, text: str) -> Iterable[Mention]:
        spans = words(text)
        i = 0
        while i < len(spans):
            runs = list(_runs(text, spans, i, self.reach))
            for length in range(len(runs), 0, -1):
                surface = runs[length - 1]
                type_ = self.types.get(normalised(surface)) or self.types.get(bare_name(surface))
                if type_:
                    yield Mention(f"m{i}", spans[i][0], spans[i + length - 1][1], type_)
                    i += length - 1
                    break
            i += 1


def _forms(surface: str) -> set[str]:
    return {normalised(surface), bare_name(surface)}


def _runs(text: str, spans: Sequence[tuple[int, int]], i: int, reach: dict[str, int]) -> Iterable[str]:
    """The run of one word from word i on, of two words, and so on, as far as a name with this first word can reach."""
    longest = reach.get(normalised(text[slice(*spans[i])]), 1)
    for j in range(i, min(len(spans), i + longest)):
        yield text[spans[i][0] : spans[j][1]]
