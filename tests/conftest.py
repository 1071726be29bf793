"""Shared: a slice of the bundled corpus, and a BanglaBERT-like repository small enough to train in seconds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from transformers import ElectraConfig, ElectraForPreTraining

from tests.hub_server import WRITER, Hub, serving
from tests.support import ROOT, script
from train.corpora import jsonl
from train.corpora.load import BUNDLED
from train.document import Document
from train.export import save_checkpoint
from train.schema import Schema
from train.tagger import Tagger

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema.load(ROOT / "configs" / "schema" / "politics.yaml")


@pytest.fixture(scope="session")
def documents(schema: Schema) -> list[Document]:
    """The shorter documents of the corpus's training split."""
    found = sorted(jsonl.read(BUNDLED / "train.jsonl", schema), key=lambda d: len(d.text))
    return found[:14]


@pytest.fixture(scope="session")
def corpus_folder(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source folder: eight documents to train, three to validate, three to test."""
    folder = tmp_path_factory.mktemp("corpus")
    for split, part in (("train", documents[:8]), ("validation", documents[8:11]), ("test", documents[11:])):
        jsonl.write(folder / f"{split}.jsonl", part)
    return folder


@pytest.fixture(scope="session")
def electra_folder(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exactly the files of csebuetnlp/banglabert, with a small discriminator in it."""
    folder = tmp_path_factory.mktemp("electra")
    # Not by tokenizers' own trainer, which breaks ties by chance: the model would be another on every run.
    words = Counter(word for d in documents for word in re.findall(r"[\w\u0980-\u09ff]+|[^\w\s]", d.text))
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        pieces[word] += count
        for cut in range(1, len(word)):
            pieces[word[:cut]] += count
            pieces[f"##{word[cut:]}"] += count
    common = [piece for piece, _ in sorted(pieces.items(), key=lambda item: (-item[1], item[0]))]
    characters = sorted(set("".join(words)))
    vocabulary = list(dict.fromkeys([*SPECIAL, *characters, *(f"##{c}" for c in characters), *common]))[:1500]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    names = ("pad", "unk", "cls", "sep", "mask")
    tokens = {f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)}
    (folder / "special_tokens_map.json").write_text(json.dumps(tokens))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": False, "tokenizer_class": "ElectraTokenizer", **tokens})
    )
    torch.manual_seed(0)
    config = ElectraConfig(
        vocab_size=len(vocabulary),
        embedding_size=32,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=128,
    )
    model = ElectraForPreTraining(config)
    config.architectures = ["ElectraForPreTraining"]
    (folder / "config.json").write_text(config.to_json_string())
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="session")
def tiny_config(electra_folder: Path, corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config that trains the small discriminator on the slice in a few seconds."""
    path = tmp_path_factory.mktemp("configs") / "tiny.yaml"
    path.write_text(
        f"""
output_dir: runs/tiny
schema: {ROOT}/configs/schema/politics.yaml
encoder: {{name: {electra_folder}, license: cc-by-nc-sa-4.0}}
sources: [{{path: {corpus_folder}}}]
windows: {{max_tokens: 96, overlap_tokens: 24}}
heads: {{size: 32, max_candidates: 24}}
optimizer: {{learning_rate: 3e-3, head_learning_rate: 1e-2}}
training: {{epochs: 18, batch_tokens: 128, log_every: 1}}
evaluation: {{resamples: 50, every_epochs: 6}}
trackers: []
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def trained(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the whole script on the tiny config."""
    folder = tmp_path_factory.mktemp("run") / "out"
    done = script("train.py", tiny_config, f"output_dir={folder}", "trackers=[tensorboard]", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def archive(documents: list[Document], tmp_path: Path) -> Path:
    """280 articles and two lines that are none."""
    path = tmp_path / "archive.jsonl"
    jsonl.write(path, [replace(d, id=f"{d.id}-{i}") for i in range(20) for d in documents])
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:50], "no JSON\n", *lines[50:200], '{"id": 5}\n', *lines[200:]]), encoding="utf-8")
    return path


@pytest.fixture
def eager(trained: Path, documents) -> Tagger:
    """The small model with heads that find something of every kind nearly everywhere."""
    return _eager(trained, documents)


@pytest.fixture(scope="session")
def eager_folder(trained: Path, documents, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a model with milder scores, which stay apart, as a checkpoint; with the card of the one it was made of."""
    folder = tmp_path_factory.mktemp("eager") / "rajniti"
    tagger = _eager(trained, documents)
    for parameter in (*tagger.model.spans.output.parameters(), *tagger.model.pairs.relation.parameters()):
        parameter.data *= 0.2
    tagger.model.config.calibration, tagger.model.config.relation_threshold = {}, 0.05
    save_checkpoint(folder, tagger)
    (folder / "README.md").write_bytes((trained / "README.md").read_bytes())
    return folder


def _eager(trained: Path, documents: list[Document]) -> Tagger:
    tagger = Tagger.load(trained)
    torch.manual_seed(1)
    _spread(tagger, tagger.model.spans.output, documents, std=3.0)
    _spread(tagger, tagger.model.pairs.relation, documents, std=1.0)
    # What was fitted to the small model's own scores says nothing of these.
    tagger.model.config.calibration = {}
    tagger.model.config.mention_threshold, tagger.model.config.relation_threshold = 0.4, 0.3
    return tagger


def _spread(tagger: Tagger, layer: torch.nn.Linear, documents: list[Document], *, std: float) -> None:
    """New weights whose outputs have the mean 0 and the deviation `std` over all states.

    Around the mean state no type is likelier than another, so that all of them are best somewhere, whatever the small
    model came to be on the machine at hand.
    """
    states: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _layer, inputs: states.append(inputs[0].flatten(0, -2)))
    tagger.tag(documents[:2])
    hook.remove()
    torch.nn.init.normal_(layer.weight)
    outputs = torch.cat(states) @ layer.weight.data.T
    layer.weight.data *= (std / outputs.std(0))[:, None]
    layer.bias.data = -std * outputs.mean(0) / outputs.std(0)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on loopback, which this process's client uses with the token of a writer and an empty cache."""
    with serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        yield hub
