"""The generated card, and the one at the top level, which is that of the quick start's reference run."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from tests.support import ROOT
from train.card import card, check_filled
from train.config import RunConfig
from train.errors import InputError
from train.schema import Schema

REFERENCE = ROOT / "tests" / "data" / "reference_run"


def _card(folder: Path, schema: Schema | None = None, settings: tuple[str, ...] = (), **changes: object) -> str:
    scores, facts = (json.loads((folder / name).read_text(encoding="utf-8")) for name in ("scores.json", "run.json"))
    facts |= changes
    schema = schema or Schema.load(ROOT / "configs" / "schema" / "politics.yaml")
    config = RunConfig.load(folder / "run_config.yaml", settings)
    return card(config=config, schema=schema, scores=scores, facts=facts)


def test_top_level_card_is_what_the_generator_makes_of_the_reference_run() -> None:
    assert (ROOT / "model_card.md").read_text(encoding="utf-8") == _card(REFERENCE)


def test_reference_run_is_of_the_quickstart_config_as_it_stands() -> None:
    reference = RunConfig.load(REFERENCE / "run_config.yaml").model_dump(exclude={"output_dir", "schema_file"})
    shipped = RunConfig.load(ROOT / "configs" / "quickstart.yaml").model_dump(exclude={"output_dir", "schema_file"})
    assert reference == shipped


def test_readme_states_the_scores_of_the_reference_run() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    scores = json.loads((REFERENCE / "scores.json").read_text(encoding="utf-8"))
    test, floor = scores["test"]["bundled"], scores["dictionary"]["bundled"]
    for value, bounds in (
        (test["mentions"]["strict"]["micro"]["f1"], test["intervals"]["mentions.strict.f1"]),
        (test["relations"]["strict"]["micro"]["f1"], test["intervals"]["relations.strict.f1"]),
        (floor["mentions"]["strict"]["micro"]["f1"], floor["intervals"]["mentions.strict.f1"]),
    ):
        assert f"{value:.3f}" in text
        assert f"{bounds[0]:.3f} – {bounds[1]:.3f}" in text


def test_readme_states_what_each_compared_system_reached() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for rows in json.loads((ROOT / "tests" / "data" / "peers.json").read_text(encoding="utf-8")).values():
        for row in rows:
            for value in (row[key] for key in ("mentions", "relations") if key in row):
                spread = "" if value["interval"] is None else f" ± {100 * value['interval']:.1f}"
                assert f"| {100 * value['mean']:.1f}{spread} |" in text


def test_quickstart_beats_a_dictionary_outside_their_intervals() -> None:
    scores = json.loads((REFERENCE / "scores.json").read_text(encoding="utf-8"))
    model = scores["test"]["bundled"]["intervals"]["mentions.strict.f1"]
    assert model[0] > scores["dictionary"]["bundled"]["intervals"]["mentions.strict.f1"][1]
    assert scores["test"]["bundled"]["mentions"]["strict"]["micro"]["f1"] > 0.6


def test_metadata_is_valid_for_the_hub_and_carries_the_scores() -> None:
    data = ModelCard(_card(REFERENCE)).data
    assert (data.language, data.license, data.library_name) == ("bn", "apache-2.0", "transformers")
    assert data.base_model == "intfloat/multilingual-e5-small"
    values = {result.metric_name: result.metric_value for result in data.eval_results or []}
    scores = json.loads((REFERENCE / "scores.json").read_text(encoding="utf-8"))["test"]["bundled"]
    assert values["mention strict F1"] == round(scores["mentions"]["strict"]["micro"]["f1"], 4)


def test_metadata_names_the_corpora_that_lie_on_the_hub() -> None:
    text = _card(REFERENCE, settings=("sources=[{path: bundled},{path: 'hub:owner/corpus@v1'}]",))
    assert ModelCard(text).data.datasets == ["owner/corpus"]
    assert ModelCard(_card(REFERENCE)).data.datasets is None


def test_what_is_tuned_from_banglabert_keeps_its_licence(trained: Path) -> None:
    text = (trained / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---")[1])
    assert header["license"] == "cc-by-nc-sa-4.0"
    assert "no commercial" in text


def test_licence_is_said_of_the_encoder_that_was_taken() -> None:
    free = _card(REFERENCE, encoder={"name": "google/muril-base-cased", "license": "apache-2.0"})
    assert "follow the licence of their encoder (apache-2.0)" in free and "MIT" not in free
    bound = _card(REFERENCE, encoder={"name": "someone/encoder", "license": "cc-by-nc-sa-4.0"})
    assert "no commercial" in bound and "BanglaBERT" not in bound.split("## Licence")[1]


def test_commit_that_was_got_stands_in_the_card() -> None:
    encoder = {"name": "csebuetnlp/banglabert", "revision": "main", "commit": "9ce791f330578f50da6bc52b54205166fb5d1c8c"}
    text = _card(REFERENCE, encoder={**encoder, "license": "cc-by-nc-sa-4.0"})
    assert f"revision main, commit {encoder['commit']}" in text
    assert "base_model: csebuetnlp/banglabert" in text


@pytest.mark.parametrize("name", ["/home/somebody/models/muril", "models/muril", "models/muril/"])
def test_an_encoder_from_a_folder_is_called_by_its_name_alone_and_is_no_model_of_the_hub(name: str) -> None:
    text = _card(REFERENCE, encoder={"name": name, "revision": None, "license": "apache-2.0"})
    assert ModelCard(text).data.base_model is None
    assert "# rajniti: Bangla political news, on muril\n" in text and "| encoder | muril |" in text
    assert "models/muril" not in text


def test_a_placeholder_left_in_the_card_is_refused() -> None:
    with pytest.raises(InputError, match="'TODO' was left in it"):
        _card(REFERENCE, device="TODO")


def test_words_that_hold_a_placeholders_letters_are_none() -> None:
    check_filled("None of it is about finance or governance.", "card")
    for text in ("energy: None", "f1 nan", "TBD", "{{ title }}", "[More Information Needed]"):
        with pytest.raises(InputError, match="was left in it"):
            check_filled(text, "card")


def test_metadata_has_intervals_and_an_example_to_try() -> None:
    data = ModelCard(_card(REFERENCE)).data
    scores = json.loads((REFERENCE / "scores.json").read_text(encoding="utf-8"))["test"]["bundled"]
    (strict,) = (r for r in data.eval_results or [] if r.metric_name == "mention strict F1")
    bounds = scores["intervals"]["mentions.strict.f1"]
    assert strict.metric_args == {"confidence_level": 0.95, "confidence_interval": [round(b, 4) for b in bounds]}
    assert data.widget[0]["text"] in _card(REFERENCE).split("```python")[1]


@pytest.mark.parametrize("example", ['বলেন, "না"', "a\\b", None])
def test_the_cards_code_holds_whatever_a_schema_gives_as_example(schema: Schema, example: str | None) -> None:
    examples = {"t": example} if example else {}
    text = _card(REFERENCE, schema=replace(schema, card=replace(schema.card, examples=examples, purpose="")))
    call = next(line for line in text.splitlines() if line.startswith("document = tag("))
    assert ast.literal_eval(call.removeprefix("document = tag(").removesuffix(")")) == (example or "শেখ মুজিবুর রহমান")
    assert "Reading Bangla political news at scale, with a person who checks." in text
