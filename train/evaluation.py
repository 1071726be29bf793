"""Scores of a tagger on parts of the data, shared out over processes, each document once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object

from train.corpora.load import Part
from train.document import Document
from train.schema import Schema
from train.scoring import headline, score
from train.tagger import Tagger


def predict(tagger: Tagger, documents: Sequence[Document], accelerator: Accelerator | None = None) -> list[Document]:
    """Predicted documents in the order of `documents`, on every process."""
    if accelerator is None or accelerator.num_processes == 1:
        return tagger.tag(documents)
    mine = range(accelerator.process_index, len(documents), accelerator.num_processes)
    found = gather_object(list(zip(mine, tagger.tag([documents[i] for i in mine]), strict=True)))
    return [document for _, document in sorted(found, key=lambda pair: pair[0])]


def quick_scores(tagger: Tagger, part: Part, accelerator: Accelerator | None = None) -> dict[str, float]:
    """The headline scores of a part, without intervals."""
    predicted = predict(tagger, part.documents, accelerator)
    return headline(score(part.documents, predicted, tagger.schema, layers=part.layers, types=part.types, resamples=0))


def full_scores(tagger: Tagger, part: Part, *, resamples: int, seed: int) -> tuple[dict[str, Any], list[Document]]:
    """All scores of a part with intervals and the recall ceiling, and the predictions that they are of."""
    predicted = tagger.tag(part.documents)
    with_relations = "relations" in part.layers
    scores = score(
        part.documents,
        predicted,
        tagger.schema,
        given_gold=tagger.tag_given(part.documents) if with_relations else None,
        layers=part.layers,
        types=part.types,
        resamples=resamples,
        seed=seed,
    )
    return {**scores, "coverage": tagger.ledger(part.documents).to_dict()}, predicted


def dictionary_scores(train: Sequence[Document], part: Part, schema: Schema, *, resamples: int, seed: int) -> dict[str, Any]:
    """What a dictionary of the training names reaches: the floor that a model has to beat."""
    from train.baseline import Dictionary

    predicted = Dictionary.learn(train).tag(part.documents)
    return score(part.documents, predicted, schema, layers=("mentions",), types=part.types, resamples=resamples, seed=seed)


def describe(part: Part) -> dict[str, int]:
    """How much data a part holds."""
    from train.model.bangla import sentences, words

    return {
        "documents": len(part.documents),
        "sentences": sum(len(sentences(d.text)) for d in part.documents),
        "words": sum(len(words(d.text)) for d in part.documents),
        "mentions": sum(len(d.mentions) for d in part.documents),
        "entities": sum(len(d.entities) for d in part.documents),
        "relations": sum(len(d.relations) for d in part.documents),
    }
