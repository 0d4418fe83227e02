"""Question and answer tables: CSV or TSV with a header, one exchange a row, under any column names.

RFC 4180: a field with the delimiter, a quote or a line break stands in quotes, and a quote in it is doubled.
"""

import csv
import difflib
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from yuhee.data.corpora.json_stream import find_encoding, read_lines, too_long
from yuhee.data.corpora.text_file import find_file
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

DELIMITERS = (",", "\t", ";")
MAX_FIELD = 131_072  # characters; the csv module's own limit, which another reader may have raised meanwhile
LARGE = "field larger"  # how the csv module begins to say so
MAX_ROW = 1000  # lines; by then a quote was left open
SHOWN = 20  # column names in a message, each cut to as many characters


def read(
    path: str | None,
    report: ReadReport,
    *,
    question: str = "Q",
    answer: str = "A",
    label: str | None = "label",
) -> Iterator[Dialogue]:
    """Yield one two-turn dialogue per row, in constant memory.

    Args:
        path: the file; its delimiter (comma, tab or semicolon) is found from the header.
        report: rows that cannot be used go there with the line on which they begin.
        question: the column of the user's turn.
        answer: the column of the reply.
        label: the column of the emotion, any short text; None for a table without.

    Raises:
        UserError: no file was named, it is missing, empty or undecodable, or it lacks a column.
    """
    if path is None:
        raise UserError("data.path에 표 파일(CSV 또는 TSV)을 지정해 주세요.")
    columns = {"question": question, "answer": answer, **({} if label is None else {"label": label})}
    remedy = (
        "열 이름을 question, answer, label(없으면 null)로 적어 주세요: "
        "학습은 data.reader.label=…, 들여오기는 --option label=…."
    )
    for number, row in read_rows(find_file(Path(path)), report, tuple(columns.values()), remedy):
        asked, said = row[_name(question)], row[_name(answer)]
        if not asked or not said:
            report.skip(number, "질문이나 답이 비어 있습니다")
            continue
        report.kinds["text"] += 1
        emotion = None if label is None else row[_name(label)]
        turns = (Turn("user", asked, emotion=emotion), Turn("assistant", said))
        yield Dialogue(f"table:{number}", turns, group_keys(turns), source="table")


def read_rows(
    file: Path, report: ReadReport, needed: Sequence[str], remedy: str, where: str = ""
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield `(line, row)`: stripped fields by column name (NFC). A stray quote spoils its own row only.

    Args:
        file: the table.
        report: gets the encoding, `lines`, `continuations`, header and blank lines as kinds, and the broken rows.
        needed: columns without which the file is of no use.
        remedy: what to do about a missing one, the end of the error's sentence.
        where: begins each reason, to name the file where there are several.

    Raises:
        UserError: a column is missing, or the file cannot be decoded.
    """
    report.encoding = find_encoding(file)
    wanted = [_name(name) for name in needed]
    with file.open(encoding=report.encoding) as stream:
        lines = _Lines(read_lines(stream))
        number, header = _header(lines, report)
        delimiter, names = _columns(header, wanted)
        if missing := [name for name in wanted if name not in names]:
            raise _missing(file, number, missing, names, remedy)
        for line, fields in _records(lines, number + 1, delimiter, report, where):
            if fault := _fault(fields, names, wanted):
                report.skip(line, where + fault)
            else:
                yield line, {name: fields[names.index(name)].strip() for name in names[: len(fields)]}


def _name(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _header(lines: "_Lines", report: ReadReport) -> tuple[int, str]:
    """The number and the text of the first line that is not blank."""
    for number, line in enumerate(lines.raw, start=1):
        report.lines += 1
        if line is None or line.strip():
            report.kinds["header"] += 1
            return number, line or ""
        report.kinds["blank"] += 1
    return 0, ""


def _columns(header: str, wanted: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter that finds most of the wanted columns, then most columns; and the columns' names."""
    found = {}
    for delimiter in DELIMITERS:
        try:
            found[delimiter] = [_name(name) for name in next(csv.reader([header], delimiter=delimiter), [])]
        except csv.Error:
            found[delimiter] = []
    best = max(DELIMITERS, key=lambda each: (len(set(wanted) & set(found[each])), len(found[each])))
    return best, found[best]


def _missing(file: Path, line: int, missing: Sequence[str], names: Sequence[str], remedy: str) -> UserError:
    near = [other for name in missing for other in difflib.get_close_matches(name, names, n=1, cutoff=0.5)]
    near += [name for name in names if name.casefold() in {each.casefold() for each in missing} and name not in near]
    there = ", ".join(name[:SHOWN] for name in names[:SHOWN] if name) or "없음"
    nearest = f", 비슷한 열: {', '.join(name[:SHOWN] for name in near)}" if near else ""
    return UserError(
        f"{file}, {line}번째 줄: 열 {', '.join(missing)} 이(가) 없습니다(있는 열: {there}{nearest}). {remedy}"
    )


def _fault(fields: Sequence[str], names: Sequence[str], wanted: Sequence[str]) -> str:
    if len(fields) <= max(names.index(name) for name in wanted):
        return f"열이 {len(fields)}개뿐입니다"
    if any(field.strip() for field in fields[len(names) :]):
        return f"열이 {len(fields)}개입니다(구분 기호가 든 글은 따옴표로 감싸야 합니다)"
    return ""


def _records(
    lines: "_Lines", number: int, delimiter: str, report: ReadReport, where: str
) -> Iterator[tuple[int, list[str]]]:
    while True:
        lines.taken.clear()
        try:
            fields = next(csv.reader(lines, strict=True, delimiter=delimiter))
            if max(map(len, fields), default=0) > MAX_FIELD:
                raise csv.Error(LARGE)
        except StopIteration:
            return
        except (csv.Error, ValueError) as error:
            report.lines += 1
            report.skip(number, where + _unreadable(error))
            lines.give_back()
            number += 1
            continue
        report.lines += len(lines.taken)
        report.continuations += len(lines.taken) - 1
        if any(field.strip() for field in fields):
            yield number, fields
        else:
            report.kinds["blank"] += 1
        number += len(lines.taken)


def _unreadable(error: Exception) -> str:
    if isinstance(error, csv.Error):
        long = LARGE in str(error)
        return f"한 칸이 {MAX_FIELD:,}자를 넘습니다" if long else "따옴표가 닫히지 않았습니다"
    return str(error)


class _Lines:
    """Physical lines for the csv module; those of a broken row can be given back, all but the first."""

    def __init__(self, raw: Iterator[str | None]) -> None:
        self.raw = raw
        self.taken: list[str | None] = []
        self._again: deque[str | None] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) == MAX_ROW:
            raise ValueError("따옴표가 닫히지 않았습니다")
        line = self._again.popleft() if self._again else next(self.raw)
        self.taken.append(line)
        if line is None:
            raise ValueError(too_long() if len(self.taken) == 1 else "따옴표가 닫히지 않았습니다")
        return line + "\n"

    def give_back(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
