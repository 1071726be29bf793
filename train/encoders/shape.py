"""An encoder of BanglaBERT's shape with nothing learned in it, for measuring speed where its weights cannot be fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import ElectraConfig

from train.encoders.normalizer import bangla_normalizer
from train.encoders.tokenizer import word_split

# What csebuetnlp/banglabert is: an ELECTRA discriminator of BERT-base's size.
_BASE = ElectraConfig(
    vocab_size=32_000,
    embedding_size=768,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
    max_position_embeddings=512,
)
# Fewer pieces than BanglaBERT's 32,000, since a small corpus would give nearly every word its own.
_PIECES = 8_000
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_shape(folder: Path, texts: Iterable[str]) -> None:
    """Fill a folder with the configuration and a WordPiece vocabulary of the texts; `build` makes random weights for it."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([bangla_normalizer()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), word_split()])
    trainer = trainers.WordPieceTrainer(vocab_size=_PIECES, special_tokens=_SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = tokenizer.get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(_BASE.to_json_string(), encoding="utf-8")
    settings = {"do_lower_case": False, "tokenizer_class": "ElectraTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
