"""The shapes of chat records, JSON arrays and bounded reading; `test_chat_jsonl.py` holds the lines of `messages`."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.corpora import chat_jsonl, json_stream
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "chat"
USER: dict[str, Any] = {"role": "user", "content": "밥 먹었어?"}
REPLY: dict[str, Any] = {"role": "assistant", "content": "응 라면ㅋㅋ"}
GOOD: dict[str, Any] = {"messages": [USER, REPLY]}

Reader = Callable[[str | None, ReadReport], Iterator[Dialogue]]


def accounted(report: ReadReport) -> bool:
    """Every line is a record of some kind, the continuation of one, or reported."""
    return report.lines == report.kinds.total() + report.continuations + len(report.skipped)


def read_all(reader: Reader, file: Path) -> tuple[list[Dialogue], ReadReport]:
    report = ReadReport("test")
    return list(reader(str(file), report)), report


def read_bytes(folder: Path, data: bytes) -> tuple[list[Dialogue], ReadReport]:
    file = folder / "chat.json"
    file.write_bytes(data)
    dialogues, report = read_all(chat_jsonl.read, file)
    assert accounted(report)
    assert report.kinds["text"] == len(dialogues)
    return dialogues, report


def read(folder: Path, *records: object) -> tuple[list[Dialogue], ReadReport]:
    """Read records as a JSON array."""
    return read_bytes(folder, json.dumps(records, ensure_ascii=True).encode())


def said(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in dialogue.turns]


def test_openai_lines_keep_weights_and_drop_tools_parts_and_the_unanswered_question() -> None:
    dialogues, report = read_all(chat_jsonl.read, FIXTURES / "openai.jsonl")
    assert [d.turns for d in dialogues] == [
        (
            Turn("system", "짧게 답한다."),
            Turn("user", "안녕?"),
            Turn("assistant", "안녕하세요!", weight=0),
            Turn("user", "오늘 뭐 하지"),
            Turn("assistant", "산책 어때요?"),
        ),
        (
            Turn("system", "반말로 답한다."),
            Turn("user", "이 사진 봐\n귀엽지", speaker="지수"),
            Turn("assistant", "완전 귀엽다"),
        ),
        (Turn("user", "서울 날씨 알려 줘"), Turn("assistant", "맑대요.")),
    ]
    assert (report.lines, report.kinds, report.skipped) == (3, {"text": 3}, [])
    assert report.notes == [
        "답이 뒤따르지 않는 마지막 질문 1개를 잘라 냈습니다.",
        "도구를 부르거나 도구가 답한 메시지 2개는 읽지 않았습니다.",
        "글이 아닌 조각(그림, 소리 등) 1개는 읽지 않았습니다.",
    ]
    assert dialogues[2].group_keys == ("q:서울날씨알려줘", "a:맑대요.")


def test_a_yuhee_line_comes_back_as_it_was_written() -> None:
    [found], report = read_all(chat_jsonl.read, FIXTURES / "yuhee.jsonl")
    assert found == Dialogue(
        "방:1",
        (
            Turn("user", "나 왔어", emotion="1", speaker="지수", time="2026-03-30T15:04"),
            Turn("assistant", "어서 와\n밥은?"),
            Turn("user", "먹었지"),
        ),
        ("방",),
        "kakaotalk",
    )
    assert found.meta == {"first_line": 3}
    assert (report.notes, report.skipped) == ([], [])


def test_sharegpt_maps_every_role_and_keeps_a_split_chat_together() -> None:
    dialogues, report = read_all(chat_jsonl.read, FIXTURES / "sharegpt.json")
    assert [(d.id, said(d)) for d in dialogues] == [
        (
            "x1_0",
            [("system", "친절하게 답한다."), ("user", "김치찌개 끓이는 법"), ("assistant", "김치를 먼저 볶아요.")],
        ),
        (
            "x1_1",
            [
                ("assistant", "이어서 알려 드릴게요."),
                ("user", "응 계속"),
                ("assistant", "물을 붓고 끓여요."),
                ("assistant", "<b>두부</b>는 마지막에 넣어요."),
            ],
        ),
        ("y", [("user", "졸려"), ("assistant", "일찍 자요.")]),
    ]
    assert [d.group_keys[-1] for d in dialogues] == ["id:x1", "id:x1", "a:일찍 자요."]
    assert (report.lines, report.kinds) == (5, {"text": 3})
    assert [(number, reason.split(": ")[1]) for number, reason in report.skipped] == [
        (4, "conversations[1]"),
        (5, "conversations[0]"),
    ]
    assert report.notes == ["도구를 부르거나 도구가 답한 메시지 2개는 읽지 않았습니다."]


@pytest.mark.parametrize("name", ["human", "User", "HUMAN "])
@pytest.mark.parametrize("bot", ["gpt", "Assistant", "chatgpt", "bot", "model"])
def test_sharegpt_roles_in_any_case(tmp_path: Path, name: str, bot: str) -> None:
    [found], _ = read(tmp_path, {"conversations": [{"from": name, "value": "가"}, {"from": bot, "value": "나"}]})
    assert said(found) == [("user", "가"), ("assistant", "나")]


@pytest.mark.parametrize("name", ["x", "x_", "_1", "x-1", 7])
def test_other_ids_make_no_group(tmp_path: Path, name: object) -> None:
    record = {"id": name, "conversations": [{"from": "human", "value": "가"}, {"from": "gpt", "value": "나"}]}
    [found], _ = read(tmp_path, record)
    assert found.group_keys == ("q:가", "a:나")


def test_alpaca_joins_instruction_and_input_after_the_history() -> None:
    dialogues, report = read_all(chat_jsonl.read, FIXTURES / "alpaca.json")
    assert [said(d) for d in dialogues] == [
        [
            ("user", "안녕"),
            ("assistant", "안녕하세요"),
            ("user", "번역해 줘\ngood morning"),
            ("assistant", "좋은 아침"),
        ],
        [("system", "또박또박 말한다."), ("user", "숫자를 세 줘"), ("assistant", "하나, 둘, 셋")],
        [("user", "요약해 줘\n비가 와서 소풍이 미뤄졌다."), ("assistant", "비로 소풍 연기")],
    ]
    assert [d.id for d in dialogues] == ["test:1", "test:2", "test:3"]
    [(number, reason)] = report.skipped
    assert number == 4
    assert "output" in reason


@pytest.mark.parametrize("name", ["output", "response", "completion", "answer"])
def test_alpaca_outputs_have_many_names(tmp_path: Path, name: str) -> None:
    [found], _ = read(tmp_path, {"instruction": "인사해", name: "안녕"})
    assert said(found) == [("user", "인사해"), ("assistant", "안녕")]


def test_prompts_are_strings_or_messages() -> None:
    dialogues, report = read_all(chat_jsonl.read, FIXTURES / "prompt_completion.jsonl")
    assert [said(d) for d in dialogues] == [
        [("user", "배고프다"), ("assistant", "떡볶이 먹자")],
        [("system", "반말"), ("user", "뭐 해?"), ("assistant", "누워 있어")],
        [("user", "몇 시야?"), ("assistant", "세 시요.")],
    ]
    [(number, reason)] = report.skipped
    assert number == 4
    assert "'messages' 목록이 없습니다" in reason


def test_shapes_may_be_mixed_and_messages_come_first(tmp_path: Path) -> None:
    both = {**GOOD, "conversations": [], "instruction": "무시", "output": "무시"}
    dialogues, report = read(tmp_path, both, {"Q": "야", "A": "응"}, {"instruction": "인사", "output": "안녕"})
    assert [d.turns[0].text for d in dialogues] == ["밥 먹었어?", "야", "인사"]
    assert report.skipped == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"messages": [USER]}, "답(assistant)이 없습니다"),
        ({"messages": [USER, {"role": "tool", "content": "맑음"}]}, "답(assistant)이 없습니다"),
        ({"messages": [{"role": "function", "content": "맑음"}]}, "읽을 메시지가 없습니다"),
        ({"messages": [USER, REPLY, {"role": "developer", "content": "끝"}, REPLY]}, "차례 2이(가) system입니다"),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "image_url"}]}]}, "messages[1]: "),
        ({"messages": [{**USER, "weight": "010-1234-5678"}, REPLY]}, "messages[0]: 'weight'는 0이나 1이어야"),
        ({**GOOD, "meta": "방"}, "'meta'는 객체여야 합니다"),
        ({**GOOD, "meta": {"방": "\ud800"}}, "글자 반쪽"),
        ({"conversations": {"from": "human"}}, "'conversations' 목록이 없습니다"),
        ({"conversations": ["안녕"]}, "conversations[0]가 객체가 아닙니다"),
        ({"instruction": "해 줘", "output": "응", "history": [["가"]]}, "'history'는"),
        ({"instruction": "해 줘", "output": "응", "history": "가"}, "'history'는"),
        ({"instruction": ["해 줘"], "output": "응"}, "'instruction'과 'input'은"),
        ({"instruction": " ", "output": "응"}, "instruction: "),
        ({"prompt": "가", "completion": 3}, "'completion' 목록이 없습니다"),
    ],
)
def test_what_cannot_be_used_is_reported_by_its_place_in_the_array(tmp_path: Path, record: object, reason: str) -> None:
    dialogues, report = read(tmp_path, GOOD, record, GOOD)
    assert [d.id for d in dialogues] == ["test:1", "test:3"]
    [(number, told)] = report.skipped
    assert number == 2
    assert reason in told
    assert "1234" not in told


def test_trailing_questions_are_counted_over_the_file(tmp_path: Path) -> None:
    dialogues, report = read(tmp_path, {"messages": [USER, REPLY, USER, USER]}, GOOD, {"messages": [USER, REPLY, USER]})
    assert [len(d.turns) for d in dialogues] == [2, 2, 2]
    assert report.notes == ["답이 뒤따르지 않는 마지막 질문 3개를 잘라 냈습니다."]
    assert report.skipped == []


def test_one_conversation_over_several_lines_is_one_record(tmp_path: Path) -> None:
    [found], report = read_bytes(tmp_path, json.dumps(GOOD, indent=2).encode())
    assert (found.id, report.lines) == ("test:1", 1)


def test_lines_are_read_when_the_first_is_cut_off(tmp_path: Path) -> None:
    dialogues, report = read_bytes(tmp_path, b'{"messages": [\n' + json.dumps(GOOD).encode())
    assert [d.id for d in dialogues] == ["test:2"]
    assert report.skipped == [(1, "JSON이 아닙니다(15번째 글자)")]


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (', {"messages"', "JSON이 아닙니다("),
        (", ", "배열이 닫히지 않았습니다"),
        ("", "배열이 닫히지 않았습니다"),
        ("] 끝", "배열이 끝난 뒤에"),
        (", " + "9" * 5000 + "]", "숫자가 너무 깁니다"),
        (", " + "[" * 100_000, "너무 깊이"),
    ],
)
def test_an_array_is_read_up_to_its_break(tmp_path: Path, tail: str, reason: str) -> None:
    dialogues, report = read_bytes(tmp_path, b"[" + json.dumps(GOOD).encode() + tail.encode())
    assert len(dialogues) == 1
    [(number, told)] = report.skipped
    assert number == 2
    assert reason in told


def test_raw_control_characters_are_text(tmp_path: Path) -> None:
    text = json.dumps({"messages": [{"role": "user", "content": "가나"}, REPLY]}, ensure_ascii=False)
    for data in (text, f"[{text}]"):
        [found], report = read_bytes(tmp_path, data.replace("가나", "가\t\x08나").encode())
        assert found.turns[0].text == "가\t\x08나"
        assert report.skipped == []


@pytest.mark.parametrize("data", [b"", b" \r\n ", b"\xef\xbb\xbf"])
def test_an_empty_file_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="비어 있습니다"):
        read_bytes(tmp_path, data)


@pytest.mark.parametrize("size", [2, 100_000])
def test_a_file_full_of_nul_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(UserError, match="NUL"):
        read_bytes(tmp_path, b"\0" * size)


def test_bytes_of_no_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cp949도 아닙니다"):
        read_bytes(tmp_path, json.dumps(GOOD).encode() + b"\xff\xff\xff")


def test_a_line_over_the_limit_is_reported_and_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_LINE", 2**20)
    monkeypatch.setattr(json_stream, "PIECE", 2**16)
    good = json.dumps(GOOD).encode()
    file = tmp_path / "long.jsonl"
    file.write_bytes(b"\n".join([good, b'{"messages": "' + b"x" * 2**24 + b'"}', good]))
    tracemalloc.start()
    dialogues, report = read_all(chat_jsonl.read, file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [d.id for d in dialogues] == ["test:1", "test:3"]
    assert report.skipped == [(2, "한 줄이 1 MiB를 넘습니다")]
    assert accounted(report)
    assert peak < 2**22


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_of_a_line_counts_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: int) -> None:
    line = json.dumps(GOOD, ensure_ascii=False)
    monkeypatch.setattr(json_stream, "MAX_LINE", len(line.encode()) - over)
    dialogues, report = read_bytes(tmp_path, line.encode())
    assert (len(dialogues), len(report.skipped)) == (1 - over, over)


def test_an_array_over_the_limit_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_WHOLE", 10)
    with pytest.raises(UserError, match="JSONL로 바꿔 주세요") as caught:
        read(tmp_path, GOOD)
    assert "\n" not in str(caught.value)
    assert len(read_bytes(tmp_path, json.dumps(GOOD).encode() + b"\n")[0]) == 1


def test_a_long_array_on_one_line_is_still_an_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_LINE", 50)
    assert len(read(tmp_path, GOOD, GOOD)[0]) == 2


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["user", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
SAID = st.fixed_dictionaries(
    {}, optional={"from": st.sampled_from(["human", "gpt"]) | JUNK, "value": st.just("안녕") | JUNK, "weight": JUNK}
)
RECORDS = st.one_of(
    st.fixed_dictionaries(
        {"conversations": st.lists(SAID | JUNK, max_size=3) | JUNK}, optional={"id": JUNK, "system": JUNK}
    ),
    st.fixed_dictionaries(
        {"instruction": st.just("해 줘") | JUNK},
        optional={"output": st.just("응") | JUNK, "input": JUNK, "history": JUNK, "system": JUNK},
    ),
    st.fixed_dictionaries(
        {"prompt": st.just("가") | JUNK, "completion": st.just("나") | JUNK}, optional={"meta": JUNK}
    ),
    st.fixed_dictionaries({"messages": st.lists(st.fixed_dictionaries({"role": JUNK, "content": JUNK}), max_size=3)}),
)


@given(st.lists(RECORDS | JUNK, max_size=4))
def test_any_values_in_any_shape_are_usable_or_reported(tmp_path: Path, records: list[object]) -> None:
    dialogues, report = read(tmp_path, GOOD, *records)
    assert report.lines == 1 + len(records)
    for each in dialogues:
        assert len(each.content_hash()) == 32
        json.dumps([each.id, each.group_keys, each.meta], ensure_ascii=False).encode()


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """A copy with up to four stretches cut out, doubled or overwritten."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 20))
        odd = st.sampled_from([b'"', b"\n", b"\r\n", b"\t", b"\0", b"[", b"}", b",", b"\xff", b"1\t", data[at:] * 2])
        data = data[:at] + draw(odd | st.binary(max_size=4)) + data[at + length :]
    return data


def survives(reader: Reader, file: Path, data: bytes) -> None:
    """Only a `UserError` of one sentence escapes, and no line is lost."""
    file.write_bytes(data)
    report = ReadReport("test")
    try:
        for dialogue in reader(str(file), report):
            assert len(dialogue.content_hash()) == 32
    except UserError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert accounted(report)
    assert "\n" not in sentence


@given(st.data(), st.sampled_from(sorted(FIXTURES.glob("*.json*"))))
def test_damaged_copies_lose_no_record(tmp_path: Path, data: st.DataObject, fixture: Path) -> None:
    survives(chat_jsonl.read, tmp_path / fixture.name, data.draw(mutated(fixture.read_bytes())))
