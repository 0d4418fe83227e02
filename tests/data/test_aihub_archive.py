"""Where the documents come from: folders, zips, odd names, refused files; and tables."""

import json
import os
import struct
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from yuhee.data.corpora import aihub
from yuhee.data.corpora.aihub import archive, decoding, multiturn, others, tables
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

Members = dict[str, bytes]


def read(path: Path, **options: Any) -> tuple[list[Dialogue], ReadReport]:
    report = ReadReport("aihub")
    dialogues = list(aihub.read(str(path), report, **options))
    assert report.lines == report.kinds.total() + len(report.skipped)
    return dialogues, report


def chat(number: str, *texts: str) -> dict[str, Any]:
    spoken = [
        {"participantID": f"P{place % 2}", "utterance": text} for place, text in enumerate(texts or ("안녕", "응"))
    ]
    return {"header": {"dialogueInfo": {"dialogueID": number}}, "body": spoken}


def as_json(*records: Any) -> bytes:
    return json.dumps(list(records), ensure_ascii=False).encode()


def ids(dialogues: list[Dialogue]) -> list[str]:
    return [d.id.removeprefix("aihub:sns:") for d in dialogues]


def zipped(path: Path, members: Members, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def patched(path: Path, change: Callable[[bytearray, int, int], None]) -> Path:
    """Change the local and the central header of a zip's only member, given their places."""
    data = bytearray(path.read_bytes())
    change(data, data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02"))
    path.write_bytes(data)
    return path


def test_a_tree_of_folders_files_and_zips(tmp_path: Path) -> None:
    zipped(
        tmp_path / "1.Training" / "라벨링데이터" / "TL_01.zip",
        {"b.json": as_json(chat("b")), "a.json": as_json(chat("a"))},
    )
    zipped(tmp_path / "2.Validation" / "VL_01.zip", {"깊은/곳/c.jsonl": as_json(chat("c"))})
    (tmp_path / "d.JSON").write_bytes(as_json(chat("d")))
    dialogues, report = read(tmp_path)
    assert ids(dialogues) == ["a", "b", "c", "d"]
    assert [d.meta.get("split") for d in dialogues] == ["Training", "Training", "Validation", None]
    assert (report.skipped, report.notes) == ([], [])


def test_a_zip_or_a_file_alone(tmp_path: Path) -> None:
    file = zipped(tmp_path / "내려받은 것", {"a.json": as_json(chat("a"))})
    assert ids(read(file)[0]) == ["a"]
    other = tmp_path / "이름만 다른.txt"
    other.write_bytes(as_json(chat("b")))
    assert ids(read(other)[0]) == ["b"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("1.Training/a.json", "Training"),
        ("01-1.정식개방데이터/Validation/02.라벨링데이터/a.json", "Validation"),
        ("감성대화말뭉치(최종데이터)_Training.json", "Training"),
        ("감성대화말뭉치(최종데이터)_Validation.json", "Validation"),
        ("TL_01. KAKAO(1)/a.json", "Training"),
        ("VS_02/a.json", "Validation"),
        ("Training/Validation/a.json", "Validation"),
        ("restrained/straining/a.json", None),
        ("HTL_1/a.json", None),
    ],
)
def test_the_split_is_read_from_the_nearest_name(tmp_path: Path, name: str, split: str | None) -> None:
    folder = tmp_path / "x"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(as_json(chat("a")))
    assert read(folder)[0][0].meta.get("split") == split
    assert read(folder / name)[0][0].meta.get("split") == split
    assert read(zipped(tmp_path / "z.zip", {name: as_json(chat("a"))}))[0][0].meta.get("split") == split


@pytest.mark.parametrize("encoding", ["cp949", "utf-8"])
def test_member_names_without_the_flag_are_mended(tmp_path: Path, encoding: str) -> None:
    name = "검증/개인 및 관계_Validation.json"
    raw = name.encode(encoding)
    file = zipped(tmp_path / "a.zip", {"x" * len(raw): b"{}"})
    file.write_bytes(file.read_bytes().replace(b"x" * len(raw), raw))
    assert zipfile.ZipFile(file).namelist() != [name]
    _, report = read(file)
    assert report.skipped == [(1, f"a.zip/{name}: 아는 AI Hub 형식이 아닙니다")]


def test_names_are_nfc_and_a_path_in_nfc_finds_nfd(tmp_path: Path) -> None:
    nfd = unicodedata.normalize("NFD", "대화.json")
    zipped(tmp_path / "a.zip", {nfd: b"[1]"})
    (tmp_path / nfd).write_bytes(b"[1]")
    assert [reason.split(":")[0] for _, reason in read(tmp_path)[1].skipped] == ["a.zip/대화.json", "대화.json"]
    assert len(read(tmp_path / "대화.json")[1].skipped) == 1


def test_a_correction_wins_over_what_it_corrects(tmp_path: Path) -> None:
    for folder, text in (("라벨링데이터", "틀린 글"), ("라벨링데이터_230510_add", "고친 글")):
        zipped(
            tmp_path / folder / "TL_1.zip", {"a.json": as_json(chat("a", "질문", text)), "b.json": as_json(chat("b"))}
        )
    dialogues, report = read(tmp_path)
    assert [(d.id, d.replies) for d in dialogues] == [("aihub:sns:a", ("고친 글",)), ("aihub:sns:b", ("응",))]
    assert report.kinds == {"text": 4, "duplicate": 4}
    assert report.notes == ["같은 대화가 되풀이된 2건은 한 번만 읽었습니다."]


def test_labelled_data_comes_before_source_data(tmp_path: Path) -> None:
    for name in ("1.Training/01.원천데이터/TS_1.zip", "1.Training/02.라벨링데이터/TL_1.zip"):
        zipped(tmp_path / name, {"a.json": as_json(chat("a", "질문", name[-8:]))})
    assert [d.replies for d in read(tmp_path)[0]] == [("TL_1.zip",)]


def test_no_member_name_leads_out_and_nothing_is_written(tmp_path: Path) -> None:
    names = ["../../밖.json", "/etc/밖.json", "..\\밖.json", "a\x01b.json"]
    file = zipped(tmp_path / "in" / "a.zip", {name: as_json(chat(str(n))) for n, name in enumerate(names)})
    before = sorted(tmp_path.rglob("*"))
    assert sorted(ids(read(file)[0])) == ["0", "1", "2", "3"]
    assert sorted(tmp_path.rglob("*")) == before
    found = {each.name for each in archive.documents(str(file), Counter())}
    assert found == {"a.zip/../../밖.json", "a.zip//etc/밖.json", "a.zip/../밖.json", "a.zip/ab.json"}


def test_hidden_files_are_passed_over_and_others_noted(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"__MACOSX/b.json": b"x", "a.json": as_json(chat("a")), "소리.wav": b"", "설명": b""})
    for name in (".DS_Store", "._b.json", "설명서.pdf", "c.zip.part0"):
        (tmp_path / name).write_bytes(b"x")
    dialogues, report = read(tmp_path)
    assert (ids(dialogues), report.skipped) == (["a"], [])
    assert report.notes == ["대화가 아닌 파일은 읽지 않았습니다(.part0 1개, .pdf 1개, .wav 1개, ? 1개)."]


def refused(path: Path) -> str:
    """Why a file beside a good one is not read, after the good one was."""
    (path.parent / "zz.json").write_bytes(as_json(chat("좋은 것")))
    dialogues, report = read(path.parent)
    assert ids(dialogues) == ["좋은 것"]
    [(line, reason)] = report.skipped
    assert line == 0
    return reason


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BOMB_SIZE", 10_000)
    file = zipped(tmp_path / "a.zip", {"bomb.json": b" " * 100_000})
    assert refused(file) == "a.zip/bomb.json: 압축률이 200배를 넘어(압축 폭탄) 읽지 않습니다"


@pytest.mark.parametrize(
    ("size", "packed", "bomb"),
    [
        (2**26, 1, False),
        (2**26 + 1, 1, True),
        (200 * 2**20, 2**20, False),
        (200 * 2**20 + 1, 2**20, True),
        (2**27, 0, True),
    ],
)
def test_what_a_bomb_is(size: int, packed: int, bomb: bool) -> None:
    member = zipfile.ZipInfo("a.json")
    member.file_size, member.compress_size = size, packed
    assert archive.is_bomb(member) is bomb


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    def encrypt(data: bytearray, local: int, central: int) -> None:
        data[local + 6] |= 1
        data[central + 8] |= 1

    file = patched(zipped(tmp_path / "a.zip", {"a.json": as_json(chat("a"))}), encrypt)
    assert refused(file) == "a.zip/a.json: 암호가 걸려 있습니다. 암호를 풀어 다시 압축해 주세요"


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    def change(data: bytearray, local: int, central: int) -> None:
        struct.pack_into("<H", data, local + 8, 97)
        struct.pack_into("<H", data, central + 10, 97)

    file = patched(zipped(tmp_path / "a.zip", {"a.json": as_json(chat("a"))}), change)
    assert refused(file).startswith("a.zip/a.json: 파일이 깨졌거나")


def test_a_member_with_a_wrong_checksum_is_reported(tmp_path: Path) -> None:
    def change(data: bytearray, local: int, central: int) -> None:
        data[central + 16] ^= 1
        data[local + 14] ^= 1

    file = patched(zipped(tmp_path / "a.zip", {"a.json": as_json(chat("a"))}), change)
    assert refused(file).startswith("a.zip/a.json: 파일이 깨졌거나")


def test_a_zip_in_a_zip_and_a_broken_zip_are_refused(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner" / "i.zip", {"a.json": b"[]"}).read_bytes()
    file = zipped(tmp_path / "one" / "a.zip", {"i.zip": inner})
    assert refused(file) == "a.zip/i.zip: zip 안에 든 zip은 읽지 않습니다. 바깥 zip을 먼저 풀어 주세요"
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "b.zip").write_bytes(inner[:-30])
    assert refused(tmp_path / "two" / "b.zip") == "b.zip: zip 파일이 깨졌거나 열 수 없습니다. 다시 내려받아 주세요"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b"", "파일이 비어 있습니다"),
        ("a.json", b"\xef\xbb\xbf \r\n", "파일이 비어 있습니다"),
        ("a.json", b"\0" * 10_000, "파일이 비어 있습니다"),
        ("a.csv", b"", "파일이 비어 있습니다"),
        ("a.json", b"\xff\xff[]", "UTF-8도 UTF-16도 cp949도 아닙니다. UTF-8로 저장해 주세요"),
        ("a.json", "안녕".encode(), "JSON이 아닙니다"),
        ("a.jsonl", "대화ID,발화자,발화".encode(), "JSON이 아닙니다"),
        ("a.xlsx", b"PK\x03\x04" + b"\0" * 99, "엑셀 파일이 깨졌거나 열 수 없습니다"),
        ("a.json", b"[]", "기록이 하나도 없습니다"),
        ("a.csv", "대화ID,발화자,발화\n\n".encode(), "기록이 하나도 없습니다"),
        ("a.csv", b"\r\n" * decoding.HEAD + b"a", "파일이 비어 있습니다"),
        ("a.csv", b"a" * 2 * decoding.LONGEST_LINE, "한 줄이 백만 글자를 넘어 그 뒤를 읽지 않았습니다"),
        ("a.json", b" [1]"[:2], "JSON이 깨져 있어 여기부터 끝까지 읽지 못했습니다"),
    ],
)
def test_a_file_of_no_use_is_reported(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "zz.json").write_bytes(as_json(chat("좋은 것")))
    dialogues, report = read(tmp_path)
    assert ids(dialogues) == ["좋은 것"]
    assert [said for _, said in report.skipped] == [f"{name}: {reason}"]


def test_bytes_that_turn_bad_later_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(as_json(chat("a"))[:-1] + b" " * decoding.HEAD + b'"\xff"]')
    dialogues, report = read(tmp_path)
    assert report.skipped == [(0, "a.json: 중간에 읽을 수 없는 글자가 있어 그 뒤를 읽지 못했습니다")]
    assert dialogues == []  # within one window; in larger files what stands before is read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_every_encoding_reads_the_same(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.json").write_bytes(as_json(chat("a", "밥 먹었어?", "라면ㅋㅋ")).decode().encode(encoding))
    [found], report = read(tmp_path)
    assert [turn.text for turn in found.turns] == ["밥 먹었어?", "라면ㅋㅋ"]
    assert report.encoding == ("utf-8-sig" if encoding == "utf-8" else encoding)


def test_nothing_to_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "빈 곳").mkdir()
    (tmp_path / "빈 곳" / "설명서.pdf").write_bytes(b"x")
    for path, message in (
        (tmp_path / "없는 곳", "파일이 없습니다"),
        (tmp_path / "빈 곳", "AI Hub 파일.*이 없습니다"),
        (tmp_path / ("길" * 300), "data.path"),
        (tmp_path / "a\0b", "data.path"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"data\.path"):
        list(aihub.read(None, ReadReport("aihub")))


def test_a_file_that_may_not_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_bytes(as_json(chat("a")))
    (tmp_path / "b.json").write_bytes(as_json(chat("b")))
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "a.json":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    dialogues, report = read(tmp_path)
    assert ids(dialogues) == ["b"]
    assert report.skipped == [(0, "a.json: 파일이 깨졌거나 읽을 수 없습니다. 다시 내려받아 주세요")]


# Tables


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_csv_and_tsv_and_every_line_end(tmp_path: Path, delimiter: str, ending: str) -> None:
    rows = ["사람문장1,시스템문장1", '"하나\u2028둘",네', "", "셋,응"]
    text = ending.join(rows).replace(",", delimiter)
    (tmp_path / "a.tsv").write_bytes(text.encode())
    dialogues, report = read(tmp_path)
    assert [[turn.text for turn in d.turns] for d in dialogues] == [["하나\u2028둘", "네"], ["셋", "응"]]
    assert report.skipped == []


def test_a_quoted_line_break_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('사람문장1,시스템문장1\n"하나\n둘","네"\n셋,응\n', encoding="utf-8")
    dialogues, _ = read(tmp_path)
    assert [d.id[-1] for d in dialogues] == ["2", "4"]
    assert dialogues[0].turns[0].text == "하나\n둘"


def test_a_stray_quote_is_reported_with_the_lines_it_spoils(tmp_path: Path) -> None:
    text = '사람문장1,시스템문장1\n하나,네\n"둘"비밀,응\n셋,응\n"넷,그래\n다섯,그래\n'
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    dialogues, report = read(tmp_path)
    assert [d.turns[0].text for d in dialogues] == ["하나", "셋"]
    assert report.skipped == [
        (3, "a.csv: 따옴표가 잘못되어 3번째 줄까지 읽지 못했습니다"),
        (5, "a.csv: 따옴표가 잘못되어 6번째 줄까지 읽지 못했습니다"),
    ]


def test_a_header_without_an_end_and_an_unknown_one_show_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"비밀\n안녕,네\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text("비밀,비밀\n안녕,네\n", encoding="utf-8")
    _, report = read(tmp_path)
    assert [line for line, _ in report.skipped] == [1, 1]
    assert "비밀" not in str(report.as_dict())


def test_tables_that_are_gathered_stop_at_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiturn, "MOST_ROWS", 4)
    monkeypatch.setattr(others, "MOST_ROWS", 4)
    (tmp_path / "a.csv").write_text("대화ID,발화자,발화\n" + ",A,가\n,B,나\n" * 5, encoding="utf-8")
    (tmp_path / "b.csv").write_text("구분,유저,챗봇\n" + "잠,가,나\n" * 9, encoding="utf-8")
    dialogues, report = read(tmp_path)
    assert [len(d.turns) for d in dialogues if d.meta["shape"] == "multiturn"] == [4, 4, 2]
    assert report.skipped == [(6, "b.csv: 웰니스 표는 4줄까지만 읽습니다")]


def test_a_workbook_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST_SHEET", 1000)
    file = zipped(tmp_path / "a.xlsx", {"xl/workbook.xml": b"x" * 1001})
    assert refused(file) == "a.xlsx: 엑셀 파일이 풀면 너무 커서(압축 폭탄) 읽지 않습니다"
    monkeypatch.setattr(tables, "LARGEST_WORKBOOK", 10)
    assert refused(file).startswith("a.xlsx: 엑셀 파일이 64MB를 넘어")


def test_another_office_file_is_refused(tmp_path: Path) -> None:
    assert refused(zipped(tmp_path / "a.xlsx", {"word/document.xml": b"x"})) == "a.xlsx: 엑셀 파일이 아닙니다"


def test_a_workbook_whose_dimensions_lie_and_an_empty_sheet(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["사람문장1", "시스템문장1"], ["하나", "네"], ["둘", "응"]):
        book.active.append(row)
    book.create_sheet("빈 시트")
    book.save(tmp_path / "honest")
    with zipfile.ZipFile(tmp_path / "honest") as file:
        members = {name: file.read(name).replace(b'ref="A1:B3"', b'ref="A1:A2"') for name in file.namelist()}
    assert any(b"A1:A2" in content for content in members.values())
    dialogues, report = read(zipped(tmp_path / "a.xlsx", members))
    assert [d.turns[0].text for d in dialogues] == ["하나", "둘"]
    assert report.skipped == []


def test_a_line_as_long_as_the_limit_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = "하나,둘셋넷다섯여섯일곱\n"
    monkeypatch.setattr(decoding, "LONGEST_LINE", len(row))
    (tmp_path / "a.csv").write_text(f"사람문장1,시스템문장1\n{row}{row[1:]}", encoding="utf-8")
    assert [len(d.turns) for d in read(tmp_path)[0]] == [2, 2]
    monkeypatch.setattr(decoding, "LONGEST_LINE", len(row) - 1)
    assert read(tmp_path)[1].skipped == [(0, "a.csv: 한 줄이 백만 글자를 넘어 그 뒤를 읽지 않았습니다")]
