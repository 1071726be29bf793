"""What the pages say is so: each command and each piece of Python on them runs, and each link leads somewhere.

Commands run in their order in a folder with small stand-ins for what a reader has by then. What cannot run here stands in
SKIPPED, and what must be smaller in REPLACED, each with its reason; nothing else may fail, and no entry may be left over.
"""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from accelerate.commands.launch import launch_command_parser
from huggingface_hub import constants

from tests.hub_server import WRITER, Hub
from tests.pages import PAGES, anchors, blocks, commands, execute, links, parse, text_of
from tests.support import ROOT
from train.config import RunConfig
from train.corpora import jsonl
from train.corpora.load import BUNDLED
from train.schema import Schema

TRAIN = "training.max_steps=3 evaluation.resamples=20"
SMALL = (
    "encoder.name=electra encoder.layers=null encoder.freeze_embeddings=false heads.size=32 windows.max_tokens=96 "
    "windows.overlap_tokens=24 training.epochs=30 training.batch_tokens=256 optimizer.learning_rate=3e-3 "
    "optimizer.head_learning_rate=1e-2 evaluation.resamples=20"
)
# What a command begins with, and why it is not run.
SKIPPED = {
    "pip install": "no network; its extras are looked up in pyproject.toml",
    "accelerate launch": "GPUs and BanglaBERT's weights; its options and the config are read",
    "export MAIN=$(scontrol": "Slurm",
    "srun": "Slurm; the command in it is read as one of accelerate",
    "sbatch": "Slurm",
    "python scripts/predict.py --engine slurm": "Slurm; tests/test_engine.py plays its part",
    "hf download": "no network",
    "tensorboard": "serves until it is stopped",
    "python scripts/serve.py": "serves until it is stopped; tests/test_serving.py asks it",
    "curl": "asks that server",
    "python scripts/bench_peers.py": "other people's code and data, and hours",
    "python scripts/bench_inference_peers.py": "an environment with spaCy; tests/test_peers_speed.py runs it without",
    "python scripts/bench_learning_curve.py": "trains twelve times",
    "python scripts/bench_training.py": "a GPU; tests/test_bench_training.py runs it small",
    "python scripts/bench_normalizer.py": "needs csebuetnlp's package, whose pins are old",
    "pytest": "is running",
}
# What is put in the place of a part of a command, and why.
REPLACED = {
    "train.py configs/quickstart.yaml": (f"train.py tiny.yaml {TRAIN}", "a small encoder and corpus, three steps"),
    "train.py cricket/config.yaml": (f"train.py cricket/config.yaml {SMALL}", "a small encoder, random at the start"),
    "train/corpora/bundled/test.jsonl": ("few.jsonl", "three documents instead of 117"),
    "check train/corpora/bundled": ("check few.jsonl", "three documents instead of 602"),
    "news/ --out tagged.jsonl": (
        "news/ --out small.jsonl",
        "tagged.jsonl is marked, with the countries that the graph is asked for",
    ),
    "bench_inference.py exported": ("bench_inference.py exported --rounds 1 --documents 2", "minutes on the real model"),
    "graph.py tagged/": ("graph.py tagged.jsonl", "the small model finds nothing in these articles"),
    "'wrong name'": ("'ভারত'", "a name that is merged in tagged.jsonl"),
    "OWNER/": ("owner/", "the user of the Hub on loopback"),
}
ALL = [(block, command) for page in PAGES for block in blocks(text_of(page), page, "bash") for command in commands(block)]


@pytest.fixture
def folder(tmp_path: Path, trained: Path, tiny_config: Path, electra_folder: Path, schema: Schema) -> Path:
    """A reader's working folder: the repository's, a trained checkpoint, articles, marked documents."""
    folder = tmp_path / "work"
    (folder / "news").mkdir(parents=True)
    for name in ("scripts", "configs", "train", "docs"):
        (folder / name).symlink_to(ROOT / name)
    config = tiny_config.read_text(encoding="utf-8").replace("runs/tiny", "runs/quickstart")
    (folder / "tiny.yaml").write_text(config, encoding="utf-8")
    (folder / "electra").symlink_to(electra_folder)
    shutil.copytree(trained, folder / "runs" / "quickstart", ignore=shutil.ignore_patterns("checkpoints", "logs"))
    report = "মেঘনা টাইটানসকে ৬ উইকেটে হারিয়েছে পদ্মা রাইডার্স।\n"
    article = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন। তিনি বৈঠক করবেন।\n"
    for name, text in (("article.txt", article), ("news/a.txt", article), ("news/b.txt", report)):
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("first.txt", "second.txt"):
        shutil.copy(ROOT / "docs" / "cricket" / "reports.txt", folder / name)
    marked = jsonl.read(BUNDLED / "test.jsonl", schema)
    countries = [d for d in marked if {"বাংলাদেশ", "ভারত"} <= {e.name for e in d.entities}]
    jsonl.write(folder / "tagged.jsonl", countries[:5])
    (folder / "2024" / "05").mkdir(parents=True)
    with gzip.open(folder / "2024" / "05" / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"id": "old", "text": article}, ensure_ascii=False) + "\n")
    pyarrow.parquet.write_table(pyarrow.table({"id": ["new"], "text": [report]}), folder / "more.parquet")
    jsonl.write(folder / "few.jsonl", sorted(marked, key=lambda d: len(d.text))[:3])
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_every_piece_of_python_runs(
    page: str, folder: Path, site: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = {"HF_ENDPOINT": site.url, "HF_HUB_CACHE": constants.HF_HUB_CACHE, "HF_TOKEN": WRITER, "HF_HUB_DISABLE_XET": "1"}
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    if page == "README.md":
        shutil.rmtree(folder / "runs")  # its own commands make it
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(text_of(page), page, "bash", "python"):
        if block.language == "python":
            _python(block.body, block.where, folder, names, monkeypatch)
            continue
        for command in commands(block):
            if command.startswith(tuple(SKIPPED)):
                continue
            for part, (other, _) in REPLACED.items():
                command = command.replace(part, other)
            failure = execute(command, folder, monkeypatch)
            assert failure is None, f"{block.where}: {command}: {failure}"


def _python(code: str, where: str, folder: Path, names: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        exec(compile(code, where, "exec"), names)


def test_the_python_of_the_model_card_runs_beside_its_checkpoint(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    found = blocks((trained / "README.md").read_text(encoding="utf-8"), "model card", "python", "bash")
    assert [block.language for block in found] == ["python", "python"]
    for block in found:
        _python(block.body, block.where, trained, names, monkeypatch)


@pytest.mark.parametrize(
    ("where", "command"), [(block.where, c) for block, c in ALL if c.startswith(tuple(SKIPPED))], ids=lambda x: x[:60]
)
def test_what_is_not_run_is_at_least_understood(where: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command.replace("$SLURM_NODEID", "0"))
    if words[0] == "srun":
        words = shlex.split(words[-1])
    if words[0] == "accelerate":
        parsed = launch_command_parser().parse_args(words[2:])
        assert parsed.training_script == "scripts/train.py"
        assert parsed.config_file is None or (ROOT / parsed.config_file).exists()
    if words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        assert set(re.findall(r"\.\[(.+)]", command)) <= set(extras), where
    if any(word.startswith("scripts/") for word in words):
        parse(words, monkeypatch)
    if "scripts/train.py" in words:
        config, *changes = words[words.index("scripts/train.py") + 1 :]
        RunConfig.load(ROOT / config, changes)


def test_no_entry_of_the_tables_is_left_over() -> None:
    for start in SKIPPED:
        assert any(command.startswith(start) for _, command in ALL), start
    for part in REPLACED:
        assert any(part in c and not c.startswith(tuple(SKIPPED)) for _, c in ALL), part


@pytest.mark.parametrize(
    "page", [*PAGES, "model_card.md", "train/corpora/bundled/README.md", "train/corpora/bundled/GUIDELINES.md"]
)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in links(text_of(page)):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if page == "model_card.md":
            assert path in ("training_curve.png", "reliability.png")  # which lie beside it in a run's folder
            continue
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def test_the_readme_leads_to_every_page_and_names_every_script() -> None:
    text = text_of("README.md")
    assert set(PAGES[1:]) <= set(links(text))
    assert not [path.name for path in (ROOT / "scripts").glob("*.py") if f"| `{path.name}" not in text]


def test_the_pages_yaml_loads_as_what_it_shows() -> None:
    whole = yaml.safe_load((ROOT / "configs" / "quickstart.yaml").read_text(encoding="utf-8"))
    kinds = []
    for page in PAGES:
        for block in blocks(text_of(page), page, "yaml"):
            data = yaml.safe_load(block.body)
            kinds.append("schema" if "statuses" in data else "slurm" if "partition" in data else "config")
            if kinds[-1] == "schema":
                Schema.from_dict(data, source=block.where)
            elif kinds[-1] == "slurm":
                assert isinstance(data["time"], str)
                pytest.importorskip("datatrove.executor").SlurmPipelineExecutor([], tasks=1, **data)
            else:
                RunConfig._checked({**whole, **data}, block.where)
    assert set(kinds) == {"schema", "slurm", "config"}


def test_every_key_of_a_schema_is_on_its_page() -> None:
    from train import schema

    text = text_of("docs/schema.md")
    keys = schema._TOP_KEYS | schema._MENTION_KEYS | schema._RELATION_KEYS | schema._ACROSS_KEYS | schema._CARD_KEYS
    assert not [key for key in sorted(keys) if f"`{key}`" not in text]


def test_a_source_keys_table_is_whole() -> None:
    from train.config import SourceConfig

    text = text_of("docs/data.md")
    assert not [name for name in SourceConfig.model_fields if f"| `{name}` |" not in text and name != "revision"]
