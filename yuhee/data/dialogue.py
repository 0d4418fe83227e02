"""The neutral conversation type that every corpus reader emits and every encoder takes."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant"]
ROLES: tuple[str, ...] = get_args(Role)

# The user's side and the replies share no key: a question may well be somebody's answer elsewhere.
_QUESTION, _REPLY = "q:", "a:"
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
            raise ValueError(f"the role is none of {', '.join(ROLES)}")  # a name may stand there
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError("the text is blank")
        if self.weight not in (0, 1):
            raise ValueError(f"weight {self.weight!r} is neither 0 nor 1")
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

    Raises:
        ValueError: no turns, or a system turn anywhere but first (with the index and the role).
    """

    id: str
    turns: tuple[Turn, ...]
    group_keys: tuple[str, ...] = ()
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        object.__setattr__(self, "group_keys", tuple(self.group_keys))
        if not self.turns:
            raise ValueError("a dialogue needs at least one turn")
        for index, turn in enumerate(self.turns):
            if turn.role == "system" and index > 0:
                raise ValueError(f"turn {index} is a system turn; only the first may be one")

    @property
    def replies(self) -> tuple[str, ...]:
        return tuple(turn.text for turn in self.turns if turn.role == "assistant")

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(turn.text for turn in self.turns if turn.role == "user")

    def content_hash(self) -> str:
        """Hash of what is said, independent of the id and of the place in the file (32 hex digits)."""
        content = [(turn.role, turn.text, turn.emotion, turn.weight) for turn in self.turns]
        return hashlib.blake2b(json.dumps(content, ensure_ascii=False).encode(), digest_size=16).hexdigest()


def _clean(text: str) -> str:
    """NFC with `\\n` as the only line break."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text holds half a character (a lone surrogate)") from None
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
    turns = []
    for place, turn in enumerate(dialogue.turns):
        draw = hashlib.blake2b(f"{place}:{turn.text}".encode(), digest_size=8).digest()
        hidden = int.from_bytes(draw) < share * 2**64
        turns.append(replace(turn, emotion=None) if hidden else turn)
    return replace(dialogue, turns=tuple(turns))


def corpus_hash(dialogues: Iterable[Dialogue]) -> str:
    """Hash of a corpus as a set of dialogues: the same for every order of the file (32 hex digits)."""
    digest = hashlib.blake2b(digest_size=16)
    for key in sorted(dialogue.content_hash() for dialogue in dialogues):
        digest.update(key.encode())
    return digest.hexdigest()
