"""A domain of one's own, walked as docs/data.md describes it: cricket, from a schema and marked reports to tags and a graph."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import ROOT, script
from train.config import SourceConfig
from train.corpora import formats, jsonl, splits
from train.corpora.load import load_split
from train.document import Document
from train.errors import InputError
from train.schema import Schema

CRICKET = ROOT / "docs" / "cricket"
REPORT = "সিলেটে {}মেঘনা টাইটানসকে হারিয়েছে পদ্মা রাইডার্স।\n"


@pytest.fixture(scope="module")
def cricket() -> Schema:
    return Schema.load(CRICKET / "schema.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a user works: a copy of the example, its reports divided by the script."""
    folder = tmp_path_factory.mktemp("mine")
    shutil.copytree(CRICKET, folder / "cricket")
    done = script("corpus.py", "split", "--schema", "cricket/schema.yaml", "cricket/reports.txt", "cricket/data", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "cricket/data: 11 train, 1 validation, 1 test\n"
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, electra_folder: Path) -> Path:
    """The example's config on a small encoder."""
    done = script(
        "train.py", "cricket/config.yaml", f"encoder.name={electra_folder}", "encoder.layers=null", "heads.size=32",
        "windows.max_tokens=96", "windows.overlap_tokens=24", "training.epochs=30", "training.batch_tokens=256",
        "optimizer.learning_rate=3e-3", "optimizer.head_learning_rate=1e-2", "evaluation.resamples=20",
        "encoder.freeze_embeddings=false", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "cricket"


def test_the_reports_have_nothing_that_looks_wrong() -> None:
    done = script("corpus.py", "check", CRICKET / "reports.txt", "--schema", CRICKET / "schema.yaml")
    assert (done.returncode, done.stdout) == (0, "13 documents, 0 errors, 0 warnings\n"), done.stderr


def test_the_reports_use_every_label_of_their_schema(cricket: Schema) -> None:
    documents = formats.read(CRICKET / "reports.txt", cricket)
    assert {m.type for d in documents for m in d.mentions} == set(cricket.mentions)
    assert {r.type for d in documents for r in d.relations} == set(cricket.relations)
    assert {r.status for d in documents for r in d.relations} == set(cricket.statuses)


def test_every_annotation_tool_gives_the_same_documents_in_this_schema(tmp_path: Path, cricket: Schema) -> None:
    source: str | Path = CRICKET / "reports.txt"
    for target in ("tasks.json", "brat", "back.txt", "back.jsonl"):
        done = script("corpus.py", "convert", "--schema", CRICKET / "schema.yaml", source, target, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        source = target
    done = script("corpus.py", "--schema", CRICKET / "schema.yaml", "agree", CRICKET / "reports.txt", source, cwd=tmp_path)
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"1.000", "13"}
    assert "plays_for\tArg1:PLAYER, Arg2:TEAM\n" in (tmp_path / "brat" / "annotation.conf").read_text(encoding="utf-8")
    shown = script("corpus.py", "interface", "--schema", CRICKET / "schema.yaml").stdout
    assert all(f'value="{name}"' in shown for name in (*cricket.mentions, *cricket.relations, "negated"))


def test_another_schemas_documents_are_refused_with_its_name() -> None:
    done = script("corpus.py", "check", CRICKET / "reports.txt")
    assert done.returncode == 1
    assert "reports.txt:2: unknown mention type 'TOURNAMENT'; expected one of PER, GPE" in done.stderr
    assert done.stderr.endswith("(schema politics)\n")


def test_a_folder_of_articles_becomes_something_to_annotate(tmp_path: Path) -> None:
    (tmp_path / "news").mkdir()
    for name in ("ক", "খ"):
        (tmp_path / "news" / f"{name}.txt").write_text(REPORT.format(name), encoding="utf-8")
    for target in ("tasks.json", "brat", "back.jsonl"):
        done = script("corpus.py", "convert", "news", target, "--schema", CRICKET / "schema.yaml", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"{target}: 2 documents\n"), done.stderr
    assert [d.text for d in jsonl.read(tmp_path / "back.jsonl", None)] == [REPORT.format("ক"), REPORT.format("খ")]
    # An empty annotation would count as somebody's, done.
    assert all(task["annotations"] == [] for task in json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8")))
    # Nothing but converting takes articles for documents without a mention, which would teach that none is there.
    done = script("corpus.py", "check", "news", cwd=tmp_path)
    assert (done.returncode, "ক.ann: cannot be read" in done.stderr) == (1, True)
    shutil.copytree(tmp_path / "news", tmp_path / "half")
    (tmp_path / "half" / "ক.ann").write_text("")
    done = script("corpus.py", "convert", "half", "half.jsonl", cwd=tmp_path)
    assert (done.returncode, "খ.ann: cannot be read" in done.stderr) == (1, True)


def test_articles_of_sub_folders_are_converted_too_and_marked_ones_refused(tmp_path: Path, cricket: Schema) -> None:
    for name in ("news/a.txt", "news/2024/a.txt", "news/2024/b.c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(REPORT.format(name), encoding="utf-8")
    assert [d.id for d in formats.read_plain(tmp_path / "news") or ()] == ["2024/a", "2024/b.c", "a"]
    shutil.copy(CRICKET / "reports.txt", tmp_path / "news" / "2024" / "marked.txt")
    done = script("corpus.py", "convert", "news", "x.jsonl", "--schema", CRICKET / "schema.yaml", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "x.jsonl").exists()) == (1, False)
    assert "news/2024/marked.txt:1: begins as inline markup, not as an article; convert it by itself" in done.stderr


@pytest.mark.parametrize("name", ["validation", "dev", "val"])
def test_a_split_has_the_names_that_training_takes(
    name: str, tmp_path: Path, documents: list[Document], schema: Schema
) -> None:
    for split, part in (("train", documents[:2]), (name, documents[2:3]), ("test", documents[3:4])):
        jsonl.write(tmp_path / f"{split}.jsonl", part)
    (part,) = load_split([SourceConfig(path=str(tmp_path))], "validation", schema)
    assert formats.read_parts(tmp_path, schema)["validation"] == part.documents == documents[2:3]
    jsonl.write(tmp_path / "all.jsonl", documents[:6])
    done = script("corpus.py", "split", "all.jsonl", ".", "--shares", "0.4", "0.3", "0.3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert documents[2] in jsonl.read(tmp_path / f"{name}.jsonl", schema)
    assert sum(len(part) for part in formats.read_parts(tmp_path, schema).values()) == 6


def test_two_files_of_one_split_are_refused(tmp_path: Path, schema: Schema) -> None:
    for name in ("dev", "val"):
        jsonl.write(tmp_path / f"{name}.jsonl", [Document(name, "ক")])
    with pytest.raises(InputError, match=r"val\.jsonl: dev\.jsonl beside it is of validation too"):
        formats.read_parts(tmp_path, schema)
    with pytest.raises(InputError, match=r"val\.jsonl: dev\.jsonl beside it is of validation too"):
        load_split([SourceConfig(path=str(tmp_path))], "validation", schema)


def test_mentions_that_nobody_joined_in_brat_are_things_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "brat").mkdir()
    (tmp_path / "brat" / "a.txt").write_text("মেঘনাকে হারিয়েছে পদ্মা। মেঘনা হতাশ।", encoding="utf-8")
    marks = "T1\tTEAM 0 7\tমেঘনাকে\nT2\tTEAM 18 23\tপদ্মা\nT3\tTEAM 25 30\tমেঘনা\nR1\tdefeated Arg1:T2 Arg2:T1\n*\tAlias T1 T3\n"
    (tmp_path / "brat" / "a.ann").write_text(marks, encoding="utf-8")
    done = script("corpus.py", "convert", "--schema", CRICKET / "schema.yaml", "brat", "a.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [
        "## a",
        "= e1 TEAM মেঘনা",
        "= e2 TEAM পদ্মা",
        "",
        "{মেঘনাকে|e1} হারিয়েছে {পদ্মা|e2}।",
        "- e2@1 defeated e1@1",
        "{মেঘনা|e1} হতাশ।",
    ]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8").splitlines() == lines


def test_divided_documents_stay_in_their_split_when_more_come(folder: Path, tmp_path: Path, cricket: Schema) -> None:
    shutil.copytree(folder / "cricket", tmp_path / "c")
    more = tmp_path / "c" / "reports.txt"
    more.write_text("## new\n= k PLAYER করিম\n\n{করিম|k} আউট।\n\n" + more.read_text(encoding="utf-8"), encoding="utf-8")
    split = ("corpus.py", "split", "--schema", "c/schema.yaml")
    done = script(*split, "c/reports.txt", "c/data", "--shares", "0.6", "0.2", "0.2", cwd=tmp_path)
    assert done.stdout == "c/data: 11 train, 1 validation, 2 test\n", done.stderr  # the new one goes where most are wanting
    before, after = ({n: _ids(f / "data", n, cricket) for n in splits.SPLITS} for f in (folder / "cricket", tmp_path / "c"))
    assert after == {**before, "test": before["test"] | {"new"}}
    done = script(*split, CRICKET / "reports.txt", "c/data", cwd=tmp_path)
    assert (done.returncode, "holds document 'new', which" in done.stderr) == (1, True)
    assert _ids(tmp_path / "c" / "data", "test", cricket) == after["test"]


def _ids(folder: Path, split: str, schema: Schema) -> set[str | int]:
    return {document.id for document in jsonl.read(folder / f"{split}.jsonl", schema)}


def test_splitting_refuses_shares_and_documents_that_give_no_three_splits() -> None:
    two = [Document("a", "ক"), Document("b", "খ")]
    with pytest.raises(InputError, match="2 documents leave none for train"):
        splits.split(two, (0.8, 0.1, 0.1))
    with pytest.raises(InputError, match=r"expected three above 0 that sum to 1, got 0\.5, 0\.5, 0\.5"):
        splits.split(two, (0.5, 0.5, 0.5))


def test_the_goals_are_of_the_bundled_corpus_alone(folder: Path) -> None:
    done = script("corpus.py", "stats", "--schema", "cricket/schema.yaml", "cricket/data", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "defeated" in done.stdout
    assert "NOT MET" not in done.stdout


def test_the_run_is_scored_explained_and_says_what_it_is_in_its_own_domains_words(run: Path, folder: Path) -> None:
    done = script("evaluate.py", run, "cricket/data/train.jsonl", "--report", "report", "--resamples", 20, cwd=folder)
    assert done.returncode == 0, done.stderr
    scores = json.loads((folder / "report" / "scores.json").read_text(encoding="utf-8"))
    assert scores["mentions"]["strict"]["micro"]["f1"] > 0.5
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "Tags Bangla cricket reports with **mentions** of 4 types" in card
    assert "Reading match reports, who plays for whom" in card
    words = ("olitic", "newsrooms", "bundled", "PLOVER", "চীন")
    assert not [word for word in words if word in card.replace('pipeline("political-ie"', "")]


def test_the_run_tags_reports_and_its_tags_become_a_graph(run: Path, folder: Path) -> None:
    (folder / "reports").mkdir()
    (folder / "reports" / "a.txt").write_text(REPORT.format(""), encoding="utf-8")
    done = script("predict.py", run, "reports", "cricket/data/train.jsonl", "--out", "tagged.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = jsonl.read(folder / "tagged.jsonl", Schema.load(run / "schema.yaml"))
    assert {m.type for d in found for m in d.mentions} >= {"PLAYER", "TEAM"}
    done = script("graph.py", "tagged.jsonl", "--schema", run / "schema.yaml", "--out", "graph.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = script(
        "graph.py", "cricket/data/train.jsonl", "--schema", "cricket/schema.yaml", "--timeline", "বাংলাদেশ", "শ্রীলঙ্কা", cwd=folder
    )
    assert "defeated" in done.stdout, done.stderr
