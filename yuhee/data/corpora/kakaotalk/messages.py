"""Lines of a text export to messages: what is a record, a separator, a notice, a continuation."""

from collections.abc import Iterable, Iterator

from yuhee.data.corpora.kakaotalk import grammar
from yuhee.data.corpora.kakaotalk.files import LONGEST_LINE, UNREADABLE
from yuhee.data.corpora.kakaotalk.grammar import MINUTES_A_DAY, Record
from yuhee.data.corpora.kakaotalk.kinds import Message, is_marker, is_notice, kind_of, kind_of_notice
from yuhee.data.corpora.kakaotalk.survey import Facts
from yuhee.data.report import ReadReport

_CUT_AT = 500  # characters: where mobile clients cut a message
_TIMELESS = frozenset([grammar.WINDOWS, grammar.SHORT])
_ODD_CLOCK = "오후 15:04처럼 12시가 넘는 시각에서는 오전/오후를 무시했습니다."
_NO_DATE = "날짜 구분줄이 없는 앞부분은 날짜를 모르는 채로 읽었습니다."


def messages(lines: Iterable[tuple[str, bool]], facts: Facts, report: ReadReport, file: str) -> Iterator[Message]:
    """The messages of a text export, in the order of the file; everything else is counted in the report.

    `file` begins the reasons in the report.
    """
    walker = _Walker(facts, report, file)
    family, bare_continues = facts.family, facts.bare_lf_continues
    after_bare = False
    for number, (line, ends_bare) in enumerate(lines, start=1):
        inside = after_bare and bare_continues and walker.is_open
        after_bare = ends_bare
        found = None if inside else grammar.record(line)
        if found is not None and (found[0] == family or walker.accepts(found)):
            closed = walker.close()
            walker.start(number, found)
        else:
            closed = walker.other(number, line, inside)
        if closed is not None:
            yield closed
    if (closed := walker.close()) is not None:
        yield closed


class _Walker:
    """The open message, and the time of the last one."""

    def __init__(self, facts: Facts, report: ReadReport, file: str) -> None:
        self.facts, self.report, self.file = facts, report, file
        self.names = frozenset(facts.speakers)
        self.latest = None if facts.saved is None else facts.saved + MINUTES_A_DAY
        self.is_open = False
        self.number = self.minute = self.size = self.undated_days = 0
        self.sender: str | None = None
        self.dotted = self.mobile = False
        self.time: str | None = None
        self.body: list[str] = []
        self.day: grammar.Day | None = None  # of the last separator
        self.after_blank = False

    def accepts(self, found: Record) -> bool:
        """Whether a record of another family than the file's is one, or a pasted line of a message."""
        family, day, clock, sender, _ = found
        if sender is None or (family in _TIMELESS and self.day is None):
            return False
        if not self.facts.steady:
            return True
        day = day or self.day
        return day is not None and self._is_in_order(day.minutes + clock.minutes)

    def _is_in_order(self, minute: int) -> bool:
        return self.minute <= minute and (self.latest is None or minute <= self.latest)

    def start(self, number: int, found: Record) -> None:
        """Open a message."""
        family, day, clock, sender, body = found
        if day is None:
            day = self.day
        if self.facts.colon_names and sender is not None and family != grammar.WINDOWS:
            whole = f"{sender} : {body}"
            for name in self.facts.colon_names:
                if whole.startswith(f"{name} : "):
                    sender, body = name, whole[len(name) + 3 :]
                    break
        if clock.odd and _ODD_CLOCK not in self.report.notes:
            self.report.notes.append(_ODD_CLOCK)
        if day is None:
            self._start_undated(clock.minutes)
        else:
            self.minute = day.minutes + clock.minutes
            self.time = f"{day.iso}T{clock.iso}"
        self.number, self.sender, self.body, self.size = number, sender, [body], len(body)
        self.dotted, self.mobile = family == "dotted", family != grammar.WINDOWS
        self.is_open, self.after_blank = True, False

    def _start_undated(self, minutes: int) -> None:
        """Without any date a clock that goes back has passed midnight."""
        if _NO_DATE not in self.report.notes:
            self.report.notes.append(_NO_DATE)
        if minutes + self.undated_days * MINUTES_A_DAY < self.minute:
            self.undated_days += 1
        self.minute, self.time = minutes + self.undated_days * MINUTES_A_DAY, None

    def other(self, number: int, line: str, inside: bool) -> Message | None:
        """Place a line that is no record; the message that it closes, if it does."""
        blank = not line.strip()
        if blank or line in UNREADABLE:
            if not blank:
                self.report.skip(number, self.file + UNREADABLE[line])
            elif self.is_open:
                self.body.append(line)
            else:
                self.report.kinds["blank"] += 1
            self.after_blank = blank
            return None
        after_blank, self.after_blank = self.after_blank, False
        if not self.is_open and number in self.facts.header:
            self.report.kinds["header"] += 1
        elif not inside and self._is_separator(line, after_blank):
            self.report.kinds["separator"] += 1
        elif not inside and is_marker(line):
            self.report.kinds[kind_of_notice(line)] += 1
        elif not inside and self.facts.family in _TIMELESS and is_notice(line, self.names):
            closed = self.close()
            self.number, self.sender, self.body, self.size, self.is_open = number, None, [line], len(line), True
            return closed
        elif not self.is_open:
            self.report.skip(number, f"{self.file}앞에 이어질 메시지가 없어 뺐습니다")
        elif self.size > LONGEST_LINE:
            self.report.skip(number, f"{self.file}메시지 하나가 1 MiB를 넘어 나머지를 뺐습니다")
        else:
            self.body.append(line)
            self.size += len(line)
        return None

    def _is_separator(self, line: str, after_blank: bool) -> bool:
        """A whole line with a right weekday, not before the last message and not after the export."""
        if found := grammar.separator(line):
            day, dashed = found
            if self.facts.family == grammar.WINDOWS and not dashed:
                return False
            today = self.minute // MINUTES_A_DAY * MINUTES_A_DAY
            current = max(today, self.day.minutes) if self.day else today
            if day.minutes < current or (self.latest is not None and day.minutes > self.latest):
                return False
            self.day = day
            return True
        if self.facts.family in _TIMELESS:
            return False
        minute = grammar.moment(line)
        return minute is not None and (after_blank or not self.is_open) and self._is_in_order(minute)

    def close(self) -> Message | None:
        """The open message, without the blank lines behind it."""
        if not self.is_open:
            return None
        self.is_open = False
        body = self.body
        if len(body) > 1:
            end = len(body)
            while end > 1 and not body[end - 1].strip():
                end -= 1
            if end < len(body):
                self.report.kinds["blank"] += len(body) - end
            self.report.continuations += end - 1
            text = "\n".join(body[:end])
        else:
            text = body[0]
        if self.sender is None:
            return Message(self.number, self.time, self.minute, None, kind_of_notice(text), text)
        cut = self.mobile and len(text) >= _CUT_AT
        return Message(self.number, self.time, self.minute, self.sender, kind_of(text, self.dotted), text, cut)
