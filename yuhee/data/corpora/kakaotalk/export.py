"""The reader of KakaoTalk exports: from files to sessions of two sides."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal

from yuhee.data.corpora.kakaotalk import csv_export, grammar
from yuhee.data.corpora.kakaotalk.cast import OWN_NAMES, SIDES, as_typed, choose
from yuhee.data.corpora.kakaotalk.dialogues import dialogues
from yuhee.data.corpora.kakaotalk.files import Source, find_exports
from yuhee.data.corpora.kakaotalk.kinds import Message
from yuhee.data.corpora.kakaotalk.merging import merged
from yuhee.data.corpora.kakaotalk.messages import messages
from yuhee.data.corpora.kakaotalk.survey import Facts, survey
from yuhee.data.corpora.text_file import split_lines
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

_Known = tuple[Source, Facts, str]  # the last: what reasons in the report begin with


def read(
    path: str | Sequence[str] | None,
    report: ReadReport,
    *,
    me: str | None = None,
    friend: str | None = None,
    bot_side: Literal["friend", "me", "both"] = "friend",
    session_gap: float = 3.0,
) -> Iterator[Dialogue]:
    """Yield the sessions of one room.

    Args:
        path: a .txt or .csv export, a zip or a folder of them, or several of these: parts and overlapping exports of
            one room are joined.
        report: filled while reading; its reasons hold neither names nor text.
        me: display name of the exporter.
        friend: display name of the person whom the bot is to be. With two people one name is enough.
        bot_side: whose messages are the replies; `both` yields each session once for each side.
        session_gap: hours of silence that end a session.

    Raises:
        UserError: no such file, none that is an export, an unknown name or a wrong option.
    """
    if path is None or not path:
        raise UserError("data.path에 카카오톡에서 내보낸 파일을 지정해 주세요.")
    if bot_side not in SIDES:
        raise UserError(f"--bot-side {bot_side}: friend, me, both 가운데 하나를 골라 주세요.")
    if not session_gap > 0:
        raise UserError(f"--session-gap {session_gap}: 0보다 큰 시간(단위: 시간)을 적어 주세요.")
    given = tuple(filter(None, map(as_typed, (me, friend))))
    exports = _surveyed(find_exports(path), given, report)
    _refuse_other_rooms(exports, {*OWN_NAMES, as_typed(me)})
    speakers = Counter[str]()
    for _, facts, _ in chain(*exports):
        speakers.update(facts.speakers)
    cast = choose(speakers, me, friend, bot_side)
    streams = [_messages(export, report) for export in exports]
    yield from dialogues(merged(streams, cast.me, report), cast, session_gap, report)


def looks_like(text: str) -> int:
    """How many lines of a text are records or separators of a KakaoTalk export (of the macOS one: its rows)."""
    lines = [line[:500] for line in split_lines(text.removeprefix("\ufeff"))]
    if csv_export.columns(next(filter(str.strip, lines), "")) is not None:
        return sum(bool(line.strip()) for line in lines)
    return sum(_is_kakaotalk(line) for line in lines)


def _is_kakaotalk(line: str) -> bool:
    if found := grammar.record(line):
        return found[0] != grammar.SHORT or found[3] is not None
    return grammar.separator(line) is not None or grammar.moment(line) is not None


def _surveyed(exports: list[list[Source]], given: tuple[str, ...], report: ReadReport) -> list[list[_Known]]:
    """The facts of every part; files beside an export that are none are left out with a note."""
    several = sum(map(len, exports)) > 1
    known: list[list[_Known]] = []
    number = 0
    for export in exports:
        parts: list[_Known] = []
        for source in export:
            number += 1
            place = f"{number}번째 파일: " if several else ""
            facts = survey(source, given)
            if facts.is_kakaotalk:
                parts.append((source, facts, place))
                report.lines += facts.lines
            elif several:
                report.notes.append(f"{place}카카오톡 대화가 아니어서 읽지 않았습니다.")
        if parts:
            known.append(parts)
    if not known:
        raise UserError(f"{exports[0][0].where}: 카카오톡에서 내보낸 대화가 아니니 data.path를 확인해 주세요.")
    report.encoding = ", ".join(dict.fromkeys(facts.encoding for export in known for _, facts, _ in export))
    return known


def _refuse_other_rooms(exports: list[list[_Known]], me: set[str | None]) -> None:
    """Exports of two rooms would be shuffled into one conversation."""
    first, *others = exports
    for other in others:
        rooms = {facts.room for export in (first, other) for _, facts, _ in export} - {None, ""}
        here, there = (
            {"" if name in me else name for _, facts, _ in export for name in facts.speakers}
            for export in (first, other)
        )
        strangers = min(len(here), len(there)) > 1 and len(here & there) < 2
        if strangers or len(rooms) > 1:
            raise UserError(
                f"{other[0][0].where}: 서로 다른 방의 대화로 보이니 한 방의 파일만 지정하고 다른 방은 따로 가져와 주세요."
            )


def _messages(export: list[_Known], report: ReadReport) -> Iterator[Message]:
    for source, facts, place in export:
        lines = source.lines(facts.encoding)
        try:
            if facts.is_csv:
                yield from csv_export.messages(lines, report, place)
            else:
                yield from messages(lines, facts, report, place)
        except UnicodeDecodeError:
            raise UserError(f"{source.where}: 읽는 동안 파일이 바뀌었으니 다시 시도해 주세요.") from None
