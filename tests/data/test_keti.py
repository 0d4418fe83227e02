import json
import shutil
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.test_chat_json import JUNK, accounted, mutated, read_all, said, survives
from yuhee.data.corpora import json_stream, keti
from yuhee.data.corpus import read_corpus
from yuhee.data.dialogue import Dialogue, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "keti"
FILES = sorted(FIXTURES.iterdir())
OFFICE = "KETI_대화데이터_일상_오피스.txt"


def read(path: Path, domain: str | None = None) -> tuple[list[Dialogue], ReadReport]:
    dialogues, report = read_all(partial(keti.read, domain=domain), path)
    assert accounted(report)
    return dialogues, report


def texts(folder: Path, *lines: str) -> tuple[list[list[tuple[str, str]]], ReadReport]:
    """Roles and texts of the dialogues of a text file with these lines."""
    file = folder / "mine.txt"
    file.write_bytes("\n".join(lines).encode())
    dialogues, report = read(file)
    return [said(d) for d in dialogues], report


def exchange(index: Any, user: Any, system: Any, **more: Any) -> dict[str, Any]:
    return {"index": index, "domain": "daily", "user_utterance": user, "system_utterance": system, **more}


def records(folder: Path, *values: object) -> tuple[list[Dialogue], ReadReport]:
    file = folder / "mine.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    return read(file)


def test_the_text_release_line_by_line() -> None:
    dialogues, report = read(FIXTURES / OFFICE)
    assert [said(d) for d in dialogues] == [
        [("user", "오늘 보고 몇 시까지 올려야 돼?"), ("assistant", "다섯 시까지 올려 주시면 됩니다.")],
        [
            ("user", "회의실 비어 있어?"),
            ("assistant", "네, 3층 작은 회의실이 비어 있습니다."),
            ("user", "그럼 거기로 잡아 줘"),
            ("assistant", "두 시부터 한 시간 잡아 두었습니다."),
        ],
        [("user", "컴패니언, 커피 한잔할까?"), ("assistant", "좋아요. 저는 마음으로만 마실게요.")],
        [("assistant", "알림: 십 분 뒤에 회의가 있습니다."), ("user", "아 맞다 고마워")],
        [
            ("user", "프린터가 또 멈췄어"),
            ("user", "A4 용지는 넣었는데 USB도 꽂혀 있고"),
            ("assistant", "전원을 껐다가 다시 켜 보시겠어요?"),
        ],
        [("assistant", "다시 말씀해 주시겠어요?")],
    ]
    name = "KETI_대화데이터_일상_오피스"
    assert [d.id for d in dialogues] == [f"keti:{name}:{line}" for line in (1, 3, 8, 10, 12, 16)]
    assert {d.source for d in dialogues} == {"keti"}
    assert all(d.group_keys == group_keys(d.turns) for d in dialogues)
    assert report.skipped == [
        (15, "TAB이 없습니다('번호<TAB>글'이어야 합니다)"),
        (16, "번호 뒤에 글이 없습니다"),
    ]
    assert report.notes == ["번호가 건너뛴 곳이 2군데 있습니다. 앞뒤를 이어 읽었습니다."]
    assert (report.lines, report.kinds, report.encoding) == (17, {"text": 14, "blank": 1}, "utf-8-sig")
    assert report.private


def test_the_emergency_release_and_its_quotes() -> None:
    dialogues, report = read(FIXTURES / "KETI_대화데이터_응급상황.txt")
    assert [said(d) for d in dialogues] == [
        [
            ("user", '여기 사람이 쓰러졌어요 "숨을 안 쉬어요"'),
            ("assistant", "지금 계신 곳이 어디세요?"),
            ("user", "지하철역 안이에요"),
            ("assistant", "구급차를 보냈습니다. 전화를 끊지 마세요."),
        ],
        [("user", "냄비에서 불이 났어요"), ("assistant", '"물을 붓지 말고" 뚜껑을 덮어 주세요.')],
    ]
    assert (report.skipped, report.notes) == ([], [])


def test_the_first_tab_divides_and_the_rest_is_text(tmp_path: Path) -> None:
    assert texts(tmp_path, "1\t하나\t둘", "2\t 셋 ")[0] == [[("user", "하나\t둘"), ("assistant", "셋")]]


@pytest.mark.parametrize("number", ["1", " 1 ", "\ufeff1", "１", "001", "\u00a01"])
def test_a_number_may_be_written_in_many_ways(tmp_path: Path, number: str) -> None:
    found, report = texts(tmp_path, "1\t먼저", "2\t네", f"{number}\t나중", "2\t네")
    assert found == [[("user", "먼저"), ("assistant", "네")], [("user", "나중"), ("assistant", "네")]]
    assert (report.skipped, report.notes) == ([], [])


def test_long_dialogues_take_turns_by_parity(tmp_path: Path) -> None:
    found, report = texts(tmp_path, *(f"{n}\t글{n}" for n in range(1, 13)))
    assert found == [[("user" if n % 2 else "assistant", f"글{n}") for n in range(1, 13)]]
    assert report.notes == []


@pytest.mark.parametrize(
    ("numbers", "lengths", "jumps"),
    [
        ((1, 2, 1, 2), [2, 2], 0),
        ((1, 2, 2, 3), [2, 2], 1),
        ((1, 1, 1), [1, 1, 1], 0),
        ((1, 3, 4), [3], 1),
        ((3, 4, 1), [2, 1], 1),
    ],
)
def test_a_number_that_does_not_rise_begins_a_dialogue(
    tmp_path: Path, numbers: tuple[int, ...], lengths: list[int], jumps: int
) -> None:
    found, report = texts(tmp_path, *(f"{number}\t글" for number in numbers))
    assert [len(turns) for turns in found] == lengths
    assert report.notes == ([f"번호가 건너뛴 곳이 {jumps}군데 있습니다. 앞뒤를 이어 읽었습니다."] if jumps else [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("글뿐이다", "TAB이 없습니다"),
        ("2 글", "TAB이 없습니다"),
        ("둘\t글", "TAB 앞이 1 이상의 번호가 아닙니다"),
        ("\t글", "TAB 앞이 1 이상의 번호가 아닙니다"),
        ("0\t글", "TAB 앞이 1 이상의 번호가 아닙니다"),
        ("-1\t글", "TAB 앞이 1 이상의 번호가 아닙니다"),
        ("9" * 5000 + "\t글", "TAB 앞이 1 이상의 번호가 아닙니다"),
        ("2\t  ", "번호 뒤에 글이 없습니다"),
    ],
)
def test_a_bad_line_is_reported_and_spoils_no_other(tmp_path: Path, line: str, reason: str) -> None:
    found, report = texts(tmp_path, "1\t하나", line, "3\t셋", "4\t넷")
    assert found == [[("user", "하나"), ("user", "셋"), ("assistant", "넷")]]
    [(number, told)] = report.skipped
    assert number == 2
    assert told.startswith(reason)


def test_a_blank_first_line_of_a_dialogue_still_begins_it(tmp_path: Path) -> None:
    assert texts(tmp_path, "1\t하나", "1\t", "2\t둘")[0] == [[("user", "하나")], [("assistant", "둘")]]


def test_a_line_over_the_limit_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_LINE", 1000)
    found, report = texts(tmp_path, "1\t하나", "2\t" + "가" * 400, "2\t둘")
    assert found == [[("user", "하나"), ("assistant", "둘")]]
    assert [number for number, _ in report.skipped] == [2]


def test_the_json_release_record_by_record() -> None:
    dialogues, report = read(FIXTURES / "output_ daily_1st.json")
    assert [(d.id, said(d)) for d in dialogues] == [
        (
            "keti:output_daily_1st:1",
            [
                ("user", "점심에 국수 어때?"),
                ("assistant", "좋아요. 골목 안쪽 집이 조용하더라고요."),
                ("user", "거기 줄 길지 않아?"),
                ("assistant", "열두 시 전에 가면 바로 앉아요."),
            ],
        ),
        (
            "keti:output_daily_1st:2",
            [
                ("assistant", "우산 챙기셨어요? 오후에 비가 온대요."),
                ("user", "아 깜빡했다"),
                ("assistant", "제 자리에 하나 더 있어요."),
            ],
        ),
        ("keti:output_daily_1st:3", [("user", "주말에 뭐 했어?")]),
    ]
    assert [d.meta for d in dialogues] == [{"domain": "daily"}] * 3
    assert report.skipped == [(6, "'user_utterance'와 'system_utterance'가 모두 비어 있습니다")]
    assert report.notes == ["한쪽 말만 있는 기록이 2건 있습니다. 있는 쪽만 읽었습니다."]
    assert (report.lines, report.kinds) == (6, {"text": 5})


def test_json_lines_are_the_same_release() -> None:
    [found], report = read(FIXTURES / "output_daily_2nd.json")
    assert [text for _, text in said(found)] == [
        "이어폰 한쪽이 안 들려",
        "연결을 끊었다가 다시 해 보세요.",
        "오 된다",
        "다행이에요.",
    ]
    assert (report.lines, report.skipped, report.notes) == (2, [], [])


def test_an_index_that_comes_back_is_the_same_dialogue_and_noted() -> None:
    dialogues, report = read(FIXTURES / "output_task.json")
    assert [[text for _, text in said(d)] for d in dialogues] == [
        ["안 읽은 메일 있어?", "두 통 있습니다.", "누가 보냈어?", "총무팀에서 보냈습니다."],
        ["회의 십 분 전입니다.", "회의실 어디야?", "5층입니다."],
    ]
    assert [d.meta for d in dialogues] == [{"domain": "email", "speaker_id": "s1"}, {"domain": "schedule"}]
    assert report.skipped == [(5, "'index'가 숫자가 아닙니다")]
    assert report.notes == [
        "한쪽 말만 있는 기록이 1건 있습니다. 있는 쪽만 읽었습니다.",
        "같은 index가 떨어져서 다시 나온 곳이 2군데 있습니다. 한 대화로 이었습니다.",
        "같은 index인데 domain이 다른 기록이 1건 있습니다. 처음 domain을 따랐습니다.",
    ]


@pytest.mark.parametrize("nothing", [None, "", " \n", "null", "NULL", " Null ", float("nan"), "NaN"])
def test_a_missing_side_leaves_the_other(tmp_path: Path, nothing: object) -> None:
    dialogues, report = records(
        tmp_path, exchange(1, nothing, "네"), exchange(2, "야", nothing), exchange(3, nothing, nothing)
    )
    assert [said(d) for d in dialogues] == [[("assistant", "네")], [("user", "야")]]
    assert report.skipped == [(3, "'user_utterance'와 'system_utterance'가 모두 비어 있습니다")]


def test_a_word_that_holds_null_is_text(tmp_path: Path) -> None:
    [found], _ = records(tmp_path, exchange(1, "null이 뭐야?", "nullable이요"))
    assert said(found) == [("user", "null이 뭐야?"), ("assistant", "nullable이요")]


def test_an_index_may_be_a_numeric_string(tmp_path: Path) -> None:
    dialogues, report = records(tmp_path, *(exchange(index, "야", "응") for index in (7, "7", " 7 ", 7.0, "7.0")))
    assert [(d.id, len(d.turns)) for d in dialogues] == [("keti:file:7", 10)]
    assert report.notes == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("글", "기록이 객체가 아닙니다"),
        ({"user_utterance": "야"}, "'index'가 숫자가 아닙니다"),
        (exchange(True, "야", "응"), "'index'가 숫자가 아닙니다"),
        (exchange(-1, "야", "응"), "'index'가 숫자가 아닙니다"),
        (exchange([1], "야", "응"), "'index'가 숫자가 아닙니다"),
        (exchange(1, 3, "응"), "'user_utterance'가 문자열이 아닙니다"),
        (exchange(1, "야", ["응"]), "'system_utterance'가 문자열이 아닙니다"),
        (exchange(1, "\ud800", "응"), "'user_utterance'에 글자 반쪽"),
        (exchange(1, "야", "응", more="\ud800"), "글자 반쪽"),
    ],
)
def test_a_bad_record_is_reported_by_its_place(tmp_path: Path, record: object, reason: str) -> None:
    dialogues, report = records(tmp_path, exchange(1, "야", "응"), record, exchange(2, "야", "응"))
    assert [len(d.turns) for d in dialogues] == [2, 2]
    [(number, told)] = report.skipped
    assert number == 2
    assert told.startswith(reason)


def test_the_older_csv_release() -> None:
    dialogues, report = read(FIXTURES / "일상_오피스_1.csv")
    assert [said(d) for d in dialogues] == [
        [
            ("user", "퇴근하고 한잔?"),
            ("assistant", "저는 좋아요, 어디로 갈까요?"),
            ("user", "역 앞 어때"),
            ("assistant", "거기 안주가 맛있죠."),
        ],
        [("assistant", "내일 아침 회의 잊지 마세요.")],
    ]
    assert (report.encoding, report.skipped, report.kinds) == ("cp949", [], {"header": 1, "text": 3})


def test_a_folder_holds_every_file_with_a_keti_name(tmp_path: Path) -> None:
    folder = tmp_path / "받은 자료"
    shutil.copytree(FIXTURES, folder / "대화데이터_오피스(JSON)")
    for name in ("메모.txt", "output.json", "._output_task.json", "output_task.json.bak"):
        (folder / name).write_text("1\t아님", encoding="utf-8")
    dialogues, report = read(folder)
    assert len(dialogues) == 2 + 6 + 3 + 1 + 2 + 2
    assert report.notes[0] == (
        "KETI 파일 6개를 읽었습니다: KETI_대화데이터_응급상황.txt, KETI_대화데이터_일상_오피스.txt, "
        "output_daily_1st.json, output_daily_2nd.json, output_task.json, 일상_오피스_1.csv."
    )
    assert [(number, reason.split(": ")[0]) for number, reason in report.skipped] == [
        (15, "KETI_대화데이터_일상_오피스.txt"),
        (16, "KETI_대화데이터_일상_오피스.txt"),
        (6, "output_daily_1st.json"),
        (5, "output_task.json"),
    ]
    assert report.encoding == "utf-8-sig, cp949"
    assert len({d.id for d in dialogues}) == len(dialogues)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_found_in_both_unicode_forms(tmp_path: Path, form: Any) -> None:
    (tmp_path / unicodedata.normalize(form, OFFICE)).write_text("1\t야\n2\t응", encoding="utf-8")
    [found], report = read(tmp_path)
    assert found.id == "keti:KETI_대화데이터_일상_오피스:1"
    assert report.notes == [f"KETI 파일 1개를 읽었습니다: {OFFICE}."]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["modified_output_task.json", "output_task.json"], "output_task.json"),
        (["a/output_task.json", "modified_output_task.json"], "a/output_task.json"),
        (["a/output_task.json", "output_task.json"], "output_task.json"),
        (["modified_output_ daily_1st.json", "output_ daily_1st.json"], "output_ daily_1st.json"),
    ],
)
def test_a_copy_is_read_only_if_the_original_is_absent(tmp_path: Path, names: list[str], chosen: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps([exchange(1, name, "응")]), encoding="utf-8")
    [found], report = read(tmp_path)
    assert found.turns[0].text == chosen
    assert report.notes[1:] == ["같은 파일의 다른 사본 1개는 읽지 않았습니다."]
    (tmp_path / chosen).unlink()
    [found], report = read(tmp_path)
    assert found.turns[0].text == next(name for name in names if name != chosen)
    assert len(report.notes) == 1


def test_a_domain_keeps_its_dialogues_only() -> None:
    dialogues, report = read(FIXTURES, " EMAIL ")
    assert [d.id for d in dialogues] == ["keti:output_task:1"]
    assert report.notes[-1] == "domain이 다르거나 없는 대화 15개를 뺐습니다."
    assert len(read(FIXTURES / "output_ daily_1st.json", "daily")[0]) == 3


@pytest.mark.parametrize(
    ("path", "domain", "there"),
    [
        (FIXTURES, "meeting", "daily, email, schedule"),
        (FIXTURES / OFFICE, "daily", "없음, txt에는 domain이 없습니다"),
        (FIXTURES, "", "daily, email, schedule"),
    ],
)
def test_a_domain_that_is_not_there_names_those_that_are(path: Path, domain: str, there: str) -> None:
    with pytest.raises(UserError) as caught:
        read(path, domain)
    assert f"(있는 domain: {there})" in str(caught.value)


@pytest.mark.parametrize("path", ["없는 폴더", "빈 폴더", None])
def test_nothing_to_read_is_one_sentence(tmp_path: Path, path: str | None) -> None:
    (tmp_path / "빈 폴더").mkdir()
    with pytest.raises(UserError) as caught:
        next(keti.read(path and str(tmp_path / path), ReadReport("keti")))
    assert "data.path" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_the_users_own_name_is_read_and_not_named(tmp_path: Path) -> None:
    file = tmp_path / "김하늘_수집본.json"
    shutil.copy(FIXTURES / "output_task.json", file)
    dialogues, report = read(file)
    assert [d.id for d in dialogues] == ["keti:file:1", "keti:file:2"]
    assert "하늘" not in str(report.as_dict())


def test_a_file_of_another_format_is_reported_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "other.txt"
    file.write_text("김하늘 님과 카카오톡 대화\n안녕\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"1번째 줄: TAB이 없습니다"):
        read_corpus("keti", keti.read, str(file))


RECORD = st.fixed_dictionaries(
    {}, optional={"index": st.integers(0, 3) | JUNK, **dict.fromkeys(("user_utterance", "system_utterance"), JUNK)}
)


@given(st.lists(RECORD | JUNK, max_size=6))
def test_any_records_are_turns_or_reported(tmp_path: Path, values: list[object]) -> None:
    dialogues, report = records(tmp_path, *values)
    assert report.lines == len(values)
    for each in dialogues:
        json.dumps([each.id, each.meta, [turn.text for turn in each.turns]], ensure_ascii=False).encode()


@given(st.lists(st.text(st.sampled_from("012３\t \ufeff가\"'[{")), max_size=12))
def test_no_line_vanishes_whatever_it_holds(tmp_path: Path, lines: list[str]) -> None:
    found, report = texts(tmp_path, "1\t처음", *lines)
    assert sum(map(len, found)) == report.kinds["text"]


@given(st.data(), st.sampled_from(FILES))
def test_damaged_copies_lose_no_line(tmp_path: Path, data: st.DataObject, fixture: Path) -> None:
    survives(keti.read, tmp_path / fixture.name, data.draw(mutated(fixture.read_bytes())))
