"""What a reply has in common with the training replies, against a search that tries everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.evaluation import copying
from yuhee.evaluation.copying import TrainingReplies, plain

TEXTS = st.lists(st.text("가나 \nㅋ\0😊", max_size=10), max_size=6)


def longest(reply: str, training: list[str]) -> int:
    reply = plain(reply)
    stretches = [reply[i:j] for i in range(len(reply)) for j in range(i + 1, len(reply) + 1)]
    return max((len(s) for s in stretches if any(s in plain(text) for text in training)), default=0)


@given(TEXTS, TEXTS, st.sampled_from([1, 8, 2**22]))
def test_longest_copies_are_those_of_an_exhaustive_search(replies: list[str], training: list[str], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "BLOCK", block)
        found = TrainingReplies(training).longest_copies(replies)
    assert found.tolist() == [longest(reply, training) for reply in replies]


def test_a_stretch_does_not_run_from_one_training_reply_into_the_next() -> None:
    assert TrainingReplies(["가나", "다라"]).longest_copies(["가나다라", "나 다"]).tolist() == [2, 1]


def test_white_space_and_composition_do_not_hide_a_copy() -> None:
    training = TrainingReplies(["밥은\n먹었어?"])
    assert " 밥은  먹었어? " in training
    assert "밥은 먹었어?" in training  # jamo
    assert "밥은 먹었어" not in training
    assert len(TrainingReplies(["가", " 가", "나"])) == 2
