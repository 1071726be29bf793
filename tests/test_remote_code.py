"""The exported folder works where this package is not installed, and predicts the same bit for bit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from train.corpora import jsonl
from train.tagger import Tagger

REMOTE = """
import json, sys
sys.path = [p for p in sys.path if p != sys.argv[2] and "__editable__" not in p]
sys.meta_path = [f for f in sys.meta_path if "editable" not in type(f).__name__.lower() + getattr(f, "__name__", "").lower()]
try:
    import train
except ImportError:
    pass
else:
    raise SystemExit(f"the package is importable here: {train.__file__}")
from transformers import AutoModel, AutoTokenizer
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], trust_remote_code=True)
print(json.dumps(model.tag(json.load(sys.stdin), tokenizer)))
"""


def test_exported_folder_predicts_the_same_without_the_package(trained: Path, documents, tmp_path: Path) -> None:
    texts = [document.text for document in documents[-4:]]
    folder = tmp_path / "checkpoint"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints", "logs"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.update(mention_threshold=0.02, relation_threshold=0.02)  # so small a model is sure of nothing
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", REMOTE, str(folder), str(ROOT)],
        input=json.dumps(texts), capture_output=True, encoding="utf-8", env=environment, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    own = Tagger.load(folder).model.tag(texts, Tagger.load(folder).tokenizer)
    assert found == own
    assert all(d["mentions"] and d["relations"] for d in own)


def test_loaded_checkpoint_equals_the_one_that_was_scored(trained: Path, corpus_folder: Path) -> None:
    tagger = Tagger.load(trained)
    written = jsonl.read(trained / "predictions" / "test.jsonl", tagger.schema)
    assert tagger.tag(jsonl.read(corpus_folder / "test.jsonl", tagger.schema)) == written
