"""What one line, and one export, means: every variant, and the cases that every reader must get right."""

from pathlib import Path

import pytest

from yuhee.data.corpora.kakaotalk import export, files, grammar
from yuhee.data.corpora.kakaotalk.kinds import Message, kind_of
from yuhee.data.corpora.kakaotalk.messages import messages
from yuhee.data.corpora.kakaotalk.survey import survey
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport

FIXTURES = Path(__file__).parents[1] / "fixtures" / "kakaotalk"
VARIANTS = sorted(file for file in FIXTURES.iterdir() if file.suffix in (".txt", ".csv"))
DAY = "--------------- 2022년 3월 30일 수요일 ---------------"
IOS = "2022. 3. 30. 오후 3:04"
ANDROID = "2022년 3월 30일 오후 3:04"


def accounted(report: ReadReport) -> int:
    return sum(report.kinds.values()) + report.continuations + len(report.skipped)


def load(path: Path | str, **options: object) -> tuple[list[Dialogue], ReadReport]:
    """Read with 이바다 as the bot, and check that every line is accounted for."""
    report = ReadReport("kakaotalk")
    found = list(export.read(str(path), report, **{"friend": "이바다", **options}))  # type: ignore[arg-type]
    assert report.lines == accounted(report)
    return found, report


def written(folder: Path, text: str | bytes, name: str = "chat.txt") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def parsed(folder: Path, *lines: str, end: str = "\r\n") -> tuple[list[Message], ReadReport]:
    """The messages of a text export of these lines (a line that holds LF has an inner bare one)."""
    [[source]] = files.find_exports(str(written(folder, end.join(lines) + end)))
    facts, report = survey(source, ()), ReadReport("kakaotalk")
    found = list(messages(source.lines(facts.encoding), facts, report, ""))
    report.kinds.update(message.kind for message in found)
    assert facts.lines == accounted(report)
    return found, report


def said(folder: Path, *lines: str, end: str = "\r\n") -> list[tuple[str | None, str]]:
    """(sender, body) of the messages."""
    return [(message.sender, message.body) for message in parsed(folder, *lines, end=end)[0]]


def times(folder: Path, *lines: str) -> list[str | None]:
    return [message.time for message in parsed(folder, *lines)[0]]


TALK = [
    [
        ("user", "밥 먹었어?\n나 배고파 :)", "2022-03-30T15:04"),
        ("assistant", "응 라면, 김치 : 최고\n사진 보냈어요\n\n  국물이 진해", "2022-03-30T15:05"),
        ("user", "좋겠다", "2022-03-30T15:08"),
    ],
    [("assistant", "자?", "2022-03-31T00:10"), ("user", "아니 12:30에 자", "2022-03-31T00:12")],
]


@pytest.mark.parametrize("file", VARIANTS, ids=lambda file: file.stem)
def test_every_variant_reads_the_same(file: Path) -> None:
    english = "_en" in file.stem
    names = {"user": "Haneul" if english else "김하늘", "assistant": "Bada" if english else "이바다"}
    found, report = load(file, friend=names["assistant"])
    assert [[(t.role, t.text, str(t.time)[:16]) for t in d.turns] for d in found] == TALK
    assert all(turn.speaker == names[turn.role] for each in found for turn in each.turns)
    assert [each.id for each in found] == ["kakaotalk:1", "kakaotalk:2"]
    assert (report.kinds["text"], report.kinds["photo"], report.kinds["notice"], report.continuations) == (7, 1, 1, 2)
    assert report.skipped == []
    assert (report.encoding, report.private) == ("utf-8-sig", True)


def test_all_seventeen_variants_have_a_fixture() -> None:
    assert len(VARIANTS) == 17


@pytest.mark.parametrize("file", VARIANTS, ids=lambda file: file.stem)
def test_every_variant_is_recognised_by_its_content(file: Path) -> None:
    assert export.looks_like(file.read_bytes().decode()) >= 9


@pytest.mark.parametrize(
    "text", ["", "Q,A,label\n안녕,네,0\n", "1\t안녕\n2\t네\n", '{"a": "[b] [3:04]"}', "오후 3:04, 그때 봐\n"]
)
def test_other_files_are_not_taken_for_an_export(text: str) -> None:
    assert export.looks_like(text) == 0


def test_headers_separators_and_blank_lines_are_counted() -> None:
    _, report = load(FIXTURES / "ios_ko.txt")
    assert report.lines == 19
    assert report.kinds == {"header": 2, "blank": 4, "separator": 2, "text": 7, "photo": 1, "notice": 1}


@pytest.mark.parametrize(
    ("shown", "iso"),
    [
        ("오전 12:00", "00:00"),
        ("오후 12:00", "12:00"),
        ("오전 11:59", "11:59"),
        ("오후 1:05", "13:05"),
        ("오후 11:59", "23:59"),
        ("12:00 AM", "00:00"),
        ("12:00 PM", "12:00"),
        ("3:04\u202fPM", "15:04"),
        ("3:04\u00a0p.m.", "15:04"),
        ("PM 3:04", "15:04"),
        ("3:04pm", "15:04"),
        ("15:04", "15:04"),
        ("0:04", "00:04"),
        ("오후 15:04", "15:04"),
    ],
)
def test_twelve_and_twenty_four_hours(tmp_path: Path, shown: str, iso: str) -> None:
    assert times(tmp_path, DAY, f"[이바다] [{shown}] 안녕") == [f"2022-03-30T{iso}"]


@pytest.mark.parametrize("shown", ["24:00", "오후 3:60", "99:99"])
def test_a_time_that_no_clock_shows_starts_no_message(shown: str) -> None:
    assert grammar.record(f"[이바다] [{shown}] 안녕") is None


@pytest.mark.parametrize("shown", ["2022년 2월 30일 오후 3:04", "2022. 13. 1. 오후 3:04", "0000-01-01 15:04"])
def test_a_date_that_no_calendar_has_starts_no_message(shown: str) -> None:
    assert grammar.record(f"{shown}, 이바다 : 안녕") is None


def test_an_ignored_marker_is_noted_once(tmp_path: Path) -> None:
    _, report = parsed(tmp_path, DAY, "[이바다] [오후 15:04] 안녕", "[이바다] [오후 15:05] 안녕")
    assert len(report.notes) == 1


@pytest.mark.parametrize(
    ("line", "sender", "body"),
    [
        ("[홍] [길동] [오후 3:04] 안녕", "홍] [길동", "안녕"),
        ("[] [오후 3:04] 공지", None, "공지"),
        ("[.] [오후 3:04] 안녕", ".", "안녕"),
        ("[영/업|#1: (비) 😊] [오후 3:04] 안녕", "영/업|#1: (비) 😊", "안녕"),
        ("[이바다] [오후 3:04] ", "이바다", ""),
        ("[이바다] [오후 3:04]", "이바다", ""),
        ("[ 이\b바다 ] [오후 3:04]  두 칸", "이바다", " 두 칸"),
        ("[이바다] [오후 3:04] [김] [오전 9:11] 라고 했어", "이바다", "[김] [오전 9:11] 라고 했어"),
    ],
)
def test_windows_senders(tmp_path: Path, line: str, sender: str | None, body: str) -> None:
    assert said(tmp_path, DAY, line) == [(sender, body)]


@pytest.mark.parametrize("moment", [ANDROID, IOS, "Mar 30, 2022 at 3:04\u202fPM", "3:04pm, March 30, 2022"])
@pytest.mark.parametrize(
    ("rest", "sender", "body"),
    [
        (", 부서:영업 : 시간 12:30 어때", "부서:영업", "시간 12:30 어때"),
        (", 이바다 : 하나 : 둘 : 셋", "이바다", "하나 : 둘 : 셋"),
        (", 이바다 : 가, 나, 다", "이바다", "가, 나, 다"),
        (", 이바다 : ", "이바다", ""),
        (", 이바다 :", "이바다", ""),
        (", 이, 바다 : 안녕", "이, 바다", "안녕"),
        (", 김님이 나갔습니다.", None, "김님이 나갔습니다."),
        (": 김님이 이님을 초대했습니다.", None, "김님이 이님을 초대했습니다."),
        (",  : 공지", None, " : 공지"),
        (", 김님이 들어왔습니다.타인, 기관 등의 사칭 : 유의", None, "김님이 들어왔습니다.타인, 기관 등의 사칭 : 유의"),
    ],
)
def test_mobile_senders(tmp_path: Path, moment: str, rest: str, sender: str | None, body: str) -> None:
    assert said(tmp_path, moment + rest) == [(sender, body)]
    assert times(tmp_path, moment + rest) == ["2022-03-30T15:04"]


def test_a_name_that_holds_a_colon_with_spaces(tmp_path: Path) -> None:
    lines = [f"{IOS}, 팀 : 하늘 : 안녕", f"{IOS}, 팀 : 하늘 : 밥 : 국", f"{IOS}, 이바다 : 값 : 천 원"]
    assert said(tmp_path, *lines) == [("팀 : 하늘", "안녕"), ("팀 : 하늘", "밥 : 국"), ("이바다", "값 : 천 원")]


def test_brackets_leave_no_doubt_about_a_name(tmp_path: Path) -> None:
    lines = [f"[하늘] [오후 3:04] 값 : {n}" for n in ("하나", "둘")]
    assert said(tmp_path, DAY, *lines) == [("하늘", "값 : 하나"), ("하늘", "값 : 둘")]


def test_a_typed_name_with_a_colon_decides_a_single_line(tmp_path: Path) -> None:
    file = written(tmp_path, f"{IOS}, 팀 : 하늘 : 안녕\n{IOS}, 이바다 : 응\n")
    [found], _ = load(file, me="팀 : 하늘")
    assert [(turn.speaker, turn.text) for turn in found.turns] == [("팀 : 하늘", "안녕"), ("이바다", "응")]


def test_a_person_who_quotes_the_same_word_twice_keeps_the_name(tmp_path: Path) -> None:
    lines = [f"{IOS}, 하늘 : 값 : 하나", f"{IOS}, 하늘 : 값 : 둘", f"{IOS}, 하늘 : 셋"]
    assert said(tmp_path, *lines) == [("하늘", "값 : 하나"), ("하늘", "값 : 둘"), ("하늘", "셋")]


def test_blank_lines_and_indents_inside_a_message_stay(tmp_path: Path) -> None:
    lines = ["[김하늘] [오후 3:04] 준비물 목록", "- 물", " ", "  - 모자", "", " ", "[이바다] [오후 3:05] 응 알겠어"]
    assert said(tmp_path, DAY, *lines) == [("김하늘", "준비물 목록\n- 물\n \n  - 모자"), ("이바다", "응 알겠어")]


@pytest.mark.parametrize(
    "line",
    [
        "--------------- 2022년 3월 31일 수요일 ---------------",  # a Thursday
        "--------------- 2022년 3월 29일 화요일 ---------------",  # before today
        "--------------- 2022년 4월 3일 일요일 ---------------",  # after the export
        "---- 2022년 3월 31일 목요일 ----",
        "2022년 3월 31일 목요일",  # no dashes, in a Windows export
        "회식은 2022년 3월 31일 목요일",
        "2022년 3월 30일 오후 3:05",
    ],
)
def test_a_pasted_separator_is_text_and_moves_no_date(tmp_path: Path, line: str) -> None:
    head = ["이바다 님과 카카오톡 대화", "저장한 날짜 : 2022-04-01 09:00:00", ""]
    found, _ = parsed(tmp_path, *head, DAY, "[이바다] [오후 3:04] 일정", line, "[이바다] [오후 3:06] 끝")
    assert [(m.body, m.time) for m in found] == [(f"일정\n{line}", "2022-03-30T15:04"), ("끝", "2022-03-30T15:06")]


def test_an_android_stamp_needs_a_blank_line_and_a_time_that_goes_on(tmp_path: Path) -> None:
    first, last = f"{ANDROID}, 이바다 : 안녕", "2022년 3월 30일 오후 3:09, 이바다 : 끝"
    later, earlier = "2022년 3월 30일 오후 3:08", "2022년 3월 30일 오후 2:00"
    assert said(tmp_path, first, "", later, last) == [("이바다", "안녕"), ("이바다", "끝")]
    assert said(tmp_path, first, later, last)[0] == ("이바다", f"안녕\n{later}")
    assert said(tmp_path, first, "", earlier, last)[0] == ("이바다", f"안녕\n\n{earlier}")


@pytest.mark.parametrize(("length", "cut"), [(499, False), (500, True)])
def test_a_mobile_message_of_500_characters_may_be_cut(tmp_path: Path, length: int, cut: bool) -> None:
    file = written(tmp_path, f"{IOS}, 김하늘 : 안녕\r\n{IOS}, 이바다 : {'가' * length}\r\n")
    assert load(file)[0][0].meta == {"first_line": 1, "maybe_truncated": cut}
    file = written(tmp_path, f"{DAY}\r\n[김하늘] [오후 3:04] 안녕\r\n[이바다] [오후 3:04] {'가' * length}\r\n")
    assert load(file)[0][0].meta == {"first_line": 2, "maybe_truncated": False}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        *[
            (body, "text")
            for body in ("사진 보냈어요", "사진 2장 찍었어", "사진 0장", "사진  3장", "동영상 봤어", "#맛집")
        ],
        *[
            (body, "text")
            for body in ("이모티콘 귀엽다", "김님이 나갔습니다.", "메시지가 삭제되었습니다.", "파일: 어디 있어")
        ],
        *[
            (body, "text")
            for body in ("보이스톡 할래?", "천원을 보냈어요", "투표했어?", "일정 어때", "지도 봐", "3:04", "0")
        ],
        *[
            (body, "photo")
            for body in ("사진", " 사진 ", "사진 3장", "<사진>", "(사진)", "<사진 읽지 않음>", "Photo", "2 photos")
        ],
        *[
            (body, "photo")
            for body in ("a1" * 32 + ".jpg", "\n".join(["b2" * 32 + ".png"] * 3), "20220330_150400_1.jpeg")
        ],
        *[
            (body, "video")
            for body in ("동영상", "동영상 2개", "<동영상 읽지 않음>", "Video", "videos", "c3" * 32 + ".mp4")
        ],
        *[(body, "emoticon") for body in ("이모티콘", "(이모티콘)", "(emoticon)", "Emoticons")],
        *[(body, "voice") for body in ("음성메시지", "음성 메시지", "Voice Note")],
        *[(body, "file") for body in ("파일: 보고서 (1).pdf", "File: %ED%95%9C.hwp")],
        *[(body, "location") for body in ("지도", "지도: 시청", "위치: 시청 앞")],
        *[(body, "contact") for body in ("연락처", "연락처: 박산", "카카오톡 프로필")],
        *[(body, "search") for body in ("샵검색: #날씨", "샵검색 #날씨")],
        *[
            (body, "call")
            for body in ("보이스톡 해요", "보이스톡 1:02:03", "페이스톡 부재중", "Voice Call 0:17", "라이브톡 종료")
        ],
        *[(body, "call") for body in ("보이스룸이 방금 시작했어요.", "그룹콜 해요", "페이스톡 해요.", "Video Call")],
        *[
            (body, "money")
            for body in ("10,000원을 받으세요", "500원을 보냈어요.", "1,000원 받기 완료! 확인", "송금봉투를 보냈어요")
        ],
        *[(body, "money") for body in ("자동환불 예정", "정산 내용을 확인해주세요.", "선물과 메시지를 보냈습니다.")],
        *[(body, "board") for body in ("톡게시판 '공지': 모임\n장소", "톡게시판 '투표 종료': 점심")],
        ("삭제된 메시지입니다.", "deleted"),
        (" \n", "empty"),
    ],
)
def test_a_placeholder_is_the_whole_body(body: str, kind: str) -> None:
    assert kind_of(body) == kind


def test_ios_writes_words_behind_an_emoticon(tmp_path: Path) -> None:
    assert [m.kind for m in parsed(tmp_path, f"{IOS}, 이바다 : 이모티콘 안녕")[0]] == ["emoticon"]
    assert [m.kind for m in parsed(tmp_path, f"{ANDROID}, 이바다 : 이모티콘 안녕")[0]] == ["text"]


@pytest.mark.parametrize(
    "line",
    [
        "메시지가 삭제되었습니다.",
        "채팅방 관리자가 메시지를 가렸습니다.",
        "3개의 메시지를 가렸습니다.",
        "This message was deleted.",
    ],
)
@pytest.mark.parametrize("record", ["[이바다] [오후 3:04] ", f"{IOS}, 이바다 : ", f"{ANDROID}, 이바다 : "])
def test_a_bare_marker_is_glued_to_nothing(tmp_path: Path, record: str, line: str) -> None:
    found, report = parsed(tmp_path, DAY, f"{record}안녕", line, f"{record}응")
    assert [m.body for m in found] == ["안녕", "응"]
    assert report.kinds["deleted"] + report.kinds["notice"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "김하늘님이 들어왔습니다.",
        "김하늘님이 나갔습니다.",
        "김하늘님이 박산님, 최들님과 정내님을 초대했습니다.",
        "김하늘님을 내보냈습니다.",
        "김하늘님이 방장이 되었습니다.",
        "김하늘 left this chatroom.",
        "이바다 left.",
        "이바다 invited 박산 and 최들.",
        "김하늘 has been removed from this chatroom.",
    ],
)
def test_a_bare_windows_notice(tmp_path: Path, line: str) -> None:
    assert said(tmp_path, DAY, "[이바다] [오후 3:04] 안녕", line) == [("이바다", "안녕"), (None, line)]
    assert said(tmp_path, DAY, f"[이바다] [오후 3:04] {line}") == [
        ("이바다", line)
    ]  # with a sender it is what was said


@pytest.mark.parametrize(
    "line",
    [
        "회의에서 다 나갔습니다.",
        "들어왔습니다.",
        "나갔습니다.",
        "she left.",
        f"{'가' * 41}님이 나갔습니다.",
        "김하늘님이 나갔습니다. 왜?",
    ],
)
def test_a_line_that_only_resembles_a_notice_is_text(tmp_path: Path, line: str) -> None:
    assert said(tmp_path, DAY, "[이바다] [오후 3:04] 안녕", line) == [("이바다", f"안녕\n{line}")]


@pytest.mark.parametrize("moment", [IOS, ANDROID])
def test_mobile_notices_have_a_time_so_a_bare_line_is_text(tmp_path: Path, moment: str) -> None:
    lines = [f"{moment}, 이바다 : 안녕", "김하늘님이 나갔습니다."]
    assert said(tmp_path, *lines) == [("이바다", "안녕\n김하늘님이 나갔습니다.")]


def test_the_legal_text_of_an_open_chat_is_one_notice(tmp_path: Path) -> None:
    legal = [
        "김하늘님이 들어왔습니다.타인, 기관 등의 사칭에 유의해 주세요.",
        "불법촬영물등 식별 및 게재제한 조치 안내",
        "둘째 줄",
    ]
    lines = [DAY, "[이바다] [오후 3:04] 안녕", *legal, "[이바다] [오후 3:05] 응"]
    assert said(tmp_path, *lines) == [("이바다", "안녕"), (None, "\n".join(legal)), ("이바다", "응")]


def test_both_clocks_in_one_file(tmp_path: Path) -> None:
    lines = [f"2022. 3. 30. {time}, 이바다 : 안녕" for time in ("오후 3:04", "15:05", "3:06 PM", "오전 12:00")]
    assert times(tmp_path, *lines) == [f"2022-03-30T{time}" for time in ("15:04", "15:05", "15:06", "00:00")]


def test_in_a_file_of_both_line_ends_a_bare_lf_stays_inside_the_message(tmp_path: Path) -> None:
    pasted = f"{ANDROID}, 누구 : 안녕"
    lines = [f"{ANDROID}, 이바다 : 이거 봐\n{pasted}", f"{ANDROID}, 김하늘 : 응"]
    assert said(tmp_path, *lines)[:2] == [("이바다", f"이거 봐\n{pasted}"), ("김하늘", "응")]
    assert said(tmp_path, *lines, end="\n")[:2] == [("이바다", "이거 봐"), ("누구", "안녕")]  # here LF says nothing


def test_a_file_put_together_of_both_line_ends_loses_no_record(tmp_path: Path) -> None:
    lines = "\n".join([f"{ANDROID}, 이바다 : {n}" for n in range(10)])
    assert len(said(tmp_path, *[f"{ANDROID}, 김하늘 : {n}" for n in range(10)], lines)) == 20


def test_bom_crlf_and_a_header_that_ends_with_bare_lf(tmp_path: Path) -> None:
    head = "\ufeff이바다 님과 카카오톡 대화\n저장한 날짜 : 2022년 4월 1일 오전 9:00\n\r\n"
    file = written(tmp_path, f"{head}{ANDROID}, 김하늘 : 하나\n둘\r\n{ANDROID}, 이바다 : 셋\r\n")
    [found], report = load(file)
    assert [turn.text for turn in found.turns] == ["하나\n둘", "셋"]
    assert report.kinds == {"header": 2, "blank": 1, "text": 2}


def test_a_header_alone_is_no_dialogue_and_no_error(tmp_path: Path) -> None:
    file = written(tmp_path, "이바다 님과 카카오톡 대화\r\n저장한 날짜 : 2022-04-01 09:00:00\r\n\r\n")
    found, report = load(file, friend=None)
    assert (found, report.kinds) == ([], {"header": 2, "blank": 1})


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_a_file_without_its_first_lines(tmp_path: Path, skip: int) -> None:
    lines = (FIXTURES / "windows_ko.txt").read_bytes().split(b"\r\n")
    found, report = load(written(tmp_path, b"\r\n".join(lines[skip:])))
    assert [[turn.text for turn in each.turns] for each in found] == [[text for _, text, _ in each] for each in TALK]
    assert report.skipped == []


def test_swapped_header_lines_and_an_unknown_first_line(tmp_path: Path) -> None:
    for head in (
        ["저장한 날짜 : 2022-04-01 09:00:00", "우리 방"],
        ["우리 방", "여러 줄", "Date Saved: 2022-04-01 09:00:00"],
    ):
        found, report = parsed(tmp_path, *head, "", DAY, "[이바다] [오후 3:04] 안녕")
        assert [m.body for m in found] == ["안녕"]
        assert report.kinds["header"] == len(head)


def test_lines_that_continue_nothing_are_reported(tmp_path: Path) -> None:
    file = written(tmp_path, f"잘린 메시지의 끝\n\n{IOS}, 김하늘 : 안녕\n{IOS}, 이바다 : 응\n")
    found, report = load(file)
    assert len(found) == 1
    assert report.skipped == [(1, "앞에 이어질 메시지가 없어 뺐습니다")]


def test_a_file_without_any_date(tmp_path: Path) -> None:
    lines = [
        "[김하늘] [오후 11:58] 자?",
        "[이바다] [오전 12:01] 응",
        "[김하늘] [오전 9:00] 아침",
        "[이바다] [오전 9:01] 응",
    ]
    found, report = load(written(tmp_path, "\n".join(lines)))
    assert [[(turn.text, turn.time) for turn in each.turns] for each in found] == [
        [("자?", None), ("응", None)],
        [("아침", None), ("응", None)],
    ]
    assert len(report.notes) == 1


def test_a_pasted_line_of_another_client_is_text_unless_it_keeps_the_order_of_time(tmp_path: Path) -> None:
    own = [f"2022년 3월 30일 오후 3:0{n}, 이바다 : {n}" for n in range(5)]
    for pasted in ("2022. 3. 29. 오후 1:00, 누구 : 옛말", "[누구] [오후 3:05] 옛말", "오후 3:05, 누구 : 옛말"):
        assert said(tmp_path, *own, pasted)[-1] == ("이바다", f"4\n{pasted}")
    appointment = "2022. 3. 30. 오후 6:00, 시청 앞"
    assert said(tmp_path, *own, appointment)[-1] == ("이바다", f"4\n{appointment}")
    assert said(tmp_path, *own, "2022. 3. 30. 오후 3:05, 누구 : 새말")[-1] == ("누구", "새말")


def test_time_may_go_back(tmp_path: Path) -> None:
    assert said(tmp_path, "2022. 3. 30. 오후 3:04, 가 : 하나", "2022. 3. 30. 오후 2:04, 나 : 둘") == [
        ("가", "하나"),
        ("나", "둘"),
    ]
