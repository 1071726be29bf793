"""ONNX graphs say what the weights say, without torch, and are refused where they are of other weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support import ROOT, script
from train.backends import weights_hash
from train.document import Document
from train.errors import InputError
from train.export import save_checkpoint
from train.model.tagging import score_windows
from train.model.windows import encode_text
from train.onnx import export
from train.onnx.export import export_onnx
from train.onnx.model import FILES, PlainTokenizer
from train.tagger import Backend, Tagger

WITHOUT_TORCH = """
import json, sys
from train.document import Document
from train.tagger import Tagger
tagger = Tagger.load(sys.argv[1], backend="auto")
found = tagger.tag([Document("a", text) for text in json.load(sys.stdin)])
print(json.dumps({"backend": tagger.backend, "mentions": sum(len(d.mentions) for d in found),
                  "loaded": sorted({"torch", "transformers"} & set(sys.modules))}))
"""


@pytest.fixture(scope="module")
def eager(eager_folder: Path) -> Tagger:
    return Tagger.load(eager_folder)


@pytest.fixture(scope="module")
def graphs(eager: Tagger, eager_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint that finds much, with its graphs in either precision."""
    made = {}
    for precision in ("fp32", "int8"):
        made[precision] = tmp_path_factory.mktemp("graphs") / precision
        shutil.copytree(eager_folder, made[precision])
        names = export_onnx(
            eager.model, eager.tokenizer, made[precision], weights=weights_hash(made[precision]), precision=precision
        )
        assert names == list(FILES)
    return made


def _share_alike(first: list[Document], second: list[Document]) -> float:
    """The share of mentions and relations that both have, by place, type and status."""
    sides: list[set[tuple]] = []
    for documents in (first, second):
        facts: set[tuple] = set()
        for d in documents:
            at = {m.id: (d.id, m.start, m.end, m.type) for m in d.mentions}
            facts |= {*at.values(), *((r.type, at[r.head], at[r.tail], r.status) for r in d.relations)}
        sides.append(facts)
    return len(sides[0] & sides[1]) / len(sides[0] | sides[1])


def test_graphs_in_full_precision_give_the_documents_that_the_weights_give(
    graphs: dict[str, Path], eager: Tagger, documents: list[Document]
) -> None:
    tagger = Tagger.load(graphs["fp32"], backend="onnx")
    found = tagger.tag(documents)
    assert sum(len(d.relations) for d in found) > 5
    # Heads drawn at random score many spans all but alike, and of two such either may win; so nearly all, not all.
    assert _share_alike(found, eager.tag(documents)) > 0.9
    assert _share_alike(tagger.tag_given(documents), eager.tag_given(documents)) > 0.9


def test_windows_of_any_number_and_length_score_as_with_torch(
    graphs: dict[str, Path], eager: Tagger, documents: list[Document]
) -> None:
    tagger = Tagger.load(graphs["fp32"], backend="onnx")
    texts = ["ঢাকা", documents[0].text, documents[-1].text * 3]
    for some in (texts[:1], texts):
        encoded = [encode_text(text, eager.tokenizer) for text in some]
        ours, theirs = (score_windows(t.model, t.tokenizer, encoded, batch_tokens=100_000) for t in (tagger, eager))
        for a, b in zip((w for ws in ours for w in ws), (w for ws in theirs for w in ws), strict=True):
            np.testing.assert_allclose(a.mentions, b.mentions, atol=1e-4)
            np.testing.assert_array_equal(a.candidates, b.candidates)
            np.testing.assert_allclose(a.relations, b.relations, atol=1e-4)
            np.testing.assert_allclose(a.statuses, b.statuses, atol=1e-4)
            np.testing.assert_allclose(a.identities, b.identities, atol=1e-4)


def test_as_many_batches_at_once_as_threads_give_the_same_documents(
    graphs: dict[str, Path], documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for count in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        tagger = Tagger.load(graphs["int8"], backend="onnx")
        assert tagger.model.at_once == int(count)
        found.append(tagger.tag(documents))
    assert sum(len(d.mentions) for d in found[0]) > 5
    assert found[0] == found[1]


def test_wide_columns_are_multiplied_apart_and_change_nothing(
    graphs: dict[str, Path], eager: Tagger, documents: list[Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_WIDEST", 2.0)  # a random encoder has no columns as wide as a pretrained one's
    folder = tmp_path / "split"
    shutil.copytree(graphs["fp32"], folder)
    apart = export._split_wide(folder / "reader.onnx", export._sample(eager.config, eager.tokenizer))
    assert apart
    encoded = [encode_text(document.text, eager.tokenizer) for document in documents]
    taggers = [Tagger.load(path, backend="onnx") for path in (graphs["fp32"], folder)]
    whole, split = ([s for of in score_windows(t.model, t.tokenizer, encoded) for s in of] for t in taggers)
    for a, b in zip(whole, split, strict=True):
        np.testing.assert_allclose(a.mentions, b.mentions, atol=1e-5)
    export._quantise(folder / "reader.onnx", keep=apart)
    kinds = {node.name: node.op_type for node in onnx.load(folder / "reader.onnx").graph.node}
    assert {kinds.get(name) for name in apart} == {"MatMul"}
    assert not {name.removesuffix("_apart") for name in apart} & set(kinds)  # the rest of each product is in 8 bits


def test_graphs_in_8_bits_are_small_and_close(graphs: dict[str, Path], eager: Tagger, documents: list[Document]) -> None:
    whole, small = ((graphs[p] / "reader.onnx").stat().st_size for p in ("fp32", "int8"))
    assert small < 0.6 * whole
    tagger = Tagger.load(graphs["int8"], backend="onnx")
    places = [
        {(m.start, m.end, m.type) for d in found for m in d.mentions} for found in (tagger.tag(documents), eager.tag(documents))
    ]
    shared = len(places[0] & places[1])
    assert shared > 0.8 * max(len(p) for p in places) > 0


def test_a_plain_tokenizer_knows_the_special_pieces_of_the_fast_one(graphs: dict[str, Path], eager: Tagger) -> None:
    plain = PlainTokenizer.load(graphs["fp32"])
    for name in ("cls_token_id", "sep_token_id", "pad_token_id", "unk_token_id", "bos_token_id", "eos_token_id"):
        assert getattr(plain, name) == getattr(eager.tokenizer, name), name
    with pytest.raises(AttributeError):
        _ = plain.vocabulary


def test_a_checkpoint_with_graphs_tags_without_torch(graphs: dict[str, Path], documents: list[Document]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(graphs["int8"])],
        input=json.dumps([d.text for d in documents[:2]]), capture_output=True, encoding="utf-8", cwd=ROOT, check=False,
        env={"PATH": "/nowhere", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["backend"], found["loaded"]) == ("onnx", [])
    assert found["mentions"] > 0


def test_graphs_of_other_weights_are_refused_and_a_new_checkpoint_removes_them(
    graphs: dict[str, Path], eager: Tagger, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(graphs["fp32"], folder)
    (folder / "onnx.json").write_text(json.dumps({"precision": "fp32", "weights": "0" * 64}))
    with pytest.raises(InputError, match=r"its ONNX graphs are of other weights; export\.py --onnx writes them anew"):
        Tagger.load(folder, backend="onnx")
    (folder / "reader.onnx").write_bytes(b"no graph")
    (folder / "model.safetensors").unlink()  # the graphs do without
    with pytest.raises(InputError, match="cannot load the ONNX graphs"):
        Tagger.load(folder, backend="onnx")
    save_checkpoint(folder, eager)
    assert not [name for name in FILES if (folder / name).exists()]
    with pytest.raises(InputError, match=r"no ONNX graphs in it: reader\.onnx is missing"):
        Tagger.load(folder, backend="onnx")


def _cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size]) and None


@pytest.mark.parametrize(
    ("backend", "spoil", "said"),
    [
        ("torch", _cut("model.safetensors", 5000), "a broken checkpoint: model.safetensors cannot be read: "),
        ("torch", _cut("config.json", 1), "a broken checkpoint: config.json cannot be read: "),
        ("torch", _cut("tokenizer.json", 1), "a broken checkpoint: its tokenizer cannot be read: "),
        (
            "torch",
            lambda f: (f / "tokenizer_config.json").unlink(),
            "no checkpoint of rajniti: tokenizer_config.json is missing",
        ),
        ("onnx", _cut("config.json", 1), "a broken checkpoint: config.json cannot be read: "),
        ("onnx", _cut("tokenizer.json", 1), "a broken checkpoint: its tokenizer cannot be read: "),
        ("onnx", _cut("onnx.json", 0), "a broken checkpoint: onnx.json cannot be read: "),
        ("onnx", lambda f: (f / "onnx.json").write_text("{}") and None, "onnx.json cannot be read: KeyError: 'weights'"),
    ],
)
def test_a_broken_checkpoint_is_one_line_with_its_folder(
    graphs: dict[str, Path], tmp_path: Path, backend: Backend, spoil: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(graphs["fp32"], folder)
    spoil(folder)
    with pytest.raises(InputError) as error:
        Tagger.load(folder, backend=backend)
    assert str(error.value).startswith(f"{folder}: ") and said in str(error.value)
    assert "\n" not in str(error.value)


def test_evaluate_scores_the_graphs_of_both_checkpoints(
    graphs: dict[str, Path], eager_folder: Path, corpus_folder: Path
) -> None:
    data = corpus_folder / "test.jsonl"
    done = script("evaluate.py", graphs["fp32"], data, "--backend", "onnx", "--against", eager_folder)
    assert done.returncode == 1
    assert f"{eager_folder}: no ONNX graphs in it" in done.stderr


def test_export_and_predict_take_the_graphs_by_themselves(trained: Path, tmp_path: Path) -> None:
    done = script("export.py", trained, tmp_path / "out", "--onnx")
    assert done.returncode == 0, done.stderr
    assert set(FILES) <= {p.name for p in (tmp_path / "out").iterdir()}
    (tmp_path / "a.txt").write_text("চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই ঢাকায় পৌঁছেছেন।", encoding="utf-8")
    archive = tmp_path / "archive"
    done = script("predict.py", tmp_path / "out", tmp_path / "a.txt", "--archive", archive)
    assert done.returncode == 0, done.stderr
    assert json.loads((archive / "archive.json").read_text(encoding="utf-8"))["settings"]["backend"] == "onnx"
    done = script("predict.py", tmp_path / "out", tmp_path / "a.txt", "--archive", archive, "--backend", "torch")
    assert done.returncode == 1
    assert "backend" in done.stderr
