"""SpERT as a peer: what goes into its files and comes back out of them, without its code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from train.document import Document, Mention, Relation
from train.errors import InputError
from train.peers import spert
from train.peers.common import Task, Unit, predicted, units
from train.schema import Schema
from train.scoring import relation_keys

TEXT = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই ঢাকায় পৌঁছেছেন। তিনি বিএনপির নেতা রহিমের সঙ্গে বৈঠক করেন।"
SPANS = {"cn": ("চীনের", "GPE"), "fm": ("চীনের পররাষ্ট্রমন্ত্রী", "POST"), "wy": ("ওয়াং ই", "PER"), "he": ("রহিমের", "PER")}
RELATIONS = [("holds_post", "wy", "fm"), ("meets", "he", "wy"), ("post_in", "fm", "cn")]


@pytest.fixture
def document(schema: Schema) -> Document:
    """Two sentences, a mention in another, and one relation of three between the sentences."""
    mentions = [Mention(id_, TEXT.index(name), TEXT.index(name) + len(name), type_) for id_, (name, type_) in SPANS.items()]
    relations = [Relation(type_, head, tail, schema.default_status) for type_, head, tail in RELATIONS]
    made = Document("d", TEXT, tuple(mentions), (), tuple(relations))
    made.check(schema)
    return made


def clone(folder: Path, *, without: str = "") -> Path:
    """Files that hold what PATCHES look for, and nothing else."""
    texts = {"spert.py": "import spert\n"}
    for file, old, _, _ in spert.PATCHES:
        texts[file] = texts.get(file, "") + ("" if old == without else f"{old}\n")
    for file, text in texts.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def test_sentences_are_in_its_form(schema: Schema, document: Document) -> None:
    first, second = spert.rows(units([document], Task(schema, [document], [], [])), [document])
    assert first["tokens"] == ["চীনের", "পররাষ্ট্রমন্ত্রী", "ওয়াং", "ই", "ঢাকায়", "পৌঁছেছেন", "।"]
    assert first["entities"] == [
        {"type": "GPE", "start": 0, "end": 1},
        {"type": "POST", "start": 0, "end": 2},
        {"type": "PER", "start": 2, "end": 4},
    ]
    assert first["relations"] == [{"type": "holds_post", "head": 2, "tail": 1}, {"type": "post_in", "head": 1, "tail": 0}]
    assert [entity["type"] for entity in second["entities"]] == ["PER"]
    assert second["relations"] == []


def test_what_lies_within_sentences_comes_back(schema: Schema, documents: list[Document]) -> None:
    cut = units(documents, Task(schema, documents, [], []))
    sentences = json.loads(json.dumps(spert.rows(cut, documents)))
    back = predicted(documents, cut, [spert.found(sentence, schema) for sentence in sentences], schema)
    kept = 0
    for gold, ours in zip(documents, back, strict=True):
        spans = [[(m.start, m.end, m.type) for m in d.mentions] for d in (gold, ours)]
        assert sorted(spans[0]) == sorted(spans[1])
        assert len(ours.relations) == len(relation_keys(ours, schema))
        assert set(relation_keys(ours, schema)) <= set(relation_keys(gold, schema))
        kept += len(ours.relations)
    assert 0 < kept < sum(len(d.relations) for d in documents)


def test_symmetric_relation_is_turned_to_where_the_schema_has_it(schema: Schema) -> None:
    """SpERT gives its ends in the order of the text; a law agrees to nothing."""
    entities = [
        {"type": "LAW", "start": 0, "end": 1},
        {"type": "GPE", "start": 2, "end": 3},
        {"type": "PER", "start": 4, "end": 5},
    ]
    relations = [(0, 1), (1, 2), (2, 0), (0, 0)]
    sentence = {"entities": entities, "relations": [{"type": "agrees", "head": h, "tail": t} for h, t in relations]}
    result = spert.found(sentence, schema)
    assert result.mentions == [(0, 1, "LAW"), (2, 3, "GPE"), (4, 5, "PER")]
    assert result.relations == [("agrees", 1, 0), ("agrees", 1, 2), ("agrees", 2, 0), ("agrees", 0, 0)]


def test_types(schema: Schema) -> None:
    types = spert.types(schema)
    assert list(types["entities"]) == list(schema.mentions)
    assert list(types["relations"]) == list(schema.relations)
    assert types["relations"]["meets"] == {"short": "meets", "verbose": "meets", "symmetric": True}
    assert types["relations"]["holds_post"]["symmetric"] is False


def test_sentence_that_is_too_long_is_cut(monkeypatch: pytest.MonkeyPatch, schema: Schema, document: Document) -> None:
    monkeypatch.setattr(spert, "PIECES", 4)
    cut = units([document], Task(schema, [document], [], []))
    pieces = {word: min(len(word), 4) if word == "পররাষ্ট্রমন্ত্রী" else 1 for unit in cut for word in unit.surfaces}
    parts = spert.fitted(cut, pieces)
    surfaces = [part.surfaces for part in parts]
    assert surfaces[:4] == [["চীনের"], ["পররাষ্ট্রমন্ত্রী"], ["ওয়াং", "ই", "ঢাকায়", "পৌঁছেছেন"], ["।"]]
    assert [word for part in surfaces for word in part] == [word for unit in cut for word in unit.surfaces]
    found = [spert.found(row, schema) for row in spert.rows(parts, [document])]
    (back,) = predicted([document], parts, found, schema)
    assert {back.surface(m) for m in back.mentions} == {"চীনের", "ওয়াং ই", "রহিমের"}  # not what the first cut goes through
    assert back.relations == ()


def test_sentence_that_fits_stays_whole(schema: Schema, document: Document) -> None:
    cut = units([document], Task(schema, [document], [], []))
    assert spert.fitted(cut, dict.fromkeys((word for unit in cut for word in unit.surfaces), 1)) == cut


def test_mention_beyond_its_sizes_is_left_out() -> None:
    text = "ক " * spert.SIZES + "খ"
    mentions = (Mention("long", 0, len(text) - 2, "ORG"), Mention("short", len(text) - 1, len(text), "ORG"))
    tokens = tuple((i, i + 1) for i in range(0, len(text), 2))
    relation = Relation("member_of", "short", "long", "asserted")
    (row,) = spert.rows([Unit(0, text, tokens)], [Document("d", text, mentions, (), (relation,))])
    assert row["entities"] == [{"type": "ORG", "start": spert.SIZES, "end": spert.SIZES + 1}]
    assert row["relations"] == []


def test_code_is_patched_into_a_copy(tmp_path: Path) -> None:
    code = clone(tmp_path / "clone")
    before = {path: path.read_bytes() for path in code.rglob("*.py")}
    script = spert._write_code(tmp_path / "run", code)
    assert script.read_text() == "import spert\n"
    assert {path: path.read_bytes() for path in code.rglob("*.py")} == before
    for file, _, new, _ in spert.PATCHES:
        assert new in (tmp_path / "run" / file).read_text()
    assert "AutoTokenizer.from_pretrained(" in (tmp_path / "run" / "spert" / "spert_trainer.py").read_text()


@pytest.mark.parametrize("patch", spert.PATCHES, ids=lambda patch: patch[1].strip()[:30])
def test_another_version_of_the_code(tmp_path: Path, patch: tuple[str, str, str, str]) -> None:
    with pytest.raises(InputError, match=rf"^{patch[0]}: not SpERT's of 2021: expected .* in it once$"):
        spert._write_code(tmp_path / "run", clone(tmp_path / "clone", without=patch[1]))


def test_text_that_stands_there_twice() -> None:
    file, old, _, _ = spert.PATCHES[0]
    with pytest.raises(InputError, match="in it once"):
        spert.patched(old * 2, file)


def test_no_clone(tmp_path: Path, schema: Schema, document: Document) -> None:
    task = Task(schema, [document], [document], [document])
    with pytest.raises(
        InputError, match=r"nowhere: no config_reader\.py; expected a clone of https://github.com/lavis-nlp/spert"
    ):
        spert.predict(task, tmp_path, tmp_path / "run", code=tmp_path / "nowhere", seed=0)


def test_encoder_of_another_kind(tmp_path: Path, electra_folder: Path, schema: Schema, document: Document) -> None:
    task = Task(schema, [document], [document], [document])
    with pytest.raises(InputError, match="model of type bert with 512 positions, not electra with 128"):
        spert.predict(task, electra_folder, tmp_path / "run", code=clone(tmp_path / "clone"), seed=0)


def test_schema_without_relations(tmp_path: Path, schema: Schema) -> None:
    task = Task(replace(schema, relations={}), [], [], [])
    with pytest.raises(InputError, match="needs a relation type"):
        spert.predict(task, tmp_path, tmp_path / "run", code=tmp_path, seed=0)


def test_data_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: Schema, document: Document) -> None:
    """The test file has no gold in it; what is cut into parts is told, and given back as it stands in the file."""
    monkeypatch.setattr(spert, "_pieces", lambda words, encoder: dict.fromkeys(words, 200))
    task = Task(schema, [document], [document], [document])
    cut = spert._write_data(tmp_path, task, tmp_path, batch=2)
    assert [len(unit.tokens) for unit in cut] == [2, 2, 2, 1, 2, 2, 2, 2]
    assert json.loads((tmp_path / "test.json").read_text()) == [{"tokens": unit.surfaces} for unit in cut]
    assert json.loads((tmp_path / "train.json").read_text()) == spert.rows(cut, [document])
    assert (tmp_path / "train.json").read_text().isascii()
    with pytest.raises(InputError, match="2 sentences to train on fill no batch of 3"):
        spert._write_data(tmp_path, task, tmp_path, batch=3)
