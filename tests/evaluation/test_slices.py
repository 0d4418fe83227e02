from tests.conftest import dialogue
from yuhee.evaluation.questions import ask
from yuhee.evaluation.slices import slices


def test_each_question_stands_in_one_value_of_each_slice() -> None:
    train = [dialogue("밥 먹었어?", "응, 먹었어!"), dialogue("뭐 해", "자")]
    dialogues = [
        dialogue("밥 먹었어", "응 자", "뭐 해", "먹었어", emotion="1", name="d:a"),
        dialogue("밥 먹었어", "학교", name="d:b"),
        dialogue("바다 먹었어", "응" * 40, emotion="0", name="d:c"),
    ]
    found = slices([asked.question for asked in ask(dialogues)], train)
    assert found == {
        "감정": {"0": [3], "1": [0, 1], "없음": [2]},
        "답 길이": {"00–09자": [0, 1, 2], "40–자": [3]},
        "차례": {"이어지는 답": [1], "첫 답": [0, 2, 3]},
        "낱말": {"모두 학습에 있음": [0, 1], "처음 보는 말이 있음": [2, 3]},
    }


def test_a_slice_of_one_value_is_left_out() -> None:
    dialogues = [dialogue("밥", "응", name="d:a"), dialogue("밥", "응응", name="d:b")]
    assert slices([asked.question for asked in ask(dialogues)], dialogues) == {}


def test_lengths_are_classed_at_their_bounds_and_sorted() -> None:
    dialogues = [dialogue("밥", "가" * length, name=f"d:{length}") for length in (40, 39, 20, 19, 10, 9)]
    found = slices([asked.question for asked in ask(dialogues)], [])
    assert list(found["답 길이"].items()) == [
        ("00–09자", [5]),
        ("10–19자", [3, 4]),
        ("20–39자", [1, 2]),
        ("40–자", [0]),
    ]
