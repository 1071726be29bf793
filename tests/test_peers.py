"""What every compared system gets and gives back, and the table of what they reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import script
from train.corpora.conll import outermost
from train.document import Document, Mention, Relation
from train.errors import InputError
from train.peers import data
from train.peers.common import Found, Task, predicted, run, units
from train.schema import Schema

TEXT = "ঢাকার করিম উদ্দিন বলেন। তিনি বিএনপির নেতা।"


@pytest.fixture
def task(schema: Schema) -> Task:
    mentions = (Mention("m1", 0, 5, "GPE"), Mention("m2", 6, 17, "PER"), Mention("m3", 29, 36, "PARTY"))
    document = Document("a", TEXT, mentions, (), (Relation("represents", "m2", "m1", "asserted"),))
    return Task(schema, [document], [document], [document])


def test_units_are_sentences_whose_tokens_point_into_the_document(task: Task) -> None:
    first, second = units(task.test, task)
    assert first.surfaces == ["ঢাকার", "করিম", "উদ্দিন", "বলেন", "।"]
    assert second.surfaces == ["তিনি", "বিএনপির", "নেতা", "।"]
    assert first.place(6, 17) == (1, 3)
    assert first.place(29, 36) is None
    assert second.span(1, 4) == (29, 41)  # without the sentence's mark


def test_what_was_found_in_sentences_becomes_documents(task: Task) -> None:
    found = [Found([(0, 1, "GPE"), (1, 3, "PER")], [("represents", 1, 0)]), Found([(1, 2, "PARTY")], [])]
    (document,) = predicted(task.test, units(task.test, task), found, task.schema)
    gold = task.test[0]
    assert [(m.start, m.end, m.type) for m in document.mentions] == [(m.start, m.end, m.type) for m in gold.mentions]
    assert document.relations == gold.relations


def test_of_nested_mentions_the_outermost_stay() -> None:
    outer, inner, other = Mention("a", 0, 9, "GOV"), Mention("b", 0, 4, "GPE"), Mention("c", 10, 12, "PER")
    assert outermost([inner, other, outer]) == [outer, other]


def test_a_peer_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "peer.py").write_text("raise SystemExit('no such option')")
    with pytest.raises(InputError, match=r"peer\.py failed .*: no such option"):
        run([tmp_path / "peer.py"], log=tmp_path / "log.txt")


def test_rifats_training_sentences_that_stand_in_test_are_left_out(tmp_path: Path) -> None:
    rows = [f"কথা{i}\tO\nঢাকা{i}\tB-LOC\n" for i in range(40)]
    (tmp_path / "train.txt").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "test.txt").write_text("\n".join(rows[:5]), encoding="utf-8")
    task = data.load("rifat", tmp_path)
    texts = {d.text for d in task.test}
    assert len(task.test) == 5
    assert len(task.train) + len(task.validation) == 35
    assert task.validation
    assert not texts & {d.text for d in (*task.train, *task.validation)}
    with pytest.raises(InputError, match="--data: expected the folder of rifat's files"):
        data.load("rifat", None)


def test_the_script_scores_each_seed_once_and_shows_all_systems(tmp_path: Path) -> None:
    rows = "".join(f"কথা\tO\nঢাকা{i % 7}\tB-LOC\n\n" for i in range(40))
    (tmp_path / "train.txt").write_text(rows, encoding="utf-8")
    (tmp_path / "test.txt").write_text("যাই\tO\nঢাকা3\tB-LOC\n\nআসি\tO\nবগুড়া\tB-LOC\n", encoding="utf-8")
    command = ("bench_peers.py", "dictionary", "rifat", "--data", tmp_path, "--out", tmp_path / "out", "--seeds")
    done = script(*command, "1", "2")
    assert done.returncode == 0, done.stderr
    assert "| dictionary | 2 | 66.7 ± 0.0 | – | – |" in done.stdout
    result = tmp_path / "out" / "rifat" / "dictionary" / "1" / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"mentions": 0.8}))
    done = script(*command, "1", "2")  # both are there already
    row = json.loads(done.stdout.splitlines()[-1])["rows"][0]["mentions"]
    assert row["values"] == [0.8, pytest.approx(2 / 3)]
    assert row["interval"] == pytest.approx(12.706 * 0.0943 / 2**0.5, rel=0.01)  # Student's t with one degree of freedom
    done = script("bench_peers.py", "spert", "rifat", "--data", tmp_path, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr.strip()) == (1, "error: --code: expected where spert's own code is, got None")


def test_the_table_says_how_far_each_setting_is_from_a_named_one(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("".join(f"কথা{i}\tO\nঢাকা\tB-LOC\n\n" for i in range(40)), encoding="utf-8")
    (tmp_path / "test.txt").write_text("যাই\tO\nঢাকা\tB-LOC\n\nআসি\tO\nঢাকা\tB-LOC\n", encoding="utf-8")
    data_and_out = ("rifat", "--data", tmp_path, "--out", tmp_path / "out")
    assert script("bench_peers.py", "dictionary", *data_and_out, "--seeds", "1", "--name", "half").returncode == 0
    found = tmp_path / "out" / "rifat" / "half" / "1" / "test.jsonl"
    first, second = (json.loads(line) for line in found.read_text(encoding="utf-8").splitlines())
    lines = (json.dumps(line) for line in (first, second | {"mentions": []}))
    found.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = script("bench_peers.py", "dictionary", *data_and_out, "--seeds", "1", "--against", "dictionary")
    assert done.returncode == 0, done.stderr
    assert "| half | 1 | 100.0 | – | – | -33.3 (-100.0 to +0.0) | 0.0 |" in done.stdout
    assert "| dictionary | 1 | 100.0 | – | – | – | 0.0 |" in done.stdout
    done = script("bench_peers.py", "table", *data_and_out, "--against", "ours")
    assert (done.returncode, done.stderr.strip()) == (1, "error: --against: expected one of dictionary, half, got ours")


@pytest.mark.parametrize("dataset", [name for name in data.DATASETS if name != "bundled"])
def test_ours_goes_through_its_shipped_config(dataset: str, electra_folder: Path, tmp_path: Path) -> None:
    """With a small encoder and little data put in, and all else as shipped."""
    if dataset == "conll04":
        tokens = ["Oswald", "lives", "in", "Dallas", "."]
        ends = [{"type": "Peop", "start": 0, "end": 1}, {"type": "Loc", "start": 3, "end": 4}]
        sentence = {"tokens": tokens, "entities": ends, "relations": [{"type": "Live_In", "head": 0, "tail": 1}]}
        for split in ("train", "dev", "test"):
            (tmp_path / f"{split}.json").write_text(json.dumps([sentence] * 12))
    else:
        names = ("train", "\t", "TIM") if dataset == "rifat" else ("val", " ", "D&T")
        for split, first in ((names[0], 0), ("test", 100)):
            columns = (f"কথা{i} O\nঢাকা B-LOC\nআজ B-{names[2]}\n\n" for i in range(first, first + 40))
            rows = "".join(columns).replace(" ", names[1])
            (tmp_path / f"{split}.txt").write_text(rows, encoding="utf-8")
    small = (f"encoder.name={electra_folder}", "encoder.layers=null", "training.max_steps=1", "heads.size=16")
    lengths = ("windows.max_tokens=100", "evaluation.resamples=10")
    command = ("bench_peers.py", "ours", dataset, "--data", tmp_path, "--out", tmp_path / "out", "--seeds", "1", "--set")
    done = script(*command, *small, *lengths)
    assert done.returncode == 0, done.stderr
    assert "| ours | 1 |" in done.stdout
