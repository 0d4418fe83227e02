"""Replies of an encoder-decoder network, and beam search for both architectures."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig

from tests.chat.test_engine import favour
from tests.conftest import dialogue, small_bart, small_module
from yuhee import bundle
from yuhee.chat import selection
from yuhee.chat.companion import Companion
from yuhee.chat.engine import Decoding, Engine, forbidden_tokens
from yuhee.chat.quantised import Int8Linear
from yuhee.chat.selection import make_engine, torch_engine
from yuhee.chat.seq2seq_engine import Seq2SeqEngine
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.seq2seq import Seq2SeqEncoder
from yuhee.errors import UserError
from yuhee.evaluation.generation import generate, prompts
from yuhee.evaluation.likelihood import score_replies
from yuhee.evaluation.questions import ask
from yuhee.evaluation.token_picture import seen_tokens

PLAIN: dict[str, Any] = {"repetition_penalty": 1.0, "no_repeat_ngram": 10_000}
TALKS = [
    dialogue("안녕", "응 안녕", "밥은 먹었어?\n뭐 먹었는데", "라면 먹었어 :) 맛있더라", "고마워", "헐"),
    dialogue("오늘 너무 힘들었어ㅠㅠ", "무슨 일 있었어?", emotion="1", name="d:2"),
]


@pytest.fixture
def talker(tiny_tokenizer: Tokenizer) -> bundle.Model:
    """An untrained BART whose likeliest tokens are likely enough to matter."""
    module = small_bart(Seq2SeqEncoder(tiny_tokenizer, max_length=64))
    torch.nn.init.normal_(module.network.get_input_embeddings().weight, std=0.6)
    return bundle.Model(module.network.eval(), module.encoder, module.description())


def _prompts(model: bundle.Model) -> list[list[int]]:
    return prompts(Companion(model), ask(TALKS), Decoding())


def _settings(model: bundle.Model, **values: Any) -> GenerationConfig:
    encoder = model.encoder
    rows = model.network.get_output_embeddings().weight.shape[0]
    later, first = (tokens.nonzero().flatten().tolist() for tokens in forbidden_tokens(rows, encoder))
    return GenerationConfig(
        max_new_tokens=20,
        do_sample=False,
        suppress_tokens=later,
        begin_suppress_tokens=sorted({*first, encoder.newline_id}),
        eos_token_id=encoder.end_id,
        pad_token_id=encoder.special_ids()["pad_token_id"],
        decoder_start_token_id=encoder.end_id,
        **values,
    )


def _without_end(ids: Sequence[int], end: int) -> list[int]:
    return list(itertools.takewhile(lambda token: token != end, ids))


@pytest.mark.parametrize("beams", [1, 3])
def test_greedy_and_beam_replies_are_those_of_transformers(talker: bundle.Model, beams: int) -> None:
    settings = _settings(talker, num_beams=beams, early_stopping=beams > 1)
    talker.network.generation_config = GenerationConfig()
    engine = make_engine(talker)
    assert isinstance(engine, Seq2SeqEngine)
    for prompt in _prompts(talker):
        theirs = talker.network.generate(torch.tensor([prompt]), generation_config=settings)[0, 1:].tolist()
        ours = list(engine.stream(prompt, Decoding(greedy=True, beams=beams, max_new_tokens=20, **PLAIN)))
        assert ours == _without_end(theirs, talker.encoder.end_id)
        assert ours


def test_settings_that_came_with_a_checkpoint_change_no_beam(talker: bundle.Model) -> None:
    decoding = Decoding(beams=3, max_new_tokens=12, **PLAIN)
    [prompt, *_] = _prompts(talker)
    plain = list(make_engine(talker).stream(prompt, decoding))
    talker.network.generation_config = GenerationConfig(
        repetition_penalty=9.0, no_repeat_ngram_size=1, min_length=12, length_penalty=-3.0, forced_eos_token_id=1
    )
    assert list(make_engine(talker).stream(prompt, decoding)) == plain


def test_a_wider_beam_finds_a_likelier_reply(encoder: CausalLMEncoder) -> None:
    """Of two tokens, the worse first one leads to the sure second one."""
    network = small_module(encoder).network.eval()
    engine = torch_engine(network, encoder)
    assert isinstance(engine, Engine)
    found = []
    for beams in (1, 4):
        decoding = Decoding(greedy=True, beams=beams, max_new_tokens=4, **PLAIN)
        torch.manual_seed(3)
        torch.nn.init.normal_(network.get_input_embeddings().weight, std=0.3)
        prompt = encoder.prompt([Turn("user", "오늘 너무 힘들었어ㅠㅠ")])
        reply = list(engine.stream(prompt, decoding))
        with torch.inference_mode():
            shares = network(torch.tensor([prompt + reply])).logits[0].log_softmax(-1)
        found.append(sum(float(shares[len(prompt) - 1 + n, token]) for n, token in enumerate(reply)) / len(reply))
    assert found[1] >= found[0]
    assert list(engine.stream(prompt, decoding, seed=7)) == reply


@pytest.mark.parametrize("beams", [0, 1.5, 101])
def test_impossible_beams_are_refused(beams: float) -> None:
    with pytest.raises(UserError, match="beams="):
        Decoding(beams=beams).check()  # type: ignore[arg-type]


@pytest.mark.parametrize("decoding", [Decoding(greedy=True), Decoding(temperature=1.5), Decoding(beams=3)])
def test_batched_replies_are_those_of_the_chat_token_for_token(talker: bundle.Model, decoding: Decoding) -> None:
    shown = _prompts(talker)
    replies = generate(talker, shown, decoding, seed=5)
    assert len({len(prompt) for prompt in shown}) > 2
    for row, (prompt, reply) in enumerate(zip(shown, replies, strict=True)):
        assert reply.ids == list(make_engine(talker).stream(prompt, decoding, 5 + row))


def test_a_begun_reply_goes_on_as_if_it_had_been_said(talker: bundle.Model) -> None:
    shown = _prompts(talker)
    decoding = Decoding(greedy=True, max_new_tokens=10, **PLAIN)
    whole = [reply.ids for reply in generate(talker, shown, decoding)]
    rest = generate(talker, shown, decoding, begun=[ids[:2] for ids in whole])
    for ids, reply in zip(whole, rest, strict=True):
        assert reply.ids[: len(ids) - 2] == ids[2:]


def test_a_reply_says_no_marker_is_never_empty_and_ends(talker: bundle.Model) -> None:
    encoder, engine = talker.encoder, make_engine(talker)
    [prompt, *_] = _prompts(talker)
    with_end = favour(talker.network, [encoder.end_id])
    assert len(list(engine.stream(prompt, Decoding()))) == 1
    with_end.remove()
    with_marker = favour(talker.network, [encoder.markers["<unused4>"], encoder.newline_id])
    reply = list(engine.stream(prompt, Decoding(max_new_tokens=5, **PLAIN), seed=1))
    assert encoder.newline_id != reply[0]
    assert reply[1:] == [encoder.newline_id] * 4
    with_marker.remove()
    without_end = favour(talker.network, [encoder.end_id], by=-math.inf)
    assert len(list(engine.stream(prompt, Decoding(max_new_tokens=300)))) == 64
    without_end.remove()


def test_a_conversation_reads_what_was_said(talker: bundle.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    companion = Companion(talker)
    session = companion.session(exchanges=4)
    first = "".join(session.say(Turn("user", "안녕"), Decoding(max_new_tokens=6), seed=1))
    shown = session.prompt(Turn("user", "고마워"), Decoding())
    said = [Turn("user", "안녕"), Turn("assistant", first), Turn("user", "고마워")]
    assert shown == talker.encoder.prompt(said)
    long = [{"role": "user", "content": "오늘 너무 힘들었어 " * 80}]
    assert companion.reply(long, max_new_tokens=60, seed=1) == companion.reply(long, max_new_tokens=60, seed=1)
    assert "".join(companion.stream("안녕", beams=2, max_new_tokens=6)).strip()


def test_smaller_weights_and_the_other_engine(
    talker: bundle.Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(selection, "SMALL", 0)
    [prompt, *_] = _prompts(talker)
    engine = make_engine(talker)
    assert isinstance(engine, Seq2SeqEngine)
    assert isinstance(engine.network.get_output_embeddings(), Int8Linear)
    assert list(engine.stream(prompt, Decoding(max_new_tokens=3)))
    assert isinstance(make_engine(talker, "ctranslate2"), Seq2SeqEngine)
    assert "bart" in caplog.text


def test_a_reply_costs_what_transformers_says(talker: bundle.Model) -> None:
    scores = score_replies(talker, TALKS)
    assert [set(each) for each in scores] == [{1, 3, 5}, {1}]
    for talk, each in zip(TALKS, scores, strict=True):
        for place, score in each.items():
            ids = torch.tensor([talker.encoder.prompt(talk.turns[:place])])
            labels = torch.tensor([[*talker.encoder.reply_ids(talk.turns[place].text), talker.encoder.end_id]])
            with torch.inference_mode():
                nats = talker.network(ids, labels=labels).loss.item() * labels.shape[1]
            assert score.bits == pytest.approx(nats / math.log(2), rel=1e-4)
            assert score.tokens == labels.shape[1]


def test_the_picture_shows_what_is_read_and_how_likely_each_word_was(talker: bundle.Model) -> None:
    tokens = seen_tokens(talker, TALKS[0])
    reply = talker.encoder.reply_ids("헐")
    assert [token.probability is None for token in tokens[-len(reply) - 2 :]] == [True, *[False] * (len(reply) + 1)]
    bits = -sum(math.log2(token.probability) for token in tokens if token.probability is not None)
    assert bits == pytest.approx(score_replies(talker, TALKS)[0][5].bits, rel=1e-4)
