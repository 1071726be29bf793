"""The `evaluate` metric, loaded by path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import evaluate
import pytest
import yaml

from train.corpora.inline import parse
from train.corpora.jsonl import to_dict
from train.document import Document
from train.errors import InputError
from train.schema import Schema
from train.scoring import headline, score

ROOT = Path(__file__).parents[1]
METRIC = ROOT / "train" / "metric" / "rajniti_metric.py"
SCHEMA = ROOT / "configs" / "schema" / "politics.yaml"

MARKUP = """\
## a
= cn GPE চীন
= wang PER ওয়াং ই
= fm POST পররাষ্ট্রমন্ত্রী

{চীনের|cn} {পররাষ্ট্রমন্ত্রী|fm} {ওয়াং ই|wang} বলেন। {ওয়াং|wang} {চীনে|cn} ফিরেছেন।
- wang holds_post fm
- wang visits cn

## b
= bnp PARTY বিএনপি

{বিএনপি|bnp} নির্বাচনে যাবে না।
"""


@pytest.fixture(scope="module")
def gold() -> list[Document]:
    return parse(MARKUP, Schema.load(SCHEMA))


@pytest.fixture(scope="module")
def predicted(gold: list[Document]) -> list[Document]:
    """Without the last mention, with one relation less and the other's status wrong."""
    relation = replace(gold[0].relations[0], status="former")
    return [replace(gold[0], mentions=gold[0].mentions[:4], relations=(relation,)), gold[1]]


def lines(documents: list[Document]) -> list[str]:
    return [json.dumps(to_dict(document), ensure_ascii=False) for document in documents]


@pytest.fixture
def metric(tmp_path: Path) -> Any:
    return evaluate.load(str(METRIC), schema=str(SCHEMA), cache_dir=str(tmp_path))


def test_gives_the_scores_and_intervals_of_scoring(metric: Any, gold: list[Document], predicted: list[Document]) -> None:
    result = metric.compute(predictions=lines(predicted), references=lines(gold))
    expected = score(gold, predicted, Schema.load(SCHEMA))
    assert result == {**headline(expected), "intervals": expected["intervals"]}
    # 5 of 6 mentions, all right: F1 2·5/11. 1 of 2 relations: F1 2/3, with the status 0.
    assert result["mention_strict_f1"] == pytest.approx(10 / 11)
    assert result["relation_strict_f1"] == pytest.approx(2 / 3)
    assert result["relation_status_f1"] == 0


def test_batches_add_up(metric: Any, gold: list[Document], predicted: list[Document]) -> None:
    whole = metric.compute(predictions=lines(predicted), references=lines(gold))
    for document, reference in zip(lines(predicted), lines(gold), strict=True):
        metric.add_batch(predictions=[document], references=[reference])
    assert metric.compute() == whole


def test_arguments_reach_scoring(metric: Any, gold: list[Document], predicted: list[Document]) -> None:
    options = {"layers": ["mentions"], "types": ["PER", "GPE"], "resamples": 1}
    results = [metric.compute(predictions=lines(predicted), references=lines(gold), seed=seed, **options) for seed in range(20)]
    # 3 of the 4 mentions of these types.
    assert results[0].keys() == {"mention_strict_f1", "mention_boundary_f1", "intervals"}
    assert results[0]["mention_strict_f1"] == pytest.approx(6 / 7)
    # One resample of two documents: at times it is the second one twice, without any mention of these types.
    assert {result["intervals"]["mentions.strict.f1"][0] == 0 for result in results} == {True, False}


@pytest.mark.parametrize("form", ["path", "dict", "schema"])
def test_schema_may_come_with_compute(tmp_path: Path, gold: list[Document], form: str) -> None:
    given: Any = {
        "path": SCHEMA,
        "dict": yaml.safe_load(SCHEMA.read_text(encoding="utf-8")),
        "schema": Schema.load(SCHEMA),
    }[form]
    metric = evaluate.load(str(METRIC), cache_dir=str(tmp_path))
    result = metric.compute(predictions=lines(gold), references=lines(gold), schema=given, resamples=0)
    assert result["relation_strict_f1"] == 1


def test_bad_input(metric: Any, tmp_path: Path, gold: list[Document]) -> None:
    good = lines(gold)
    with pytest.raises(InputError, match=r"^predictions\[1\]: not valid JSON: "):
        metric.compute(predictions=[good[0], "{"], references=good)
    with pytest.raises(InputError, match=r"^references\[0\]: text: expected a string"):
        metric.compute(predictions=good, references=['{"id": "a"}', good[1]])
    with pytest.raises(InputError, match=r"^document 'a': occurs twice among the predictions$"):
        metric.compute(predictions=[good[0]] * 2, references=good[::-1])
    without = evaluate.load(str(METRIC), cache_dir=str(tmp_path), experiment_id="without")
    with pytest.raises(InputError, match=r"^schema: expected "):
        without.compute(predictions=good, references=good)


def test_loads_offline_from_elsewhere_with_empty_caches(tmp_path: Path, gold: list[Document]) -> None:
    # A copy that only knows the installed package, in a process where any connection fails.
    script = """
import socket, sys, json
def refuse(*args, **kwargs): raise AssertionError("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import evaluate
metric = evaluate.load(sys.argv[1], schema=sys.argv[2])
documents = json.load(sys.stdin)
print(json.dumps(metric.compute(predictions=documents, references=documents, resamples=0)))
"""
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_EVALUATE_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(METRIC), str(SCHEMA)],
        input=json.dumps(lines(gold)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mention_strict_f1"] == 1
