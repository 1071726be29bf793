"""The exported folder works where this package is not installed, and predicts the same bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from train.export import save_checkpoint
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


def test_exported_folder_predicts_the_same_without_the_package(eager: Tagger, documents, tmp_path: Path) -> None:
    texts = [document.text for document in documents[-3:]]
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, eager)
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", REMOTE, str(folder), str(ROOT)],
        input=json.dumps(texts), capture_output=True, encoding="utf-8", env=environment, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == eager.model.tag(texts, eager.tokenizer)
    assert all(d["mentions"] and d["relations"] for d in found)


def test_loaded_checkpoint_predicts_what_the_saved_one_did(eager: Tagger, schema, documents, tmp_path: Path) -> None:
    before = eager.tag(documents)
    save_checkpoint(tmp_path / "again", eager)
    again = Tagger.load(tmp_path / "again")
    assert again.tag(documents) == before
    assert len({m.type for d in before for m in d.mentions}) > 3
    assert len({r.type for d in before for r in d.relations}) > 3
    assert again.config.mention_types == list(schema.mentions)
    assert again.config.relation_types == list(schema.relations)
    assert again.config.statuses == list(schema.statuses)
    assert again.schema == schema
