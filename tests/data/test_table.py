import csv
import io
import unicodedata
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.test_chat_json import FIXTURES, accounted, mutated, read_all, survives
from yuhee.data.corpora import json_stream, table
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

KOREAN = partial(table.read, question="질문", answer="답변", label="감정")


def rows(folder: Path, text: str, **options: str | None) -> tuple[list[tuple[str, str, str | None]], ReadReport]:
    """(question, answer, emotion) of the dialogues of a table with this text."""
    file = folder / "mine.csv"
    file.write_bytes(text.encode())
    dialogues, report = read_all(partial(table.read, **options), file)  # type: ignore[arg-type]
    assert accounted(report)
    assert report.kinds["text"] == len(dialogues)
    return [(d.turns[0].text, d.turns[1].text, d.turns[0].emotion) for d in dialogues], report


def test_a_table_under_other_names_in_cp949_with_semicolons() -> None:
    dialogues, report = read_all(KOREAN, FIXTURES / "answers.csv")
    assert dialogues == [
        Dialogue("table:2", (Turn("user", "오늘 시험 망쳤어", emotion="슬픔"), Turn("assistant", "괜찮아; 다음이 있잖아")),
                 ("q:오늘시험망쳤어", "a:괜찮아; 다음이 있잖아"), "table"),
        Dialogue("table:3", (Turn("user", "있잖아\n나 붙었어!", emotion="기쁨"), Turn("assistant", '"합격"이라니 축하해!')),
                 ("q:있잖아나붙었어", 'a:"합격"이라니 축하해!'), "table"),
        Dialogue("table:5", (Turn("user", "그냥 그래"), Turn("assistant", "그런 날도 있지")),
                 ("q:그냥그래", "a:그런 날도 있지"), "table"),
    ]  # fmt: skip
    assert report.skipped == [(6, "질문이나 답이 비어 있습니다"), (7, "열이 2개뿐입니다")]
    assert (report.encoding, report.lines, report.continuations) == ("cp949", 7, 1)
    assert report.kinds == {"header": 1, "text": 3}


def test_a_tsv_with_a_bom_and_without_labels() -> None:
    dialogues, report = read_all(partial(table.read, label=None), FIXTURES / "answers.tsv")
    assert [[turn.text for turn in d.turns] for d in dialogues] == [["심심해", "산책 갈까?"], ["졸려", "조금만 자"]]
    assert [d.turns[0].emotion for d in dialogues] == [None, None]
    assert (report.skipped, report.encoding) == ([], "utf-8-sig")


def test_a_songys_like_table_needs_no_option(tmp_path: Path) -> None:
    found, report = rows(tmp_path, 'Q,A,label\r\n"응, 왔어",어서 와,0\r\n\r\n좋아해,저도요,사랑   ')
    assert found == [("응, 왔어", "어서 와", "0"), ("좋아해", "저도요", "사랑")]
    assert report.kinds == {"header": 1, "text": 2, "blank": 1}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_from_the_header(tmp_path: Path, delimiter: str) -> None:
    header = delimiter.join(["번호", "A", "참고, 그리고; 더".replace(delimiter, ""), "Q"])
    quoted = f'"{header.split(delimiter)[2]}"'
    text = f"{delimiter.join(['번호', 'A', quoted, 'Q'])}\n{delimiter.join(['1', '네', 'x', '자?'])}"
    assert rows(tmp_path, text, label=None)[0] == [("자?", "네", None)]


def test_names_are_compared_in_nfc_and_blank_lines_may_come_first(tmp_path: Path) -> None:
    text = "\n \n" + unicodedata.normalize("NFD", "질문,답변") + "\n가,나"
    found, report = rows(tmp_path, text, question="질문", answer="답변", label=None)
    assert found == [("가", "나", None)]
    assert report.kinds == {"blank": 2, "header": 1, "text": 1}


@pytest.mark.parametrize(
    ("header", "options", "told"),
    [
        ("Q,A", {}, r"열 label 이\(가\) 없습니다\(있는 열: Q, A\)"),
        ("q,a,label", {}, r"열 Q, A 이\(가\) 없습니다\(있는 열: q, a, label, 비슷한 열: q, a\)"),
        ("질문들;답;수", {"question": "질문", "answer": "답"}, "열 질문, label .*있는 열: 질문들, 답, 수, 비슷한 열: 질문들"),
        ("그냥 글", {}, "열 Q, A, label .*있는 열: 그냥 글"),
        ('"Q', {}, "열 A, label .*있는 열: Q"),
        ("가" * 1000, {}, "있는 열: 가{20}[),]"),
    ],
)  # fmt: skip
def test_a_missing_column_names_those_that_are_there(
    tmp_path: Path, header: str, options: dict[str, str], told: str
) -> None:
    with pytest.raises(UserError, match=rf"mine\.csv, 1번째 줄: .*{told}") as caught:
        rows(tmp_path, header + "\n가,나,0", **options)
    assert "data.reader.label" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("안녕,네", "열이 2개뿐입니다"),
        ("어, 왔어?,네,0", "열이 4개입니다(구분 기호가 든 글은 따옴표로 감싸야 합니다)"),
        (",네,0", "질문이나 답이 비어 있습니다"),
        ("안녕,  ,0", "질문이나 답이 비어 있습니다"),
        ('"안녕,네,0', "따옴표가 닫히지 않았습니다"),
        ('안녕,"네"요,0', "따옴표가 닫히지 않았습니다"),
        (f"안녕,{'가' * 140_000},0", "한 칸이 131,072자를 넘습니다"),
    ],
)
@pytest.mark.parametrize("after", ["둘,이,1", '"둘",이,1'])
def test_a_bad_row_is_reported_with_its_line_and_spoils_no_other(
    tmp_path: Path, row: str, reason: str, after: str
) -> None:
    found, report = rows(tmp_path, f"Q,A,label\n하나,일,0\n{row}\n{after}\n\n셋,삼,2\n")
    assert found == [("하나", "일", "0"), ("둘", "이", "1"), ("셋", "삼", "2")]
    assert report.skipped == [(3, reason)]


def test_columns_beyond_the_header_may_be_blank(tmp_path: Path) -> None:
    assert rows(tmp_path, "Q,A,label\n가,나,0,,\n,,\n")[0] == [("가", "나", "0")]


def test_a_quote_left_open_costs_one_row_however_long_the_table(tmp_path: Path) -> None:
    lines = [f"질문{number},답{number},0" for number in range(3 * table.MAX_ROW)]
    found, report = rows(tmp_path, "\n".join(["Q,A,label", '"열린,따옴표,0', *lines]))
    assert len(found) == len(lines)
    assert report.skipped == [(2, "따옴표가 닫히지 않았습니다")]


def test_a_line_over_the_limit_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_LINE", 1000)
    found, report = rows(tmp_path, f'Q,A,label\n가,{"나" * 400},0\n"다\n{"라" * 400}",마,0\n바,사,0\n')
    assert found == [("바", "사", "0")]
    assert [number for number, _ in report.skipped] == [2, 3, 4]


def test_a_file_full_of_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="NUL"):
        rows(tmp_path, "\0" * 5000)


def test_a_missing_data_path_is_a_user_error() -> None:
    with pytest.raises(UserError, match=r"data\.path"):
        next(table.read(None, ReadReport("table")))


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")).map(str.strip).filter(bool)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=6), st.sampled_from(",;\t"))
def test_any_written_table_comes_back(tmp_path: Path, cells: list[tuple[str, str, str]], delimiter: str) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows([("Q", "A", "label"), *cells])
    found, report = rows(tmp_path, written.getvalue())
    assert found == [tuple(unicodedata.normalize("NFC", cell) for cell in row) for row in cells]
    assert report.skipped == []


@given(st.data(), st.sampled_from(["answers.csv", "answers.tsv"]))
def test_damaged_copies_lose_no_line(tmp_path: Path, data: st.DataObject, name: str) -> None:
    reader = KOREAN if name == "answers.csv" else partial(table.read, label=None)
    survives(reader, tmp_path / name, data.draw(mutated((FIXTURES / name).read_bytes())))
