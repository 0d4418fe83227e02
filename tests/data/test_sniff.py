"""Which format a file has is found by its content, with a reason; whatever else it is, is one sentence."""

import json
import random
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yuhee.data.corpora.sniff import FORMATS, HEAD, Found, sniff
from yuhee.errors import UserError

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
READERS = {"kakaotalk": "kakaotalk", "keti": "keti", "chat": "chat_jsonl", "aihub": "aihub"}
ENDINGS = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".xlsx")
UNNAMED = {FIXTURES / "chat" / "answers.csv"}  # a table whose columns have names of its own
FILES = [
    file
    for folder in READERS
    for file in sorted((FIXTURES / folder).rglob("*"))
    if file.suffix in ENDINGS and file not in UNNAMED
]
TEXTS = [file for file in FILES if file.suffix != ".xlsx"]
SOME = [FIXTURES / name for name in ("kakaotalk/windows_ko.txt", "kakaotalk/macos.csv", "keti/output_task.json",
                                     "chat/sharegpt.json", "aihub/emotion_Training.json")]  # fmt: skip


def expected(file: Path) -> str:
    folder = file.relative_to(FIXTURES).parts[0]
    return "table" if file.suffix == ".tsv" else READERS[folder]


def name_of(file: Path) -> str:
    return "/".join(file.relative_to(FIXTURES).parts)


def zipped(path: Path, *files: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        sniff(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def decoded(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return file.read_text(encoding="cp949")


def test_there_are_fixtures_of_every_reader() -> None:
    assert len(FILES) > 40
    assert {expected(file) for file in FILES} == {"kakaotalk", "keti", "chat_jsonl", "aihub", "table"}
    assert {expected(file) for file in FILES} <= set(FORMATS)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_fixture_is_its_readers_and_says_why(file: Path) -> None:
    found = sniff(file)
    assert found.format == expected(file)
    assert found.why


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("kakaotalk/windows_ko.txt", "카카오톡 기록 꼴의 줄 10개"),
        ("kakaotalk/macos.csv", "CSV의 열 date, message, user"),
        ("keti/KETI_대화데이터_응급상황.txt", "'번호<탭>말' 꼴의 줄 6개 (파일 이름도)"),
        ("keti/output_task.json", "JSON의 키 system_utterance, user_utterance"),
        ("chat/alpaca.json", "JSON의 키 instruction"),
        ("aihub/emotion_cp949.csv", "CSV의 열 사람문장1"),
    ],
)
def test_the_reason_is_what_stands_in_the_file(name: str, why: str) -> None:
    assert sniff(FIXTURES / name).why == why


@pytest.mark.parametrize("file", TEXTS, ids=name_of)
def test_the_name_does_not_matter(tmp_path: Path, file: Path) -> None:
    for name in ("export", "export.bin", "export.png", "export.txt", "export.json", "export.csv", "export.zip"):
        shutil.copyfile(file, tmp_path / name)
        assert sniff(tmp_path / name).format == expected(file), name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
@pytest.mark.parametrize("file", TEXTS, ids=name_of)
def test_the_encoding_does_not_matter(tmp_path: Path, file: Path, encoding: str) -> None:
    path = tmp_path / "export"
    path.write_bytes(decoded(file).encode(encoding, "ignore"))
    assert sniff(path).format == expected(file)


@pytest.mark.parametrize("line_break", ["\r\n", "\r"])
@pytest.mark.parametrize("file", TEXTS, ids=name_of)
def test_line_breaks_and_blank_lines_do_not_matter(tmp_path: Path, file: Path, line_break: str) -> None:
    path = tmp_path / "export"
    path.write_bytes(("\n \n" + decoded(file)).replace("\n", line_break).encode())
    assert sniff(path).format == expected(file)


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix in (".txt", ".xlsx")], ids=name_of)
def test_a_zip_is_looked_into(tmp_path: Path, file: Path) -> None:
    archive = zipped(
        tmp_path / "보낸 파일.zip", ("사진/1.jpg", b"\xff\xd8\xff"), (f"대화/{file.name}", file.read_bytes())
    )
    assert sniff(archive).format == expected(file)
    shutil.copyfile(archive, tmp_path / "export")
    assert sniff(tmp_path / "export").format == expected(file)


@pytest.mark.parametrize("folder", ["kakaotalk", "keti", "aihub"])
def test_a_folder_is_looked_into(tmp_path: Path, folder: str) -> None:
    assert sniff(FIXTURES / folder).format == READERS[folder]
    shutil.copytree(FIXTURES / folder, tmp_path / "깊은" / "폴더")
    (tmp_path / "사진.jpg").write_bytes(b"\xff\xd8\xff" + bytes(range(256)))
    (tmp_path / "빈.txt").touch()
    assert sniff(tmp_path).format == READERS[folder]


def test_a_folder_or_zip_of_several_formats_names_them(tmp_path: Path) -> None:
    kakao, keti = FIXTURES / "kakaotalk" / "iso.txt", FIXTURES / "keti" / "KETI_대화데이터_응급상황.txt"
    folder = tmp_path / "folder"
    folder.mkdir()
    for file in (kakao, keti):
        shutil.copy(file, folder)
    archive = zipped(tmp_path / "both.zip", *((file.name, file.read_bytes()) for file in (kakao, keti)))
    for path in (folder, archive):
        message = refused(path)
        for part in ("kakaotalk (카카오톡 기록 꼴의 줄 9개)", "keti ('번호<탭>말' 꼴의 줄 6개", "--format"):
            assert part in message


def test_one_text_that_looks_like_two_formats_names_both(tmp_path: Path) -> None:
    file = tmp_path / "both.txt"
    numbered = "".join(f"{n}\t말 {n}\n" for n in range(1, 9))
    file.write_text(numbered + "2022-03-30 15:04, 김하늘 : 밥 먹었어?\n", encoding="utf-8")
    assert all(name in refused(file) for name in ("kakaotalk", "keti", "--format"))


@pytest.mark.parametrize(("numbered", "others", "known"), [(6, 4, True), (5, 4, False), (1, 0, True)])
def test_six_lines_of_ten_make_a_keti_text(tmp_path: Path, numbered: int, others: int, known: bool) -> None:
    file = tmp_path / "x.txt"
    file.write_text("".join(f"{n + 1}\t말\n" for n in range(numbered)) + "그냥 글\n" * others, encoding="utf-8")
    if known:
        assert sniff(file).format == "keti"
    else:
        refused(file)


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ('{"messages": []}', "chat_jsonl"),
        ('{"instruction": "a", "messages": []}', "chat_jsonl"),
        ('[{"profile": {}, "talk": {}}]', "aihub"),
        ('{"prompt": "a", "completion": "b"}', "chat_jsonl"),
        ('{"question": "a", "answer": "b"}', "chat_jsonl"),
        ('{"user_utterance": "a", "system_utterance": "b", "instruction": "c"}', "keti"),
        ('{"info": {}, "utterances": []}', "aihub"),
        ("Q,A,label\na,b,0", "songys"),
        ('"label","A","Q"\n0,a,b', "songys"),
        ("Q,A\na,b", "table"),
        ("question\tanswer\na\tb", "table"),
        ("번호;question;answer\n1;a;b", "table"),
        ("Date,User,Message\n2022-03-30 15:04:00,가,나", "kakaotalk"),
    ],
)
def test_keys_and_columns_decide_in_the_order_of_the_formats(tmp_path: Path, text: str, format_: str) -> None:
    (tmp_path / "x").write_text(text, encoding="utf-8")
    assert sniff(tmp_path / "x").format == format_


def test_words_inside_a_text_are_no_keys(tmp_path: Path) -> None:
    record = {"index": 1, "user_utterance": '"messages": [] 가 뭐야?', "system_utterance": '{"instruction": 1}'}
    (tmp_path / "x.json").write_text(json.dumps([record], ensure_ascii=False), encoding="utf-8")
    assert sniff(tmp_path / "x.json").format == "keti"


def test_a_huge_json_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    record = json.dumps({"question": "안녕", "answer": "응"}, ensure_ascii=False)
    with file.open("w", encoding="utf-8") as stream:
        stream.write("[" + ", ".join([record] * 200_000) + "]")
    assert sniff(file) == Found("chat_jsonl", "JSON의 키 answer, question")


def test_a_broken_json_is_still_known_by_its_keys(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[{"conversations": [{"from": "human", "val', encoding="utf-8")
    assert sniff(tmp_path / "x.json").format == "chat_jsonl"


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
NOVEL = '그날 아침, 하늘은 유난히 맑았다.\n"어디 가?" 그가 물었다.\n2022년 3월 30일의 일이었다.\n' * 50


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PNG, "UTF-8도 UTF-16도 cp949도 아닙니다"),
        (b"\xff\xd8\xff\xe0" + bytes(range(256)), "UTF-8도 UTF-16도 cp949도 아닙니다"),
        (random.Random(0).randbytes(5_000), "UTF-8도 UTF-16도 cp949도 아닙니다"),
        (bytes(100_000), "NUL로 채워진"),
        (b"", "비어 있습니다"),
        (b"\xef\xbb\xbf \r\n\t\n", "비어 있습니다"),
        (b"\xff\xfe", "비어 있습니다"),
        (b"\xff\xfe\x00", "UTF-8도 UTF-16도 cp949도 아닙니다"),
        (b"PK\x03\x04", "아는 형식이 아닙니다"),
        (NOVEL.encode(), "아는 형식이 아닙니다"),
        (Path(__file__).read_bytes(), "아는 형식이 아닙니다"),
        (b'{"name": "x", "version": "1.0"}', "아는 형식이 아닙니다"),
        (b"[]", "아는 형식이 아닙니다"),
        ("이름,나이\n하늘,3\n".encode(), "아는 형식이 아닙니다"),
        (b"# Title\n\n- one\n- two\n", "아는 형식이 아닙니다"),
    ],
)
@pytest.mark.parametrize("name", ["unknown", "unknown.txt", "unknown.json", "unknown.csv", "unknown.zip"])
def test_what_nobody_knows_is_one_sentence(tmp_path: Path, content: bytes, told: str, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    message = refused(tmp_path / name)
    assert told in message
    if told.startswith("아는"):
        assert all(format_ in message for format_ in FORMATS)  # what was tried
        assert "--format" in message


def test_nothing_at_all_is_one_sentence(tmp_path: Path) -> None:
    assert "파일이 없습니다" in refused(tmp_path / "없는 파일")
    assert "파일이 없습니다" in refused(Path("nul\0name"))
    (tmp_path / "빈 폴더").mkdir()
    assert "아는 형식이 아닙니다" in refused(tmp_path / "빈 폴더")
    assert "아는 형식이 아닙니다" in refused(zipped(tmp_path / "empty.zip"))


def test_nothing_is_written(tmp_path: Path) -> None:
    content = (FIXTURES / "kakaotalk" / "iso.txt").read_bytes()
    archive = zipped(tmp_path / "a.zip", ("../밖.txt", content), ("/etc/밖.txt", content))
    assert sniff(archive).format == "kakaotalk"
    assert sorted(tmp_path.rglob("*")) == [archive]
    assert not (tmp_path.parent / "밖.txt").exists()


def test_of_a_bomb_only_the_beginning_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    whole = zipfile.ZipExtFile.read

    def watched(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        sizes.append(n if n is not None and n >= 0 else 10**9)
        return whole(self, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", watched)
    refused(zipped(tmp_path / "bomb.zip", ("a.txt", b"a" * 20_000_000)))
    assert sizes
    assert max(sizes) <= HEAD


STARTS = st.sampled_from(
    [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"[", b'{"messages":', b"PK\x03\x04", b"PK\x05\x06" + bytes(18),
     b"Q,A,label\n", b"1\t", "[하늘] [오후 3:04] ".encode(), "2022년 3월 30일 오후 3:04, 하늘 : ".encode("cp949")]
)  # fmt: skip


@settings(max_examples=150)
@given(STARTS, st.binary(max_size=300), st.sampled_from(["", ".txt", ".json", ".csv", ".zip"]))
def test_any_bytes_are_found_or_refused(start: bytes, rest: bytes, ending: str) -> None:
    file = Path(f"any{ending}")  # every test has a folder of its own
    file.write_bytes(start + rest)
    survives(file)


def survives(file: Path) -> None:
    told, found = "", None
    try:
        found = sniff(file)
    except UserError as error:
        told = str(error)
    if found is None:
        assert str(file) in told
        assert "\n" not in told
    else:
        assert found.format in FORMATS
        assert found.why


@given(st.sampled_from(TEXTS), st.data())
def test_damaged_fixtures_are_found_or_refused(file: Path, data: st.DataObject) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    Path("damaged").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    survives(Path("damaged"))


BIG = 3 * HEAD


@pytest.mark.parametrize("file", [*FILES, *UNNAMED], ids=name_of)
def test_every_fixture_in_a_zip_is_its_readers(tmp_path: Path, file: Path) -> None:
    wanted = "table" if file in UNNAMED else expected(file)
    assert sniff(file).format == wanted
    assert sniff(zipped(tmp_path / "a.zip", (file.name, file.read_bytes()))).format == wanted


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
@pytest.mark.parametrize("size", [0, BIG])
@pytest.mark.parametrize("file", SOME, ids=name_of)
def test_the_encoding_does_not_matter_in_a_zip(tmp_path: Path, file: Path, size: int, encoding: str) -> None:
    text = decoded(file)
    text *= 1 + size // len(text)
    for pad in ("", " ", "\n하"):  # odd and even numbers of bytes, a character at the very end
        content = (text + pad).encode(encoding, "ignore")
        assert sniff(zipped(tmp_path / "a.zip", (f"a{file.suffix}", content))).format == expected(file)


def test_excel_is_found_by_its_content(tmp_path: Path) -> None:
    for name in ("book", "book.xlsx", "book.zip", "book.txt"):
        shutil.copyfile(FIXTURES / "aihub" / "emotion.xlsx", tmp_path / name)
        assert sniff(tmp_path / name) == Found("aihub", "엑셀 파일")
    shutil.copyfile(FIXTURES / "kakaotalk" / "iso.txt", tmp_path / "chat.xlsx")
    assert sniff(tmp_path / "chat.xlsx").format == "kakaotalk"
    for content in (PNG, b"", b"PK\x03\x04"):
        (tmp_path / "bad.xlsx").write_bytes(content)
        refused(tmp_path / "bad.xlsx")


def test_a_chat_that_begins_with_a_bracket_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "cut.txt").write_text('[하늘] [오후 3:04] {"messages": 1}\n[바다] [오후 3:05] 뭐야\n', encoding="utf-8")
    assert sniff(tmp_path / "cut.txt").format == "kakaotalk"


@pytest.mark.parametrize(
    ("text", "format_"),
    [('[{"Q": "a", "A": "b"}]', "chat_jsonl"), ("질문,답변\na,b", "table"), ("번호\t답\t질문\n1\ta\tb", "table")],
)
def test_other_names_of_questions_and_answers(tmp_path: Path, text: str, format_: str) -> None:
    (tmp_path / "x").write_text(text, encoding="utf-8")
    assert sniff(tmp_path / "x").format == format_


@pytest.mark.parametrize("name", ["x" * 300, "~nobodys_name_/a.txt", "nul\0name"])
def test_a_name_that_no_file_can_have_is_one_sentence(name: str) -> None:
    assert "파일이 없습니다" in refused(Path(name))


def test_a_locked_zip_is_one_sentence(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", ("a.txt", b"1\ta\n2\tb\n"))
    content = bytearray(archive.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", content, content.index(start) + flags, 1)
    archive.write_bytes(content)
    assert "아는 형식이 아닙니다" in refused(archive)


@settings(max_examples=120)
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    st.floats(0.5, 1),
)
def test_a_damaged_zip_is_found_or_refused(changes: list[tuple[float, int]], kept: float) -> None:
    content = bytearray(
        zipped(Path("good.zip"), ("a.txt", b"1\ta\n2\tb\n" * 9), ("b.csv", b"Q,A,label\na,b,0")).read_bytes()
    )
    for place, byte in changes:
        content[int(place * len(content))] = byte
    Path("bad.zip").write_bytes(content[: int(kept * len(content))] if kept < 0.6 else content)
    survives(Path("bad.zip"))


def test_a_damaged_zip_in_a_folder_spoils_nothing(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", ("a.txt", b"1\ta\n2\tb\n" * 9))
    archive.write_bytes(archive.read_bytes().replace(b"a.txt", b"b.txt", 1))
    refused(archive)
    shutil.copy(FIXTURES / "kakaotalk" / "iso.txt", tmp_path)
    assert sniff(tmp_path).format == "kakaotalk"
