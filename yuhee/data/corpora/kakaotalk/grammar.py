"""One line of an export: timestamps, records, date separators and header lines of all clients and languages.

Every pattern is matched from the start of a line and needs no backtracking over the message, so a line of any content
costs linear time.
"""

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import NamedTuple

MINUTES_A_DAY = 1440
WINDOWS, SHORT = "windows", "short"  # the other families are named after the notation of their date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS_KO = "월화수목금토일"

_S = "[ \u00a0\u202f]"  # newer clients put NBSP and NNBSP into timestamps
_AM = r"[AaPp]\.?[Mm]\.?"
_TIME = rf"(?:오전|오후|{_AM}){_S}?\d{{1,2}}:\d\d|\d{{1,2}}:\d\d(?::\d\d)?(?:{_S}?{_AM})?"
_KO = rf"\d{{4}}년{_S}\d{{1,2}}월{_S}\d{{1,2}}일"
_DOT = rf"\d{{4}}\.{_S}?\d{{1,2}}\.{_S}?\d{{1,2}}\."
_EN = rf"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{{0,6}}\.?{_S}\d{{1,2}},{_S}\d{{4}}"
_ISO = r"\d{4}-\d{1,2}-\d{1,2}"
_INT = r"\d{1,2}/\d{1,2}/\d{4}"
_MOMENT = rf"(?:({_KO}|{_DOT}|{_EN}(?:,|{_S}at)|{_ISO}|{_INT}){_S}?({_TIME})|(\d{{1,2}}:\d\d{_S}?{_AM}),{_S}({_EN}))"

_WINDOWS_RECORD = re.compile(rf"\[(.*?)\] \[({_TIME})\](?: (.*))?$", re.ASCII)
_DATED_RECORD = re.compile(rf"{_MOMENT}(, |: |,)(.*)", re.ASCII)
_SHORT_RECORD = re.compile(rf"({_TIME})(, |: )(.*)", re.ASCII)
_WHOLE_MOMENT = re.compile(_MOMENT, re.ASCII)
_RECORD_STARTS = frozenset("0123456789JFMASONDPap오")

_TIME_PARTS = re.compile(rf"(오전|오후|{_AM})?{_S}?(\d+):(\d+)(:\d+)?{_S}?({_AM})?", re.ASCII)
_NUMBERS = re.compile(r"\d+", re.ASCII)
_DAY_LINE = re.compile(rf"({_KO}|{_DOT}){_S}?([{_DAYS_KO}])요일|([A-Z][a-z]{{5,8}}),{_S}({_EN})|({_DOT})", re.ASCII)
_DAY_STARTS = frozenset("-0123456789MTWFS")

_SAVED = re.compile(r"(?:저장한 날짜|Date Saved|Saved Date) ?: ?(.*)")
_TITLE = re.compile(
    r"(?P<ko>.*)카카오톡 대화(?:-\d+\.txt)?|(?P<en>.*) with KakaoTalk Chats|KakaoTalk Chats with (?P<mobile>.*)|Talk_.*\.txt"
)
_TITLE_TAIL = re.compile(r"(?: ?\(\d+(?: people|명)?\))?(?:-\d+\.txt)?$|(?: \d+)?(?: ?\(\d+명\)과)? ?(?:님과)? *$")
_JOINED = "님이 들어왔습니다."


class Day(NamedTuple):
    """Minutes from year 1 to the day's midnight, the day in ISO 8601, and which notation wrote it."""

    minutes: int
    iso: str
    family: str


class Clock(NamedTuple):
    """Minutes since midnight, the time in ISO 8601, and whether a 오전/오후 was ignored (오후 15:04)."""

    minutes: int
    iso: str
    odd: bool


# The first line of a message: family, day, time, sender (None: it is a notice) and body. Two million of them are made
# for a million lines, and a plain tuple takes half of a NamedTuple's time.
Record = tuple[str, Day | None, Clock, str | None, str]


def record(line: str) -> Record | None:
    """What a line says if it has the form of a record of any family."""
    first = line[:1]
    if first == "[":
        if (found := _WINDOWS_RECORD.match(line)) is None:
            return None
        name, time, body = found.groups()
        at = clock(time)
        return (WINDOWS, None, at, sender(name), body or "") if at else None
    if first not in _RECORD_STARTS:
        return None
    if (found := _DATED_RECORD.match(line)) is None:
        return _short_record(line)
    written, time, time2, written2, mark, rest = found.groups()
    on, at = day(written or f"{written2} reversed"), clock(time or time2)
    if on is None or at is None or (mark == "," and on.family != "international"):
        return None
    return (on.family, on, at, None, rest) if mark == ": " else _with_sender(on.family, on, at, rest)


def _short_record(line: str) -> Record | None:
    """`오후 3:04, 이름 : 내용`: the day stands in the separator."""
    found = _SHORT_RECORD.match(line)
    at = clock(found[1]) if found else None
    if found is None or at is None:
        return None
    return (SHORT, None, at, None, found[3]) if found[2] == ": " else _with_sender(SHORT, None, at, found[3])


def _with_sender(family: str, on: Day | None, at: Clock, rest: str) -> Record:
    """Split at the first ` : `; a line without a sender is a notice."""
    name, mark, body = rest.partition(" : ")
    if not mark and rest.endswith(" :"):  # an editor cut the last space of an empty message
        name, mark = rest[:-2], ":"
    known = sender(name) if mark else None
    return family, on, at, known, body if known else rest


@lru_cache(maxsize=4096)
def sender(name: str) -> str | None:
    """A display name without control characters (backspace was seen) and outer spaces; None if nothing is left."""
    if _JOINED in name:  # a notice with " : " further on
        return None
    kept = "".join(c for c in name if unicodedata.category(c) != "Cc")
    return unicodedata.normalize("NFC", kept).strip() or None


@lru_cache(maxsize=16384)
def day(written: str) -> Day | None:
    """A date in any notation; None if no calendar has it."""
    numbers = [int(n) for n in _NUMBERS.findall(written)]
    month = written[:3].lower()
    if month in _MONTHS:
        family = "english 2015" if written.endswith("reversed") else "english"
        numbers = [numbers[1], _MONTHS.index(month) + 1, numbers[0]]
    elif "/" in written:
        family, numbers = "international", numbers[::-1]
    else:
        family = "korean" if "년" in written else "dotted" if "." in written else "iso"
    try:
        found = date(*numbers)
    except ValueError:
        return None
    return Day(found.toordinal() * MINUTES_A_DAY, found.isoformat(), family)


@lru_cache(maxsize=100_000)  # the macOS export counts seconds
def clock(written: str) -> Clock | None:
    """A time of day in 12 or 24 hours; None if no clock shows it."""
    if (found := _TIME_PARTS.fullmatch(written)) is None:
        return None
    hour, minute = int(found[2]), int(found[3])
    marker = (found[1] or found[5] or "").lower()
    if odd := bool(marker) and hour > 12:
        marker = ""
    if marker:
        hour = hour % 12 + (12 if marker == "오후" or marker[0] == "p" else 0)
    if hour > 23 or minute > 59 or int((found[4] or ":0")[1:]) > 59:
        return None
    return Clock(hour * 60 + minute, f"{hour:02}:{minute:02}{found[4] or ''}", odd)


def separator(line: str) -> tuple[Day, bool] | None:
    """The day of a date separator whose weekday is right, and whether it stands between dashes."""
    if line[:1] not in _DAY_STARTS or len(line) > 500:
        return None
    inner = line.strip("-")
    dashes = (len(line) - len(line.lstrip("-")), len(line) - len(line.rstrip("-")))
    if (found := _DAY_LINE.fullmatch(inner.strip(" "))) is None or (max(dashes) > 0 and min(dashes) < 5):
        return None
    korean, weekday, name, english, dotted = found.groups()
    if (on := day(korean or english or dotted)) is None or (dotted and not dashes[0]):
        return None
    index = on.minutes // MINUTES_A_DAY - 1  # 1 January of year 1 was a Monday
    if not dotted and (weekday or name.lower()) != (_DAYS_KO if weekday else _DAYS)[index % 7]:
        return None
    return on, dashes[0] > 0


def moment(text: str) -> int | None:
    """Minutes of a text that is a timestamp and nothing else."""
    if len(text) > 60 or (found := _WHOLE_MOMENT.fullmatch(text)) is None:
        return None
    on, at = day(found[1] or f"{found[4]} reversed"), clock(found[2] or found[3])
    return on.minutes + at.minutes if on and at else None


def saved_at(line: str) -> tuple[int | None] | None:
    """`저장한 날짜 : …`: the minute of the export in a tuple (None inside: an unknown notation)."""
    found = _SAVED.fullmatch(line.strip())
    return (moment(found[1].strip()),) if found else None


def room(line: str) -> str | None:
    """The room's name in a title line, "" for a title without one; None if the line is no title."""
    if len(line) > 500 or (found := _TITLE.fullmatch(line.strip())) is None:
        return None
    return _TITLE_TAIL.sub("", next(filter(None, found.groups()), "")).strip()
