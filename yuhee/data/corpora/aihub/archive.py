"""The documents of a file, a folder tree or zips, one after the other, without writing anything to disk.

AI Hub delivers trees of zips (`01.데이터/1.Training/라벨링데이터/TL_….zip`; TL/VL labelled, TS/VS source). Names inside are
often CP949 without the flag that says so, and NFD after macOS unpacked them. Folders `…_add` hold later corrections.
"""

import os
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from yuhee.data.corpora.text_file import find_file
from yuhee.errors import UserError

READABLE = (".json", ".jsonl", ".csv", ".tsv", ".xlsx")
BOMB_RATIO, BOMB_SIZE = 200, 64 * 2**20

_SPLIT = re.compile(r"(?<![a-z])(training|train|validation|valid)(?![a-z])|(?:^|/)([tv])[ls]_", re.IGNORECASE)
_CORRECTION = re.compile(r"_add(?![a-z])", re.IGNORECASE)
_SOURCE = re.compile(r"(?:^|/)[TV]S_|원천")


@dataclass(frozen=True)
class Document:
    """A readable file or zip member.

    Args:
        name: for reports, from the folder or zip that was named, in NFC.
        split: AI Hub's own `Training` or `Validation`, None where the path does not say.
        open: opens it for reading bytes, as often as one likes.
    """

    name: str
    split: str | None
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Refused:
    """A file that is not read, and why."""

    name: str
    reason: str


def documents(path: str, others: Counter[str]) -> Iterator[Document | Refused]:
    """Yield the documents under a path: corrections first, so that they win over what they correct, then by name.

    Args:
        path: a file, a zip, or a folder of files and zips.
        others: counts the files that hold no dialogues (sound, images, manuals), by their ending.

    Raises:
        UserError: there is nothing at the path.
    """
    root = Path(path).expanduser()
    if not _is_folder(root):
        file = find_file(root)
        yield from _file(file, _shown(file.name), others, any_ending=True)
        return
    files = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
    for shown, file in sorted(((_shown(file.relative_to(root).as_posix()), file) for file in files), key=_order):
        if not _hidden(shown):
            yield from _file(file, shown, others)


def is_workbook(archive: zipfile.ZipFile) -> bool:
    return "xl/workbook.xml" in archive.namelist()


def is_bomb(member: zipfile.ZipInfo) -> bool:
    return member.file_size > BOMB_SIZE and member.file_size > BOMB_RATIO * max(member.compress_size, 1)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file can have
        raise UserError(f"{path}: 읽을 수 없습니다. data.path를 확인해 주세요.") from None


def _file(file: Path, shown: str, others: Counter[str], *, any_ending: bool = False) -> Iterator[Document | Refused]:
    ending = Path(shown).suffix.lower()
    if ending == ".zip" or (any_ending and ending not in READABLE and zipfile.is_zipfile(file)):
        yield from _members(file, shown, others)
    elif any_ending or ending in READABLE:
        yield Document(shown, split_of(file, shown), lambda: file.open("rb"))
    else:
        others[ending or "?"] += 1


def _members(file: Path, shown: str, others: Counter[str]) -> Iterator[Document | Refused]:
    try:
        with zipfile.ZipFile(file) as archive:
            if is_workbook(archive):
                yield Document(shown, split_of(file, shown), lambda: file.open("rb"))
                return
            members = [(_member_name(member), member) for member in archive.infolist() if not member.is_dir()]
            for name, member in sorted(members, key=_order):
                if not _hidden(name):
                    yield from _member(archive, member, f"{shown}/{name}", others, file)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, EOFError):
        yield Refused(shown, "zip 파일이 깨졌거나 열 수 없습니다. 다시 내려받아 주세요")


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, shown: str, others: Counter[str], file: Path
) -> Iterator[Document | Refused]:
    ending = Path(shown).suffix.lower()
    if ending == ".zip":
        yield Refused(shown, "zip 안에 든 zip은 읽지 않습니다. 바깥 zip을 먼저 풀어 주세요")
    elif ending not in READABLE:
        others[ending or "?"] += 1
    elif member.flag_bits & 0x1:
        yield Refused(shown, "암호가 걸려 있습니다. 암호를 풀어 다시 압축해 주세요")
    elif is_bomb(member):
        yield Refused(shown, f"압축률이 {BOMB_RATIO}배를 넘어(압축 폭탄) 읽지 않습니다")
    else:
        yield Document(shown, split_of(file, shown), lambda: archive.open(member))


def split_of(file: Path, shown: str) -> str | None:
    """AI Hub's split by the last word of the path that names one: `1.Training`, `TL_…`, `…_Validation.json`."""
    found = list(_SPLIT.finditer(f"{file.resolve().parent.as_posix()}/{shown}"))
    if not found:
        return None
    return "Training" if (found[-1][1] or found[-1][2]).lower().startswith("t") else "Validation"


def _member_name(member: zipfile.ZipInfo) -> str:
    """The name of a member; `zipfile` reads names without the UTF-8 flag as CP437, which they never are here."""
    name = member.filename
    if not member.flag_bits & 0x800:
        for encoding in ("utf-8", "cp949"):
            try:
                name = name.encode("cp437").decode(encoding)
                break
            except UnicodeError:
                continue
    return _shown(name.replace("\\", "/"))


def _shown(name: str) -> str:
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    return "".join(char for char in name if char.isprintable())


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/") if part not in (".", ".."))


def _order(named: tuple[str, object]) -> tuple[bool, bool, str]:
    name = named[0]
    return not _CORRECTION.search(name), bool(_SOURCE.search(name)), name
