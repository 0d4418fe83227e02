import logging
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue
from yuhee.data.corpora import songys
from yuhee.data.dialogue import Dialogue, Turn, normalize_question
from yuhee.data.dialogue_store import stored
from yuhee.data.report import ReadReport
from yuhee.data.splits import Split, group, split
from yuhee.errors import UserError

Content = tuple[tuple[str, str, str | None], ...]


def content(dialogue: Dialogue) -> Content:
    return tuple((turn.role, turn.text, turn.emotion) for turn in dialogue.turns)


def contents(parts: Split) -> list[list[Content]]:
    return [[content(dialogue) for dialogue in part] for part in (parts.train, parts.val, parts.test)]


def keyed(name: str, *keys: str, emotion: str | None = None) -> Dialogue:
    """A dialogue that says its name and has these keys."""
    return Dialogue(name, (Turn("user", name, emotion=emotion), Turn("assistant", name)), keys)


def distinct(count: int, emotion: str | None = None, start: int = 0) -> list[Dialogue]:
    return [
        dialogue(f"질문 {number}", f"답 {number}", emotion=emotion, name=f"{start}:{number}")
        for number in range(start, start + count)
    ]


def groups_of(dialogues: Sequence[Dialogue]) -> list[list[str]]:
    members: dict[int, list[str]] = defaultdict(list)
    for each, first in zip(dialogues, group(stored(dialogues)).tolist(), strict=True):
        members[first].append(each.id)
    return sorted(map(sorted, members.values()), key=lambda g: (-len(g), g))


WORDS = st.sampled_from(["안녕", "안녕!", "응", "ㅋㅋ", "밥 먹었어?", "밥먹었어", "헤어졌어", "좋아해", "왜", "그냥"])
DIALOGUES = st.lists(
    st.tuples(st.lists(WORDS, min_size=2, max_size=4), st.sampled_from(["0", "1", "2", None])), min_size=1, max_size=40
).map(
    lambda specs: [
        dialogue(*texts, f"꼬리 {number}", emotion=label, name=f"d:{number}")
        for number, (texts, label) in enumerate(specs)
    ]
)


def attempt(dialogues: list[Dialogue]) -> Split | None:
    """The split, or None where the dialogues hang together in fewer than three groups."""
    try:
        return split(dialogues)
    except UserError:
        assert len(groups_of(dialogues)) < 3
        return None


@given(DIALOGUES)
def test_every_dialogue_is_in_exactly_one_part(dialogues: list[Dialogue]) -> None:
    if parts := attempt(dialogues):
        assert Counter(d.id for d in [*parts.train, *parts.val, *parts.test]) == Counter(d.id for d in dialogues)
        assert all((parts.train, parts.val, parts.test))


@given(DIALOGUES)
def test_no_group_is_torn(dialogues: list[Dialogue]) -> None:
    if parts := attempt(dialogues):
        sides = {d.id: side for side, part in enumerate((parts.train, parts.val, parts.test)) for d in part}
        assert all(len({sides[name] for name in members}) == 1 for members in groups_of(dialogues))


@given(DIALOGUES)
def test_dialogues_that_share_a_key_are_one_group_unless_it_would_be_too_large(dialogues: list[Dialogue]) -> None:
    groups = groups_of(dialogues)
    assert max(map(len, groups)) <= 20
    home = {name: index for index, members in enumerate(groups) for name in members}
    homes: dict[str, set[int]] = defaultdict(set)
    for each in dialogues:
        for key in each.group_keys:
            homes[key].add(home[each.id])
    for found in homes.values():
        assert len(found) == 1 or sum(len(groups[index]) for index in found) > 20


@given(DIALOGUES, st.randoms(use_true_random=False), st.integers(0, 3))
def test_neither_the_order_of_the_file_nor_ids_matter(
    dialogues: list[Dialogue], shuffler: random.Random, seed: int
) -> None:
    if attempt(dialogues) is None:
        return
    changed = [
        Dialogue(f"x{number}", each.turns, each.group_keys, "other", {"n": 1}) for number, each in enumerate(dialogues)
    ]
    shuffler.shuffle(changed)
    assert contents(split(changed, seed=seed)) == contents(split(dialogues, seed=seed))
    assert contents(split(changed, by="row", seed=seed)) == contents(split(dialogues, by="row", seed=seed))


def test_the_order_in_which_a_groups_labels_are_added_does_not_matter() -> None:
    keys = ["k2", "k2", "k2", "k1", "k0", "k2", "k1", "k2", "k3", "k2", "k3", "k0"]
    labels = ["3", "03", "0", "1", "2", "0", "2", "1", "30", "0", "0", "00"]
    dialogues = []
    for number, (key, emotions) in enumerate(zip(keys, labels, strict=True)):
        exchanges = [
            (Turn("user", f"질문 {number}-{at}", emotion=emotion), Turn("assistant", f"답 {number}-{at}"))
            for at, emotion in enumerate(emotions)
        ]
        dialogues.append(Dialogue(str(number), tuple(turn for pair in exchanges for turn in pair), (key,)))
    assert contents(split(dialogues[::-1])) == contents(split(dialogues))


def test_groups_that_hold_the_same_words_beside_others_do_not_depend_on_order() -> None:
    rooms = [
        Dialogue(f"{room}:{text}", (Turn("user", text), Turn("assistant", f"답 {text}")), (f"방 {room}",))
        for room in range(8)
        for text in ("안녕", "응", "ㅋㅋ", "뭐해", f"우리 얘기 {room}")
    ]
    expected = contents(split(rooms))
    for seed in range(20):
        shuffled = random.Random(seed).sample(rooms, len(rooms))
        assert contents(split(shuffled)) == expected


def test_keys_join_dialogues_across_others() -> None:
    chain = [keyed("a", "1"), keyed("b", "1", "2"), keyed("c", "2", "2"), keyed("d"), keyed("e")]
    assert groups_of(chain) == [["a", "b", "c"], ["d"], ["e"]]


def test_a_question_and_the_same_words_as_a_reply_are_not_joined() -> None:
    assert groups_of([dialogue("응", "왜", name="a"), dialogue("뭐해", "응", name="b")]) == [["a"], ["b"]]


def test_questions_join_without_spaces_and_punctuation_but_replies_only_exactly() -> None:
    found = groups_of(
        [
            dialogue("밥 먹었어??", "응", name="a"),
            dialogue("밥먹었어", "아니", name="b"),
            dialogue("뭐해", "아니!", name="c"),
            dialogue("어디야", "아니", name="d"),
        ]
    )
    assert found == [["a", "b", "d"], ["c"]]


@pytest.mark.parametrize(("corpus", "limit"), [(100, 20), (2_000, 20), (2_199, 21), (3_000, 30)])
def test_a_key_joins_up_to_a_hundredth_of_the_corpus_or_twenty(corpus: int, limit: int) -> None:
    def largest(holders: int) -> int:
        others = [keyed(f"other {number}") for number in range(corpus - holders)]
        return len(groups_of([keyed(f"{number}", "응") for number in range(holders)] + others)[0])

    assert largest(limit) == limit
    assert largest(limit + 1) == 1


def test_common_words_do_not_weld_a_chat_corpus_together() -> None:
    chats = [
        dialogue(f"{number}번 얘기", "응", "ㅋㅋ", f"답 {number // 2}", name=f"{number:03}") for number in range(300)
    ]
    assert groups_of(chats) == [[f"{number:03}", f"{number + 1:03}"] for number in range(0, 300, 2)]


@pytest.mark.parametrize("rare", ["드문 말", "펲시", "똠", "쓩", "뷁", "쀍", "귤", "핥"])
def test_rare_keys_join_before_common_ones(rare: str) -> None:
    crowd = [keyed(f"{number:02}", "흔한 말") for number in range(19)]
    found = groups_of([*crowd, keyed("둘", "흔한 말", rare), keyed("하나", rare)])
    assert found == [["둘", "하나"], *([f"{number:02}"] for number in range(19))]


def test_a_key_that_is_passed_over_does_not_stop_the_more_common_ones() -> None:
    def chain(name: str) -> list[Dialogue]:
        links = [keyed(f"{name}{at:02}", f"{name}:{at}", f"{name}:{at + 1}") for at in range(14)]
        return [*links, keyed(f"{name}14", f"{name}:14", "셋이 쓰는 말")]

    four = [keyed(f"d{number}", "넷이 쓰는 말") for number in range(4)]
    found = groups_of([*chain("a"), *chain("b"), keyed("c", "셋이 쓰는 말"), *four])
    assert [len(members) for members in found] == [15, 15, 4, 1]


def test_parts_are_80_10_10() -> None:
    parts = split(distinct(1_000))
    assert (len(parts.train), len(parts.val), len(parts.test)) == (800, 100, 100)


def test_ratios_are_followed() -> None:
    parts = split(distinct(1_000), ratios=(0.5, 0.2, 0.3))
    assert (len(parts.train), len(parts.val), len(parts.test)) == (500, 200, 300)


def test_parts_of_groups_are_about_80_10_10() -> None:
    dialogues = [keyed(f"{number}", f"k{number % 190}") for number in range(1_000)]
    parts = split(dialogues)
    assert [len(parts.train), len(parts.val), len(parts.test)] == pytest.approx([800, 100, 100], abs=6)


@pytest.mark.parametrize("seed", range(6))
def test_large_groups_are_dealt_before_small_ones_even_out_the_parts(seed: int) -> None:
    dialogues = [keyed(f"{number}", f"k{number % 10}" if number < 200 else f"{number}") for number in range(1_000)]
    parts = split(dialogues, seed=seed)
    assert [len(parts.train), len(parts.val), len(parts.test)] == [800, 100, 100]


def test_every_label_is_shared_out_alike() -> None:
    counts = {"0": 700, "1": 200, "2": 100}
    dialogues = [d for label, count in counts.items() for d in distinct(count, label, start=1_000 * int(label))]
    for part, share in zip(contents(split(dialogues)), (0.8, 0.1, 0.1), strict=True):
        labels = Counter(turns[0][2] for turns in part)
        assert {label: labels[label] for label in counts} == pytest.approx(
            {label: share * count for label, count in counts.items()}, abs=1
        )


def test_seeds_differ_and_repeat() -> None:
    dialogues = distinct(200)
    assert contents(split(dialogues, seed=1)) == contents(split(dialogues, seed=1))
    assert len({frozenset(content(d) for d in split(dialogues, seed=seed).test) for seed in range(5)}) == 5


def test_the_order_inside_a_part_is_not_the_files() -> None:
    dialogues = distinct(200)
    train = split(dialogues).train
    assert [d.id for d in train] != [d.id for d in dialogues if d in train]


def test_three_dialogues_make_three_parts() -> None:
    parts = split(distinct(3, "0"))
    assert [len(part) for part in contents(parts)] == [1, 1, 1]


@pytest.mark.parametrize("by", ["group", "row"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_dialogues_cannot_be_split(count: int, by: str) -> None:
    with pytest.raises(UserError, match=f"대화 {count}개가") as caught:
        split(distinct(count), by=by)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_fewer_than_three_groups_cannot_be_split() -> None:
    dialogues = [keyed(f"{number}", f"k{number % 2}") for number in range(10)]
    with pytest.raises(UserError, match="대화 10개가 서로 겹쳐 2묶음뿐"):
        split(dialogues)


def test_rows_tear_groups_apart_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    dialogues = [dialogue(f"질문 {number % 30}", f"답 {number}", name=f"{number}") for number in range(300)]
    with caplog.at_level(logging.WARNING):
        parts = split(dialogues, by="row")
    assert ["data.split.by=row" in record.getMessage() for record in caplog.records] == [True]
    assert (len(parts.train), len(parts.val), len(parts.test)) == (240, 30, 30)
    assert parts.overlap()["data/test_question_overlap"] > 0.5


def test_groups_do_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        split(distinct(30))
    assert caplog.records == []


def test_overlap_compares_questions_normalised_and_replies_exactly() -> None:
    parts = Split(
        train=[dialogue("밥 먹었어?", "응"), dialogue("잘자", "너도")],
        val=[dialogue("밥먹었어", "응."), dialogue("뭐해", "너도", "왜", "응")],
        test=[dialogue("응", "잘자"), Dialogue("s", (Turn("system", "잘자"), Turn("assistant", "그래")))],
    )
    assert parts.overlap() == {
        "data/val_question_overlap": 1 / 3,
        "data/val_reply_overlap": 2 / 3,
        "data/test_question_overlap": 0.0,
        "data/test_reply_overlap": 0.0,
    }


def test_overlap_of_parts_without_questions_is_zero() -> None:
    opening = Dialogue("o", (Turn("assistant", "먼저 왔어"),))
    assert Split([opening], [opening], [opening]).overlap() == {
        "data/val_question_overlap": 0.0,
        "data/val_reply_overlap": 1.0,
        "data/test_question_overlap": 0.0,
        "data/test_reply_overlap": 1.0,
    }


@cache
def published(folder: Path) -> list[Dialogue]:
    return list(songys.read(str(folder / "songys" / "ChatbotData.csv"), ReadReport("songys")))


def test_songys_shares_no_question_and_no_answer_between_parts(songys_data: Path) -> None:
    dialogues = published(songys_data)
    parts = split(dialogues)
    assert [len(part) for part in contents(parts)] == pytest.approx([9_400, 1_175, 1_175], abs=10)
    questions = [{normalize_question(q) for d in part for q in d.questions} for part in vars(parts).values()]
    answers = [{r for d in part for r in d.replies} for part in vars(parts).values()]
    for found in (questions, answers):
        assert not found[0] & found[1]
        assert not found[0] & found[2]
        assert not found[1] & found[2]
    assert set(parts.overlap().values()) == {0.0}
    whole = Counter(d.turns[0].emotion for d in dialogues)
    for part, share in zip(vars(parts).values(), (0.8, 0.1, 0.1), strict=True):
        labels = Counter(d.turns[0].emotion for d in part)
        assert [labels[x] for x in "012"] == pytest.approx([share * whole[x] for x in "012"], rel=0.03)


def test_by_row_half_of_the_answers_of_songys_leak(songys_data: Path) -> None:
    overlap = split(published(songys_data), by="row").overlap()
    assert overlap["data/val_reply_overlap"] == pytest.approx(0.5, abs=0.05)
    assert overlap["data/test_reply_overlap"] == pytest.approx(0.5, abs=0.05)


def test_shuffling_the_lines_of_songys_changes_nothing(songys_data: Path, tmp_path: Path) -> None:
    lines = (songys_data / "songys" / "ChatbotData.csv").read_bytes().split(b"\r\n")
    rows = lines[1:]
    random.Random(0).shuffle(rows)
    (tmp_path / "shuffled.csv").write_bytes(b"\r\n".join([lines[0], *rows]))
    shuffled = list(songys.read(str(tmp_path / "shuffled.csv"), ReadReport("songys")))
    assert [d.id for d in shuffled] != [d.id for d in published(songys_data)]
    for mine, theirs in zip(contents(split(shuffled)), contents(split(published(songys_data))), strict=True):
        assert set(mine) == set(theirs)
        assert len(mine) == len(theirs)
