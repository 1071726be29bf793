"""Speed beside other taggers: each is a process of its own that reads all of the texts."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support import script
from train.corpora import jsonl
from train.document import Document
from train.errors import InputError
from train.peers.speed import Worker, write_classifier
from train.peers.speed_worker import covered
from train.tagger import Tagger


def test_ours_and_hf_read_texts_longer_than_the_encoder_whole(
    eager_folder: Path, documents: list[Document], tmp_path: Path
) -> None:
    long = replace(documents[0], text=" ".join(d.text for d in documents), mentions=(), relations=(), entities=())
    tagger = Tagger.load(eager_folder, device="cpu")
    assert len(tagger.tokenizer(long.text)["input_ids"]) > tagger.model.config.encoder.max_position_embeddings
    some = [documents[1], long]
    jsonl.write(tmp_path / "data.jsonl", some)
    before = tagger.tag(some)
    assert all(document.mentions for document in before)
    jsonl.write(tmp_path / "before.jsonl", before)
    predictions = ("--predictions", tmp_path / "before.jsonl")
    done = script(
        "bench_inference_peers.py", eager_folder, tmp_path / "data.jsonl", "--rounds", "1", *predictions,
        "--spacy-python", sys.executable,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    ways = result["ways"]
    assert set(ways) == {"torch", "hf"}
    assert ways["torch"]["as_before"] == 1.0 and ways["hf"]["covered"] == 1.0 and ways["hf"]["mentions"] > 0
    assert all(way["words_per_second"] > 0 and way["peak_mib"] > 100 for way in ways.values())
    # Nothing hides what cannot be run.
    assert "no ONNX graphs in it" in result["failed"]["onnx"]
    assert {result["failed"][way] for way in ("spacy-small", "spacy-transformer")} == {
        "ModuleNotFoundError: No module named 'spacy'"
    }


def test_the_random_head_calls_as_many_pieces_names_as_the_documents_do(
    trained: Path, documents: list[Document], tmp_path: Path
) -> None:
    from transformers import pipeline

    tagger = Tagger.load(trained, device="cpu")
    write_classifier(tagger, documents, tmp_path / "encoder")
    tag = pipeline("token-classification", model=str(tmp_path / "encoder"), aggregation_strategy="simple", stride=8)
    found = tag([d.text for d in documents])
    characters = sum(len(d.text) for d in documents)
    inside = sum(group["end"] - group["start"] for groups in found for group in groups) / characters
    gold = sum(m.end - m.start for d in documents for m in d.mentions) / characters
    assert abs(inside - gold) < 0.2


def test_a_worker_that_cannot_be_run_or_ends_says_why_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/python: cannot be run: No such file"):
        Worker("ours", {}, python="nowhere/python", log=tmp_path / "log")
    with pytest.raises(InputError, match=r"KeyError: 'checkpoint'"):
        Worker("ours", {}, python=sys.executable, log=tmp_path / "log")


def test_words_are_covered_where_something_of_them_was_read() -> None:
    assert covered(["ক খগ ঘ", ""], [[(0, 1), (3, 4)], []]) == {"covered": 2 / 3}


def test_spacy_is_asked_for_with_its_interpreter(trained: Path) -> None:
    done = script("bench_inference_peers.py", trained, "data.jsonl", "--against", "spacy-small")
    assert (done.returncode, done.stderr) == (
        1,
        "error: --spacy-python: expected the interpreter of an environment with spaCy\n",
    )


def test_a_device_that_is_not_there_is_said_in_one_line(trained: Path, corpus_folder: Path) -> None:
    done = script("bench_inference.py", trained, corpus_folder / "test.jsonl", "--device", "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --device nowhere: ") and len(done.stderr.splitlines()) == 1


def test_bf16_finds_nearly_what_fp32_finds(eager_folder: Path, documents: list[Document]) -> None:
    whole, half = (Tagger.load(eager_folder, device="cpu", precision=p) for p in ("fp32", "bf16"))
    assert half.model.dtype == torch.bfloat16
    found = [{(d.id, m.start, m.end, m.type) for d in t.tag(documents[:6]) for m in d.mentions} for t in (whole, half)]
    assert len(found[0] & found[1]) > 0.7 * len(found[0] | found[1]) > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_bench_runs_on_a_gpu_in_bf16(trained: Path, corpus_folder: Path) -> None:
    options = ("--device", "cuda", "--precision", "bf16", "--rounds", "1")
    done = script("bench_inference.py", trained, corpus_folder / "test.jsonl", *options)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["shares"]) == {"torch"} and sum(result["shares"]["torch"].values()) == pytest.approx(1, abs=0.01)
