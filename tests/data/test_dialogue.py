from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue
from yuhee.data.chains import chained
from yuhee.data.dialogue import Dialogue, Turn, group_keys, normalize_question, windows, without_some_emotions
from yuhee.data.digests import corpus_hash


def test_a_turn_is_nfc_with_plain_line_breaks() -> None:
    turn = Turn("user", "\u1112\u1161\u11ab\r\n글\r끝")
    assert turn.text == "한\n글\n끝"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"role": "bot", "text": "a"}, "역할이"),
        ({"role": "user", "text": " \n"}, "비어 있습니다"),
        ({"role": "user", "text": 3}, "비어 있습니다"),
        ({"role": "user", "text": "a\ud800"}, "서로게이트"),
        ({"role": "assistant", "text": "a", "weight": 2}, "weight는 0이나 1"),
    ],
)
def test_a_bad_turn_says_what_is_wrong(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Turn(**values)


def test_a_system_turn_stands_first_only() -> None:
    with pytest.raises(ValueError, match=r"차례 1이\(가\) system입니다"):
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


def talks(*lengths: int) -> list[Dialogue]:
    """Dialogues of so many exchanges, each with words of its own."""
    return [
        dialogue(*(f"{place}번째 대화의 말 {turn}" for turn in range(2 * length)), name=f"t:{place}")
        for place, length in enumerate(lengths)
    ]


@given(st.lists(st.integers(1, 5), max_size=40), st.floats(0, 0.99), st.randoms())
def test_chains_lose_no_turn_and_depend_on_no_order(lengths: list[int], share: float, random: Random) -> None:
    dialogues = talks(*lengths)
    chains = chained(dialogues, share)
    shuffled = random.sample(dialogues, len(dialogues))
    assert chained(shuffled, share) == chains
    assert sorted(t.text for c in chains for t in c.turns) == sorted(t.text for d in dialogues for t in d.turns)
    assert max((len(c.turns) for c in chains), default=0) <= 2 * max(lengths, default=0)
    assert sorted(name for c in chains for name in c.id.split("+")) == sorted(d.id for d in dialogues)


def test_about_the_share_that_was_asked_for_goes_on_from_another_dialogue() -> None:
    dialogues = talks(*[1] * 400, 50)
    assert len(chained(dialogues, 0.0)) == 401
    assert 401 - len(chained(dialogues, 0.5)) == pytest.approx(200, abs=30)


def test_a_setting_stays_at_the_beginning() -> None:
    told = [
        Dialogue(f"s:{n}", (Turn("system", f"설정 {n}"), Turn("user", f"안녕 {n}"), Turn("assistant", f"응 {n}")))
        for n in range(20)
    ]
    assert len(chained([*told, *talks(30)], 0.99)) >= 20


def test_windows_learn_each_reply_once_with_as_much_history_as_asked() -> None:
    said = dialogue("하나", "둘", "셋", "넷", "다섯", "여섯")
    alone = windows(said, 0)
    assert [(w.id, w.questions, w.replies) for w in alone] == [
        ("d:1#0", ("하나",), ("둘",)),
        ("d:1#1", ("셋",), ("넷",)),
        ("d:1#2", ("다섯",), ("여섯",)),
    ]
    last = windows(said, 1)[2]
    assert [(turn.text, turn.weight) for turn in last.turns] == [("셋", 1), ("넷", 0), ("다섯", 1), ("여섯", 1)]
    assert [len(w.turns) for w in windows(said, 9)] == [2, 4, 6]


def test_a_window_keeps_the_setting_and_bursts_and_skips_what_is_not_learned() -> None:
    turns = (
        Turn("system", "친구"),
        Turn("assistant", "먼저"),
        Turn("user", "가"),
        Turn("user", "나"),
        Turn("assistant", "다"),
        Turn("assistant", "라"),
        Turn("user", "마"),
        Turn("assistant", "바", weight=0),
    )
    found = windows(Dialogue("d", turns), 0)
    assert [[turn.text for turn in w.turns] for w in found] == [["친구", "먼저"], ["친구", "가", "나", "다", "라"]]
