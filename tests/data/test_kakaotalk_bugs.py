"""Defects that parsers of KakaoTalk exports are known for, one test each."""

from pathlib import Path

import pytest

from tests.data.test_kakaotalk import ANDROID, DAY, IOS, load, parsed, said, times, written
from yuhee.data.corpora.kakaotalk.export import looks_like


@pytest.mark.parametrize("head", [[], ["우리 방"], ["방", "", "", "저장한 날짜 : 2022-04-01 09:00:00", "", "", ""]])
def test_the_first_record_is_found_wherever_it_stands(tmp_path: Path, head: list[str]) -> None:
    assert said(tmp_path, *head, DAY, "[이바다] [오후 3:04] 안녕", "[김하늘] [오후 3:04] 응")[0] == ("이바다", "안녕")


@pytest.mark.parametrize(
    "body", ["하나, 둘, 셋", "가] 나] [다", "https://a.b/c:8080?d=1:2", "값 : 천 : 원", "a,b : c,d"]
)
@pytest.mark.parametrize("record", ["[이바다] [오후 3:04] ", f"{IOS}, 이바다 : ", f"{ANDROID}, 이바다 : "])
def test_only_the_first_delimiter_delimits(tmp_path: Path, record: str, body: str) -> None:
    assert said(tmp_path, DAY, record + body) == [("이바다", body)]


def test_a_name_is_not_cut_at_a_colon_without_spaces(tmp_path: Path) -> None:
    assert said(tmp_path, f"{IOS}, a:b: c :d : 안녕") == [("a:b: c :d", "안녕")]


def test_a_quoted_record_in_the_body_is_not_the_sender(tmp_path: Path) -> None:
    line = "[이바다] [오후 3:04] [x] [오전 9:11] 라고"
    assert [(m.sender, m.time) for m in parsed(tmp_path, DAY, line)[0]] == [("이바다", "2022-03-30T15:04")]


def test_pm_and_hour_twelve(tmp_path: Path) -> None:
    lines = [f"[이바다] [{time}] 안녕" for time in ("12:30 AM", "오후 12:30", "3:04 PM")]
    assert times(tmp_path, DAY, *lines) == [f"2022-03-30T{time}" for time in ("00:30", "12:30", "15:04")]


def test_korean_english_and_both_clocks_in_one_windows_file(tmp_path: Path) -> None:
    lines = [f"[이바다] [{time}] {n}" for n, time in enumerate(("오후 3:04", "3:05 PM", "15:06", "PM 3:07"))]
    assert said(tmp_path, DAY, *lines) == [("이바다", str(n)) for n in range(4)]


def test_a_text_with_a_date_in_it_is_no_separator(tmp_path: Path) -> None:
    lines = ["[이바다] [오후 3:04] 모임", "2022년 4월 2일 토요일 저녁에 봐", "[김하늘] [오후 3:05] 응"]
    found, _ = parsed(tmp_path, DAY, *lines)
    assert [(m.body, m.time) for m in found] == [
        ("모임\n2022년 4월 2일 토요일 저녁에 봐", "2022-03-30T15:04"),
        ("응", "2022-03-30T15:05"),
    ]


def test_the_same_minute_of_two_days_is_two_sessions(tmp_path: Path) -> None:
    next_day = "--------------- Thursday, March 31, 2022 ---------------"
    day = ["[김하늘] [오후 3:04] 안녕", "[이바다] [오후 3:04] 응"]
    found, _ = load(written(tmp_path, "\n".join([DAY, *day, next_day, *day])))
    assert [each.turns[0].time for each in found] == ["2022-03-30T15:04", "2022-03-31T15:04"]


@pytest.mark.parametrize(
    "body", ["김하늘님이 나갔습니다.", "박산님을 초대했습니다.", "카카오톡 대화 봐", "저장한 날짜 : 2022-04-01"]
)
def test_what_somebody_says_about_notices_and_headers_is_text(tmp_path: Path, body: str) -> None:
    for record in ("[이바다] [오후 3:04] ", f"{IOS}, 이바다 : "):
        [message] = parsed(tmp_path, DAY, record + body)[0]
        assert (message.sender, message.kind, message.body) == ("이바다", "text", body)
    assert said(tmp_path, DAY, "[이바다] [오후 3:04] 봐", "카카오톡 대화", "저장한 날짜 : 어제") == [
        ("이바다", "봐\n카카오톡 대화\n저장한 날짜 : 어제")
    ]


@pytest.mark.parametrize(
    "line", ["김하늘님이 나갔습니다.", "김하늘님이 들어왔습니다.", "김하늘님이 박산님을 초대하였습니다."]
)
def test_every_notice_is_one(tmp_path: Path, line: str) -> None:
    assert said(tmp_path, DAY, "[이바다] [오후 3:04] 안녕", line)[-1] == (None, line)


def test_a_hashtag_is_text(tmp_path: Path) -> None:
    assert [m.kind for m in parsed(tmp_path, DAY, "[이바다] [오후 3:04] #맛집")[0]] == ["text"]


def test_blank_lines_and_empty_messages_are_kept(tmp_path: Path) -> None:
    lines = ["[이바다] [오후 3:04] ", "[이바다] [오후 3:04] 가", "", "나"]
    assert said(tmp_path, DAY, *lines) == [("이바다", ""), ("이바다", "가\n\n나")]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_every_line_end(tmp_path: Path, end: str) -> None:
    assert said(tmp_path, DAY, "[이바다] [오후 3:04] 가", "[김하늘] [오후 3:04] 나", end=end) == [
        ("이바다", "가"),
        ("김하늘", "나"),
    ]


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c"])
def test_an_odd_separator_inside_a_message_breaks_no_line(tmp_path: Path, inside: str) -> None:
    assert said(tmp_path, DAY, f"[이바다] [오후 3:04] 밥{inside}먹자") == [("이바다", f"밥{inside}먹자")]


def test_a_csv_message_may_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    rows = '2022-03-30 15:04:05,"김하늘","안녕, ""회의"" 있어?"\n2022-03-30 15:05:10,"이바다","응\n\n두 시야\n"\n'
    [found], report = load(written(tmp_path, f"Date,User,Message\n{rows}", "a.csv"))
    assert [turn.text for turn in found.turns] == ['안녕, "회의" 있어?', "응\n\n두 시야"]
    assert (report.continuations, found.turns[1].time) == (3, "2022-03-30T15:05:10")


def test_csv_rows_without_date_and_user_are_notices(tmp_path: Path) -> None:
    rows = [
        '2022-03-30 15:04:05,"김하늘","안녕"',
        ',"","메시지가 삭제되었습니다."',
        '2022-03-30 15:05:10,"이바다","응"',
    ]
    [found], report = load(written(tmp_path, "\n".join(["Date,User,Message", *rows])))
    assert len(found.turns) == 2
    assert report.kinds == {"header": 1, "text": 2, "deleted": 1}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("이바다 invited 박산 and 최들.", "notice"),
        ("이바다 left this chatroom.", "notice"),
        ("이바다님이 나갔습니다.", "notice"),
        ("김하늘 invited 박산.", "text"),
        ("이바다 invited?", "text"),
    ],
)
def test_csv_notices_begin_with_their_own_user(tmp_path: Path, body: str, kind: str) -> None:
    rows = f'2022-03-30 15:04:05,"김하늘","안녕"\n2022-03-30 15:05:10,"이바다","응"\n2022-03-30 15:06:00,"이바다","{body}"\n'
    _, report = load(written(tmp_path, f"Date,User,Message\n{rows}"))
    assert report.kinds[kind] == (1 if kind == "notice" else 3)


def test_a_csv_that_excel_saved_again_with_other_columns(tmp_path: Path) -> None:
    rows = "7,안녕,2022.3.30 15:04,김하늘\r\n8,응,2022/3/30 15:05,이바다\r\n9,더,2022-3-30 3:06 PM,이바다\r\n"
    [found], report = load(written(tmp_path, f"LogId,MESSAGE,date,User\r\n{rows}".encode("cp949")))
    assert [(t.text, t.time) for t in found.turns] == [("안녕", "2022-03-30T15:04"), ("응\n더", "2022-03-30T15:05")]
    assert report.encoding == "cp949"


def test_a_csv_row_that_is_broken_spoils_no_other(tmp_path: Path) -> None:
    rows = [
        '2022-03-30 15:04:05,"김하늘","안녕"',
        "어제,이바다,응",
        "2022-03-30 15:05:00",
        '2022-03-30 15:05:10,"이바다","응"',
    ]
    rows += ['2022-03-30 15:06:00,"김하늘","닫히지 않은 ', '2022-03-30 15:07:00,"이바다","그래"']
    [found], report = load(written(tmp_path, "\n".join(["Date,User,Message", *rows])))
    assert [turn.text for turn in found.turns] == ["안녕", "응\n그래"]
    assert [line for line, _ in report.skipped] == [3, 4, 6]


@pytest.mark.parametrize(
    "date", ["mar0-00000 15:04", "202a-03-30 15:04", "2022-03.30 15:04", "2022-02-30 15:04", "1-2 3:04"]
)
def test_a_csv_date_that_is_none_is_reported(tmp_path: Path, date: str) -> None:
    rows = ["2022-03-30 15:04:05,김하늘,안녕", f"{date},이바다,뭐", "2022-03-30 15:05:10,이바다,응"]
    [found], report = load(written(tmp_path, "\n".join(["Date,User,Message", *rows])))
    assert [turn.text for turn in found.turns] == ["안녕", "응"]
    assert report.skipped == [(3, "날짜를 알 수 없어 뺐습니다")]


def test_a_csv_header_with_an_open_quote_is_no_header(tmp_path: Path) -> None:
    assert looks_like('Date,User,"Message\n') == 0
    assert looks_like('Date,User,"Message"\n') == 1


def test_an_ios_file_name_in_the_first_line_is_no_room(tmp_path: Path) -> None:
    text = f"\n저장한 날짜 : 2022. 4. 1. 오전 9:00\n\n{IOS}, 김하늘 : 안녕\n{IOS}, 이바다 : 응\n"
    written(tmp_path, f"Talk_2022.4.1 09:00-1.txt{text}", "a.txt")
    written(tmp_path, f"이바다님과 카카오톡 대화{text}", "b.txt")
    [found], report = load(tmp_path)  # one room, not two
    assert (len(found.turns), report.kinds["duplicate"]) == (2, 2)
