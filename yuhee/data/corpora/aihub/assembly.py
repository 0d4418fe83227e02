"""Conversations to dialogues: who is the assistant, what is text, what was read before, and the account of it all."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from yuhee.data.corpora.aihub.conversation import Conversation, Utterance, word
from yuhee.data.dialogue import Dialogue, Role, Turn, group_keys
from yuhee.data.report import ReadReport

BotSpeaker = Literal["first", "second", "both"]
SOURCE = "aihub"

# What AI Hub put in place of anything but text; any other is a notice.
_SYSTEM_KINDS = {
    "사진": "photo",
    "동영상": "video",
    "파일": "file",
    "지도": "location",
    "검색": "search",
    "송금": "money",
    "삭제": "deleted",
}
_SYSTEM = re.compile(r"#@시스템#(?:([^#\s]*)#)?")
_EMOTICONS = re.compile(r"(?:#@이모티콘#(?:[^#@\s]+#)?\s*)+")


@dataclass(frozen=True)
class Place:
    """Where a conversation stands: document, 1-based number of the record in it, AI Hub's split."""

    document: str
    number: int
    split: str | None


@dataclass
class Assembly:
    """Makes dialogues and fills the report: its `lines` are utterances, and whatever was refused as a whole.

    Args:
        bot_speaker: whose side the assistant is where the corpus favours none, by the order in which they speak.
    """

    report: ReadReport
    bot_speaker: BotSpeaker
    repeated: int = 0
    unanswered: int = 0
    _known: set[bytes] = field(default_factory=set)

    def refuse(self, document: str, number: int, reason: str) -> None:
        """Report a record, or with number 0 a document, that cannot be read."""
        self.report.lines += 1
        self.report.skip(number, f"{document}: {reason}")

    def dialogues(self, shape: str, conversation: Conversation, place: Place) -> Iterator[Dialogue]:
        """The dialogue of a conversation; two if both sides are learned; none if it has no reply or was read before."""
        if not conversation.utterances:
            self.refuse(place.document, place.number, "발화가 없습니다")
        elif self._is_known(shape, conversation):
            self.repeated += 1
            self._count("duplicate", conversation.utterances)
        else:
            said = self._said(conversation.utterances, place)
            spoken = dict.fromkeys(each.speaker for each in said)
            speakers = [speaker for speaker in dict.fromkeys((*conversation.order, *spoken)) if speaker in spoken]
            bots = self._bots(speakers, conversation.bot)
            self._count("text" if bots else "unanswered", said)
            self.unanswered += not bots
            for bot in bots:
                yield _dialogue(shape, conversation, place, said, bot, of_several=len(bots) > 1)

    def _is_known(self, shape: str, conversation: Conversation) -> bool:
        names = {f"{shape}:{key}" for key in (conversation.key, conversation.copy_key) if key}
        hashes = {hashlib.blake2b(name.encode(errors="replace"), digest_size=16).digest() for name in names}
        known = not hashes.isdisjoint(self._known)
        self._known |= hashes
        return known

    def _count(self, kind: str, utterances: list[Utterance]) -> None:
        number = sum(each.counted for each in utterances)
        self.report.lines += number
        if number:
            self.report.kinds[kind] += number

    def _said(self, utterances: list[Utterance], place: Place) -> list[Utterance]:
        """The utterances that are text, stripped; the others are reported or counted by kind."""
        said = []
        for number, each in enumerate(utterances, start=1):
            if problem := each.problem or _problem(each):
                self.refuse(place.document, place.number, f"{number}번째 발화: {problem}")
                continue
            each.text = each.text.strip()
            if kind := _kind(each.text):
                self._count(kind, [each])
            else:
                said.append(each)
        return said

    def _bots(self, speakers: list[str], bot: str | None) -> list[str]:
        """Whose replies are to be learned: empty where nobody answers anybody."""
        if len(speakers) < 2:
            return []
        if bot is not None:
            return [bot] if bot in speakers else []
        return {"first": speakers[:1], "second": speakers[1:2], "both": speakers[:2]}[self.bot_speaker]


def _problem(utterance: Utterance) -> str | None:
    if not isinstance(utterance.text, str):
        return "글이 없습니다"
    if not utterance.speaker:
        return "말한 사람이 없습니다"
    try:
        utterance.text.encode()
    except UnicodeEncodeError:
        return "글자가 반쪽만 있습니다"
    return None


def _kind(text: str) -> str | None:
    """The kind of an utterance that is wholly something else than text; tokens inside a text are part of it."""
    if not text:
        return "blank"
    if not text.startswith("#@"):
        return None
    if system := _SYSTEM.fullmatch(text):
        return _SYSTEM_KINDS.get(system[1] or "", "notice")
    return "emoticon" if _EMOTICONS.fullmatch(text) else None


def _dialogue(
    shape: str, conversation: Conversation, place: Place, said: list[Utterance], bot: str, *, of_several: bool
) -> Dialogue:
    turns = tuple(_turns(said, bot))
    here = f"{place.document}:{place.number}"
    name = f"{SOURCE}:{shape}:{conversation.key or here}"
    group = f"{SOURCE}:{shape}:{conversation.group or conversation.key or here}"
    meta: dict[str, Any] = {"shape": shape, **conversation.meta}
    if place.split:
        meta["split"] = place.split
    return Dialogue(
        id=f"{name}:{word(bot)}" if of_several else name,
        turns=turns,
        group_keys=(*group_keys(turns), group),
        source=SOURCE,
        meta=meta,
    )


def _turns(said: list[Utterance], bot: str) -> Iterator[Turn]:
    """Utterances of one speaker in a row are one turn of several lines, with the time of the first."""
    several = len({each.speaker for each in said}) > 2
    start = 0
    for end in range(1, len(said) + 1):
        if end < len(said) and said[end].speaker == said[start].speaker:
            continue
        burst = said[start:end]
        role: Role = "assistant" if burst[0].speaker == bot else "user"
        yield Turn(
            role,
            "\n".join(each.text for each in burst),
            emotion=burst[-1].emotion,
            speaker=burst[0].speaker if several else None,
            time=burst[0].time,
        )
        start = end
