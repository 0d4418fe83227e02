import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.corpora import chat_jsonl
from yuhee.data.corpus import read_corpus
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

USER: dict[str, Any] = {"role": "user", "content": "밥 먹었어?"}
REPLY: dict[str, Any] = {"role": "assistant", "content": "응 라면ㅋㅋ"}
GOOD: dict[str, Any] = {"messages": [USER, REPLY]}


def read(folder: Path, *lines: object) -> tuple[list[Dialogue], ReadReport]:
    """Read lines: text as it is, anything else as JSON."""
    file = folder / "chat.jsonl"
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_bytes("\n".join(text).encode(errors="replace"))
    report = ReadReport("chat_jsonl")
    return list(chat_jsonl.read(str(file), report)), report


def test_a_full_yuhee_line_keeps_every_field(tmp_path: Path) -> None:
    record = {
        "format": "yuhee/1",
        "id": "방:1",
        "messages": [
            {"role": "system", "content": "너는 유희지희야."},
            {"role": "user", "content": "나 왔어", "emotion": "1", "speaker": "지수", "time": "2026-11-22T09:00"},
            {"role": "assistant", "content": "어서 와", "weight": 0},
        ],
        "group_keys": ["방"],
        "source": "kakaotalk",
        "meta": {"room": 3},
    }
    [found], report = read(tmp_path, record)
    assert found == Dialogue(
        "방:1",
        (
            Turn("system", "너는 유희지희야."),
            Turn("user", "나 왔어", emotion="1", speaker="지수", time="2026-11-22T09:00"),
            Turn("assistant", "어서 와", weight=0),
        ),
        ("방",),
        "kakaotalk",
    )
    assert found.meta == {"room": 3}
    assert (report.skipped, report.private) == ([], True)


def test_a_plain_openai_line_gets_an_id_and_keys_of_its_own(tmp_path: Path) -> None:
    [found], _ = read(tmp_path, "", GOOD)
    assert (found.id, found.source) == ("chat_jsonl:2", "chat_jsonl")
    assert found.group_keys == ("q:밥먹었어", "a:응 라면ㅋㅋ")
    assert [turn.emotion for turn in found.turns] == [None, None]


def test_fields_that_are_null_are_as_if_absent(tmp_path: Path) -> None:
    nulls = dict.fromkeys(("id", "group_keys", "source", "meta"))
    message = {**USER, **dict.fromkeys(("emotion", "speaker", "time"))}
    [found], report = read(tmp_path, {"messages": [message, REPLY], **nulls})
    assert report.skipped == []
    assert found == read(tmp_path, GOOD)[0][0]
    assert found.meta == {}


def test_a_numeric_label_is_its_text(tmp_path: Path) -> None:
    [found], _ = read(tmp_path, {"messages": [{**USER, "emotion": 2}, REPLY]})
    assert found.turns[0].emotion == "2"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{'messages': []}", "JSON이 아닙니다(2번째 글자)"),
        ('{"messages": [', "JSON이 아닙니다"),
        ("안녕", "JSON이 아닙니다(1번째 글자)"),
        ("null", "'messages' 목록이 없습니다"),
        ([GOOD], "'messages' 목록이 없습니다"),
        ({"messages": "안녕"}, "'messages' 목록이 없습니다"),
        ({"conversation": [USER, REPLY]}, "'messages' 목록이 없습니다"),
        ({"messages": []}, "대화로 읽을 수 없습니다"),
        ({"messages": [USER, "응"]}, "messages[1]가 객체가 아닙니다"),
        ({"messages": [USER, {"role": "assistant"}]}, "messages[1]: 글이 비어 있습니다"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "messages[1]: "),
        ({"messages": [USER, {"role": "assistant", "content": " \n"}]}, "messages[1]: 글이 비어 있습니다"),
        ({"messages": [USER, {"role": "assistant", "content": ["응"]}]}, "messages[1]: "),
        ({"messages": [{"content": "응"}, REPLY]}, "messages[0]: 역할이"),
        ({"messages": [{"role": "bot", "content": "응"}, REPLY]}, "messages[0]: 역할이"),
        ({"messages": [{"role": ["user"], "content": "응"}, REPLY]}, "messages[0]: 역할이"),
        ({"messages": [USER, {**REPLY, "weight": 2}]}, "messages[1]: weight는"),
        ({"messages": [USER, {**REPLY, "weight": "1"}]}, "messages[1]: weight는"),
        ({"messages": [USER, {"role": "system", "content": "끝"}]}, "차례 1이(가) system입니다"),
        ({"messages": [{"role": "user", "content": "\ud83d"}, REPLY]}, "messages[0]: 글자 반쪽"),
        ({**GOOD, "group_keys": "방"}, "'group_keys'는 문자열 목록"),
        ({**GOOD, "group_keys": [1]}, "'group_keys'는 문자열 목록"),
        ({**GOOD, "group_keys": {"방": 1}}, "'group_keys'는 문자열 목록"),
        ('{"messages": ' + "9" * 5000 + "}", "대화로 읽을 수 없습니다"),
        ("[" * 100_000, "대화로 읽을 수 없습니다"),
    ],
)
def test_a_bad_line_is_reported_with_its_number_and_spoils_no_other(tmp_path: Path, line: object, reason: str) -> None:
    found, report = read(tmp_path, GOOD, line, "", GOOD)
    assert [d.id for d in found] == ["chat_jsonl:1", "chat_jsonl:4"]
    [(number, said)] = report.skipped
    assert number == 2
    assert reason in said


@pytest.mark.parametrize(
    "record",
    [
        {**GOOD, "id": "\ud800"},
        {**GOOD, "source": "\ud800"},
        {**GOOD, "group_keys": ["방", "\ud800"]},
        {"messages": [{**USER, "emotion": "\ud800"}, REPLY]},
        {"messages": [{**USER, "speaker": "\ud800"}, REPLY]},
    ],
    ids=["id", "source", "group_keys", "emotion", "speaker"],
)
def test_half_a_character_in_any_field_is_reported(tmp_path: Path, record: dict[str, Any]) -> None:
    found, report = read(tmp_path, record, record, GOOD)
    assert [d.id for d in found] == ["chat_jsonl:3"]
    assert [number for number, _ in report.skipped] == [1, 2]


def test_the_text_of_a_bad_line_stays_out_of_the_report(tmp_path: Path) -> None:
    secret = {"role": "user", "content": "내 번호는 010-1234-5678"}
    _, report = read(
        tmp_path,
        json.dumps({"messages": [secret, REPLY]}, ensure_ascii=False)[:-1],
        {"messages": [secret, {"role": "assistant", "content": ""}]},
        {"messages": [secret], "group_keys": "010-1234-5678"},
    )
    assert len(report.skipped) == 3
    assert "1234" not in str(report.as_dict())
    assert str(tmp_path) not in str(report.as_dict())


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85", "\x7f"])
def test_an_odd_separator_inside_a_message_breaks_no_line(tmp_path: Path, inside: str) -> None:
    record = {"messages": [{"role": "user", "content": f"밥{inside}먹자"}, REPLY]}
    [found], report = read(tmp_path, json.dumps(record, ensure_ascii=False))
    assert found.turns[0].text == f"밥{inside}먹자"
    assert report.skipped == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_every_encoding_that_windows_saves_reads_the_same(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes((json.dumps(GOOD, ensure_ascii=False) + "\r\n").encode(encoding))
    report = ReadReport("chat_jsonl")
    [found] = chat_jsonl.read(str(file), report)
    assert found.turns == (Turn("user", "밥 먹었어?"), Turn("assistant", "응 라면ㅋㅋ"))


def test_a_missing_data_path_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"data\.path"):
        read_corpus("chat_jsonl", chat_jsonl.read, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["[\n  {}\n]", "Q,A,label\n안녕,네,0\n", "김하늘 님과 카카오톡 대화\n"])
def test_a_file_of_another_format_is_one_sentence_with_a_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"other\.txt: 쓸 수 있는 대화가 하나도 없습니다\(1번째 줄: ") as caught:
        read_corpus("chat_jsonl", chat_jsonl.read, str(file))
    assert "\n" not in str(caught.value)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
TURNS = st.lists(
    st.one_of(
        st.builds(Turn, st.just("user"), TEXT, emotion=st.none() | TEXT, speaker=st.none() | TEXT),
        st.builds(Turn, st.just("assistant"), TEXT, weight=st.sampled_from([0, 1])),
    ),
    min_size=1,
    max_size=5,
)


@given(TURNS, st.booleans())
def test_any_dialogue_comes_back_from_its_line(tmp_path: Path, turns: list[Turn], ascii_only: bool) -> None:
    names = ("role", "emotion", "speaker", "time", "weight")
    messages = [{"content": turn.text, **{name: getattr(turn, name) for name in names}} for turn in turns]
    record = {"format": "yuhee/1", "id": "d", "source": "s", "messages": messages}
    line = json.dumps(record, ensure_ascii=ascii_only)
    [found], report = read(tmp_path, line)
    assert found == Dialogue("d", tuple(turns), group_keys(turns), "s")
    assert report.skipped == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["user", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]) | JUNK, "content": st.just("안녕") | JUNK},
    optional=dict.fromkeys(("emotion", "speaker", "time", "weight"), JUNK),
)
RECORDS = st.fixed_dictionaries(
    {"messages": st.lists(FIELDS | JUNK, max_size=3) | JUNK},
    optional=dict.fromkeys(("id", "group_keys", "source", "meta"), JUNK),
)


@given(st.lists(RECORDS | JUNK | st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_whatever_stands_in_a_line_it_is_a_usable_dialogue_or_reported(tmp_path: Path, lines: list[object]) -> None:
    text = [line.replace("\r", " ").replace("\n", " ") if isinstance(line, str) else line for line in lines]
    found, report = read(tmp_path, GOOD, *text)
    blank = sum(isinstance(line, str) and not line.strip() for line in text)
    assert len(found) + len(report.skipped) == 1 + len(lines) - blank
    for each in found:
        assert len(each.content_hash()) == 32
        assert all(isinstance(turn.text, str) and turn.text.strip() for turn in each.turns)
