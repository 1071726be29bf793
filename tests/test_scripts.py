"""The scripts as a user runs them: the whole path on a BanglaBERT-like repository, formats, bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support import ROOT, script
from train import report
from train.cli import run
from train.corpora import jsonl
from train.errors import InputError
from train.export import export
from train.tagger import Tagger

ARTICLE = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন। তিনি বৈঠক করবেন।\n"


def test_training_leaves_everything_that_a_run_is_for(trained: Path) -> None:
    expected = {
        "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "schema.yaml",
        "modeling_rajniti.py", "configuration_rajniti.py", "decoding.py", "windows.py", "tagging.py", "bangla.py",
        "scores.json", "run.json", "run_config.yaml", "training_curve.png",
    }  # fmt: skip
    assert expected <= {p.name for p in trained.iterdir()}
    assert len(jsonl.read(trained / "predictions" / "test.jsonl", None)) == 3
    assert (trained / "training_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert list((trained / "logs").rglob("events.out.tfevents*"))


def test_a_scripts_number_of_threads_does_not_go_by_how_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MKL_DYNAMIC", raising=False)  # run() sets it for this process: give it back after the test
    seen = []
    run(lambda: seen.append(os.environ["MKL_DYNAMIC"]))
    assert seen == ["FALSE"]
    monkeypatch.setenv("MKL_DYNAMIC", "TRUE")
    run(lambda: seen.append(os.environ["MKL_DYNAMIC"]))
    assert seen[-1] == "TRUE"


def test_training_loss_falls(trained: Path) -> None:
    losses = [entry["loss"] for entry in json.loads((trained / "run.json").read_text())["losses"]]
    assert sum(losses[-5:]) < sum(losses[:5]) / 2


def test_a_banglabert_like_repository_is_loaded_whole_and_without_its_discriminator(
    electra_folder: Path, trained: Path
) -> None:
    files = {p.name for p in electra_folder.iterdir()}
    assert files == {
        "config.json", "pytorch_model.bin", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json",
    }  # fmt: skip
    from transformers import AutoConfig

    from train.encoders.build import load_encoder

    given = torch.load(electra_folder / "pytorch_model.bin", weights_only=True)
    encoder = load_encoder(electra_folder, AutoConfig.from_pretrained(electra_folder)).state_dict()
    assert {f"electra.{name}" for name in encoder} == {n for n in given if n.startswith("electra.")}
    assert all(torch.equal(tensor, given[f"electra.{name}"]) for name, tensor in encoder.items())
    tokenizer = Tagger.load(trained).tokenizer
    assert tokenizer.is_fast
    assert tokenizer.decode(tokenizer("প্রধানমন্ত্রী BNP", add_special_tokens=False)["input_ids"]).startswith("প্রধানমন্ত্রী")


def test_missing_weight_of_the_encoder_is_refused(electra_folder: Path, tiny_config: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(electra_folder, broken)
    weights = torch.load(broken / "pytorch_model.bin", weights_only=True)
    del weights["electra.encoder.layer.1.output.dense.weight"]
    torch.save(weights, broken / "pytorch_model.bin")
    done = script("train.py", tiny_config, f"encoder.name={broken}", f"output_dir={tmp_path / 'out'}")
    assert done.returncode == 1
    assert "weights missing from the encoder: encoder.layer.1.output.dense.weight" in done.stderr
    assert "Traceback" not in done.stderr


def test_prediction_keeps_ids_texts_and_other_fields_and_scores_everything(trained: Path, tmp_path: Path) -> None:
    given = [
        {"id": 7, "text": ARTICLE, "url": "u"},
        {"id": "খ", "text": ""},
        {"id": "c", "text": "র\u200d্যাব  \u09af\u09bc"},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(json.dumps(d, ensure_ascii=False) for d in given), encoding="utf-8")
    done = script("predict.py", trained, path, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(d["id"], d["text"]) for d in found] == [(d["id"], d["text"]) for d in given]
    assert found[0]["url"] == "u"
    for document in found:
        entities = {e["id"] for e in document["entities"]}
        assert all(0 <= m["score"] <= 1 and m["entity"] in entities for m in document["mentions"])
        assert all(0 <= r["score"] <= 1 and r["status"] for r in document["relations"])


def test_every_input_and_output_form_gives_the_same_mentions(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "a.txt").write_text(ARTICLE, encoding="utf-8")
    (folder / "b.txt").write_text("﻿" + ARTICLE, encoding="utf-8")
    done = script("predict.py", trained, folder, "--out", tmp_path / "o.jsonl")
    assert done.returncode == 0, done.stderr
    a, b = jsonl.read(tmp_path / "o.jsonl", None)
    assert (a.id, a.text, b.text) == (str(folder / "a.txt"), ARTICLE, ARTICLE)
    assert a.mentions == b.mentions
    for given in (["-"], ["/dev/stdin", "--out", "/dev/stdout"]):
        piped = script("predict.py", trained, *given, "--format", "jsonl", input=ARTICLE)
        assert piped.returncode == 0, piped.stderr
        assert json.loads(piped.stdout)["text"] == ARTICLE
        assert json.loads(piped.stdout)["mentions"] == jsonl.to_dict(a)["mentions"]
    lines = script("predict.py", trained, "-", "--format", "jsonl", input=json.dumps({"id": "x", "text": ARTICLE}))
    assert json.loads(lines.stdout)["id"] == "x"
    page = script("predict.py", trained, folder / "a.txt", "--format", "html")
    assert page.stdout.lower().startswith("<!doctype html")
    table = script("predict.py", trained, folder / "a.txt")
    assert table.returncode == 0
    assert "{" not in table.stdout


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "no such file or folder"),
        ("latin.txt", b"\xe9\xe9", "expected UTF-8"),
        ("bad.jsonl", b'{"id": "a", "text": "x"}\n{"id": "b"', "bad.jsonl:2: not valid JSON"),
        ("no_text.jsonl", b'{"id": "a"}', "no_text.jsonl:1: text: expected a string, got nothing"),
        ("number.jsonl", b'{"id": "a", "text": 3}', "number.jsonl:1: text: expected a string, got 3"),
    ],
)
def test_bad_input_is_one_line_and_status_1(
    trained: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = script("predict.py", trained, tmp_path / name, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_wrong_usage_is_status_2_and_no_checkpoint_is_said(tmp_path: Path) -> None:
    names = [
        "train",
        "evaluate",
        "predict",
        "export",
        "publish",
        "corpus",
        "bench_archive",
        "bench_learning_curve",
        "bench_robustness",
    ]
    for name in (f"{name}.py" for name in names):
        assert script(name).returncode == 2
        assert script(name, "--help").returncode == 0
    article = tmp_path / "a.txt"
    article.write_text("ক")
    done = script("predict.py", tmp_path, article)
    assert done.returncode == 1
    assert "config.json is missing" in done.stderr


def test_evaluate_agrees_with_the_runs_own_scores(trained: Path, corpus_folder: Path, tmp_path: Path) -> None:
    done = script(
        "evaluate.py", trained, corpus_folder / "test.jsonl",
        "--json", tmp_path / "s.json", "--report", tmp_path / "report", "--resamples", 50, "--against", trained,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "s.json").read_text())
    (own,) = json.loads((trained / "scores.json").read_text())["test"].values()
    assert found["mentions"] == own["mentions"]
    assert found["relations"] == own["relations"]
    assert {p.name for p in (tmp_path / "report").iterdir()} == report.FILES
    report.check_folder(tmp_path / "report")
    against = json.loads((tmp_path / "s.json").read_text())["against"]["scores"]
    assert all((row["difference"], row["p"]) == (0, 1) for row in against.values())
    assert "mention strict F1" in done.stdout


def test_evaluating_documents_of_another_schema_is_refused(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    mention = {"id": "m1", "start": 0, "end": 3, "type": "TEAM"}
    path.write_text(json.dumps({"id": "a", "text": "abc", "mentions": [mention]}))
    done = script("evaluate.py", trained, path)
    assert done.returncode == 1
    assert "d.jsonl:1: mentions[0].type: unknown type 'TEAM'" in done.stderr


def test_export_copies_the_model_alone_and_refuses_strangers(trained: Path, tmp_path: Path) -> None:
    done = script("export.py", trained, tmp_path / "hub")
    assert done.returncode == 0, done.stderr
    names = {p.name for p in (tmp_path / "hub").iterdir()}
    assert {"model.safetensors", "modeling_rajniti.py", "README.md", "scores.json"} <= names
    assert not names & {"checkpoints", "logs", "predictions"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    refused = script("export.py", trained, tmp_path / "mine")
    assert refused.returncode == 1
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_export_replaces_an_earlier_export_and_no_run(trained: Path, tmp_path: Path) -> None:
    names = export(trained, tmp_path / "hub")
    assert export(trained, tmp_path / "hub") == names
    (tmp_path / "link").symlink_to(trained)
    for target in (trained, tmp_path / "link"):
        with pytest.raises(InputError, match="is the checkpoint itself; expected another folder"):
            export(trained, target)
    run = tmp_path / "run"
    shutil.copytree(tmp_path / "hub", run)
    (run / "predictions").mkdir()
    with pytest.raises(InputError, match="run: holds predictions; expected a new or empty folder, or an earlier export"):
        export(trained, run)
    code = tmp_path / "code"
    code.mkdir()
    for name in ("bot.py", "config.json", "README.md"):
        (code / name).write_text("{}")
    with pytest.raises(InputError, match="code: holds other files"):
        export(trained, code)
    assert (run / "predictions").is_dir() and (code / "bot.py").exists()


def test_partial_sources_train_and_are_scored_where_they_speak(tiny_config: Path, corpus_folder: Path, tmp_path: Path) -> None:
    sources = (
        f"sources=[{{path: {corpus_folder}}}, {{path: {corpus_folder}/../corpus0, layers: [mentions], types: [PER, GPE]}}]"
    )
    names = tmp_path / "names"
    shutil.copytree(corpus_folder, names)
    sources = sources.replace(f"{corpus_folder}/../corpus0", str(names))
    done = script("train.py", tiny_config, f"output_dir={tmp_path / 'out'}", sources, "training.max_steps=2")
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["test"]
    assert "relations" in scores[str(corpus_folder)]
    assert "relations" not in scores[str(names)]
    assert set(scores[str(names)]["mentions"]["strict"]["per_type"]) == {"PER", "GPE"}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_config_goes_through_the_real_script(
    path: Path, electra_folder: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    """With a small encoder and corpus put in, and all else as shipped."""
    done = script(
        "train.py", path, f"output_dir={tmp_path / 'out'}", f"encoder.name={electra_folder}", "encoder.revision=null",
        "encoder.layers=null", f"sources.0.path={corpus_folder}", "training.max_steps=1", "evaluation.resamples=10",
        "windows.max_tokens=100", "windows.overlap_tokens=20", "windows.predict_overlap_tokens=20", "heads.size=16",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "README.md").exists()


def test_a_schema_without_relations_goes_through_the_scripts(tiny_config: Path, corpus_folder: Path, tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        documents = jsonl.read(corpus_folder / f"{split}.jsonl", None)
        bare = [
            replace(
                d, entities=(), relations=(), mentions=tuple(replace(m, entity=None) for m in d.mentions if m.type == "PER")
            )
            for d in documents
        ]
        jsonl.write(tmp_path / "names" / f"{split}.jsonl", bare)
    (tmp_path / "schema.yaml").write_text("{name: n, mentions: {PER: {definition: d}}, relations: {}, statuses: {stated: d}}")
    run = tmp_path / "out"
    done = script(
        "train.py", tiny_config, f"output_dir={run}", f"schema={tmp_path / 'schema.yaml'}",
        f"sources.0.path={tmp_path / 'names'}", "sources.0.layers=[mentions]", "training.max_steps=2",
        "evaluation.resamples=10",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = script(
        "predict.py", run, tmp_path / "names" / "test.jsonl", "--format", "jsonl", "--min-precision", "1", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "relations: none are given, as no score reached precision 1.0 on validation data" in done.stderr
    assert len(done.stdout.splitlines()) == len(bare)


def test_corpus_script_converts_checks_counts_and_compares(documents, tmp_path: Path) -> None:
    first = tmp_path / "first.jsonl"
    jsonl.write(first, documents[:3])
    for name in ("markup.txt", "tasks.json", "brat", "back.jsonl"):
        source = {"markup.txt": first, "tasks.json": "markup.txt", "brat": "tasks.json", "back.jsonl": "brat"}[name]
        done = script("corpus.py", "convert", source, name, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"{name}: 3 documents\n"), done.stderr
    assert jsonl.read(tmp_path / "back.jsonl", None) == documents[:3]
    done = script("corpus.py", "agree", first, "back.jsonl", "--list", "--json", "scores.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["mention_strict_f1", "1.000"]
    assert json.loads((tmp_path / "scores.json").read_text())["relation_strict_f1"] == 1
    done = script("corpus.py", "check", "markup.txt", cwd=tmp_path)
    assert done.stdout.endswith("warnings\n")
    done = script("corpus.py", "stats", "back.jsonl", "--against", first, cwd=tmp_path)
    assert re.search(r"words a sentence, mean +[\d.]+ +[\d.]+ +1\.00\n", done.stdout), done.stderr
    assert "<Labels" in script("corpus.py", "interface").stdout


def test_corpus_check_ends_with_status_1_at_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("## a\n= k PER করিম\n\n‘{করিম’|k} যান।\n", encoding="utf-8")
    done = script("corpus.py", "check", tmp_path / "x.txt")
    assert done.returncode == 1
    assert "a: error: punctuation: PER 'করিম’' has punctuation at its edge" in done.stdout
    assert done.stderr == "error: 1 errors found\n"
    (tmp_path / "x.csv").write_text("")
    done = script("corpus.py", "check", tmp_path / "x.csv")
    assert done.returncode == 1
    assert "x.csv: unknown form; expected .jsonl: JSON Lines" in done.stderr


def test_corpus_check_reads_all_its_paths_and_refuses_what_is_not_there(documents, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        jsonl.write(tmp_path / name / "train.jsonl", [documents[name == "b"]])
    done = script("corpus.py", "check", "a", "b", cwd=tmp_path)
    assert done.stdout.splitlines()[-1].startswith("2 documents, 0 errors")
    done = script("corpus.py", "check", "a", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: nowhere: no such file or folder\n")
    (tmp_path / "empty.jsonl").write_text("")
    done = script("corpus.py", "stats", "empty.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: empty.jsonl: no sentences in it\n")


def test_a_report_replaces_an_earlier_one_and_nothing_else(trained: Path, corpus_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    done = script("evaluate.py", trained, corpus_folder / "test.jsonl", "--report", tmp_path / "notes", "--resamples", 5)
    assert done.returncode == 1
    assert "holds something else than an earlier report" in done.stderr
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"
    with pytest.raises(InputError, match="holds something else than an earlier report"):
        report.check_folder(trained)


def test_a_file_without_documents_has_no_scores(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    done = script("evaluate.py", trained, "empty.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: empty.jsonl: no documents in it; expected annotated ones\n"
