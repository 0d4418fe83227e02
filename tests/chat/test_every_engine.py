"""What holds for a reply, whichever engine generates it."""

import math
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from tests.chat.conftest import padded_rows, wanting
from yuhee import bundle
from yuhee.chat.engine import Decoding, ReplyEngine, forbidden_tokens
from yuhee.chat.session import Memory, Session
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder

Make = Callable[[bundle.Model], ReplyEngine]
PLAIN = {"repetition_penalty": 1.0, "no_repeat_ngram": 1000}
PROMPT = [300, 301, 302]


def greedy(**values: float) -> Decoding:
    return Decoding(**{"greedy": True, "max_new_tokens": 12, **PLAIN, **values})  # type: ignore[arg-type]


def test_no_control_marker_and_no_padding_is_ever_said(make: Make, encoder: CausalLMEncoder) -> None:
    banned = forbidden_tokens(padded_rows(encoder), encoder)[0].nonzero().flatten().tolist()
    assert padded_rows(encoder) - 1 in banned
    assert encoder.markers["<usr>"] in banned
    engine = make(wanting(encoder, {**dict.fromkeys(banned, 1000.0), encoder.end_id: -1000.0}))
    for decoding in (greedy(), Decoding(max_new_tokens=100, temperature=2.0, top_p=1.0)):
        reply = list(engine.stream(PROMPT, decoding))
        assert len(reply) == decoding.max_new_tokens
        assert not set(reply) & set(banned)


def test_a_reply_is_never_empty_and_ends_at_the_end(make: Make, encoder: CausalLMEncoder) -> None:
    engine = make(wanting(encoder, {encoder.end_id: 1000.0, 310: 500.0}))
    assert list(engine.stream(PROMPT, greedy())) == [310]
    assert list(engine.stream(PROMPT, Decoding())) == [310]


def test_a_reply_may_hold_line_breaks_but_not_begin_with_one(make: Make, encoder: CausalLMEncoder) -> None:
    engine = make(wanting(encoder, {encoder.newline_id: 1000.0, 310: 500.0}))
    for decoding in (greedy(max_new_tokens=3), Decoding(max_new_tokens=3, **PLAIN)):  # type: ignore[arg-type]
        assert list(engine.stream(PROMPT, decoding)) == [310, encoder.newline_id, encoder.newline_id]


@pytest.mark.parametrize(("length", "limit"), [(3, 1), (3, 17), (100, 64), (127, 64), (128, 64), (400, 64)])
def test_a_reply_ends_at_its_limit_and_at_the_last_position(
    make: Make, encoder: CausalLMEncoder, length: int, limit: int
) -> None:
    engine = make(wanting(encoder, {310: 500.0}))
    assert len(list(engine.stream([300] * length, greedy(max_new_tokens=limit)))) == max(0, min(limit, 128 - length))


@pytest.mark.parametrize("seed", [None, 0])
def test_words_are_drawn_as_often_as_their_probability_says(
    make: Make, encoder: CausalLMEncoder, seed: int | None
) -> None:
    wanted = {310: 12.0, 311: 11.0, 312: 10.5, 313: 9.5}
    model = wanting(encoder, wanted, positions=1024)
    decoding = Decoding(temperature=1.5, top_p=0.8, max_new_tokens=500, repetition_penalty=1.0, no_repeat_ngram=1000)
    scores = model.network(torch.tensor([PROMPT])).logits[:, -1].detach()
    scores[:, forbidden_tokens(scores.shape[1], encoder)[0]] = -torch.inf
    kept = TopPLogitsWarper(0.8)(None, TemperatureLogitsWarper(1.5)(None, scores)).softmax(-1)[0]
    counts = Counter(make(model).stream(PROMPT, decoding, seed))
    assert set(counts) == set(kept.nonzero().flatten().tolist()) == {310, 311, 312}
    for token, count in counts.items():
        expected = 500 * kept[token].item()
        assert abs(count - expected) < 5 * math.sqrt(expected)


def test_a_seed_gives_the_same_reply_and_another_seed_another(make: Make, trained: bundle.Model) -> None:
    engine, prompt = make(trained), trained.encoder.prompt([Turn("user", "나는 사")])
    decoding = Decoding(temperature=3.0, top_p=1.0, max_new_tokens=20)
    replies = [tuple(engine.stream(prompt, decoding, seed)) for seed in (0, 1, 0)]
    assert replies[0] == replies[2] != replies[1]
    assert len({tuple(engine.stream(prompt, decoding)) for _ in range(4)}) > 1


def test_the_prompt_does_not_count_as_repetition(make: Make, encoder: CausalLMEncoder) -> None:
    engine = make(wanting(encoder, {310: 20.0, 311: 15.0, 312: 10.0}))
    prompt = [310, 310, 310, 310]
    assert next(iter(engine.stream(prompt, greedy(repetition_penalty=10.0)))) == 310
    assert list(engine.stream(prompt, greedy(repetition_penalty=1.5, max_new_tokens=3))) == [310, 311, 310]
    assert list(engine.stream(prompt, greedy(no_repeat_ngram=1, max_new_tokens=3))) == [310, 311, 312]
    assert list(engine.stream(prompt, greedy(no_repeat_ngram=2, max_new_tokens=4))) == [310, 310, 311, 310]


def test_a_reply_left_in_the_middle_spoils_nothing(make: Make, trained: bundle.Model) -> None:
    engine, prompt = make(trained), trained.encoder.prompt([Turn("user", "나는 가")])
    whole = list(engine.stream(prompt, greedy()))
    assert len(whole) > 3
    stopped = engine.stream(prompt, greedy())
    assert list(islice(stopped, 2)) == whole[:2]
    stopped.close()  # type: ignore[attr-defined]
    assert list(engine.stream(prompt, greedy())) == whole


def test_two_replies_at_once_do_not_mix(make: Make, trained: bundle.Model) -> None:
    engine = make(trained)
    prompts = [trained.encoder.prompt([Turn("user", text)]) for text in ("나는 가", "유희는 바")]
    alone = [list(engine.stream(prompt, greedy())) for prompt in prompts]
    assert alone[0] != alone[1]
    streams = [engine.stream(prompt, greedy()) for prompt in prompts]
    mixed: list[list[int]] = [[], []]
    for _ in range(13):
        for reply, stream in zip(mixed, streams, strict=True):
            reply += [token for token in [next(stream, None)] if token is not None]
    assert mixed == alone


def test_a_session_takes_back_and_forgets(make: Make, trained: bundle.Model) -> None:
    session = Session(make(trained), trained.encoder, Memory(5, 100))

    def say(text: str) -> str:
        return "".join(session.say(Turn("user", text), greedy()))

    first, second = say("나는 가"), say("너는 나")
    assert session.undo() == Turn("user", "너는 나")
    assert say("너는 나") == second
    session.reset()
    assert say("나는 가") == first
    assert [turn.text for turn in session.turns] == ["나는 가", first]
