"""A few labelled examples of each class; the rest of the training split keeps its words."""

import logging
from collections import Counter

import pytest

from tests.conftest import dialogue
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.dialogue_store import Dialogues, spooled
from yuhee.data.encoding.labelled import labelled, unlabelled
from yuhee.data.few_shot import few_labels
from yuhee.data.splits import Split
from yuhee.errors import UserError

TRAIN = [dialogue(f"말 {n}", f"답 {n}", emotion=str(n % 3), name=f"d{n}") for n in range(30)]
TWO = Dialogue("two", (Turn("user", "가", emotion="0"), Turn("assistant", "응"), Turn("user", "나", emotion="0")))
SPLIT = Split([*TRAIN, TWO], TRAIN[:3], TRAIN[3:6])


def test_so_many_of_each_class_keep_their_label_and_all_their_words() -> None:
    few = few_labels(SPLIT, 4, seed=1)
    kept = list(labelled(few.train))
    assert Counter(each.label for each in kept) == {"0": 4, "1": 4, "2": 4}
    before = {each.id: (each.text, each.label) for each in labelled(SPLIT.train)}
    assert all(before[each.id] == (each.text, each.label) for each in kept)
    assert Counter([*(each.text for each in kept), *unlabelled(few.train)]) == Counter(
        text for text, _ in before.values()
    )
    assert [d.replies for d in few.train] == [d.replies for d in SPLIT.train]
    assert (few.val, few.test) == (SPLIT.val, SPLIT.test)


def test_columns_are_those_of_the_dialogues_as_they_are_seen() -> None:
    train = few_labels(SPLIT, 2, seed=1).train
    names = ("hash", "keys", "labels", "questions", "replies", "turns", "repeat")
    assert isinstance(train, Dialogues)
    for name in names:
        assert train.columns(name).equals(spooled(train).columns(name))


def test_the_seed_decides_the_draw() -> None:
    def drawn(seed: int) -> set[str]:
        return {each.id for each in labelled(few_labels(SPLIT, 3, seed).train)}

    assert drawn(1) == drawn(1)
    assert len({frozenset(drawn(seed)) for seed in range(5)}) > 1


def test_one_message_of_a_dialogue_may_keep_its_label_without_the_other() -> None:
    few = few_labels(Split([TWO, TRAIN[1], TRAIN[2]], [], []), 1, seed=0)
    assert Counter(turn.emotion for turn in few.train[0].turns if turn.role == "user") == {"0": 1, None: 1}


def test_a_small_class_is_taken_whole_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        few = few_labels(SPLIT, 11, seed=0)
    assert Counter(each.label for each in labelled(few.train)) == {"0": 11, "1": 10, "2": 10}
    assert "감정 1의 예는 10개뿐" in caplog.text


def test_an_empty_class_is_refused() -> None:
    with pytest.raises(UserError, match="감정 2의 예가 학습 부분에 하나도 없습니다"):
        few_labels(Split(TRAIN[:2], TRAIN[2:3], []), 1, seed=0)
