"""What people on the Hub expect of a model: a pipeline, the card's own examples, and what they need to have installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from transformers import pipeline

from tests.hub_server import WRITER, Hub
from tests.support import ROOT, online
from train.export import REQUIREMENTS
from train.publish import prepare, publish
from train.tagger import Tagger

TEXT = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন।"
# Hides the package, then runs what comes on standard input and prints what it left.
ALONE = f"""
import json, sys
sys.path = [p for p in sys.path if p != {str(ROOT)!r} and "__editable__" not in p]
sys.meta_path = [f for f in sys.meta_path if "editable" not in type(f).__name__.lower() + getattr(f, "__name__", "").lower()]
try:
    import train
except ImportError:
    exec(sys.stdin.read())
    print("\\n" + json.dumps([document, dict(model.config.encoder_source)]))
"""


def _run(code: str, *, cwd: Path, env: dict[str, str]) -> list:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **env}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", ALONE], input=code, capture_output=True, encoding="utf-8", env=environment, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _examples(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


def test_the_cards_examples_run_as_they_stand_without_the_package(eager_folder: Path, tmp_path: Path) -> None:
    first, second = _examples((eager_folder / "README.md").read_text(encoding="utf-8"))
    assert len([line for line in first.splitlines() if line]) == 5
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    expected = Tagger.load(eager_folder).model.tag(TEXT, Tagger.load(eager_folder).tokenizer)
    assert expected["mentions"]
    assert _run(first + "\nmodel = tag.model", cwd=eager_folder, env=environment)[0] == expected
    assert _run(second, cwd=eager_folder, env=environment)[0] == expected


def test_the_cards_example_runs_as_it_stands_on_the_hub(site: Hub, trained: Path, tmp_path: Path) -> None:
    publish(prepare(trained, "owner/rajniti"))
    first, _ = _examples(site.repositories["owner/rajniti"].commits[-1].files["README.md"].decode())
    assert 'model="owner/rajniti"' in first
    tagger = Tagger.load(trained)
    environment = online(site.url, tmp_path / "home", WRITER)
    found, source = _run(first + "\nmodel = tag.model", cwd=tmp_path, env=environment)
    assert found == tagger.model.tag(TEXT, tagger.tokenizer)
    assert source == tagger.config.encoder_source


@pytest.fixture(scope="module")
def pipe(eager_folder: Path) -> object:
    return pipeline("political-ie", model=str(eager_folder), trust_remote_code=True, device="cpu")


@pytest.fixture(scope="module")
def texts(documents: list) -> list[str]:
    return [documents[i].text for i in (3, 0, 2)] + ["", TEXT]


def test_strings_lists_and_generators_give_what_the_model_gives(pipe, eager_folder: Path, texts: list[str]) -> None:
    tagger = Tagger.load(eager_folder)
    expected = tagger.model.tag(texts, tagger.tokenizer)
    assert any(d["mentions"] for d in expected) and any(d["relations"] for d in expected)
    # What shares a forward pass has a say in the last digits, so that each is compared with the model's on the same texts.
    options = {"batch_tokens": 16 * tagger.config.window_tokens}
    assert pipe(texts) == pipe(tuple(texts)) == tagger.model.tag(texts, tagger.tokenizer, **options)
    for text in texts:
        alone = tagger.model.tag([text], tagger.tokenizer)
        assert [pipe(text)] == [tagger.model.tag(text, tagger.tokenizer)] == alone
    assert pipe([]) == []
    assert [d["text"] for d in expected] == texts


def test_a_generator_is_drawn_from_as_its_documents_are_taken(pipe, texts: list[str]) -> None:
    drawn: list[str] = []

    def source():
        for text in texts:
            drawn.append(text)
            yield text

    documents = pipe(source(), batch_size=2)
    assert drawn == []
    first = next(documents)
    assert (first["text"], len(drawn)) == (texts[0], 2)
    assert [first, *documents] == [d for i in (0, 2, 4) for d in pipe(texts[i : i + 2], batch_size=2)]


def _passes(pipe, *arguments, **options) -> list[tuple[int, int]]:
    """The shapes of the model's forward passes."""
    shapes: list[tuple[int, int]] = []
    hook = pipe.model.register_forward_pre_hook(
        lambda _m, _a, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    pipe(*arguments, **options)
    hook.remove()
    return shapes


def test_batch_size_bounds_a_forward_pass_by_full_windows(pipe, eager_folder: Path, texts: list[str]) -> None:
    window = pipe.model.config.window_tokens
    many = texts * 3
    for size in (1, 3):
        passes = _passes(pipe, many, batch_size=size)
        assert max(rows * length for rows, length in passes) <= size * window
    assert len(_passes(pipe, many, batch_size=1)) > len(_passes(pipe, many, batch_size=3)) > len(_passes(pipe, many))
    by_tokens = _passes(pipe, many, batch_tokens=2 * window)
    assert max(rows * length for rows, length in by_tokens) <= 2 * window
    other = pipeline("political-ie", model=str(eager_folder), trust_remote_code=True, device="cpu", batch_size=1)
    assert _passes(other, many) == _passes(pipe, many, batch_size=1)


def test_min_precision_gives_only_what_scores_so_high(pipe, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    scored = sorted(m["score"] for d in pipe(texts) for m in d["mentions"])
    cut = scored[len(scored) // 2]
    monkeypatch.setattr(pipe.model.config, "precisions", {"mentions": [[0.9, cut - 1e-4]], "relations": []})
    sure = pipe(texts, min_precision=0.9)
    assert 0 < sum(len(d["mentions"]) for d in sure) < len(scored)
    assert min(m["score"] for d in sure for m in d["mentions"]) >= cut - 1e-3
    assert not any(d["relations"] for d in sure)
    with pytest.raises(ValueError, match="expected more than 0, at most 1"):
        pipe(TEXT, min_precision=2)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((["ক", 3],), {}, "text 1: expected a string, got int"),
        (("ক", "খ"), {}, "expected one argument without a name, a text or several, got 2"),
        (("ক",), {"aggregation_strategy": "simple"}, "aggregation_strategy"),
    ],
)
def test_what_the_pipeline_does_not_take_is_refused(pipe, arguments: tuple, options: dict, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        pipe(*arguments, **options)


def test_config_names_the_pipeline_and_its_code_is_there(eager_folder: Path) -> None:
    named = json.loads((eager_folder / "config.json").read_text(encoding="utf-8"))["custom_pipelines"]["political-ie"]
    assert named == {"impl": "pipeline_rajniti.PoliticalPipeline", "pt": ["AutoModel"]}
    assert "class PoliticalPipeline(" in (eager_folder / "pipeline_rajniti.py").read_text(encoding="utf-8")


def test_requirements_name_all_that_the_code_imports_within_the_projects_own_bounds(eager_folder: Path) -> None:
    text = (eager_folder / "requirements.txt").read_text(encoding="utf-8")
    assert text == REQUIREMENTS.read_text(encoding="utf-8")
    stated = dict(re.findall(r"^([a-z]+)(\S+)$", text, flags=re.MULTILINE))
    code = "\n".join(path.read_text(encoding="utf-8") for path in eager_folder.glob("*.py"))
    imported = set(re.findall(r"^(?:from|import) (\w+)", code, flags=re.MULTILINE)) - sys.stdlib_module_names
    assert imported == set(stated)
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    bounds = dict(re.findall(r"^([a-z]+)(\S+)$", "\n".join(dependencies), flags=re.MULTILINE))
    for name in ("regex", "transformers"):
        assert stated[name] == bounds[name]
    assert bounds["torch"].startswith(f"{stated['torch']},")
