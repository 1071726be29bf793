"""Scores of a tagger on parts of the data, shared out over processes, each document once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object

from train import calibration
from train.corpora.load import Part
from train.corpora.statistics import names_of
from train.document import Document
from train.model.bangla import bare_name
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


def full_scores(
    tagger: Tagger, part: Part, *, resamples: int, seed: int
) -> tuple[dict[str, Any], list[Document], list[dict[int, str]]]:
    """All scores of a part with intervals, calibration and the recall ceiling; the predictions; and what was out of reach."""
    scored = tagger.scored(part.documents)
    predicted = tagger.decoded(scored)
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
    trust = _calibration(tagger, part, predicted)
    return {**scores, "calibration": trust, "coverage": tagger.ledger(scored).to_dict()}, predicted, tagger.unreachable(scored)


def _calibration(tagger: Tagger, part: Part, predicted: Sequence[Document]) -> dict[str, Any]:
    """For mentions and relations: the calibration error, its bins, and what asking for a precision gives."""
    observed = {"mentions": calibration.mention_observations(part, predicted)}
    if "relations" in part.layers:
        observed["relations"] = calibration.relation_observations(part, predicted, tagger.schema)
    return {
        layer: {
            **calibration.reliability(observations),
            "at_precision": calibration.at_precisions(
                observations, sum(len(getattr(d, layer)) for d in part.documents), tagger.config.precisions.get(layer, [])
            ),
        }
        for layer, observations in observed.items()
    }


def dictionary_scores(train: Sequence[Document], part: Part, schema: Schema, *, resamples: int, seed: int) -> dict[str, Any]:
    """What a dictionary of the training names reaches: the floor that a model has to beat."""
    from train.baseline import Dictionary

    predicted = Dictionary.learn(train).tag(part.documents)
    return score(part.documents, predicted, schema, layers=("mentions",), types=part.types, resamples=resamples, seed=seed)


def novelty_scores(
    train: Sequence[Document], part: Part, predicted: Sequence[Document], schema: Schema, *, resamples: int, seed: int
) -> dict[str, Any]:
    """Strict scores apart for names that training held and names that it did not, by their bare form.

    Mentions are those whose own name is so; relations are "seen" where both names were, else "unseen".
    """
    known = names_of(train)
    result: dict[str, Any] = {}
    for label, seen in (("seen", True), ("unseen", False)):
        gold = [_of_names(d, known, seen) for d in part.documents]
        found = [_of_names(d, known, seen) for d in predicted]
        result[label] = {}
        for i, layer in enumerate(("mentions", "relations")):
            if layer in part.layers:
                of_layer = [pair[i] for pair in gold], [pair[i] for pair in found]
                scores = score(*of_layer, schema, layers=(layer,), types=part.types, resamples=resamples, seed=seed)
                micro, bounds = scores[layer]["strict"]["micro"], scores["intervals"][f"{layer}.strict.f1"]
                result[label][layer] = {**micro, "interval": bounds}
    return result


def _of_names(document: Document, known: set[str], seen: bool) -> tuple[Document, Document]:
    """The document with the mentions, and with the relations, that are of seen (or unseen) names alone."""
    is_known = {m.id: bare_name(document.surface(m)) in known for m in document.mentions}
    mentions = tuple(m for m in document.mentions if is_known[m.id] == seen)
    relations = tuple(r for r in document.relations if (is_known[r.head] and is_known[r.tail]) == seen)
    return replace(document, mentions=mentions, entities=(), relations=()), replace(document, relations=relations)


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
