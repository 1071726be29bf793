"""A fast tokenizer for any encoder, whose offsets map to the raw text."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from train.encoders.normalizer import bangla_normalizer
from train.errors import InputError
from train.model import bangla

NormalizerName = Literal["csebuetnlp", "none"]

_logger = logging.getLogger(__name__)
_FILES = ["tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "config.json"]
# What tokenizer classes take for granted where a repository names no special tokens (xlm-roberta-base): BERT's,
# RoBERTa's.
_ROLES = {
    "unk_token": ("[UNK]", "<unk>"),
    "sep_token": ("[SEP]", "</s>"),
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "bos_token": ("<s>",),
    "eos_token": ("</s>",),
}
_BERT_ROLES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_BERT_INPUTS = ["input_ids", "token_type_ids", "attention_mask"]
_MARKS = "প্রধানমন্ত্রী ঁ ু ূ ৃ"


def word_split(*, prefix: str = "") -> pre_tokenizers.PreTokenizer:
    """A pre-tokeniser that cuts where train.model.bangla.words does, so that no piece holds parts of two words.

    `prefix` is one character that may stand before a word and stays with it. The pattern is the very one of `words`, so
    that the two cannot drift apart.
    """
    word = bangla.WORD.pattern
    return pre_tokenizers.Split(Regex(f"{prefix}?(?:{word})" if prefix else word), "isolated")


def load_tokenizer(
    folder_or_id: str | Path,
    *,
    revision: str | None = None,
    normalizer: NormalizerName | None = None,
    name: str | None = None,
) -> PreTrainedTokenizerFast:
    """The fast tokenizer of an encoder: its tokenizer.json, or one made from a WordPiece vocab.txt, as BanglaBERT has.

    Args:
        folder_or_id: a folder, or a repository of the Hub.
        revision: branch, tag or commit on the Hub.
        normalizer: "csebuetnlp" puts that normalisation before the tokenizer's own, "none" does not. None decides:
            it is put before a WordPiece vocabulary of an ELECTRA encoder without tokenizer.json, unless the encoder
            is known to be of an owner other than csebuetnlp. A tokenizer.json is taken to say itself what it needs.
        name: the encoder's name, where `folder_or_id` is the folder that it was downloaded to.

    Raises:
        InputError: the repository cannot be got, holds neither kind of tokenizer, or holds files that cannot be read.
    """
    name = name or str(folder_or_id)
    folder = Path(folder_or_id) if Path(folder_or_id).is_dir() else _download(str(folder_or_id), revision)
    if (folder / "tokenizer.json").is_file():
        tokenizer = _from_json(folder)
        csebuetnlp = normalizer == "csebuetnlp"
    elif (folder / "vocab.txt").is_file():
        tokenizer = _from_vocabulary(folder)
        csebuetnlp = normalizer == "csebuetnlp" or (normalizer is None and _is_banglabert(folder, name))
    else:
        raise InputError(f"{name}: expected tokenizer.json, or vocab.txt of a WordPiece vocabulary, but found neither")
    if csebuetnlp:
        own = tokenizer.backend_tokenizer.normalizer
        tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([bangla_normalizer(), *([own] if own else [])])
    _warn_of_lost_marks(tokenizer, name)
    return tokenizer


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"tokenizer {name!r} is no folder and cannot be got from the Hub: {reason}") from None


def _from_json(folder: Path) -> PreTrainedTokenizerFast:
    """tokenizer.json as it is: what a tokenizer class would rebuild from the vocabulary might differ from it."""
    try:
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises no narrower class
        raise InputError(f"{folder / 'tokenizer.json'}: cannot be read as a fast tokenizer: {error}") from None
    backend.no_truncation()  # a file may carry both from its training; documents are never cut
    backend.no_padding()
    config = {**_json(folder / "special_tokens_map.json"), **_json(folder / "tokenizer_config.json")}
    special = {}
    for role, defaults in _ROLES.items():
        named = [_content(config[role])] if config.get(role) else []
        known = [token for token in (*named, *defaults) if backend.token_to_id(token) is not None]
        if known:
            special[role] = known[0]
    for roles in (("cls_token", "bos_token"), ("sep_token", "eos_token"), ("pad_token",)):
        if not any(role in special for role in roles):
            raise InputError(f"{folder}: neither the vocabulary nor tokenizer_config.json has a {' or '.join(roles)}")
    return _wrap(backend, special, config)


def _from_vocabulary(folder: Path) -> PreTrainedTokenizerFast:
    """BERT's tokenisation (Devlin et al., 2019) without harm to Bangla marks, cut at its punctuation and our words'.

    BertTokenizer and ElectraTokenizer lowercase by default and strip combining marks with it, among them ্ ু ূ ৃ and ঁ; here
    text is lowercased only where the configuration says so, and marks are never stripped. As in BERT, clean_text drops
    control, format and private-use characters, so that র‍্যাব is looked up as it stands in such vocabularies:
    without its joiner.
    """
    config = {**_json(folder / "special_tokens_map.json"), **_json(folder / "tokenizer_config.json")}
    special = {key: _content(config.get(key) or _ROLES[key][0]) for key in _BERT_ROLES}
    vocabulary = _read_vocabulary(folder / "vocab.txt")
    missing = [token for key, token in special.items() if token not in vocabulary and key != "mask_token"]
    if missing:
        raise InputError(f"{folder / 'vocab.txt'}: the special tokens {', '.join(missing)} are missing")
    if special["mask_token"] not in vocabulary:
        del special["mask_token"]
    backend = Tokenizer(WordPiece(vocabulary, unk_token=special["unk_token"], max_input_chars_per_word=100))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
        strip_accents=False,
        lowercase=bool(config.get("do_lower_case", False)),
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), word_split()])
    backend.decoder = decoders.WordPiece(prefix="##")
    cls, sep = special["cls_token"], special["sep_token"]
    backend.post_processor = TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, vocabulary[token]) for token in (cls, sep)],
    )
    return _wrap(backend, special, {"model_input_names": _BERT_INPUTS, **config})


def _wrap(backend: Tokenizer, special: dict[str, str], config: dict[str, Any]) -> PreTrainedTokenizerFast:
    options: dict[str, Any] = dict(special)
    if isinstance(config.get("model_max_length"), int):
        options["model_max_length"] = config["model_max_length"]
    if isinstance(config.get("model_input_names"), list):
        options["model_input_names"] = config["model_input_names"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, **options)


def _read_vocabulary(path: Path) -> dict[str, int]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error}") from None
    # Only line feeds end a piece: some vocabularies hold other separators (U+2028, U+0085) as pieces.
    lines = text.removesuffix("\n").split("\n")
    return {line.removesuffix("\r"): index for index, line in enumerate(lines)}


def _json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, empty where there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object")
    return value


def _content(token: str | dict[str, Any]) -> str:
    """A special token's text; the json files hold it as a string or as the fields of an AddedToken."""
    return token if isinstance(token, str) else str(token["content"])


def _is_banglabert(folder: Path, name: str) -> bool:
    if _json(folder / "config.json").get("model_type") != "electra":
        return False
    is_hub_name = not Path(name).is_dir() and name.count("/") == 1
    return not is_hub_name or name.startswith("csebuetnlp/")


def _warn_of_lost_marks(tokenizer: PreTrainedTokenizerFast, name: str) -> None:
    normaliser = tokenizer.backend_tokenizer.normalizer
    if normaliser and any(mark not in normaliser.normalize_str(_MARKS) for mark in "্ুূৃঁ"):
        _logger.warning("%s: its tokenizer strips Bangla vowel signs and makes different words equal", name)
