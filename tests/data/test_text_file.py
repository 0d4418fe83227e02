import codecs
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.corpora.text_file import find_file, read_text, split_lines
from yuhee.errors import UserError

TEXT = "안녕, 유희야\r\n똠방각하 펲시콜라\n"
CHARACTERS = st.characters(exclude_categories=["Cs"])


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode("utf-8"), "utf-8-sig"),
        (codecs.BOM_UTF8 + TEXT.encode("utf-8"), "utf-8-sig"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("cp949"), "cp949"),
    ],
)
def test_the_same_text_comes_out_of_every_encoding(tmp_path: Path, data: bytes, encoding: str) -> None:
    file = tmp_path / "대화.txt"
    file.write_bytes(data)
    assert read_text(file) == (TEXT, encoding)


def test_utf_8_is_tried_before_cp949(tmp_path: Path) -> None:
    data = "갇나".encode()
    assert data.decode("cp949") == "媛뉖굹"
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    assert read_text(file) == ("갇나", "utf-8-sig")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        "안녕".encode() + b"\xff",
        codecs.BOM_UTF16_LE + "안녕".encode("utf-16-le")[:-1],
        codecs.BOM_UTF16_LE + b"\x00\xd8\x41\x00",
    ],
    ids=["binary", "broken utf-8", "half a utf-16 unit", "half a surrogate pair"],
)
def test_bytes_in_no_known_encoding_are_refused_and_never_patched(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "이상한.txt"
    file.write_bytes(data)
    with pytest.raises(UserError, match=r"이상한\.txt: UTF-8도 UTF-16도 cp949도 아닙니다"):
        read_text(file)


@pytest.mark.parametrize(
    "data",
    [b"", b" \r\n\t\n", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\r\n", codecs.BOM_UTF16_LE],
    ids=["no bytes", "white space", "only a BOM", "a BOM and a line break", "only a UTF-16 BOM"],
)
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "빈.txt"
    file.write_bytes(data)
    with pytest.raises(UserError, match="비어 있습니다"):
        read_text(file)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"읽을 수 없습니다 \(.+\)") as caught:
        read_text(tmp_path)
    assert "\n" not in str(caught.value)


@given(st.text(CHARACTERS).filter(lambda text: text.strip() and not text.startswith("\ufeff")))
def test_any_utf_8_text_comes_back_unchanged(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(text.encode())
    assert read_text(file) == (text, "utf-8-sig")


def test_lines_end_at_crlf_lf_and_cr_only() -> None:
    assert split_lines("가\r\n나\n다\r라\n\n마") == ["가", "나", "다", "라", "", "마"]


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"])
def test_other_separators_stay_inside_their_line(inside: str) -> None:
    assert split_lines(f"밥{inside}먹자\n응") == [f"밥{inside}먹자", "응"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), min_size=1))
def test_joined_lines_split_into_the_same_lines(lines: list[str]) -> None:
    assert split_lines("\n".join(lines)) == split_lines("\r\n".join(lines)) == lines


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_a_hangul_file_name_is_found_in_either_form(tmp_path: Path, on_disk: str, typed: str) -> None:
    (tmp_path / unicodedata.normalize(on_disk, "대화.csv")).write_text("Q", encoding="utf-8")
    assert find_file(tmp_path / unicodedata.normalize(typed, "대화.csv")).read_text(encoding="utf-8") == "Q"


def test_a_decomposed_name_is_found_inside_a_composed_folder(tmp_path: Path) -> None:
    folder = tmp_path / unicodedata.normalize("NFC", "문서")
    folder.mkdir()
    (folder / unicodedata.normalize("NFD", "대화.csv")).write_text("Q", encoding="utf-8")
    found = find_file(folder / unicodedata.normalize("NFC", "대화.csv"))
    assert found.read_text(encoding="utf-8") == "Q"


def test_of_two_names_that_differ_in_form_the_typed_one_is_taken(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "대화.csv")).write_text(form, encoding="utf-8")
    for form in ("NFC", "NFD"):
        assert find_file(tmp_path / unicodedata.normalize(form, "대화.csv")).read_text(encoding="utf-8") == form


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"없는\.csv: 파일이 없습니다.*data\.path"):
        find_file(tmp_path / "없는.csv")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="폴더입니다"):
        find_file(tmp_path)


def test_a_file_used_as_a_folder_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Q", encoding="utf-8")
    with pytest.raises(UserError, match="파일이 없습니다"):
        find_file(tmp_path / "a.csv" / "b.csv")


@pytest.mark.parametrize("name", ["카카오톡" * 10 + ".csv", "가" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="파일이 없습니다"):
        find_file(tmp_path / name)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").write_text("Q", encoding="utf-8")
    assert find_file(Path("~/a.csv")) == tmp_path / "a.csv"


def test_a_file_too_large_to_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(2**30)  # sparse: takes no room
    with pytest.raises(UserError, match="256 MiB를 넘어"):
        read_text(huge)
