import pytest

from tests.conftest import dialogue
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.errors import UserError
from yuhee.evaluation.questions import ask
from yuhee.evaluation.result import Question


def test_every_learned_reply_is_asked_with_all_that_was_said_before() -> None:
    turns = (
        Turn("system", "밤이다"),
        Turn("user", "안녕", emotion="1"),
        Turn("assistant", "응 안녕", weight=0),
        Turn("user", "뭐 해?"),
        Turn("user", "자?"),
        Turn("assistant", "아니"),
    )
    [asked] = ask([Dialogue("d:7", turns)])
    context = (("system", "밤이다"), ("user", "안녕"), ("assistant", "응 안녕"), ("user", "뭐 해?"), ("user", "자?"))
    assert asked.question == Question("d:7#1", context, None, "아니", 1)
    assert asked.dialogue.turns[asked.turn].text == "아니"


def test_the_emotion_is_that_of_the_last_user_turn() -> None:
    first, second = ask([dialogue("슬퍼", "왜?", "몰라", "그렇구나", emotion="1")])
    assert (first.question.emotion, second.question.emotion) == ("1", "1")
    assert (first.question.exchange, second.question.exchange) == (0, 1)


def test_a_sample_is_the_same_every_time_and_keeps_the_order() -> None:
    dialogues = [dialogue(f"질문 {n}", f"답 {n}", name=f"d:{n:02}") for n in range(50)]
    ids = [asked.question.id for asked in ask(dialogues, limit=10, seed=3)]
    assert ids == [asked.question.id for asked in ask(dialogues, limit=10, seed=3)]
    assert len(set(ids)) == 10
    assert ids == sorted(ids)
    assert ids != [asked.question.id for asked in ask(dialogues, limit=10, seed=4)]
    assert len(ask(dialogues, limit=80)) == 50


def test_an_empty_test_split_is_told() -> None:
    silent = Dialogue("d:1", (Turn("user", "안녕"), Turn("assistant", "응", weight=0)))
    for nothing in ([], [silent]):
        with pytest.raises(UserError, match="평가할 답이 하나도 없습니다"):
            ask(nothing)
