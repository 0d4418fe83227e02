"""The macOS export: `Date,User,Message` with quotes, line breaks inside messages, and notices without a date."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from operator import itemgetter

from yuhee.data.corpora.kakaotalk import grammar
from yuhee.data.corpora.kakaotalk.files import LONGEST_LINE, UNREADABLE
from yuhee.data.corpora.kakaotalk.kinds import Message, is_notice, kind_of, kind_of_notice
from yuhee.data.report import ReadReport

_COLUMNS = ("date", "user", "message")
_MOST_LINES = 1000  # of one row: beyond, its quote was never closed
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# `2022.3.30 15:04` and the like are what Excel makes of the dates
_DATE = re.compile(r"(\d{4})[-./] ?(\d{1,2})[-./] ?(\d{1,2})\.? (.*)", re.ASCII)


def columns(line: str) -> tuple[int, int, int] | None:
    """Where Date, User and Message stand in a header line; None if it is no such header."""
    if len(line) > 500:
        return None
    try:
        names = [name.strip().lower() for name in next(csv.reader([line], strict=True), [])]
    except csv.Error:
        return None
    if any(names.count(name) != 1 for name in _COLUMNS):
        return None
    date, user, message = (names.index(name) for name in _COLUMNS)
    return date, user, message


def messages(lines: Iterable[tuple[str, bool]], report: ReadReport, file: str) -> Iterator[Message]:
    """The messages of an export, in the order of the file. `file` begins the reasons in the report."""
    csv.field_size_limit(4 * LONGEST_LINE)
    pick: Callable[[list[str]], tuple[str, str, str]] | None = None
    time, minute = None, 0
    for number, rows in _records(lines, report, file):
        if len(rows) == 1 and not rows[0].strip():
            report.kinds["blank"] += 1
            continue
        if pick is None:
            pick = itemgetter(*columns(rows[0]) or (0, 1, 2))
            report.kinds["header"] += 1
            continue
        if len(rows) > 1:
            report.continuations += len(rows) - 1
            rows = [row + "\n" for row in rows]
        try:
            written, name, body = pick(next(csv.reader(rows, strict=True)))
        except (csv.Error, IndexError, StopIteration):
            report.skip(number, f"{file}Date, User, Message 열로 나눌 수 없어 뺐습니다")
            continue
        if written := written.strip():
            if (found := _moment(written)) is None:
                report.skip(number, f"{file}날짜를 알 수 없어 뺐습니다")
                continue
            time, minute = found
        yield _message(number, time, minute, name, body.rstrip("\n"))


def _message(number: int, time: str | None, minute: int, name: str, body: str) -> Message:
    """A notice has no user, or begins with the user's name (`이바다 invited 박산.`)."""
    user = grammar.sender(name)
    if user is None or (body.startswith(user) and is_notice(body, frozenset([user]))):
        return Message(number, time, minute, None, kind_of_notice(body), body)
    return Message(number, time, minute, user, kind_of(body), body)


@lru_cache(maxsize=4096)
def _iso_day(written: str) -> grammar.Day | None:
    return grammar.day(written) if _ISO_DAY.fullmatch(written) else None


def _moment(written: str) -> tuple[str, int] | None:
    if written[10:11] == " " and written[4:5] == "-":  # what the client itself writes
        on, at = _iso_day(written[:10]), grammar.clock(written[11:])
    elif found := _DATE.fullmatch(written):
        on, at = grammar.day("-".join(found.group(1, 2, 3))), grammar.clock(found[4])
    else:
        return None
    return (f"{on.iso}T{at.iso}", on.minutes + at.minutes) if on and at else None


def _records(lines: Iterable[tuple[str, bool]], report: ReadReport, file: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their first line: lines are joined while a quote is open.

    The first line of a row that never ends is reported, and reading goes on behind it.
    """
    held: list[tuple[int, str]] = []
    waiting = ((number, line) for number, (line, _) in enumerate(lines, start=1))
    queue: list[tuple[int, str]] = []  # lines to read again, last first
    is_open, size = False, 0
    while True:
        item = queue.pop() if queue else next(waiting, None)
        if item is not None and item[1] in UNREADABLE:
            report.skip(item[0], file + UNREADABLE[item[1]])
            continue
        if item is not None:
            if not held and item[1].count('"') % 2 == 0:
                yield item[0], [item[1]]
                continue
            held.append(item)
            size += len(item[1])
            is_open ^= item[1].count('"') % 2 == 1
        if not is_open:
            if held:
                yield held[0][0], [line for _, line in held]
            elif item is None:
                return
        elif item is not None and len(held) <= _MOST_LINES and size <= LONGEST_LINE:
            continue
        else:
            report.skip(held[0][0], f"{file}따옴표가 닫히지 않아 뺐습니다")
            queue += held[:0:-1]
        held, is_open, size = [], False, 0
