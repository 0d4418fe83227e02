"""The first pass over a file: what its records look like, who writes, and where its header ends."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from yuhee.data.corpora.kakaotalk import csv_export, grammar
from yuhee.data.corpora.kakaotalk.files import Source
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

_HEADER_LINES = 5  # lines, blank ones not counted
_STEADY = 5  # records from which on a family is that of the file
_LONGEST_NAME, _MOST_NAMES = 100, 10_000


@dataclass
class Facts:
    """What must be known of a file before its lines can be read.

    Attributes:
        encoding: of the bytes.
        lines: how many lines there are.
        is_csv: the macOS export.
        family: how most records are written, None without records. `steady`: there are at least five of them.
        bare_lf_continues: a bare LF never ends a record here, so what follows one belongs to the message.
        header: numbers of the header's lines.
        room: the room's name, None if unknown.
        saved: minute of the export, None if unknown.
        speakers: records per sender.
        colon_names: senders whose names hold ` : `, longest first.
    """

    encoding: str
    lines: int = 0
    is_csv: bool = False
    family: str | None = None
    steady: bool = False
    bare_lf_continues: bool = False
    header: frozenset[int] = frozenset()
    room: str | None = None
    saved: int | None = None
    speakers: Counter[str] = field(default_factory=Counter)
    colon_names: tuple[str, ...] = ()

    @property
    def is_kakaotalk(self) -> bool:
        return bool(self.is_csv or self.family or self.header)


def survey(source: Source, given: tuple[str, ...]) -> Facts:
    """Read a source once. `given`: the names that the user typed.

    Raises:
        UserError: it cannot be read, or is in none of the known encodings.
    """
    for encoding in source.encodings():
        try:
            if _is_csv(source, encoding):
                return _survey_csv(source, encoding)
            return _Survey(encoding).run(source.lines(encoding), given)
        except UnicodeDecodeError:
            continue
    raise UserError(f"{source.where}: UTF-8도 UTF-16도 cp949도 아니니 UTF-8로 저장한 뒤 다시 시도해 주세요.")


def _is_csv(source: Source, encoding: str) -> bool:
    first = next((line for line, _ in source.lines(encoding) if line.strip()), "")
    return csv_export.columns(first) is not None


def _survey_csv(source: Source, encoding: str) -> Facts:
    facts, unused = Facts(encoding, is_csv=True), ReadReport("kakaotalk")
    for message in csv_export.messages(_counted(source.lines(encoding), facts), unused, ""):
        if message.sender is not None:
            facts.speakers[message.sender] += 1
    return facts


def _counted(lines: Iterator[tuple[str, bool]], facts: Facts) -> Iterator[tuple[str, bool]]:
    for line in lines:
        facts.lines += 1
        yield line


class _Survey:
    """Counts records by family, and by the end of the line before them."""

    def __init__(self, encoding: str) -> None:
        self.facts = Facts(encoding)
        self.families: Counter[str] = Counter()
        self.after: dict[bool, dict[str, Counter[str]]] = {True: {}, False: {}}  # after a bare LF: family: senders
        self.prefixes: Counter[tuple[str, str]] = Counter()
        self.head: list[tuple[int, str]] = []

    def run(self, lines: Iterator[tuple[str, bool]], given: tuple[str, ...]) -> Facts:
        facts, after, families = self.facts, self.after, self.families
        bare, number, before_records = False, 0, True
        for number, (line, ends_bare) in enumerate(lines, start=1):
            found = grammar.record(line)
            if found is not None and (found[3] is not None or found[0] != grammar.SHORT):
                family, _, _, name, body = found
                families[family] += 1
                counts = after[bare].get(family)
                if counts is None:
                    counts = after[bare][family] = Counter()
                if name is not None:
                    counts[name] += 1
                    if family != grammar.WINDOWS and " : " in body:
                        self._collect(name, body)
                before_records = False
            elif before_records and line.strip():
                before_records = self._before_records(number, line)
            bare = ends_bare
        facts.lines = number
        self._conclude(given)
        return facts

    def _before_records(self, number: int, line: str) -> bool:
        """Keep a line that may be of the header; False where the header cannot go on."""
        if len(self.head) == _HEADER_LINES or grammar.separator(line) or grammar.moment(line) is not None:
            return False
        self.head.append((number, line))
        return True

    def _collect(self, name: str, body: str) -> None:
        """Names may hold ` : ` themselves: then nobody has the first half for a name."""
        rest = body.partition(" : ")[0]
        if len(rest) <= _LONGEST_NAME and len(self.prefixes) < _MOST_NAMES:
            self.prefixes[name, rest] += 1

    def _conclude(self, given: tuple[str, ...]) -> None:
        facts, families = self.facts, self.families
        saved = next((time for _, line in self.head if (time := grammar.saved_at(line))), None)
        titles = {number: room for number, line in self.head if (room := grammar.room(line)) is not None}
        facts.header = frozenset(number for number, _ in self.head) if saved else frozenset(titles)
        facts.room = next(filter(None, titles.values()), None)
        facts.saved = saved[0] if saved else None
        if not families:
            return
        facts.family = max(families, key=lambda family: families[family])
        facts.steady = families[facts.family] >= _STEADY
        # In a mobile export the records follow a CRLF. Where many do not, the ends of lines say nothing.
        bare, full = (sum(self._records_after(lf)) for lf in (True, False))
        rare = bare * 4 <= full or bare < min(full, _STEADY)
        facts.bare_lf_continues = facts.family != grammar.WINDOWS and rare
        self._count_speakers()
        self._find_colon_names(given)

    def _records_after(self, bare: bool) -> Iterator[int]:
        yield from (sum(senders.values()) for senders in self.after[bare].values())

    def _count_speakers(self) -> None:
        for bare, families in self.after.items():
            if bare and self.facts.bare_lf_continues:
                continue
            for family, senders in families.items():
                if family == self.facts.family or not self.facts.steady:
                    self.facts.speakers.update(senders)

    def _find_colon_names(self, given: tuple[str, ...]) -> None:
        speakers = self.facts.speakers
        doubled: Counter[str] = Counter()
        for (name, _), count in self.prefixes.items():
            doubled[name] += count
        lonely = {name for (name, _), count in self.prefixes.items() if count < 2 or doubled[name] != speakers[name]}
        for (name, rest), count in self.prefixes.items():
            whole = grammar.sender(f"{name} : {rest}")
            if whole and (whole in given or name not in lonely):
                speakers[whole] += count
                speakers[name] -= count
                self.facts.colon_names += (whole,)
        self.facts.colon_names = tuple(sorted(set(self.facts.colon_names), key=len, reverse=True))
        self.facts.speakers = +speakers
