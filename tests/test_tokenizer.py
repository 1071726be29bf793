"""Fast tokenizers: built from a WordPiece vocabulary without harm to Bangla marks, or loaded as they are."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from train.document import Document
from train.encoders.normalizer import bangla_normalizer
from train.encoders.tokenizer import load_tokenizer, word_split
from train.errors import InputError
from train.model.bangla import words

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = [
    "প্রধানমন্ত্রী মঙ্গলবার ঢাকায় জাতীয় সংসদে বক্তব্য দেন।",
    "‘আমরা যাব’, বলেন বিএনপি'র মহাসচিব (ভারপ্রাপ্ত)।",
    "র্যাব চাঁদপুরের মেয়রকে ৳১০.৫ কোটি টাকাসহ আটক করেছে; দুঃখ প্রকাশ করেন মৌসুমী, গৌতম ও বাড়ৈ।",
    "কৃষ্ণ কুমারের বাড়ি থেকে ২,০০০ টাকা, BNP ও NATO লেখা কাগজ পাওয়া গেছে।",
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BanglaBERT's kind of repository: a vocabulary, no tokenizer.json."""
    folder = tmp_path_factory.mktemp("wordpiece")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([bangla_normalizer()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("\n".join(piece for piece, _ in vocabulary) + "\n", encoding="utf-8")
    tokens = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    (folder / "special_tokens_map.json").write_text(json.dumps(tokens))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": False, "strip_accents": None, "tokenize_chinese_chars": True})
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "electra"}))
    return folder


@pytest.fixture(scope="module")
def tokenizer(repository: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(repository)


def spans(tokenizer: PreTrainedTokenizerFast, text: str) -> list[tuple[int, int]]:
    return tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).offsets


def test_marks_survive(tokenizer: PreTrainedTokenizerFast) -> None:
    for word in ("প্রধানমন্ত্রী", "চাঁদপুরের", "দুঃখ", "কৃষ্ণ"):
        pieces = tokenizer.tokenize(word)
        assert tokenizer.unk_token not in pieces
        assert "".join(piece.removeprefix("##") for piece in pieces) == word


def test_special_tokens_and_template(tokenizer: PreTrainedTokenizerFast) -> None:
    encoding = tokenizer("ঢাকা", "সংসদ")
    tokens = tokenizer.convert_ids_to_tokens(encoding["input_ids"])
    assert tokens[0] == "[CLS]"
    assert tokens.count("[SEP]") == 2
    assert encoding["token_type_ids"][-1] == 1
    assert tokenizer.all_special_ids
    assert (tokenizer.pad_token, tokenizer.unk_token, tokenizer.mask_token) == ("[PAD]", "[UNK]", "[MASK]")


def test_case_is_kept_unless_the_configuration_says_so(repository: Path, tmp_path: Path) -> None:
    assert load_tokenizer(repository).backend_tokenizer.normalizer.normalize_str("BNP") == "BNP"
    (tmp_path / "vocab.txt").write_text((repository / "vocab.txt").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    lowercase = load_tokenizer(tmp_path).backend_tokenizer.normalizer
    assert lowercase.normalize_str("BNP প্রধানমন্ত্রী চাঁদ") == "bnp প্রধানমন্ত্রী চাঁদ"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_each_piece_lies_in_one_word_and_pieces_cover_words(tokenizer: PreTrainedTokenizerFast, form: str) -> None:
    """Decomposed ো and ৌ at a word's end come out one mark short, so spans extend over the marks that follow."""
    for sentence in [*SENTENCES, "বলো। কৌ,ভালো"]:
        text = unicodedata.normalize(form, sentence)  # type: ignore[arg-type]
        offsets = spans(tokenizer, text)
        for start, end in words(text):
            inside = [(a, b) for a, b in offsets if start <= a < end]
            assert inside, text[start:end]
            last = max(b for _, b in inside)
            while last < len(text) and unicodedata.combining(text[last]) + (unicodedata.category(text[last]) == "Mc"):
                last += 1
            assert (min(a for a, _ in inside), last) == (start, end)


def test_decomposed_vowel_sign_is_one_short_without_extension(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "বলে\u09be"
    assert max(end for _, end in spans(tokenizer, text)) == len(text) - 1


@pytest.mark.parametrize("joiner", ["\u200d", "\u200c"])
def test_joiners_are_dropped_as_in_bert(tokenizer: PreTrainedTokenizerFast, joiner: str) -> None:
    text = f"র{joiner}্যাব আটক"
    assert tokenizer.tokenize(text) == tokenizer.tokenize("র্যাব আটক")
    word = [(start, end) for start, end in spans(tokenizer, text) if start < 6]
    assert (word[0][0], word[-1][1]) == (0, text.index(" "))


def test_words_and_punctuation_are_cut(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "বিএনপি'র ৳১০.৫"
    assert [text[start:end] for start, end in spans(tokenizer, text) if text[start:end] in "'৳."] == ["'", "৳", "."]


def test_split_is_that_of_words(documents: list[Document]) -> None:
    texts = ["বিএনপি'র,‘১০.৫’ ১,২০,০০০", "র\u200d্যাব।”x--https://a.b/c?d=৫", "…(ড.)«ক»৳৫", *(d.text for d in documents)]
    split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), word_split()])
    for text in texts:
        assert [span for _, span in split.pre_tokenize_str(text)] == words(text)


def test_normaliser_is_chosen_or_decided(repository: Path) -> None:
    def folds(**options: object) -> bool:
        tokenizer = load_tokenizer(repository, **options)  # type: ignore[arg-type]
        return tokenizer.backend_tokenizer.normalizer.normalize_str("‘ক’") == "'ক'"

    assert folds()
    assert folds(normalizer="csebuetnlp")
    assert not folds(normalizer="none")
    assert folds(name="csebuetnlp/banglabert_small")
    assert not folds(name="banglagov/banELECTRA-Base")


def test_saved_tokenizer_loads_as_it_is(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    text = " ".join(SENTENCES) + " “ঢাকা”—র\u200d্যাব"
    expected = tokenizer(text, return_offsets_mapping=True)
    for again in (load_tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)):
        assert dict(again(text, return_offsets_mapping=True)) == dict(expected)
        assert again.all_special_ids == tokenizer.all_special_ids


def test_truncation_in_tokenizer_json_is_switched_off(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    stored["truncation"] = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored), encoding="utf-8")
    text = " ".join(SENTENCES)
    assert len(load_tokenizer(tmp_path).backend_tokenizer.encode(text)) == len(tokenizer.backend_tokenizer.encode(text))


def test_special_tokens_that_no_file_names(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    bare = load_tokenizer(tmp_path)
    assert (bare.cls_token, bare.sep_token, bare.pad_token) == ("[CLS]", "[SEP]", "[PAD]")


def test_tokenizer_that_strips_marks_is_named(repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    harmful = load_tokenizer(repository, normalizer="none")
    harmful.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    harmful.save_pretrained(tmp_path)
    load_tokenizer(tmp_path)
    assert "strips Bangla vowel signs" in caplog.text


def test_bad_folders_are_refused(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected tokenizer\.json, or vocab\.txt"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").write_text("[UNK]\nক\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"\[SEP\], \[PAD\], \[CLS\] are missing"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json: cannot be read"):
        load_tokenizer(tmp_path)


def test_unknown_repository_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="is no folder and cannot be got from the Hub"):
        load_tokenizer("nobody/nothing")
