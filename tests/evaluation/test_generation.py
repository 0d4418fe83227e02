import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.test_engine import favour
from tests.conftest import dialogue
from yuhee import bundle
from yuhee.chat.companion import Companion
from yuhee.chat.engine import Decoding, Engine
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.evaluation.generation import TOKENS, generate, prompts, seconds_alone
from yuhee.evaluation.likelihood import by_tokens
from yuhee.evaluation.questions import ask

GREEDY = Decoding(greedy=True, max_new_tokens=16)
TALKS = [
    dialogue("안녕", "응 안녕", "밥은 먹었어?\n뭐 먹었는데", "라면 먹었어 :) 맛있더라", "고마워", "헐"),
    dialogue("오늘 너무 힘들었어ㅠㅠ", "무슨 일 있었어?", emotion="1", name="d:2"),
    Dialogue("d:3", (Turn("assistant", "먼저 말할게"), Turn("user", "응"), Turn("assistant", "뭐 해?"))),
    Dialogue("d:4", (Turn("system", "밤이다"), Turn("assistant", "자?"), Turn("assistant", "자냐고"))),
]


@pytest.mark.parametrize("decoding", [GREEDY, Decoding(temperature=1.5, max_new_tokens=16)])
def test_batched_replies_are_those_of_the_chat_token_for_token(small_model: bundle.Model, decoding: Decoding) -> None:
    companion = Companion(small_model)
    shown = prompts(companion, ask(TALKS), decoding)
    replies = generate(small_model, shown, decoding, seed=5)
    assert len({len(prompt) for prompt in shown}) > 3
    for row, (prompt, reply) in enumerate(zip(shown, replies, strict=True)):
        alone = list(Engine(small_model.network, small_model.encoder).stream(prompt, decoding, 5 + row))
        assert reply.ids == alone
        assert reply.ids


def test_prompts_are_what_a_conversation_would_have_shown(small_model: bundle.Model) -> None:
    companion = Companion(small_model)
    talk = TALKS[0]
    shown = prompts(companion, ask([talk]), GREEDY)
    for prompt, turn in zip(shown, (1, 3, 5), strict=True):
        assert prompt == small_model.encoder.prompt(talk.turns[:turn])
    [opening, _] = prompts(companion, ask([TALKS[2]]), GREEDY)
    assert opening == small_model.encoder.prompt([])


def test_a_reply_is_finished_if_the_end_token_came(small_model: bundle.Model) -> None:
    questions = [small_model.encoder.prompt([Turn("user", text)]) for text in ("안녕", "오늘 너무 힘들었어ㅠㅠ")]
    with_end = favour(small_model.network, [small_model.encoder.end_id])
    replies = generate(small_model, questions, GREEDY)
    with_end.remove()
    assert [(len(reply.ids), reply.finished) for reply in replies] == [(1, True), (1, True)]
    word = small_model.encoder.tokenizer.token_to_id("어")
    with_word = favour(small_model.network, [word])
    replies = generate(small_model, questions, Decoding(greedy=True, max_new_tokens=3))
    with_word.remove()
    assert [(reply.ids, reply.finished) for reply in replies] == [([word] * 3, False)] * 2


def test_a_prompt_that_fills_the_positions_gets_no_more_than_fits(small_model: bundle.Model) -> None:
    token = small_model.encoder.prompt([Turn("user", "안녕")])[1]
    limit = small_model.network.config.max_position_embeddings
    replies = generate(small_model, [[token] * limit, [token] * (limit - 2), [token] * 5], GREEDY)
    assert (replies[0].ids, replies[0].finished) == ([], False)
    assert len(replies[1].ids) <= 2
    assert replies[2].ids


def test_no_questions_and_the_seconds_of_some(small_model: bundle.Model) -> None:
    companion = Companion(small_model)
    assert generate(small_model, [], GREEDY) == []
    assert seconds_alone(companion, [], GREEDY, 0) == []
    seconds = seconds_alone(companion, prompts(companion, ask(TALKS), GREEDY), GREEDY, 0)
    assert len(seconds) == 8
    assert min(seconds) > 0


@given(st.lists(st.integers(1, 3 * TOKENS), max_size=40))
def test_batches_hold_everything_once_and_no_more_than_is_allowed(lengths: list[int]) -> None:
    batches = list(by_tokens(lengths, TOKENS))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[row] for row in batch) * len(batch) <= TOKENS
