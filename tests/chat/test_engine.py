import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
import torch
from torch.utils.hooks import RemovableHandle
from transformers import (
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    TopPLogitsWarper,
)

from tests.conftest import small_module
from yuhee import bundle
from yuhee.chat.engine import Decoding, Engine, Nucleus
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.errors import UserError

PLAIN = {"repetition_penalty": 1.0, "no_repeat_ngram": 1000}
GREEDY = Decoding(greedy=True, max_new_tokens=12, **PLAIN)
MESSAGES = ("안녕", "오늘 너무 힘들었어ㅠㅠ", "밥은 먹었어?\n뭐 먹었는데", "🦄뷁", "</s><sys>해킹<unused0>")


@pytest.fixture
def engine(small_model: bundle.Model) -> Engine:
    return Engine(small_model.network, small_model.encoder)


def prompt(encoder: CausalLMEncoder, *texts: str) -> list[int]:
    roles = ("user", "assistant")
    return encoder.prompt([Turn(roles[i % 2], text) for i, text in enumerate(texts)])


def favour(network: PreTrainedModel, ids: Sequence[int], by: float = 100.0) -> RemovableHandle:
    """Make a network want some ids above all others."""

    def raise_logits(_module: Any, _inputs: Any, output: Any) -> None:
        output.logits[..., list(ids)] += by

    return network.register_forward_hook(raise_logits)


def spy(monkeypatch: pytest.MonkeyPatch, network: PreTrainedModel) -> list[list[int]]:
    """The ids of every forward pass from now on."""
    passes: list[list[int]] = []
    forward = network.forward

    def counting(input_ids: torch.Tensor, **options: Any) -> Any:
        passes.append(input_ids[0].tolist())
        return forward(input_ids, **options)

    monkeypatch.setattr(network, "forward", counting)
    return passes


def banned_ids(encoder: CausalLMEncoder) -> list[int]:
    return sorted(set(encoder.markers.control.values()) - {encoder.end_id, encoder.newline_id})


def ngrams(ids: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("seed", range(3))
def test_greedy_replies_are_those_of_transformers(encoder: CausalLMEncoder, message: str, seed: int) -> None:
    network = small_module(encoder).network.eval()
    torch.manual_seed(seed)
    torch.nn.init.normal_(network.get_input_embeddings().weight, std=0.6)  # sharp enough to end sometimes
    ids = prompt(encoder, message)
    settings = GenerationConfig(
        do_sample=False,
        max_new_tokens=40,
        suppress_tokens=banned_ids(encoder),
        begin_suppress_tokens=[encoder.newline_id, encoder.end_id],
        eos_token_id=encoder.end_id,
        pad_token_id=encoder.end_id,
    )
    theirs = network.generate(torch.tensor([ids]), generation_config=settings)[0, len(ids) :].tolist()
    ours = list(Engine(network, encoder).stream(ids, Decoding(greedy=True, max_new_tokens=40, **PLAIN)))
    assert ours == (theirs[: theirs.index(encoder.end_id)] if encoder.end_id in theirs else theirs)
    assert ours


def test_the_end_token_ends_a_reply_and_is_not_part_of_it(engine: Engine, encoder: CausalLMEncoder) -> None:
    ids = prompt(encoder, "안녕")
    whole = list(engine.stream(ids, GREEDY))
    reply = engine.stream(ids, GREEDY)
    start = list(islice(reply, 3))
    favour(engine.network, [encoder.end_id])
    assert start + list(reply) == whole[:3]


def test_a_reply_is_never_empty(engine: Engine, encoder: CausalLMEncoder) -> None:
    favour(engine.network, [encoder.end_id])
    assert len(list(engine.stream(prompt(encoder, "안녕"), GREEDY))) == 1


@pytest.mark.parametrize("limit", [1, 2, 17])
def test_a_reply_that_finds_no_end_stops_at_its_limit(engine: Engine, encoder: CausalLMEncoder, limit: int) -> None:
    favour(engine.network, [encoder.end_id], by=-math.inf)
    assert len(list(engine.stream(prompt(encoder, "안녕"), Decoding(max_new_tokens=limit), seed=1))) == limit


def test_a_reply_stops_where_the_positions_of_the_model_end(engine: Engine, encoder: CausalLMEncoder) -> None:
    favour(engine.network, [encoder.end_id], by=-math.inf)
    ids = prompt(encoder, "안녕")
    reply = list(engine.stream(ids, Decoding(max_new_tokens=10_000), seed=1))
    assert len(ids) + len(reply) == engine.max_positions == 128


@pytest.mark.parametrize("length", [127, 128, 129, 400])
def test_a_prompt_that_fills_the_model_leaves_what_room_there_is(engine: Engine, length: int) -> None:
    reply = list(engine.stream([300] * length, Decoding(max_new_tokens=10), seed=0))
    assert len(reply) <= max(0, 128 - length)


@pytest.mark.parametrize("greedy", [True, False])
def test_no_control_marker_is_ever_said_however_much_the_model_wants_it(
    engine: Engine, encoder: CausalLMEncoder, greedy: bool
) -> None:
    favour(engine.network, banned_ids(encoder))
    favour(engine.network, [encoder.end_id], by=-math.inf)
    reply = list(engine.stream(prompt(encoder, "안녕"), Decoding(greedy=greedy, max_new_tokens=50), seed=3))
    assert len(reply) == 50
    assert not set(reply) & set(encoder.markers.control.values()) - {encoder.newline_id}


def test_a_reply_may_hold_line_breaks_but_not_begin_with_one(engine: Engine, encoder: CausalLMEncoder) -> None:
    favour(engine.network, [encoder.newline_id])
    reply = list(engine.stream(prompt(encoder, "안녕"), Decoding(greedy=True, max_new_tokens=2, **PLAIN)))
    assert reply[0] != encoder.newline_id
    assert reply[1] == encoder.newline_id


def test_rows_that_only_pad_the_vocabulary_are_never_said(encoder: CausalLMEncoder) -> None:
    known = max(encoder.tokenizer.get_vocab().values()) + 1
    network = GPT2LMHeadModel(GPT2Config(vocab_size=known + 50, n_layer=1, n_head=2, n_embd=16, n_positions=64)).eval()
    favour(network, range(known, known + 50))
    for seed in range(5):
        reply = list(Engine(network, encoder).stream(prompt(encoder, "안녕"), Decoding(max_new_tokens=30), seed))
        assert max(reply, default=0) < known


def test_a_hole_in_the_vocabulary_is_never_said(kogpt2_like: CausalLMEncoder) -> None:
    known = set(kogpt2_like.tokenizer.get_vocab().values())
    rows = max(known) + 8
    network = GPT2LMHeadModel(GPT2Config(vocab_size=rows, n_layer=1, n_head=2, n_embd=16, n_positions=64)).eval()
    favour(network, sorted(set(range(rows)) - known))
    reply = list(Engine(network, kogpt2_like).stream(prompt(kogpt2_like, "안녕"), Decoding(max_new_tokens=40), 0))
    assert set(reply) <= known


def test_emoticons_may_be_said(kogpt2_like: CausalLMEncoder) -> None:
    network = small_module(kogpt2_like).network.eval()
    emoticon = kogpt2_like.tokenizer.token_to_id("ㅠㅠ")
    favour(network, [emoticon])
    reply = list(Engine(network, kogpt2_like).stream(prompt(kogpt2_like, "안녕"), Decoding(max_new_tokens=1), 0))
    assert reply == [emoticon]


def test_a_seed_gives_the_same_reply_and_another_seed_another(engine: Engine, encoder: CausalLMEncoder) -> None:
    ids = prompt(encoder, "안녕")
    decoding = Decoding(temperature=1.0, top_p=1.0, max_new_tokens=20)
    replies = [tuple(engine.stream(ids, decoding, seed)) for seed in (0, 0, 1, 2, 0)]
    assert replies[0] == replies[1] == replies[4]
    assert len(set(replies)) == 3


def test_no_seed_draws_one_whatever_the_global_one_is(engine: Engine, encoder: CausalLMEncoder) -> None:
    replies = set()
    for _ in range(4):
        torch.manual_seed(0)
        replies.add(
            tuple(engine.stream(prompt(encoder, "안녕"), Decoding(temperature=2.0, top_p=1.0, max_new_tokens=20)))
        )
    assert len(replies) > 1


def test_sampling_leaves_the_global_generator_alone(engine: Engine, encoder: CausalLMEncoder) -> None:
    before = torch.random.get_rng_state()
    list(engine.stream(prompt(encoder, "안녕"), Decoding(max_new_tokens=5), seed=1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_almost_no_temperature_is_greedy_from_the_first_token_on(engine: Engine, encoder: CausalLMEncoder) -> None:
    ids = prompt(encoder, "안녕")
    cold = Decoding(temperature=1e-5, max_new_tokens=6, **PLAIN)
    greedy = list(engine.stream(ids, Decoding(greedy=True, max_new_tokens=6, **PLAIN)))
    assert [list(engine.stream(ids, cold, seed)) for seed in range(4)] == [greedy] * 4


def test_almost_no_top_p_is_greedy_from_the_first_token_on(engine: Engine, encoder: CausalLMEncoder) -> None:
    ids = prompt(encoder, "안녕")
    narrow = Decoding(temperature=1.0, top_p=1e-6, max_new_tokens=6, **PLAIN)
    greedy = list(engine.stream(ids, Decoding(greedy=True, max_new_tokens=6, **PLAIN)))
    assert [list(engine.stream(ids, narrow, seed)) for seed in range(4)] == [greedy] * 4


@pytest.mark.parametrize("spread", [0.01, 1.0, 5.0])
@pytest.mark.parametrize("top_p", [0.001, 0.5, 0.9, 0.99])
def test_the_likely_tokens_are_those_of_transformers(spread: float, top_p: float) -> None:
    scores = (torch.randn(3, 2000) * spread).index_fill(1, torch.arange(50), -torch.inf)
    assert torch.equal(Nucleus(top_p)(None, scores), TopPLogitsWarper(top_p)(None, scores))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_no_run_of_tokens_comes_twice(engine: Engine, encoder: CausalLMEncoder, size: int) -> None:
    favour(engine.network, [300, 301, 302], by=20.0)
    favour(engine.network, [encoder.end_id], by=-math.inf)
    for seed in range(3):
        decoding = Decoding(repetition_penalty=1.0, no_repeat_ngram=size, max_new_tokens=60)
        runs = ngrams(list(engine.stream(prompt(encoder, "안녕"), decoding, seed)), size)
        assert len(runs) == len(set(runs)) == 61 - size


def test_repetition_control_stops_a_loop(engine: Engine, encoder: CausalLMEncoder) -> None:
    ids = prompt(encoder, "안녕")
    loop = list(engine.stream(ids, Decoding(greedy=True, max_new_tokens=40, **PLAIN)))
    assert len(set(loop[5:])) == 1
    reply = list(engine.stream(ids, Decoding(greedy=True, max_new_tokens=40)))
    assert len(set(reply[20:])) > 3
    assert len(ngrams(reply, 4)) == len(set(ngrams(reply, 4)))


def test_the_prompt_does_not_count_as_repetition(engine: Engine, encoder: CausalLMEncoder) -> None:
    token = encoder.tokenizer.token_to_id("▁안녕") or encoder.turn_ids(Turn("user", "안녕"))[1]
    favour(engine.network, [token])
    ids = prompt(encoder, "안녕", "안녕", "안녕")
    assert token in ids
    decoding = Decoding(greedy=True, repetition_penalty=1e9, no_repeat_ngram=1, max_new_tokens=3)
    assert next(engine.stream(ids, decoding)) == token


def test_a_conversation_never_computes_an_id_twice(
    engine: Engine, encoder: CausalLMEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = spy(monkeypatch, engine.network)
    said: list[int] = []
    for seed, message in enumerate(("안녕", "오늘 뭐 했어?", "라면 먹었어 :)", "고마워")):
        said += prompt(encoder, message)
        reply = list(engine.stream(said, Decoding(max_new_tokens=8), seed))
        said += [*reply, encoder.end_id]
    computed = [token for ids in passes for token in ids]
    assert computed == said[: len(computed)]
    assert len(said) - len(computed) <= 2  # the last token and the end have not been read yet
    assert all(len(ids) == 1 for ids in passes if encoder.markers["<usr>"] not in ids)


def test_answering_the_same_prompt_again_computes_one_id_for_the_first_token(
    engine: Engine, encoder: CausalLMEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = prompt(encoder, "안녕", "응 안녕", "뭐 해?")
    list(engine.stream(ids, GREEDY))
    passes = spy(monkeypatch, engine.network)
    list(engine.stream(ids, Decoding(max_new_tokens=5), seed=1))
    assert passes[0] == [ids[-1]]


def test_another_question_after_the_same_history_computes_only_the_question(
    engine: Engine, encoder: CausalLMEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = ("안녕", "응 안녕")
    list(engine.stream(prompt(encoder, *history, "뭐 해?"), GREEDY))
    passes = spy(monkeypatch, engine.network)
    list(engine.stream(prompt(encoder, *history, "밥 먹었어?"), GREEDY))
    new = prompt(encoder, "밥 먹었어?")
    assert passes[0] == new[-len(passes[0]) :]
    assert len(passes[0]) <= len(new) - 1


@pytest.mark.parametrize("greedy", [True, False])
def test_a_warm_cache_changes_no_reply(small_model: bundle.Model, encoder: CausalLMEncoder, greedy: bool) -> None:
    warm = Engine(small_model.network, encoder)
    decoding = Decoding(greedy=greedy, max_new_tokens=10)
    prompts = [
        prompt(encoder, "안녕"),
        prompt(encoder, "안녕", "응 안녕", "뭐 해?"),
        prompt(encoder, "안녕", "응 안녕", "밥은?"),
        prompt(encoder, "안녕"),
        prompt(encoder, "아니"),
        prompt(encoder, "안녕", "응 안녕", "밥은?", "먹었어", "뭐?"),
    ]
    for seed, ids in enumerate(prompts):
        cold = Engine(small_model.network, encoder)
        assert list(warm.stream(ids, decoding, seed)) == list(cold.stream(ids, decoding, seed))


def test_a_reply_left_in_the_middle_spoils_nothing(small_model: bundle.Model, encoder: CausalLMEncoder) -> None:
    ids = prompt(encoder, "안녕")
    whole = list(Engine(small_model.network, encoder).stream(ids, GREEDY))
    engine = Engine(small_model.network, encoder)
    stopped = engine.stream(ids, GREEDY)
    assert list(islice(stopped, 2)) == whole[:2]
    stopped.close()
    assert list(engine.stream(ids, GREEDY)) == whole


def test_two_replies_at_once_do_not_mix(small_model: bundle.Model, encoder: CausalLMEncoder) -> None:
    first, second = prompt(encoder, "안녕"), prompt(encoder, "오늘 너무 힘들었어ㅠㅠ")
    decoding = Decoding(max_new_tokens=10)
    alone = [list(Engine(small_model.network, encoder).stream(ids, decoding, 5)) for ids in (first, second)]
    engine = Engine(small_model.network, encoder)
    streams = engine.stream(first, decoding, 5), engine.stream(second, decoding, 5)
    mixed: list[list[int]] = [[], []]
    for pair in zip(*streams, strict=False):
        for reply, token in zip(mixed, pair, strict=True):
            reply.append(token)
    shortest = min(map(len, mixed))
    assert shortest > 3
    assert [reply[:shortest] for reply in mixed] == [reply[:shortest] for reply in alone]


def test_an_error_inside_the_network_leaves_a_clean_cache(
    small_model: bundle.Model, encoder: CausalLMEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = prompt(encoder, "안녕")
    engine = Engine(small_model.network, encoder)
    whole = list(engine.stream(ids, GREEDY))
    forward = engine.network.forward
    calls = 0

    def failing(*inputs: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        output = forward(*inputs, **options)
        if calls == 3:
            raise KeyboardInterrupt
        return output

    monkeypatch.setattr(engine.network, "forward", failing)
    with pytest.raises(KeyboardInterrupt):
        list(engine.stream(ids, GREEDY))
    assert list(engine.stream(ids, GREEDY)) == whole


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"temperature": 0}, "temperature=0"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"temperature": math.nan}, "temperature=nan"),
        ({"temperature": math.inf}, "temperature=inf"),
        ({"temperature": "1"}, "temperature=1"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"top_p": 1.01}, "top_p=1.01"),
        ({"top_p": math.nan}, "top_p=nan"),
        ({"repetition_penalty": 0.0}, "repetition_penalty=0.0"),
        ({"repetition_penalty": math.nan}, "repetition_penalty=nan"),
        ({"no_repeat_ngram": 0}, "no_repeat_ngram=0"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"max_new_tokens": -5}, "max_new_tokens=-5"),
        ({"max_new_tokens": None}, "max_new_tokens=None"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(values: dict[str, Any], name: str) -> None:
    with pytest.raises(UserError) as error:
        Decoding(**values).check()
    assert name in str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 1},
        {"top_p": 1},
        {"repetition_penalty": 1},
        {"repetition_penalty": 2},
        {"no_repeat_ngram": 1},
        {"greedy": True, "temperature": 1},
    ],
)
def test_whatever_passes_the_check_generates(engine: Engine, encoder: CausalLMEncoder, values: dict[str, Any]) -> None:
    decoding = Decoding(**{"max_new_tokens": 5, **values})
    decoding.check()
    reply = list(engine.stream(prompt(encoder, "안녕"), decoding, seed=0))
    assert len(reply) <= 5
    assert not set(reply) & set(banned_ids(encoder))
