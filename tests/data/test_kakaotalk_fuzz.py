"""Whatever a file holds: dialogues or a sentence for the user, and every line accounted for."""

import itertools
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.test_kakaotalk import FIXTURES, VARIANTS, accounted, written
from yuhee.data.corpora.kakaotalk import export, files
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

FILES = [*VARIANTS, *sorted((FIXTURES / "parts").iterdir())]
LINES = sorted({line for file in FILES for line in file.read_bytes().split(b"\n")})
NOISE = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b'"',
    b" : ",
    b"] [",
    b"-----",
    "\u2028".encode(),
    b"\xef\xbb\xbf",
    b",",
    b"\xea",
]
NOISE += [
    "2022년 3월 31일 목요일".encode(),
    "메시지가 삭제되었습니다.\n".encode(),
    "오후 3:04".encode(),
    b"Date,User,Message\n",
]
PIECES = st.sampled_from(NOISE) | st.sampled_from(LINES) | st.binary(max_size=3) | st.text(max_size=3).map(str.encode)
OPTIONS = st.fixed_dictionaries(
    {"friend": st.sampled_from(["이바다", "Bada"]), "bot_side": st.sampled_from(["friend", "both"])},
    optional={"session_gap": st.sampled_from([0.001, 1000.0])},
)


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """A copy in which pieces are cut, put in, doubled or moved."""
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        end = min(end, start + draw(st.sampled_from([0, 1, 40, len(content)])))
        piece = draw(st.one_of(st.just(b""), PIECES, st.just(content[start:end] * 2)))
        content = content[:start] + piece + content[end:]
    return content


def physical_lines(content: bytes) -> int | None:
    """Counted in another way than the reader's; None if there is more than one way to decode it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return len(text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n"))


def check(path: Path | list[str], **options: object) -> tuple[list[Dialogue], ReadReport] | None:
    """Read; nothing but a sentence for the user may escape, and no line may be lost."""
    report = ReadReport("kakaotalk")
    try:
        found = list(export.read(path if isinstance(path, list) else str(path), report, **options))  # type: ignore[arg-type]
    except UserError:
        return None
    assert report.lines == accounted(report)
    assert all(count > 0 for count in report.kinds.values())
    assert len({each.id for each in found}) == len(found)
    for each in found:
        assert {turn.role for turn in each.turns} == {"user", "assistant"}
        assert all(first.speaker != then.speaker for first, then in itertools.pairwise(each.turns))
    return found, report


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@settings(max_examples=20)
@given(data=st.data())
def test_a_mutated_export_is_read_or_refused(tmp_path: Path, file: Path, data: st.DataObject) -> None:
    content = data.draw(mutated(file.read_bytes()))
    result = check(written(tmp_path, content, file.name), **data.draw(OPTIONS))
    if result is not None and (lines := physical_lines(content)) is not None:
        assert result[1].lines == lines


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_export_cut_at_any_byte_is_read_or_refused(tmp_path: Path, file: Path) -> None:
    content = file.read_bytes()
    for end in range(0, len(content), 13):
        check(written(tmp_path, content[:end], file.name), friend="이바다")


@given(st.lists(PIECES, max_size=30), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_lines_in_any_order_are_read_or_refused(tmp_path: Path, pieces: list[bytes], end: bytes) -> None:
    content = end.join(pieces)
    result = check(written(tmp_path, content), friend="이바다")
    if result is not None and (lines := physical_lines(content)) is not None:
        assert result[1].lines == lines


@given(st.data())
def test_several_mutated_exports_are_joined_without_losing_a_line(tmp_path: Path, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(FILES), min_size=2, max_size=3))
    paths = [
        str(written(tmp_path, data.draw(mutated(file.read_bytes())), f"{n}{file.suffix}"))
        for n, file in enumerate(chosen)
    ]
    check(paths, friend="이바다")


@given(st.data())
def test_a_mutated_zip_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w", data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for member in data.draw(st.lists(st.sampled_from(FILES), min_size=1, max_size=2, unique=True)):
            archive.writestr(member.name, member.read_bytes())
    check(written(tmp_path, data.draw(mutated(file.read_bytes())), "b.zip"), friend="이바다")


@given(st.data())
def test_small_limits_lose_no_line(tmp_path: Path, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(FILES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BLOCK", data.draw(st.integers(1, 30)))
        patch.setattr(files, "LONGEST_LINE", data.draw(st.integers(30, 60)))
        content = data.draw(mutated(file.read_bytes()))
        result = check(written(tmp_path, content, file.name), friend="이바다")
    if result is not None and (lines := physical_lines(content)) is not None:
        assert result[1].lines == lines


@given(st.text())
def test_sniffing_takes_any_text(text: str) -> None:
    assert 0 <= export.looks_like(text) <= len(text) + 1
