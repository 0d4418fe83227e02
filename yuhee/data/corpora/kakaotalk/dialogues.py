"""Messages to dialogues: a silence ends a session, a burst of one person is one turn."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from yuhee.data.corpora.kakaotalk.cast import BOTS, Cast
from yuhee.data.corpora.kakaotalk.kinds import Message
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.report import ReadReport


@dataclass(slots=True)
class _Session:
    """The bursts of one session: sender, time of the first message, messages."""

    bursts: list[tuple[str, str | None, list[str]]] = field(default_factory=list)
    first_line: int = 0
    maybe_cut: bool = False


def dialogues(messages: Iterable[Message], cast: Cast, session_gap: float, report: ReadReport) -> Iterator[Dialogue]:
    """Yield the sessions in which both sides speak, and count the kinds of all messages.

    Photos, calls and the like are no text, but no silence either; notices are neither. `session_gap` is in hours.
    """
    number = one_sided = 0
    for number, session in enumerate(_sessions(messages, cast.me, session_gap * 60, report), start=1):
        found = [_turns(session, assistant) for assistant in cast.assistants]
        if any(len({turn.role for turn in turns}) < 2 for turns in found):
            one_sided += 1
            continue
        keys = tuple(dict.fromkeys(key for turns in found for key in group_keys(turns)))
        if len(found) > 1:  # both sides of one session must never part, so they share a key of their own
            keys += (_fingerprint(session),)
        meta = {"first_line": session.first_line, "maybe_truncated": session.maybe_cut}
        if any(sender in BOTS for sender, _, _ in session.bursts):
            meta["bot"] = True
        for place, turns in enumerate(found):
            name = f"kakaotalk:{number}" + (f":{place + 1}" if len(found) > 1 else "")
            yield Dialogue(name, turns, keys, source="kakaotalk", meta=meta)
    if one_sided:
        report.notes.append(f"한쪽만 말한 대화 {one_sided}개는 배울 답이 없어 뺐습니다(전체 {number}개).")


def _sessions(messages: Iterable[Message], me: frozenset[str], gap: float, report: ReadReport) -> Iterator[_Session]:
    kinds, session, last = report.kinds, _Session(), None
    bursts = session.bursts
    speaker: str | None = None
    for line, time, minute, sender, kind, body, maybe_cut in messages:
        kinds[kind] += 1
        if sender is None:
            continue
        if last is not None and abs(minute - last) > gap:
            if bursts:
                yield session
            session, speaker = _Session(), None
            bursts = session.bursts
        last = minute
        if kind != "text":
            continue
        if sender == speaker or (sender in me and speaker in me):
            bursts[-1][2].append(body)
        else:
            bursts.append((sender, time, [body]))
            speaker = sender
        session.first_line = session.first_line or line
        session.maybe_cut |= maybe_cut
    if bursts:
        yield session


def _turns(session: _Session, assistant: frozenset[str]) -> tuple[Turn, ...]:
    return tuple(
        Turn("assistant" if sender in assistant else "user", "\n".join(bodies), speaker=sender, time=time)
        for sender, time, bodies in session.bursts
    )


def _fingerprint(session: _Session) -> str:
    return "session:" + hashlib.blake2b(repr(session.bursts).encode(), digest_size=16).hexdigest()
