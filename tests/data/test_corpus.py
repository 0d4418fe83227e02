import json
from collections.abc import Iterator

import pytest

from tests.conftest import dialogue
from yuhee.data.corpus import Reader, read_corpus
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.digests import corpus_hash
from yuhee.data.report import ReadReport
from yuhee.errors import UserError


def reader(*dialogues: Dialogue, skipped: tuple[tuple[int, str], ...] = ()) -> Reader:
    def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
        for line, reason in skipped:
            report.skip(line, reason)
        yield from dialogues

    return read


def test_the_reader_gets_the_path_and_a_fresh_report() -> None:
    seen: list[tuple[str | None, ReadReport]] = []

    def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
        seen.append((path, report))
        yield dialogue("안녕", "응")

    corpus = read_corpus("내것", read, "a.csv")
    assert seen == [("a.csv", corpus.report)]
    assert corpus.report.source == "내것"


def test_dialogues_come_in_the_readers_order_with_counts_and_hash() -> None:
    given = [dialogue("안녕", "응", emotion="2", name="a"), dialogue("왜", "그냥", "아", "네", emotion="0", name="b")]
    corpus = read_corpus("x", reader(*given), None)
    assert corpus.dialogues == given
    assert corpus.hash == corpus_hash(given)
    assert (corpus.report.dialogues, corpus.report.turns, corpus.report.labels) == (2, 6, {"2": 1, "0": 2})
    assert corpus.emotion_labels == ["0", "2"]


def test_a_corpus_is_private_unless_its_reader_says_otherwise() -> None:
    def public(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
        report.private = False
        yield dialogue("안녕", "응")

    assert read_corpus("x", reader(dialogue("안녕", "응")), None).private
    assert not read_corpus("x", public, None).private


def test_dialogues_without_a_reply_to_learn_are_left_out_and_noted() -> None:
    mute = Dialogue("m", (Turn("user", "저기요"),))
    context = Dialogue("c", (Turn("user", "안녕"), Turn("assistant", "응", weight=0)))
    kept = Dialogue("k", (Turn("assistant", "먼저 왔어"),))
    corpus = read_corpus("x", reader(mute, context, kept), None)
    assert corpus.dialogues == [kept]
    assert corpus.hash == corpus_hash([kept])
    assert corpus.report.notes == ["배울 답이 없는 대화 2개를 뺐습니다."]


def test_labels_of_dialogues_that_were_left_out_are_not_offered() -> None:
    mute = Dialogue("m", (Turn("user", "저기요", emotion="9"),))
    assert read_corpus("x", reader(mute, dialogue("안녕", "응", emotion="0")), None).emotion_labels == ["0"]


def test_a_corpus_without_labels_has_none() -> None:
    assert read_corpus("x", reader(dialogue("안녕", "응")), None).emotion_labels == []


@pytest.mark.parametrize(
    ("path", "skipped", "message"),
    [
        ("a.csv", ((3, "열이 2개뿐입니다"), (4, "다른 이유")), "a.csv: .*3번째 줄: 열이 2개뿐입니다"),
        (None, (), "x: .*답이 있는 대화가 없습니다"),
    ],
)
def test_a_corpus_with_nothing_to_learn_is_one_sentence(
    path: str | None, skipped: tuple[tuple[int, str], ...], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_corpus("x", reader(Dialogue("m", (Turn("user", "저기요"),)), skipped=skipped), path)
    assert "\n" not in str(caught.value)


def test_an_error_of_the_reader_passes_through() -> None:
    def broken(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
        yield dialogue("안녕", "응")
        raise UserError("파일이 잘렸습니다.")

    with pytest.raises(UserError, match=r"^파일이 잘렸습니다\.$"):
        read_corpus("x", broken, None)


def test_the_report_is_json_with_sorted_labels() -> None:
    corpus = read_corpus(
        "x",
        reader(
            dialogue("나", "응", emotion="b"), dialogue("가", "응", emotion="a"), skipped=((2, "열이 2개뿐입니다"),)
        ),
        None,
    )
    assert json.dumps(corpus.report.as_dict()) == json.dumps(
        {
            "source": "x",
            "encoding": "",
            "private": True,
            "privacy": "masked",
            "masked": {},
            "origins": [],
            "dialogues": 2,
            "turns": 4,
            "labels": {"a": 1, "b": 1},
            "speakers": {"assistant": 2, "user": 2},
            "dialogue_turns": {2: 2},
            "turn_characters": {1: 4},
            "hours": {},
            "weekdays": {},
            "registers": {"반말": 2},
            "endings": {},
            "lines": 0,
            "kinds": {},
            "continuations": 0,
            "skipped": [[2, "열이 2개뿐입니다"]],
            "notes": [],
        }
    )
