"""Other spellings of a text keep its mentions in place."""

from __future__ import annotations

import pytest

from train.analysis.variants import VARIANTS, rewrite
from train.document import Document
from train.model.bangla import normalised
from train.schema import Schema


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_keeps_every_mention_on_its_words(name: str, documents, schema: Schema) -> None:
    for document in documents:
        other = VARIANTS[name](document)
        other.check(schema)
        assert other.relations == document.relations
        if "digits" not in name:  # the other variants are the same text to whoever compares names
            assert [normalised(other.surface(m)) for m in other.mentions] == [
                normalised(document.surface(m)) for m in document.mentions
            ]


def test_every_variant_changes_what_it_names_and_nothing_else() -> None:
    text = "‘১৬’ 12 “র‍্যাব” বড় \u09dfা"
    changed = {name: variant(Document("d", text)).text for name, variant in VARIANTS.items()}
    assert changed == {
        "ASCII digits": "‘16’ 12 “র‍্যাব” বড় \u09dfা",
        "Bangla digits": "‘১৬’ ১২ “র‍্যাব” বড় \u09dfা",
        "straight quotes": "'১৬' 12 \"র‍্যাব\" বড় \u09dfা",
        "composed য় ড় ঢ়": "‘১৬’ 12 “র‍্যাব” ব\u09dc \u09dfা",
        "decomposed য় ড় ঢ়": "‘১৬’ 12 “র‍্যাব” বড\u09bc য\u09bcা",
        "no joiners": "‘১৬’ 12 “র্যাব” বড় \u09dfা",
    }


def test_offsets_after_shorter_and_longer_pieces_move_along(documents) -> None:
    document = documents[0]
    for new in ("", "|", "||||"):
        other = rewrite(document, "[।,]", lambda _, new=new: new)
        kept = [document.surface(m) for m in document.mentions if not set(document.surface(m)) & set("।,")]
        assert kept == [s for s in map(other.surface, other.mentions) if s in kept]
