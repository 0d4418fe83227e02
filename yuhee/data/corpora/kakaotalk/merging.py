"""Exports of one room that overlap, to one stream of messages."""

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter

from yuhee.data.corpora.kakaotalk.kinds import Message
from yuhee.data.report import ReadReport


def merged(streams: list[Iterator[Message]], me: frozenset[str], report: ReadReport) -> Iterator[Message]:
    """The messages of all exports by time, each once; the order inside an export stays.

    People say ㅋㅋ twice a minute, so what counts is how often a message stands in the minute of one export. `me` are
    the names under which exports may write their owner.
    """
    if len(streams) == 1:
        yield from streams[0]
        return
    dropped = 0
    by_minute = merge(*(_minutes(index, stream) for index, stream in enumerate(streams)))
    for _, minutes in groupby(by_minute, key=itemgetter(0)):
        kept: list[Message] = []
        for _, _, found in minutes:
            known = Counter(_key(message, me) for message in kept)
            kept, twice = _union(kept, known, found, me)
            dropped += twice
        yield from kept
    if dropped:
        report.kinds["duplicate"] += dropped
        report.notes.append(f"내보낸 파일들에서 겹치는 메시지 {dropped}개는 한 번만 썼습니다.")


def _minutes(index: int, stream: Iterable[Message]) -> Iterator[tuple[int, int, list[Message]]]:
    """The messages of each minute. One from before the last (clocks change) stays where it stands."""
    latest, found = -1, list[Message]()
    for message in stream:
        if message.minute > latest:
            if found:
                yield latest, index, found
            latest, found = message.minute, []
        found.append(message)
    if found:
        yield latest, index, found


def _key(message: Message, me: frozenset[str]) -> tuple[str | None, str]:
    return None if message.sender is None else "" if message.sender in me else message.sender, message.body.strip()


def _union(
    kept: list[Message], known: Counter[tuple[str | None, str]], found: list[Message], me: frozenset[str]
) -> tuple[list[Message], int]:
    """Both lists as multisets, and how many were in both. If one has everything, it also has the right order."""
    left, new = known.copy(), list[Message]()
    for message in found:
        key = _key(message, me)
        if left[key]:
            left[key] -= 1
        else:
            new.append(message)
    both = len(found) - len(new)
    return (found if both == len(kept) else kept + new), both
