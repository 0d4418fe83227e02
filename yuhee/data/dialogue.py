"""The neutral conversation type that every corpus reader emits and every encoder takes."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant"]
ROLES: tuple[str, ...] = get_args(Role)

# The user's side and the replies share no key: a question may well be somebody's answer elsewhere.
_QUESTION, _REPLY = "q:", "a:"
_to_json = json.JSONEncoder(ensure_ascii=False).encode
_NOT_A_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, in NFC, with `\\n` as its only line break.

    Args:
        role: who speaks: the person (`user`), the companion (`assistant`) or the setting (`system`).
        text: the words, not blank. Cleaning and masking are other stages' work.
        emotion: the label of a user turn (any short string), None where the corpus has none.
        speaker: the speaker's name or id where a corpus has more than two people.
        time: local time as the corpus writes it, ISO 8601.
        weight: 1 to learn this reply, 0 to read it as context only.

    Raises:
        ValueError: a blank text, an unknown role, a weight other than 0 or 1, or text that is not Unicode.
    """

    role: Role
    text: str
    emotion: str | None = None
    speaker: str | None = None
    time: str | None = None
    weight: int = 1

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"역할이 {', '.join(ROLES)} 가운데 하나가 아닙니다")  # a name may stand there
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError("글이 비어 있습니다")
        if self.weight not in (0, 1):
            raise ValueError("weight는 0이나 1이어야 합니다")
        object.__setattr__(self, "text", _clean(self.text))
        if self.emotion is not None:
            object.__setattr__(self, "emotion", _clean(self.emotion).strip() or None)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation of one or more turns.

    Args:
        id: stable name inside the corpus, for messages to people; it never decides a split.
        turns: in order. The same role may speak several times in a row (group chats).
        group_keys: dialogues that share a key belong on the same side of a split.
        source: the reader's name.
        meta: whatever else the corpus says; nothing downstream depends on it.
        repeat: times it is seen in an epoch of training (a mix of corpora sets it).

    Raises:
        ValueError: no turns, or a system turn anywhere but first (with the index and the role).
    """

    id: str
    turns: tuple[Turn, ...]
    group_keys: tuple[str, ...] = ()
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)
    repeat: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        object.__setattr__(self, "group_keys", tuple(self.group_keys))
        if not self.turns:
            raise ValueError("차례가 하나도 없습니다")
        for index, turn in enumerate(self.turns):
            if turn.role == "system" and index > 0:
                raise ValueError(f"차례 {index}이(가) system입니다(맨 앞에만 올 수 있습니다)")

    @property
    def replies(self) -> tuple[str, ...]:
        return tuple(turn.text for turn in self.turns if turn.role == "assistant")

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(turn.text for turn in self.turns if turn.role == "user")

    def content_hash(self) -> str:
        """Hash of what is said, independent of the id and of the place in the file (32 hex digits)."""
        content = [(turn.role, turn.text, turn.emotion, turn.weight) for turn in self.turns]
        return hashlib.blake2b(_to_json(content).encode(), digest_size=16).hexdigest()


def _clean(text: str) -> str:
    """NFC with `\\n` as the only line break."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("글자 반쪽(짝 없는 서로게이트)이 들어 있습니다") from None
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def normalize_question(text: str) -> str:
    """NFC, case-folded, without white space, punctuation and symbols; the text itself if nothing is left.

    `밥 먹었어??` and `밥먹었어` are the same question to a reader, and so to a split.
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    return _NOT_A_WORD.sub("", folded) or folded.strip()


def group_keys(turns: Iterable[Turn]) -> tuple[str, ...]:
    """Keys by which a dialogue must not straddle a split: its normalised questions and its exact replies."""
    keys = dict.fromkeys(
        _QUESTION + normalize_question(turn.text) if turn.role == "user" else _REPLY + turn.text
        for turn in turns
        if turn.role != "system"
    )
    return tuple(keys)


def without_some_emotions(dialogue: Dialogue, share: float) -> Dialogue:
    """The dialogue with about `share` of its emotion labels left out, the same ones every time."""
    hidden = {
        place: replace(turn, emotion=None)
        for place, turn in enumerate(dialogue.turns)
        if turn.emotion is not None and draw(f"{place}:{turn.text}") < share
    }
    if not hidden:
        return dialogue
    return replace(dialogue, turns=tuple(hidden.get(place, turn) for place, turn in enumerate(dialogue.turns)))


def windows(dialogue: Dialogue, history: int) -> list[Dialogue]:
    """One dialogue per exchange, behind at most `history` earlier ones, which it reads but does not learn.

    An exchange is what the user says and the replies to it. Each reply is learned once, as in the whole dialogue.
    """
    setting = [turn for turn in dialogue.turns[:1] if turn.role == "system"]
    exchanges: list[list[Turn]] = []
    for turn in dialogue.turns[len(setting) :]:
        if not exchanges or (turn.role == "user" and exchanges[-1][-1].role == "assistant"):
            exchanges.append([])
        exchanges[-1].append(turn)
    return [
        replace(dialogue, id=f"{dialogue.id}#{place}", turns=(*setting, *_unlearned(earlier), *exchange))
        for place, exchange in enumerate(exchanges)
        if any(turn.role == "assistant" and turn.weight for turn in exchange)
        for earlier in [exchanges[max(0, place - history) : place]]
    ]


def _unlearned(exchanges: Iterable[Iterable[Turn]]) -> Iterator[Turn]:
    for turn in chain.from_iterable(exchanges):
        yield replace(turn, weight=0) if turn.role == "assistant" else turn


def draw(text: str) -> float:
    """A number in [0, 1) that the text alone decides."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64
