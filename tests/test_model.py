from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from train.config import LAYERS, RunConfig
from train.corpora.load import Part
from train.encoders.build import build, load_encoder
from train.examples import batch, coverage, examples
from train.model.configuration_rajniti import RajnitiConfig
from train.model.decoding import Span, WindowScores, choose_spans, cluster, decode
from train.model.heads import RangeMax
from train.model.losses import mention_loss, pair_losses
from train.model.modeling_rajniti import RajnitiModel, RajnitiOutput
from train.model.windows import Window, cut, encode_text
from train.schema import Schema


@pytest.fixture(scope="module")
def built(tiny_config, schema):
    torch.manual_seed(0)
    model, tokenizer = build(RunConfig.load(tiny_config), schema)
    return model.eval(), tokenizer


@pytest.mark.parametrize("family", ["Albert", "BigBird", "Electra", "Ernie", "MPNet", "RemBert", "XLMRoberta"])
def test_an_encoder_has_no_pooler_and_is_whole_in_a_checkpoint_of_masked_words(family: str, tmp_path: Path) -> None:
    sizes = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = getattr(transformers, f"{family}Config")(**sizes, max_position_embeddings=40)
    getattr(transformers, f"{family}ForMaskedLM")(config).save_pretrained(tmp_path)
    encoder = load_encoder(tmp_path, config).train()
    encoder(input_ids=torch.randint(5, 50, (2, 8))).last_hidden_state.sum().backward()
    assert not [name for name, parameter in encoder.named_parameters() if parameter.grad is None]


def test_range_maxima_equal_those_of_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 13, 3, generator=generator)
    ranges = [(a, b) for a in range(13) for b in range(a, 14)]
    start, end = (torch.tensor([[r[i] for r in ranges]] * 2) for i in (0, 1))
    found = RangeMax(13)(values, start, end)
    for i, (a, b) in enumerate(ranges):
        expected = values[:, a:b].amax(1) if b > a else torch.zeros(2, 3)
        assert torch.equal(found[:, i], expected), (a, b)


def test_span_mean_is_that_of_its_words(built) -> None:
    model, _ = built
    words = torch.randn(1, 9, model.config.encoder.hidden_size)
    with torch.no_grad():
        state, _ = model.spans(words)
        s = model.spans
        for n, w in ((0, 0), (2, 3), (5, 3)):
            inside = s.inside(words[0, n : n + w + 1]).mean(0)
            expected = s.start(words[0, n]) + s.end(words[0, n + w]) + inside + s.width_embedding.weight[w]
            assert torch.allclose(state[0, n, w], torch.nn.functional.gelu(expected), atol=1e-5)


def test_states_of_spans_and_pairs_are_in_16_bits_under_autocast(built) -> None:
    model, _ = built
    words = torch.randn(1, 9, model.config.encoder.hidden_size)
    start, sentence = torch.tensor([[0, 3, 5]]), torch.zeros(1, 9, dtype=torch.long)
    types = torch.rand(1, 3, len(model.config.mention_types))
    states = []
    hook = model.pairs.dropout.register_forward_hook(lambda _module, _inputs, output: states.append(output))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        states.append(model.spans(words)[0])
        model.pairs(words, start, start, types, sentence, torch.full_like(sentence, 9))
    hook.remove()
    assert [state.ndim for state in states] == [4, 3, 4]
    assert {state.dtype for state in states} == {torch.bfloat16}


def test_a_window_scores_the_same_alone_and_beside_longer_ones(built, documents) -> None:
    model, tokenizer = built
    texts = [documents[0].text.split("।")[0] + "।", documents[-1].text * 2]
    alone = [model.tag([text], tokenizer)[0] for text in texts]
    together = model.tag(texts, tokenizer)
    assert [d["mentions"] for d in alone] == [d["mentions"] for d in together]
    encoded = [encode_text(t, tokenizer) for t in texts]
    from train.model.tagging import score_windows

    encoded.sort(key=lambda text: len(text.words))
    one = score_windows(model, tokenizer, encoded[:1], batch_tokens=4096)[0][0]
    two = score_windows(model, tokenizer, encoded, batch_tokens=100_000)[0][0]
    np.testing.assert_allclose(one.mentions, two.mentions, atol=1e-5)
    np.testing.assert_array_equal(one.candidates, two.candidates)
    np.testing.assert_allclose(one.relations, two.relations, atol=1e-5)


def test_the_loss_of_a_batch_is_the_sum_of_its_windows_losses(built, documents, schema) -> None:
    model, tokenizer = built
    made, _ = examples(_part(documents), tokenizer, model.config, schema)
    by_length = sorted(made, key=lambda e: e.window.last - e.window.first)
    pair = [by_length[0], by_length[-1]]

    def losses(chosen):
        with torch.no_grad():
            return model(**batch(chosen, tokenizer, model.config)).losses

    together, parts = losses(pair), [losses([example]) for example in pair]
    for name, value in together.items():
        assert float(value) == pytest.approx(sum(float(part[name]) for part in parts), rel=1e-4), name


def _part(documents, **fields) -> Part:
    return Part("toy", "train", documents, fields.get("layers", LAYERS), fields.get("types"))


def _losses(model, tokenizer, part, schema: Schema) -> dict[str, float]:
    made, _ = examples(part, tokenizer, model.config, schema)
    with torch.no_grad():
        output = model(**batch(made[:6], tokenizer, model.config))
    return {name: float(value) for name, value in output.losses.items()}


def test_losses_are_taken_only_where_the_source_speaks(built, documents, schema) -> None:
    model, tokenizer = built
    full = _losses(model, tokenizer, _part(documents), schema)
    assert all(value > 0 for value in full.values())
    names = _losses(model, tokenizer, _part(documents, layers=("mentions",)), schema)
    assert names["relations"] == names["identities"] == 0
    assert names["mentions"] == pytest.approx(full["mentions"], rel=1e-5)
    few = _losses(model, tokenizer, _part(documents, types=("PER",)), schema)
    assert 0 < few["mentions"] < full["mentions"] / 2


def test_of_relations_with_types_that_a_source_leaves_out_it_teaches_nothing(built, documents, schema) -> None:
    model, tokenizer = built
    document = next(d for d in documents if sum(m.type == "PER" for m in d.mentions) > 1)
    people = replace(document, mentions=tuple(m for m in document.mentions if m.type == "PER"), relations=())
    made, _ = examples(_part([people], types=("PER",)), tokenizer, model.config, schema)
    inputs = batch(made[:1], tokenizer, model.config)
    with torch.no_grad():
        output = model(**inputs)
    output.relation_logits = torch.zeros_like(output.relation_logits)
    gold, candidates = len(made[0].mentions), int(output.candidate_mask.sum())
    assert candidates > gold > 1
    for likely, told in (("PER", candidates), ("GPE", gold)):
        output.mention_logits = torch.zeros_like(output.mention_logits)
        output.mention_logits[..., model.config.mention_types.index(likely)] = 1.0
        expected = told * (told - 1) * len(model.config.relation_types) * np.log(2)
        assert float(pair_losses(output, inputs["labels"], 1.0)["relations"]) == pytest.approx(expected, rel=1e-4)


def test_loss_falls_when_the_gold_is_predicted(built, documents, schema) -> None:
    model, tokenizer = built
    made, _ = examples(_part(documents[:1]), tokenizer, model.config, schema)
    inputs = batch(made[:1], tokenizer, model.config)
    labels = inputs["labels"]
    b, n = inputs["word_mask"].shape
    width, types = model.config.max_span_width, len(model.config.mention_types)
    logits = torch.full((b, n, width, types), -9.0)
    for span, type_ in zip(labels["spans"][0], labels["types"][0], strict=True):
        logits[0, span // width, span % width, type_] = 9.0
    valid = torch.ones(b, n, width, dtype=torch.bool)
    perfect = mention_loss(logits, valid, labels)
    assert perfect < 5 < mention_loss(torch.zeros_like(logits), valid, labels)
    candidates = labels["spans"]
    relation = torch.where(labels["adjacency"], 9.0, -9.0)
    status = torch.nn.functional.one_hot(labels["status"].clamp(min=0), 4) * 18.0
    identity = torch.where(labels["entity"][:, :, None] == labels["entity"][:, None], 9.0, -9.0)
    output = RajnitiOutput(
        mention_logits=logits, candidates=candidates, candidate_mask=candidates >= 0, relation_logits=relation,
        status_logits=status, identity_logits=identity,
    )  # fmt: skip
    gold = pair_losses(output, labels, 1.0)
    assert all(value < 3 for value in gold.values()), gold
    output.relation_logits = -relation
    output.identity_logits = -identity
    wrong = pair_losses(output, labels, 1.0)
    assert wrong["relations"] > 100
    assert wrong["identities"] > 5


def test_gold_spans_are_candidates_in_training_and_directions_are_kept(built, documents, schema) -> None:
    model, tokenizer = built
    made, _ = examples(_part(documents), tokenizer, model.config, schema)
    inputs = batch(made, tokenizer, model.config)
    with torch.no_grad():
        output = model(**inputs)
    for row, spans in enumerate(inputs["labels"]["spans"]):
        gold = set(spans[spans >= 0].tolist())
        assert gold <= set(output.candidates[row].tolist())
    symmetric = {i for i, s in enumerate(model.config.symmetric_relations()) if s}
    adjacency = inputs["labels"]["adjacency"]
    both_ways = (adjacency & adjacency.transpose(1, 2)).any(0).any(0).any(0).nonzero().flatten().tolist()
    assert set(both_ways) <= symmetric


def test_ledger_names_what_windows_and_width_put_out_of_reach(built, documents) -> None:
    model, tokenizer = built
    document = max(documents, key=lambda d: len(d.relations))
    encoded = encode_text(document.text, tokenizer)
    whole = coverage(document, encoded, [Window(0, len(encoded.words))], model.config)
    assert whole.ceiling("mentions") == whole.ceiling("relations") == 1.0
    pieces = coverage(document, encoded, cut(encoded, max_tokens=20, overlap_tokens=0), model.config)
    assert pieces.ceiling("relations") < 1
    assert pieces.to_dict()["relations"]["lost"]["window_edge"] > 0
    narrow = type(model.config)(**{**model.config.to_dict(), "max_span_width": 1})
    lost = coverage(document, encoded, [Window(0, len(encoded.words))], narrow).to_dict()
    wide = sum(len(document.surface(m).split()) > 1 for m in document.mentions)
    assert lost["mentions"]["lost"]["span_width"] >= wide > 0


def _scores(n: int, mentions: dict, config, candidates=(), relations=None) -> WindowScores:
    width, types, r = config.max_span_width, len(config.mention_types), len(config.relation_types)
    probabilities = np.zeros((n, width, types), dtype=np.float32)
    for (first, w, type_), p in mentions.items():
        probabilities[first, w, config.mention_types.index(type_)] = p
    k = len(candidates)
    table = np.zeros((k, k, r), dtype=np.float32)
    for (i, j, name), p in (relations or {}).items():
        table[i, j, config.relation_types.index(name)] = p
    statuses = np.zeros((k, k, 4), dtype=np.float32)
    statuses[..., 2] = 1
    flat = np.array([first * width + w for first, w in candidates], dtype=np.int64)
    return WindowScores(Window(0, n), probabilities, flat, table, statuses, np.zeros((k, k), dtype=np.float32))


def test_of_crossing_spans_the_better_stays_and_nested_ones_both(built) -> None:
    config = built[0].config
    scores = _scores(6, {(0, 2, "PARTY"): 0.9, (2, 1, "GPE"): 0.95, (4, 1, "ORG"): 0.8, (5, 0, "PER"): 0.7}, config)
    encoded = encode_text("ক খ গ ঘ ঙ চ", built[1])

    def kept() -> list[tuple[int, int, str]]:
        return [(s.first, s.last, config.mention_types[s.type]) for s in choose_spans(encoded, [scores], config)]

    assert kept() == [(2, 3, "GPE"), (4, 5, "ORG"), (5, 5, "PER")]
    config.nestings = [["EVENT", "GPE"]]
    assert kept() == [(2, 3, "GPE"), (4, 5, "ORG")]
    config.nestings = None


def test_no_mention_goes_on_over_the_end_of_its_sentence(built) -> None:
    config = built[0].config
    scores = _scores(5, {(0, 3, "PARTY"): 0.9, (3, 1, "GPE"): 0.7}, config)
    encoded = encode_text("ক খ। গ ঘ", built[1])
    assert [(s.first, s.last) for s in choose_spans(encoded, [scores], config)] == [(3, 4)]


def test_equal_names_make_a_likely_link_surer(built) -> None:
    encoded = encode_text("চীনের কথা চীনকে", built[1])
    same = [Span(0, 0, 1, 1.0, 1.0), Span(2, 2, 1, 1.0, 1.0)]
    assert cluster(same, encoded, {(0, 1): 0.2}, 0.5) == [0, 0]
    assert cluster(same, encoded, {(0, 1): 0.0005}, 0.5) == [0, 1]
    other = [Span(0, 0, 1, 1.0, 1.0), Span(1, 1, 1, 1.0, 1.0)]
    assert cluster(other, encoded, {(0, 1): 0.2}, 0.5) == [0, 1]


def test_a_name_that_begins_or_ends_another_makes_a_link_surer_too(built) -> None:
    encoded = encode_text("শিউলি ওরাওঁ ওরাওঁকে শিউলির সরকার শিউলি নদী", built[1])
    full, last, first, middle = (
        Span(0, 1, 1, 1.0, 1.0),
        Span(2, 2, 1, 1.0, 1.0),
        Span(3, 3, 1, 1.0, 1.0),
        Span(4, 6, 1, 1.0, 1.0),
    )
    assert cluster([full, last], encoded, {(0, 1): 0.1}, 0.5) == [0, 0]
    assert cluster([full, first], encoded, {(0, 1): 0.1}, 0.5) == [0, 0]
    assert cluster([first, middle], encoded, {(0, 1): 0.1}, 0.5) == [0, 1]


def test_a_mention_joins_the_entity_of_its_best_link(built) -> None:
    encoded = encode_text("ক খ গ ঘ", built[1])
    spans = [Span(i, i, 1, 1.0, 1.0) for i in range(4)]
    assert cluster(spans, encoded, {(0, 2): 0.6, (1, 3): 0.9, (0, 3): 0.7, (2, 3): 0.7}, 0.5) == [0, 1, 0, 1]


def test_decoding_keeps_signatures_and_states_symmetric_relations_once(built) -> None:
    model, tokenizer = built
    encoded = encode_text("করিম রহিম ঢাকা মন্ত্রী", tokenizer)
    mentions = {(0, 0, "PER"): 0.9, (1, 0, "PER"): 0.9, (2, 0, "GPE"): 0.9, (3, 0, "POST"): 0.9}
    relations = {
        (0, 1, "meets"): 0.9, (1, 0, "meets"): 0.8,  # symmetric: once
        (0, 3, "holds_post"): 0.9, (3, 0, "holds_post"): 0.9,  # only PER to POST is allowed
        (2, 0, "member_of"): 0.9,  # GPE to PER is not
        (0, 2, "visits"): 0.4,  # below the threshold
    }  # fmt: skip
    scores = _scores(4, mentions, model.config, [(i, 0) for i in range(4)], relations)
    found = decode(encoded, [scores], model.config)
    assert [(r["type"], r["head"], r["tail"], r["status"]) for r in found["relations"]] == [
        ("meets", "m1", "m2", "unrealised"),
        ("holds_post", "m1", "m4", "unrealised"),
    ]
    assert found["relations"][0]["score"] == pytest.approx(0.85 * 0.9 * 0.9, abs=1e-3)


def test_mentions_that_no_window_saw_together_are_one_entity_by_bare_name(built) -> None:
    tokenizer = built[1]
    encoded = encode_text("চীনের কথা চীনকে ভারত", tokenizer)
    spans = [Span(0, 0, 1, 1.0, 1.0), Span(2, 2, 1, 1.0, 1.0), Span(3, 3, 1, 1.0, 1.0)]
    assert cluster(spans, encoded, {}, 0.5) == [0, 0, 1]
    assert cluster(spans, encoded, {(0, 2): 0.9, (1, 2): 0.9}, 0.5) == [0, 0, 0]


def test_given_mentions_are_kept_and_only_pairs_are_predicted(built, documents) -> None:
    model, tokenizer = built
    document = documents[3]
    given = [(m.start, m.end, m.type) for m in document.mentions]
    found = model.tag([document.text], tokenizer, given=[given])[0]
    assert [(m["start"], m["end"], m["type"]) for m in found["mentions"]] == given
    with pytest.raises(ValueError, match="does not start and end at words"):
        model.tag([document.text], tokenizer, given=[[(0, 1, "PER")]])


@pytest.mark.parametrize("part", ["types", "product", "context"])
def test_a_pair_part_that_is_left_out_has_no_weights_and_the_rest_works(built, documents, part: str) -> None:
    config = RajnitiConfig(**{**built[0].config.to_dict(), "pair_parts": [p for p in built[0].config.pair_parts if p != part]})
    smaller = RajnitiModel(config).eval()
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in built[0].parameters())
    assert smaller.tag([documents[0].text], built[1])[0]["text"] == documents[0].text
