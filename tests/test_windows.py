import random

import pytest
from transformers import PreTrainedTokenizerFast

from train.encoders.tokenizer import load_tokenizer
from train.model.windows import MAX_PIECES, batches_by_tokens, collate, cut, encode_text

TEXT = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই ঢাকায় পৌঁছেছেন। তিনি বলেন, ‘বৈঠক হবে।’ র‍্যাব ১০.৫ কিলোমিটার দূরে ছিল।"


@pytest.fixture(scope="module")
def tokenizer(electra_folder) -> PreTrainedTokenizerFast:
    return load_tokenizer(electra_folder)


def test_every_word_gets_the_pieces_that_start_in_it(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = encode_text(TEXT, tokenizer)
    surfaces = [TEXT[start:end] for start, end in encoded.words]
    assert surfaces[:5] == ["চীনের", "পররাষ্ট্রমন্ত্রী", "ওয়াং", "ই", "ঢাকায়"]
    for surface, pieces in zip(surfaces, encoded.pieces, strict=True):
        alone = tokenizer(surface, add_special_tokens=False)["input_ids"]
        assert pieces == (alone or [tokenizer.unk_token_id]), surface


def test_sentence_numbers_rise_at_sentence_ends_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = encode_text(TEXT, tokenizer)
    assert sorted(encoded.sentence) == encoded.sentence
    assert len(set(encoded.sentence)) == 3


@pytest.mark.parametrize("seed", range(20))
def test_windows_cover_every_word_within_the_budget_and_move_on(tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    rng = random.Random(seed)
    text = " ".join(" ".join(["শব্দ"] * rng.randint(1, 60)) + "।" for _ in range(rng.randint(1, 25)))
    encoded = encode_text(text, tokenizer)
    windows = cut(encoded, max_tokens=48, overlap_tokens=rng.choice([0, 8, 24]))
    assert {w for window in windows for w in range(window.first, window.last)} == set(range(len(encoded.words)))
    for before, after in zip(windows, windows[1:], strict=False):
        assert before.first < after.first <= before.last < after.last
    assert all(encoded.cost(w.first, w.last) + 2 <= 48 for w in windows)


def test_a_sentence_that_fits_is_whole_in_some_window(tokenizer: PreTrainedTokenizerFast) -> None:
    text = " ".join("ক " * n + "।" for n in (30, 3, 44, 5, 40, 41, 2, 2, 43))
    encoded = encode_text(text, tokenizer)
    windows = cut(encoded, max_tokens=50, overlap_tokens=20)
    for number in set(encoded.sentence):
        places = [i for i, s in enumerate(encoded.sentence) if s == number]
        assert any(w.first <= places[0] and places[-1] < w.last for w in windows), number


def test_windows_overlap_by_whole_sentences(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = encode_text(" ".join("ক " * 9 + "।" for _ in range(20)), tokenizer)
    windows = cut(encoded, max_tokens=62, overlap_tokens=25)
    for before, after in zip(windows, windows[1:], strict=False):
        assert encoded.sentence[after.first] != encoded.sentence[after.first - 1]
        assert before.last - after.first == 20  # two sentences of ten


def test_empty_text_has_no_window(tokenizer: PreTrainedTokenizerFast) -> None:
    for text in ("", " \n "):
        assert cut(encode_text(text, tokenizer), max_tokens=48, overlap_tokens=8) == []


def test_an_endless_word_keeps_its_place_without_filling_a_window(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = encode_text("শুরু " + "ক" * 3000 + " শেষ", tokenizer)
    assert len(encoded.words) == 3
    assert all(1 <= len(pieces) <= MAX_PIECES for pieces in encoded.pieces)


def test_collated_words_point_at_their_pieces(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = encode_text(TEXT, tokenizer)
    windows = cut(encoded, max_tokens=30, overlap_tokens=0)
    batch = collate([(encoded, w) for w in windows], tokenizer)
    for row, window in enumerate(windows):
        for n, word in enumerate(range(window.first, window.last)):
            first, last = batch["word_first"][row, n], batch["word_last"][row, n]
            assert batch["input_ids"][row, first : last + 1].tolist() == encoded.pieces[word]
        assert batch["word_mask"][row].sum() == window.last - window.first
        ends = batch["sentence_end"][row, : window.last - window.first].tolist()
        sentences = batch["sentence"][row].tolist()
        for n, end in enumerate(ends):
            assert n < end <= len(ends)
            assert all(sentences[i] == sentences[n] for i in range(n, end))


def test_batches_hold_every_index_once_within_the_budget() -> None:
    lengths = [random.Random(1).randint(1, 90) for _ in range(200)] + [500]
    batches = batches_by_tokens(lengths, 256)
    assert sorted(i for b in batches for i in b) == list(range(201))
    assert all(max(lengths[i] for i in b) * len(b) <= 256 for b in batches if len(b) > 1)
