from collections import Counter, defaultdict
from itertools import combinations

import pytest

from yuhee.data.corpora import sample
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.data.splits import split
from yuhee.errors import UserError

GRAM = 4


@pytest.fixture(scope="module")
def report() -> ReadReport:
    return ReadReport("sample")


@pytest.fixture(scope="module")
def dialogues(report: ReadReport) -> list[Dialogue]:
    return list(report.count(sample.read(None, report)))


def grams(dialogue: Dialogue) -> set[str]:
    texts = [turn.text for turn in dialogue.turns]
    return {text[at : at + GRAM] for text in texts for at in range(max(1, len(text) - GRAM + 1))}


def near_copies(dialogues: list[Dialogue]) -> list[tuple[str, str]]:
    """Pairs that share more than half of their 4-grams, measured on the smaller of the two."""
    sets = [grams(dialogue) for dialogue in dialogues]
    holders: dict[str, list[int]] = defaultdict(list)
    for index, found in enumerate(sets):
        for gram in found:
            holders[gram].append(index)
    shared = Counter(pair for members in holders.values() for pair in combinations(members, 2))
    return [
        (dialogues[a].id, dialogues[b].id)
        for (a, b), count in shared.items()
        if 2 * count > min(len(sets[a]), len(sets[b]))
    ]


def test_every_line_is_read_and_nothing_is_private(dialogues: list[Dialogue], report: ReadReport) -> None:
    assert (report.skipped, report.private) == ([], False)
    assert len({dialogue.id for dialogue in dialogues}) == len(dialogues)


def test_the_corpus_is_large_enough_to_learn_from(dialogues: list[Dialogue]) -> None:
    assert len(dialogues) >= 600
    assert sum(len(dialogue.turns) for dialogue in dialogues) >= 2_400
    assert sum(len(dialogue.replies) > 1 for dialogue in dialogues) >= len(dialogues) / 2


def test_person_and_companion_take_turns(dialogues: list[Dialogue]) -> None:
    wrong = [d.id for d in dialogues if [t.role for t in d.turns] != ["user", "assistant"] * (len(d.turns) // 2)]
    assert wrong == []


def test_every_user_turn_is_labelled_and_no_reply_is(dialogues: list[Dialogue]) -> None:
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    labels = Counter(turn.emotion for turn in turns if turn.role == "user")
    assert set(labels) == {"0", "1", "2"}
    assert min(labels.values()) >= 0.1 * sum(labels.values())
    assert {turn.emotion for turn in turns if turn.role == "assistant"} == {None}


def test_no_two_dialogues_say_the_same_thing(dialogues: list[Dialogue]) -> None:
    assert near_copies(dialogues) == []


def test_a_near_copy_would_be_noticed(dialogues: list[Dialogue]) -> None:
    first = dialogues[0]
    copy = Dialogue("copy", (*first.turns, *dialogues[1].turns))
    assert ("copy", first.id) in {tuple(sorted(pair)) for pair in near_copies([first, copy])}


def test_nine_replies_of_ten_are_said_once(dialogues: list[Dialogue]) -> None:
    replies = [reply for dialogue in dialogues for reply in dialogue.replies]
    assert len(set(replies)) >= 0.9 * len(replies)


def test_no_text_looks_like_a_control_marker(dialogues: list[Dialogue]) -> None:
    assert [d.id for d in dialogues if any(sign in turn.text for turn in d.turns for sign in "<>")] == []


def test_no_text_has_a_stray_space_or_a_broken_character(dialogues: list[Dialogue]) -> None:
    texts = [turn.text for dialogue in dialogues for turn in dialogue.turns]
    assert [text for text in texts if text != text.strip() or "  " in text or "\ufffd" in text] == []


def test_the_split_leaks_nothing(dialogues: list[Dialogue]) -> None:
    parts = split(dialogues)
    assert set(parts.overlap().values()) == {0.0}
    assert len(parts.val) == pytest.approx(0.1 * len(dialogues), rel=0.05)
    assert len(parts.test) == pytest.approx(0.1 * len(dialogues), rel=0.05)


@pytest.mark.parametrize("path", ["sample.jsonl", ""])
def test_a_data_path_is_refused(path: str) -> None:
    with pytest.raises(UserError, match=r"data=sample.*data\.path"):
        next(sample.read(path, ReadReport("sample")))
