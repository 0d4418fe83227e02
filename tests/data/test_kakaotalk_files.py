"""Which files are read, how they are joined, and what is refused."""

import codecs
import io
import struct
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.test_kakaotalk import DAY, FIXTURES, IOS, TALK, accounted, load, said, written
from yuhee.data.corpora.kakaotalk import export, files
from yuhee.data.corpora.kakaotalk.kinds import Message
from yuhee.data.corpora.kakaotalk.merging import merged
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

TEXTS = [[text for _, text, _ in each] for each in TALK]


def texts(path: Path) -> list[list[str]]:
    return [[turn.text for turn in each.turns] for each in load(path)[0]]


def zipped(folder: Path, **members: bytes) -> Path:
    file = folder / "chats.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
@pytest.mark.parametrize("name", ["windows_ko.txt", "ios_24h.txt", "macos.csv"])
def test_every_encoding_reads_the_same(tmp_path: Path, name: str, encoding: str) -> None:
    text = (FIXTURES / name).read_bytes().decode("utf-8-sig")
    file = written(tmp_path, text.encode(encoding))
    assert texts(file) == TEXTS
    assert load(file)[1].encoding == encoding.removesuffix("-sig") + ("-sig" if encoding.startswith("utf-8") else "")


def test_utf_16_big_endian(tmp_path: Path) -> None:
    text = (FIXTURES / "windows_ko.txt").read_bytes().decode()
    assert texts(written(tmp_path, codecs.BOM_UTF16_BE + text.encode("utf-16-be"))) == TEXTS


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("name", ["ios_ko.txt", "macos.csv"])
def test_where_blocks_end_does_not_matter(monkeypatch: pytest.MonkeyPatch, name: str, block: int) -> None:
    monkeypatch.setattr(files, "_BLOCK", block)
    assert texts(FIXTURES / name) == TEXTS


PIECES = st.sampled_from(["\r\n", "\n", "\r", "가", "a", " "])


@given(st.lists(PIECES, max_size=20), st.integers(1, 5))
def test_lines_end_at_crlf_lf_and_cr_only(pieces: list[str], block: int) -> None:
    text = "".join(pieces)
    blocks = (text[start : start + block] for start in range(0, len(text), block))
    expected = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    assert [line for line, _ in files._lines(blocks)] == (expected.split("\n") if text else [])


def test_each_line_says_whether_a_bare_lf_ended_it() -> None:
    assert list(files._lines(iter(["a\r\nb\nc\rd\n", "e"]))) == [
        ("a", False),
        ("b", True),
        ("c", False),
        ("d", True),
        ("e", False),
    ]


def test_parts_are_joined_in_the_order_of_their_numbers() -> None:
    [found], report = load(FIXTURES / "parts")
    # ㅋㅋ ends one part and begins the next within one minute: two messages
    assert [(turn.role, turn.text) for turn in found.turns] == [
        ("user", "하나"),
        ("assistant", "ㅋㅋ\nㅋㅋ"),
        ("user", "둘"),
        ("assistant", "열"),
    ]
    assert "duplicate" not in report.kinds


def test_a_file_named_twice_is_read_once() -> None:
    report = ReadReport("kakaotalk")
    assert len(list(export.read([str(FIXTURES / "ios_ko.txt")] * 2, report, me="김하늘"))) == 2
    assert report.lines == accounted(report) == 19


def test_files_named_after_days_are_exports_not_parts(tmp_path: Path) -> None:
    for day in (1, 2):
        written(tmp_path, f"{IOS}, 김하늘 : 안녕\n{IOS}, 이바다 : 응\n", f"chat-2022-04-0{day}.txt")
    assert load(tmp_path)[1].kinds["duplicate"] == 2


def test_files_named_in_any_order_are_the_same_parts() -> None:
    report = ReadReport("kakaotalk")
    paths = sorted((str(file) for file in (FIXTURES / "parts").iterdir()), reverse=True)
    [found] = export.read(paths, report, me="김하늘")
    assert [turn.text for turn in found.turns] == ["하나", "ㅋㅋ\nㅋㅋ", "둘", "열"]


def test_overlapping_exports_are_read_once_in_order_of_time(tmp_path: Path) -> None:
    day = [
        f"[{who}] [오후 3:0{n // 2}] ㅋㅋ" for n, who in enumerate(["김하늘", "이바다", "김하늘", "김하늘", "이바다"])
    ]
    written(tmp_path, "\n".join([DAY, *day[:4]]), "KakaoTalk_1.txt")
    written(tmp_path, "\n".join([DAY, *day[1:]]), "KakaoTalk_2.txt")
    [found], report = load(tmp_path)
    assert [(turn.role, turn.text) for turn in found.turns] == [
        ("user", "ㅋㅋ"),
        ("assistant", "ㅋㅋ"),
        ("user", "ㅋㅋ\nㅋㅋ"),
        ("assistant", "ㅋㅋ"),
    ]
    assert (report.kinds["duplicate"], report.kinds["text"]) == (3, 5)


def test_an_export_that_has_more_of_a_minute_knows_its_order(tmp_path: Path) -> None:
    said_there = ["하나", "둘", "셋"]
    lines = [f"{IOS}, 김하늘 : {text}" for text in said_there] + [f"{IOS}, 이바다 : 응"]
    written(tmp_path, "\n".join([lines[0], *lines[2:]]), "a.txt")
    written(tmp_path, "\n".join(lines), "b.txt")
    assert texts(tmp_path) == [["하나\n둘\n셋", "응"]]


def test_the_exporter_has_two_names_in_two_exports(tmp_path: Path) -> None:
    written(tmp_path, f"{IOS}, 회원님 : 안녕\n{IOS}, 이바다 : 응\n", "a.txt")
    written(tmp_path, f"{IOS}, 김하늘 : 안녕\n{IOS}, 이바다 : 응\n", "b.txt")
    [found], report = load(tmp_path, me="김하늘")
    assert ([turn.text for turn in found.turns], report.kinds["duplicate"]) == (["안녕", "응"], 2)


SAID = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.sampled_from(["ㅋㅋ", "응"])), max_size=8)


@given(st.lists(SAID, min_size=1, max_size=3))
def test_merging_is_the_union_of_multisets(exports: list[list[tuple[int, str, str]]]) -> None:
    report = ReadReport("kakaotalk")
    streams = [[Message(1, None, at, who, "text", what) for at, who, what in sorted(each)] for each in exports]
    found = list(merged([iter(stream) for stream in streams], frozenset(), report))
    expected: Counter[tuple[int, str, str]] = Counter()
    for each in exports:
        expected |= Counter(each)
    assert Counter((m.minute, m.sender, m.body) for m in found) == expected
    assert [m.minute for m in found] == sorted(m.minute for m in found)
    assert report.kinds["duplicate"] == sum(map(len, exports)) - len(found)


def test_exports_of_two_rooms_are_refused(tmp_path: Path) -> None:
    written(tmp_path, f"{IOS}, 김하늘 : 안녕\n{IOS}, 이바다 : 응\n", "a.txt")
    written(tmp_path, f"{IOS}, 김하늘 : 안녕\n{IOS}, 박산 : 응\n", "b.txt")
    with pytest.raises(UserError, match="서로 다른 방"):
        load(tmp_path)


def test_rooms_of_the_same_people_differ_by_their_titles(tmp_path: Path) -> None:
    for name, room in (("a.txt", "이바다 님과 카카오톡 대화"), ("b.txt", "우리 모임 3 카카오톡 대화")):
        written(
            tmp_path, f"{room}\n저장한 날짜 : 2022-04-01 09:00:00\n\n{IOS}, 김하늘 : 안녕\n{IOS}, 이바다 : 응\n", name
        )
    with pytest.raises(UserError, match="서로 다른 방"):
        load(tmp_path)


def test_a_file_beside_the_export_is_left_out_with_a_note(tmp_path: Path) -> None:
    written(tmp_path, (FIXTURES / "ios_ko.txt").read_bytes(), "b.txt")
    written(tmp_path, "우유, 빵", "a.txt")
    written(tmp_path, b"\xff\xd8", "photo.jpg")
    assert texts(tmp_path) == TEXTS
    assert load(tmp_path)[1].notes == ["1번째 파일: 카카오톡 대화가 아니어서 읽지 않았습니다."]


def test_reasons_name_the_file_by_its_number(tmp_path: Path) -> None:
    written(tmp_path, f"{IOS}, 김하늘 : 안녕\n", "a.txt")
    written(tmp_path, f"끝\n{IOS}, 이바다 : 응\n", "b.txt")
    assert load(tmp_path)[1].skipped == [(1, "2번째 파일: 앞에 이어질 메시지가 없어 뺐습니다")]


def test_a_zip_is_read_in_memory_whatever_its_members_are_called(tmp_path: Path) -> None:
    content = (FIXTURES / "android_ko.txt").read_bytes()
    file = zipped(tmp_path, **{"../../evil.TXT": content, "사진/a.jpg": b"\xff", "__MACOSX/._a.txt": b"\0"})
    before = sorted(tmp_path.rglob("*"))
    assert texts(file) == TEXTS
    assert texts(written(tmp_path, file.read_bytes(), "renamed.txt")) == TEXTS  # found by content
    assert sorted(tmp_path.rglob("*")) == [*before, tmp_path / "renamed.txt"]
    assert not (tmp_path.parent.parent / "evil.TXT").exists()


def test_parts_inside_a_zip(tmp_path: Path) -> None:
    members = {f"방/{file.name}": file.read_bytes() for file in (FIXTURES / "parts").iterdir()}
    assert texts(zipped(tmp_path, **members)) == [["하나", "ㅋㅋ\nㅋㅋ", "둘", "열"]]


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    file = zipped(tmp_path, **{"a.txt": b"x"})
    data = bytearray(file.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    for flags in (6, directory + 8):
        struct.pack_into("<H", data, flags, 1)
    with pytest.raises(UserError, match="암호"):
        load(written(tmp_path, bytes(data), "locked.zip"))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.txt", "w") as member,
    ):
        for _ in range(65):
            member.write(bytes(1 << 20))
    with pytest.raises(UserError, match="압축 폭탄"):
        load(file)


def test_an_archive_that_announces_too_much_in_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = zipped(tmp_path, **{f"a{n}.txt": bytes(100) for n in range(3)})
    monkeypatch.setattr(files, "LARGEST_ARCHIVE", 299)
    with pytest.raises(UserError, match="압축 폭탄"):
        load(file)


def test_a_member_never_gives_more_than_it_announces(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path, **{"a.txt": (FIXTURES / "ios_ko.txt").read_bytes() * 50}).read_bytes())
    struct.pack_into("<L", data, data.rindex(b"PK\x01\x02") + 24, 1000)
    with pytest.raises(UserError, match="압축이 깨져"):
        load(written(tmp_path, bytes(data), "liar.zip"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "비어"),
        (bytes(1 << 20), "널 문자"),
        (b"\xef\xbb\xbf", "카카오톡에서 내보낸 대화가 아니"),
        ("그냥 글".encode(), "카카오톡에서 내보낸 대화가 아니"),
        (b"\xff\xff\xfe" * 9, "UTF-8도 UTF-16도 cp949도"),
        (b"PK\x03\x04broken", "압축이 깨져"),
        (b"PK\x05\x06" + bytes(18), "카카오톡|널 문자"),
    ],
)
def test_what_is_no_export_is_refused_in_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_zip_or_folder_without_exports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="zip 안에"):
        load(zipped(tmp_path, **{"a.jpg": b"x"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="폴더에"):
        load(tmp_path / "empty")
    with pytest.raises(UserError, match="파일이 없습니다"):
        load(tmp_path / "없는 파일.txt")


@pytest.mark.parametrize("path", [None, "", []])
def test_no_path_is_a_user_error(path: str | None) -> None:
    with pytest.raises(UserError, match=r"data\.path"):
        list(export.read(path, ReadReport("kakaotalk")))


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_line_over_one_mebibyte_is_skipped_and_reading_goes_on(tmp_path: Path, end: str) -> None:
    fits, over = "가" * ((1 << 20) // 3), "가" * ((1 << 20) // 3 + 1)
    lines = [f"{IOS}, 김하늘 : 안녕", fits, over, "a" * (5 << 20), f"{IOS}, 이바다 : 응", over]
    report = ReadReport("kakaotalk")
    [found] = export.read(str(written(tmp_path, "\n".join(lines) + end)), report, me="김하늘")
    assert [turn.text for turn in found.turns] == [f"안녕\n{fits}", "응"]
    assert report.skipped == [(n, "한 줄이 1 MiB를 넘어 뺐습니다") for n in (3, 4, 6)]
    assert report.lines == accounted(report) == 6


def test_a_huge_line_is_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        left, largest = 64, 0

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"a" * size if self.left > 0 else b""

    seen: list[int] = []
    monkeypatch.setattr(files, "_is_long", lambda line: bool(seen.append(len(line))))
    source = files.Source("", "", Endless)  # type: ignore[arg-type]
    assert list(source.lines("utf-8")) == [(files.TOO_LONG, False)]
    assert sum(seen) <= files.LONGEST_LINE


@pytest.mark.parametrize("block", [1, 5, 32])
def test_a_long_line_ends_where_it_ends(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 10)
    for length in range(9, 40):
        text = f"{'a' * length}\rb\r\nc\n"
        blocks = [text[start : start + block] for start in range(0, len(text), block)]
        first = "a" * length if length <= 10 else files.TOO_LONG
        assert list(files._lines(iter(blocks))) == [(first, False), ("b", False), ("c", True)]


def test_a_message_without_end_is_cut_with_a_reason(tmp_path: Path) -> None:
    text = "\n".join([f"{IOS}, 김하늘 : 안녕", *["가" * 100_000] * 12, f"{IOS}, 이바다 : 응"])
    _, report = load(written(tmp_path, text))
    assert report.skipped == [(13, "메시지 하나가 1 MiB를 넘어 나머지를 뺐습니다")]


def test_a_line_with_a_nul_is_skipped(tmp_path: Path) -> None:
    [found], report = load(written(tmp_path, f"{IOS}, 김하늘 : 안녕\n{IOS}, 김\0 : 뭐\n\0\0\n{IOS}, 이바다 : 응\n"))
    assert len(found.turns) == 2
    assert [line for line, _ in report.skipped] == [2, 3]


HOSTILE = [
    "[",
    "[] ",
    "] [",
    "[a] [",
    "-",
    "- ",
    " : ",
    "사진",
    "오후 ",
    "3:04 ",
    "1",
    "2022. ",
    "님이 ",
    "님을 ",
    '"',
    ",",
    "파일: a.",
    "a ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_long_hostile_lines_take_linear_time(tmp_path: Path, piece: str) -> None:
    long = piece * (1_000_000 // len(piece.encode()))
    lines = [DAY, "[이바다] [오후 3:04] 안녕", long, f"-----{long}-----", f"[이바다] [오후 3:04] {long}"]
    assert len(said(tmp_path, *lines)) >= 2  # a quadratic pattern would run for hours
    rows = ["Date,User,Message", "2022-03-30 15:04:05,이바다,안녕", f"2022-03-30 15:04:05,a,{long}", long]
    load(written(tmp_path, "\n".join(rows)))
