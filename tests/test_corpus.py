"""The bundled corpus, and how sources are loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from train.config import SourceConfig
from train.corpora import jsonl
from train.corpora.load import BUNDLED, from_dataset, load_split
from train.corpora.splits import SPLITS
from train.corpora.statistics import goals
from train.corpora.validation import validate
from train.document import Document
from train.errors import InputError
from train.evaluation import describe
from train.schema import Schema


@pytest.fixture(scope="module")
def corpus(schema: Schema) -> dict[str, list[Document]]:
    source = SourceConfig(path="bundled")
    return {split: list(load_split([source], split, schema)[0].documents) for split in SPLITS}


def test_corpus_loaded_with_datasets_is_what_the_files_hold(corpus, schema: Schema) -> None:
    for split in SPLITS:
        assert corpus[split] == jsonl.read(BUNDLED / f"{split}.jsonl", schema)


def test_corpus_reaches_every_goal(corpus, schema: Schema) -> None:
    missed = [goal for goal in goals(corpus, schema) if not goal.met]
    assert missed == []


def test_the_validator_finds_no_error_in_the_corpus(corpus, schema: Schema) -> None:
    """No crossing, no orphan, no name over a sentence's end, no two documents with the same wording, …"""
    assert [str(f) for f in validate(corpus, schema) if f.severity == "error"] == []


def test_splits_follow_the_ids(corpus) -> None:
    ends = {"test": "38", "validation": "6", "train": "0124579"}
    assert all(str(d.id)[-1] in ends[split] for split, documents in corpus.items() for d in documents)


def test_dataset_card_states_the_figures_of_the_data(schema: Schema) -> None:
    text = (BUNDLED / "README.md").read_text(encoding="utf-8")
    for split in SPLITS:
        counts = describe(load_split([SourceConfig(path="bundled")], split, schema)[0])
        row = " | ".join([split, *(f"{n:,}" for n in counts.values())])
        assert f"| {row} |" in text
    parts = {split: load_split([SourceConfig(path="bundled")], split, schema)[0].documents for split in SPLITS}
    for goal in goals(parts, schema):
        value = f"{goal.value:,.0f}" if goal.value > 1.5 else f"{100 * goal.value:.0f} %"
        assert f"| {goal.name} | {value} |" in text


def test_guidelines_mark_an_example_of_every_label(schema: Schema) -> None:
    text = (BUNDLED / "GUIDELINES.md").read_text(encoding="utf-8")
    assert all(f" {name}]" in text for name in schema.mentions)
    assert all(f"| {name} | " in text for name in schema.relations)
    assert all(status in text for status in schema.statuses)


def test_a_changed_file_of_a_dataset_folder_is_seen_at_once(tmp_path: Path, schema: Schema) -> None:
    folder = tmp_path / "data"
    shutil.copytree(BUNDLED, folder)
    before = from_dataset(str(folder), "validation", schema)
    lines = (folder / "validation.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "validation.jsonl").write_text("".join(lines[1:]), encoding="utf-8")
    assert from_dataset(str(folder), "validation", schema) == before[1:]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"path": "nowhere"}, "nowhere: no such folder"),
        ({"path": "{here}"}, r"expected a file train\.jsonl"),
        ({"path": "bundled", "types": ("TEAM",)}, "unknown mention type 'TEAM' in types"),
    ],
)
def test_unusable_sources_are_named(tmp_path: Path, schema: Schema, source: dict, message: str) -> None:
    source = {**source, "path": source["path"].replace("{here}", str(tmp_path))}
    with pytest.raises(InputError, match=message):
        load_split([SourceConfig(**source)], "train", schema)


def test_a_bad_line_of_a_source_is_named_by_file_and_line(tmp_path: Path, schema: Schema) -> None:
    lines = [json.dumps({"id": "a", "text": "ক"}), json.dumps({"id": "b", "text": "ক", "mentions": [{"id": "m"}]})]
    (tmp_path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=r"train\.jsonl:2: mentions\[0\]\.start: expected an integer"):
        load_split([SourceConfig(path=str(tmp_path))], "train", schema)


def test_what_the_schema_does_not_take_in_a_conll_source_is_named_by_file_and_sentence(tmp_path: Path, schema: Schema) -> None:
    (tmp_path / "train.txt").write_text("ক O\n\nখ B-TEAM\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"/train\.txt: train\.txt:3: mentions\[0\]\.type: unknown type 'TEAM'"):
        load_split([SourceConfig(path=str(tmp_path), format="conll", layers=("mentions",))], "train", schema)


def test_brat_and_conll_folders_are_sources_too(tmp_path: Path, schema: Schema, documents) -> None:
    from train.corpora import brat, conll

    brat.write(tmp_path / "brat" / "train", documents[:2], schema)
    part = load_split([SourceConfig(path=str(tmp_path / "brat"), format="brat")], "train", schema)[0]
    assert [d.mentions for d in part.documents] == [d.mentions for d in documents[:2]]
    brat.write(tmp_path / "brat" / "dev", documents[2:3], schema)
    part = load_split([SourceConfig(path=str(tmp_path / "brat"), format="brat")], "validation", schema)[0]
    assert [d.text for d in part.documents] == [documents[2].text]
    (tmp_path / "conll").mkdir()
    conll.write(tmp_path / "conll" / "train.txt", documents[:2])
    source = SourceConfig(path=str(tmp_path / "conll"), format="conll", layers=("mentions",))
    part = load_split([source], "train", schema)[0]
    assert sum(len(d.mentions) for d in part.documents) > 5


def test_shares_of_a_source_grow_within_each_other_and_follow_the_seed(schema: Schema) -> None:
    def ids(share: float, seed: int, split: str = "train") -> set[str | int]:
        source = SourceConfig(path="bundled", share=share)
        return {d.id for d in load_split([source], split, schema, seed=seed)[0].documents}

    half, whole = ids(0.5, 1), ids(1.0, 1)
    assert len(half) == round(len(whole) / 2)
    assert ids(0.25, 1) < half < whole
    assert ids(0.5, 2) != half
    assert ids(0.25, 1, "test") == ids(1.0, 1, "test")
