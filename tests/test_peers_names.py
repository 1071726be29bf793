"""Peers for names: BIO there and back, how tags are read, and what is written for scripts that are not ours."""

from __future__ import annotations

import ast
import json
import sys
from itertools import product
from pathlib import Path

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from train.corpora.conll import outermost
from train.document import Document, Mention
from train.errors import InputError
from train.peers import hf, spacy_ner
from train.peers.common import Found, Task, Unit, flat, predicted, units
from train.schema import Schema

TEXT = "ঢাকা বিশ্ববিদ্যালয়ের উপাচার্য এলেন। বিএনপি'র নেতা, ভারত!"


def mention(number: int, surface: str, type_: str) -> Mention:
    start = TEXT.index(surface)
    return Mention(f"m{number}", start, start + len(surface), type_)


DOCUMENT = Document(
    "d",
    TEXT,
    (mention(1, "ঢাকা", "GPE"), mention(2, "ঢাকা বিশ্ববিদ্যালয়ের", "ORG"), mention(3, "ভারত", "GPE")),
)


@pytest.fixture
def task(schema: Schema) -> Task:
    return Task(schema, [DOCUMENT], [DOCUMENT], [DOCUMENT])


def test_tags_are_those_of_outermost_mentions(task: Task) -> None:
    first, second = units([DOCUMENT], task)
    assert hf.tags(len(first.tokens), flat(first, DOCUMENT.mentions)) == ["B-ORG", "I-ORG", "O", "O", "O"]
    assert list(zip(second.surfaces, hf.tags(len(second.tokens), flat(second, DOCUMENT.mentions)), strict=True)) == [
        ("বিএনপি'র", "O"),
        ("নেতা", "O"),
        (",", "O"),
        ("ভারত", "B-GPE"),
        ("!", "O"),
    ]


def test_of_two_mentions_in_one_token_the_first_is_kept() -> None:
    unit = Unit(0, "ভারত'চীন এলেন", ((0, 8), (9, 13)))
    assert flat(unit, [Mention("m1", 0, 4, "GPE"), Mention("m2", 5, 8, "GPE")]) == [(0, 1, "GPE")]


def test_mentions_come_back_from_tags(documents: list[Document], schema: Schema) -> None:
    task = Task(schema, [], [], documents)
    cut = units(documents, task)
    tags = [hf.tags(len(unit.tokens), flat(unit, documents[unit.document].mentions)) for unit in cut]
    back = predicted(documents, cut, [Found(hf.spans(row), []) for row in tags], schema)
    for document, result in zip(documents, back, strict=True):
        assert [(m.start, m.end, m.type) for m in result.mentions] == [
            (m.start, m.end, m.type) for m in outermost(document.mentions)
        ]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O I-PER I-PER O", [(1, 3, "PER")]),
        ("B-PER I-ORG I-ORG", [(0, 1, "PER"), (1, 3, "ORG")]),
        ("B-PER B-PER I-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        ("I-PER O I-PER", [(0, 1, "PER"), (2, 3, "PER")]),
        ("B-WORK-OF-ART I-WORK-OF-ART", [(0, 2, "WORK-OF-ART")]),
        ("O O", []),
    ],
)
def test_tags_that_break_bio_are_read_leniently(tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert hf.spans(tags.split()) == spans


def test_any_tags_are_read_as_seqeval_reads_them() -> None:
    for tags in product(["O", "B-A", "I-A", "B-B", "I-B"], repeat=5):
        assert hf.spans(tags) == [(first, last + 1, type_) for type_, first, last in get_entities(list(tags))]


RECIPE = "import evaluate\nimport torch\n\n\ndef main():\n    model.to(device)\n    model.train()\n"


def test_each_patch_is_applied_and_states_why() -> None:
    text = hf.patched(RECIPE, name="recipe.py")
    for old, new, why in hf.PATCHES:
        assert why and new in text and f"\n{old}" not in text.replace(new, "")
    ast.parse(text)


@pytest.mark.parametrize("source", ["", RECIPE.replace("evaluate", "metrics"), RECIPE + "    model.to(device)\n"])
def test_another_script_is_refused_by_name(source: str, task: Task, tmp_path: Path) -> None:
    path = tmp_path / "other.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"other\.py: no run_ner_no_trainer\.py of transformers 4\.57: expected '.+' in it once"
    ):
        hf.predict(task, tmp_path, tmp_path / "run", code=path, seed=0)


def test_the_local_metric_gives_what_the_recipe_prints() -> None:
    scope: dict[str, object] = {}
    exec(hf._LOCAL_EVALUATE, scope)
    metric = scope["load"]("seqeval")  # type: ignore[operator]
    for _ in range(2):
        metric.add_batch(predictions=[["B-PER", "O"]], references=[["B-PER", "B-ORG"]])
        scores = metric.compute()
        assert scores == pytest.approx(
            {"overall_precision": 1, "overall_recall": 0.5, "overall_f1": 2 / 3, "overall_accuracy": 0.5}
        )


STAND_IN = """\
import json, sys
from pathlib import Path

with open("calls.jsonl", "a", encoding="utf-8") as file:
    print(json.dumps(sys.argv[1:]), file=file)
if sys.argv[1:3] == ["script.py", "tag"]:
    sentences = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    Path(sys.argv[4]).write_text(json.dumps([[[0, 1, "GPE"]] for _ in sentences]))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """An interpreter that notes what it is asked, and finds a name at the start of each sentence."""
    (tmp_path / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path / "stand_in.py"}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return python


@pytest.mark.parametrize(("component", "spans"), [("ner", [[0, 2, "ORG"]]), ("spancat", [[0, 1, "GPE"], [0, 2, "ORG"]])])
def test_spacy_gets_our_tokens_and_its_own_commands(
    component: spacy_ner.Component, spans: list[list[object]], task: Task, stand_in: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    [result] = spacy_ner.predict(task, folder, python=stand_in, seed=7, component=component, max_steps=40)
    assert [(result.surface(m), m.type) for m in result.mentions] == [("ঢাকা", "GPE"), ("বিএনপি'র", "GPE")]
    first, second = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    assert first["spans"] == spans and first["flat"] == (component == "ner")
    assert first["words"] == ["ঢাকা", "বিশ্ববিদ্যালয়ের", "উপাচার্য", "এলেন", "।"]
    assert first["spaces"] == [True, True, True, False, False]
    assert second["spans"] == [[3, 4, "GPE"]]
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    assert [call[:4] for call in calls[2:4]] == [["-m", "spacy", "init", "config"], ["-m", "spacy", "train", "config.cfg"]]
    assert ["--lang", "bn", "--pipeline", component] == calls[2][5:9]
    assert {"--system.seed", "7", "--training.max_steps", "40"} <= set(calls[3])
    assert ("--components.spancat.suggester.sizes" in calls[3]) == (component == "spancat")
    ast.parse((folder / "script.py").read_text(encoding="utf-8"))


def test_spacys_environment_is_named_where_it_is_none(task: Task, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-python: cannot be run"):
        spacy_ner.predict(task, tmp_path, python=tmp_path / "no-python", seed=0)
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho No module named spacy >&2\nexit 1\n", encoding="utf-8")
    failing.chmod(0o755)
    with pytest.raises(InputError, match=r"script\.py failed \(.*train\.log\): No module named spacy"):
        spacy_ner.predict(task, tmp_path, python=failing, seed=0)
