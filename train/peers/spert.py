"""Mentions and relations by SpERT (Eberts and Ulges 2020, "Span-based Joint Entity and Relation Extraction with Transformer
Pre-training"), trained by its authors' own code on the same encoder.

The code is the user's clone of https://github.com/lavis-nlp/spert, of 2021, for transformers 4.1; a copy of it in the run's
folder is changed where PATCHES says. SpERT reads one sentence at a time, so that gold relations between sentences teach it
nothing and none are found. Needs scikit-learn, which `.[test]` brings.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from train.document import Document
from train.errors import InputError
from train.files import atomic_write, read_text
from train.peers.common import Found, Task, Unit, predicted, run, units
from train.quiet import quietly
from train.schema import Schema

PIECES = 510
"""Of a sentence, beside the special ones at its ends: BERT has 512 positions."""

SIZES = 100
"""SpERT embeds how many tokens a mention has, 0 to 99."""

PATCHES = (
    (
        "config_reader.py",
        "        p.join()\n",
        "        p.join()\n        if p.exitcode:\n            raise SystemExit(p.exitcode)\n",
        "a run that fails would end with status 0",
    ),
    (
        "spert/spert_trainer.py",
        "from transformers import AdamW, BertConfig\nfrom transformers import BertTokenizer\n",
        "from transformers import AutoTokenizer, BertConfig\n",
        "transformers 5 has no AdamW; the encoder's tokenizer is not BERT's",
    ),
    (
        "spert/spert_trainer.py",
        "self._tokenizer = BertTokenizer.from_pretrained(",
        "self._tokenizer = AutoTokenizer.from_pretrained(",
        "the encoder's tokenizer is not BERT's",
    ),
    (
        "spert/spert_trainer.py",
        "AdamW(optimizer_params, lr=args.lr, weight_decay=args.weight_decay, correct_bias=False)\n",
        "torch.optim.AdamW(optimizer_params, lr=args.lr, weight_decay=args.weight_decay, eps=1e-6, fused=True)\n"
        "        for p in filter(lambda p: p.requires_grad, model.parameters()):\n"
        "            moments = dict(exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))\n"
        "            optimizer.state[p] = dict(step=torch.tensor(1e9, device=p.device), **moments)\n",
        "torch's AdamW always corrects its bias, but after 1e9 steps by a factor of 1; eps was transformers' default",
    ),
    (
        "spert/spert_trainer.py",
        "        util.check_version(config, model_class, self._args.model_path)\n",
        "",
        "it opens pytorch_model.bin, where models are model.safetensors now",
    ),
    (
        "spert/spert_trainer.py",
        "        return model\n",
        "        model.bert.embeddings.word_embeddings.weight.requires_grad_(False)\n        return model\n",
        "the encoder's word embeddings stay as they are in our runs too",
    ),
    (
        "spert/models.py",
        "        self.init_weights()\n",
        "        self.post_init()\n",
        "transformers 5 wants its models to end with it, and it initialises the weights",
    ),
    (
        "spert/models.py",
        "get_token(h, encodings, self._cls_token)",
        "h[:, 0]",
        "[CLS] is the first piece; its id may be 0 (<s>), which also pads the sentences of a batch",
    ),
    (
        "spert/loss.py",
        "self._model.zero_grad()",
        "self._model.zero_grad(set_to_none=False)",
        "torch 1's default: AdamW also moves the relation classifier after a batch without pairs",
    ),
    (
        "spert/evaluator.py",
        "        labels = [t.index for t in types]\n",
        "        if not types:\n            return [0.0] * 6\n        labels = [t.index for t in types]\n",
        "scikit-learn 1 raises where there is nothing to find and nothing found",
    ),
    (
        "spert/input_reader.py",
        "tokenizer.convert_tokens_to_ids('[CLS]')",
        "tokenizer.cls_token_id",
        "special pieces have other names",
    ),
    (
        "spert/input_reader.py",
        "tokenizer.convert_tokens_to_ids('[SEP]')",
        "tokenizer.sep_token_id",
        "special pieces have other names",
    ),
    (
        "spert/input_reader.py",
        "tokenizer.convert_tokens_to_ids('[UNK]')",
        "tokenizer.unk_token_id",
        "special pieces have other names",
    ),
    (
        "spert/input_reader.py",
        "tokenizer.encode(token_phrase, add_special_tokens=False)\n",
        f"tokenizer.encode(token_phrase, add_special_tokens=False)[:{PIECES}]\n",
        "one word may have more pieces than BERT has positions",
    ),
)
"""File, old text, new text, why."""


def predict(
    task: Task,
    encoder: Path,
    folder: Path,
    *,
    code: Path,
    seed: int,
    epochs: int = 20,
    learning_rate: float = 5e-5,
    batch: int = 2,
) -> list[Document]:
    """Train SpERT and give back the test documents with the mentions and relations that it finds in them.

    Args:
        encoder: a folder with a model of BERT's architecture and a fast tokenizer.
        folder: gets the patched code, the data, SpERT's model, the logs and predictions.json.
        code: the clone; the defaults of epochs, learning_rate and batch are its own, as is every setting not named here.

    A sentence of more than PIECES pieces is read as several, each as long as fits; how many there are is printed. Gold
    mentions over such a cut are left out of training, as are those of SIZES tokens or more.

    Raises InputError when the schema has no relation types, the encoder is not BERT's kind, there are fewer sentences than
    fill a batch, or `code` is another version or fails.
    """
    if not task.schema.relations:
        raise InputError(f"schema {task.schema.name}: SpERT needs a relation type")
    folder, encoder = folder.resolve(), encoder.resolve()
    script = _write_code(folder / "code", code)
    _check_encoder(encoder)
    test = _write_data(folder, task, encoder, batch=batch)
    shared: dict[str, Any] = {
        "types_path": folder / "types.json",
        "tokenizer_path": encoder,
        "sampling_processes": 0,  # more would each take a core from training
    }
    training: dict[str, Any] = {
        "label": "run",
        "model_path": encoder,
        "train_path": folder / "train.json",
        "valid_path": folder / "validation.json",
        "save_path": folder / "save",
        "log_path": folder / "log",
        "seed": seed,
        "epochs": epochs,
        "lr": learning_rate,
        "train_batch_size": batch,
    }
    shutil.rmtree(folder / "save", ignore_errors=True)  # each run adds a folder with a time for a name
    run([script, "train", "--final_eval", *_flags(shared | training)], cwd=script.parent, log=folder / "train.log")
    (model,) = (folder / "save").glob("*/*/final_model")
    prediction: dict[str, Any] = {
        "model_path": model,
        "dataset_path": folder / "test.json",
        "predictions_path": folder / "predictions.json",
    }
    run([script, "predict", *_flags(shared | prediction)], cwd=script.parent, log=folder / "predict.log")
    sentences = json.loads(read_text(folder / "predictions.json"))
    return predicted(task.test, test, [found(sentence, task.schema) for sentence in sentences], task.schema)


def patched(source: str, file: str) -> str:
    """A file of SpERT with its PATCHES; raises InputError, naming the file, where it does not have each old text once."""
    for _, old, new, _ in (patch for patch in PATCHES if patch[0] == file):
        if source.count(old) != 1:
            raise InputError(f"{file}: not SpERT's of 2021: expected {old.strip()!r} in it once")
        source = source.replace(old, new)
    return source


def types(schema: Schema) -> dict[str, Any]:
    """The mention and relation types in SpERT's form."""
    relations = schema.relations.values()
    return {
        "entities": {name: {"short": name, "verbose": name} for name in schema.mentions},
        "relations": {r.name: {"short": r.name, "verbose": r.name, "symmetric": r.symmetric} for r in relations},
    }


def fitted(cut: Iterable[Unit], pieces: Mapping[str, int]) -> list[Unit]:
    """The sentences, those of more than PIECES pieces in parts; `pieces` says how many each word has."""
    made = []
    for unit in cut:
        first = length = 0
        for place, word in enumerate(unit.surfaces):
            if length + pieces[word] > PIECES:
                made.append(replace(unit, tokens=unit.tokens[first:place]))
                first, length = place, 0
            length += pieces[word]
        made.append(replace(unit, tokens=unit.tokens[first:]))
    return made


def rows(cut: Iterable[Unit], documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Sentences in SpERT's form, with the gold mentions that lie in them and the relations between these."""
    made = []
    for unit in cut:
        document = documents[unit.document]
        placed = [(unit.place(m.start, m.end), m) for m in document.mentions]
        inside = [(*place, m.type, m.id) for place, m in placed if place and place[1] - place[0] < SIZES]
        inside.sort(key=lambda entity: entity[:2])
        number = {id_: i for i, (_, _, _, id_) in enumerate(inside)}
        relations = [r for r in document.relations if r.head in number and r.tail in number]
        made.append(
            {
                "tokens": unit.surfaces,
                "entities": [{"type": type_, "start": first, "end": end} for first, end, type_, _ in inside],
                "relations": [{"type": r.type, "head": number[r.head], "tail": number[r.tail]} for r in relations],
            }
        )
    return made


def found(sentence: Mapping[str, Any], schema: Schema) -> Found:
    """What a sentence in SpERT's form says.

    SpERT learns and gives the ends of a symmetric relation in the order of the text; they are turned round where the schema
    has the relation only that way.
    """
    mentions = [(entity["start"], entity["end"], entity["type"]) for entity in sentence["entities"]]
    relations = []
    for relation in sentence["relations"]:
        type_, head, tail = schema.relations[relation["type"]], relation["head"], relation["tail"]
        ends = mentions[head][2], mentions[tail][2]
        if type_.symmetric and not type_.allows(*ends) and type_.allows(*reversed(ends)):
            head, tail = tail, head
        relations.append((type_.name, head, tail))
    return Found(mentions, relations)


def _write_code(folder: Path, code: Path) -> Path:
    files = [*code.glob("*.py"), *code.glob("spert/*.py")]
    names = {path.relative_to(code).as_posix() for path in files}
    if missing := {"spert.py", *(file for file, *_ in PATCHES)} - names:
        raise InputError(f"{code}: no {min(missing)}; expected a clone of https://github.com/lavis-nlp/spert")
    for path in files:
        name = path.relative_to(code).as_posix()
        text = patched(read_text(path), name)
        with atomic_write(folder / name) as file:
            file.write(text)
    return folder / "spert.py"


def _check_encoder(encoder: Path) -> None:
    """SpERT loads what is named as in BERT and leaves all else as it is by chance, without an error."""
    config = json.loads(read_text(encoder / "config.json"))
    kind, positions = config.get("model_type"), config.get("max_position_embeddings", 0)
    if kind != "bert" or positions < PIECES + 2:
        raise InputError(
            f"{encoder}: SpERT takes a model of type bert with {PIECES + 2} positions, not {kind} with {positions}"
        )


def _write_data(folder: Path, task: Task, encoder: Path, *, batch: int) -> list[Unit]:
    """The splits and the types as SpERT's files. Gives the sentences of the test split, as they stand in its file."""
    splits = {"train": task.train, "validation": task.validation, "test": task.test}
    whole = {split: units(documents, task) for split, documents in splits.items()}
    if len(whole["train"]) < batch:
        raise InputError(f"{len(whole['train'])} sentences to train on fill no batch of {batch}")
    pieces = _pieces({word for cut in whole.values() for unit in cut for word in unit.surfaces}, encoder)
    cuts = {split: fitted(cut, pieces) for split, cut in whole.items()}
    for split, cut in cuts.items():
        if more := len(cut) - len(whole[split]):
            print(f"{split}: sentences of more than {PIECES} pieces are cut in {more} places")
        asked = [{"tokens": unit.surfaces} for unit in cut]
        _write_json(folder / f"{split}.json", asked if split == "test" else rows(cut, splits[split]))
    _write_json(folder / "types.json", types(task.schema))
    return cuts["test"]


def _pieces(words: Iterable[str], encoder: Path) -> dict[str, int]:
    """How many pieces each word has in SpERT, which encodes one word at a time and takes none for an unknown one."""
    words = list(words)
    with quietly():
        encoded = AutoTokenizer.from_pretrained(encoder)(words, add_special_tokens=False)["input_ids"]
    return {word: min(max(len(ids), 1), PIECES) for word, ids in zip(words, encoded, strict=True)}


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as file:
        json.dump(value, file)  # ASCII, as SpERT opens its files in whatever encoding the machine has


def _flags(arguments: Mapping[str, Any]) -> list[str]:
    return [str(part) for name, value in arguments.items() for part in (f"--{name}", value)]
