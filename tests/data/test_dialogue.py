import pytest

from tests.conftest import dialogue
from yuhee.data.dialogue import Dialogue, Turn, corpus_hash, group_keys, normalize_question, without_some_emotions


def test_a_turn_is_nfc_with_plain_line_breaks() -> None:
    turn = Turn("user", "\u1112\u1161\u11ab\r\n글\r끝")
    assert turn.text == "한\n글\n끝"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"role": "bot", "text": "a"}, "role is none of"),
        ({"role": "user", "text": " \n"}, "blank"),
        ({"role": "user", "text": 3}, "blank"),
        ({"role": "user", "text": "a\ud800"}, "lone surrogate"),
        ({"role": "assistant", "text": "a", "weight": 2}, "weight 2"),
    ],
)
def test_a_bad_turn_says_what_is_wrong(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Turn(**values)


def test_a_system_turn_stands_first_only() -> None:
    with pytest.raises(ValueError, match="turn 1 is a system turn"):
        Dialogue("d", (Turn("user", "a"), Turn("system", "b")))


def test_questions_are_the_same_without_spaces_and_punctuation() -> None:
    assert normalize_question("밥 먹었어??") == normalize_question("밥먹었어") == "밥먹었어"
    assert normalize_question("...") == "..."


def test_group_keys_tell_questions_from_replies() -> None:
    keys = group_keys((Turn("system", "s"), Turn("user", "응 !"), Turn("assistant", "응"), Turn("user", "응")))
    assert keys == ("q:응", "a:응")


def test_corpus_hash_ignores_order_and_ids_but_not_content() -> None:
    a, b = dialogue("가", "나"), dialogue("다", "라")
    assert corpus_hash([a, b]) == corpus_hash([b, dialogue("가", "나", name="other")])
    assert corpus_hash([a, b]) != corpus_hash([a])
    assert corpus_hash([a]) != corpus_hash([dialogue("가", "나", emotion="1")])


def test_emotion_dropout_hides_the_same_labels_every_time_and_changes_nothing_else() -> None:
    whole = [dialogue(f"질문 {n}", "답", f"또 {n}", "답", emotion="1", name=f"d:{n}") for n in range(200)]
    partly = [without_some_emotions(each, 0.5) for each in whole]
    assert partly == [without_some_emotions(each, 0.5) for each in whole]
    labels = [turn.emotion for each in partly for turn in each.turns if turn.role == "user"]
    assert 140 < labels.count(None) < 260
    assert [[t.text for t in each.turns] for each in partly] == [[t.text for t in each.turns] for each in whole]
    assert [without_some_emotions(each, 0.0) for each in whole] == whole
    assert all(turn.emotion is None for turn in without_some_emotions(whole[0], 1.0).turns)
