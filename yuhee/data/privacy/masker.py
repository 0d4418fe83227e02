"""Replaces personal data by stand-ins that read as naturally: `김하늘아 010-1234-5678로 걸어` → `지우야 010-0000-0001로 걸어`."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.privacy.accounts import accounts
from yuhee.data.privacy.dummies import Dummies
from yuhee.data.privacy.found import LEAVE, Found, blank
from yuhee.data.privacy.links import links, mails
from yuhee.data.privacy.names import Names, alternation
from yuhee.data.privacy.numbers import RULES, D, numbers
from yuhee.data.privacy.places import addresses
from yuhee.data.privacy.shadow import shadow

# a text without any of these holds no number, no address of any kind and no link
_HINTS = r"\d|[@＠Ａ-Ｚａ-ｚ]|:\/\/|골뱅이|[\[(](?:at|AT)|[a-z] at |\.[A-Za-z]{2,4}/|[공영빵] ?[일이삼사오육륙칠]"
# each finder reads what those before it left, and only a shadow that holds what it looks for
_STAGES: tuple[tuple[re.Pattern[str], tuple[Callable[[str], Iterator[Found]], ...]], ...] = (
    (re.compile(r"://|\.[A-Za-z]{2,4}[/?]"), (links,)),
    (re.compile(r"@|골뱅이|[\[(](?:at|AT|앳)|[A-Za-z0-9] at "), (mails,)),
    (
        re.compile(rf"(?:{D}[-./_~*,에의다시대하픈() A-Za-z]{{0,5}}){{7}}"),
        (*(partial(numbers, rule) for rule in RULES), accounts),
    ),
    (re.compile("[로길동리가읍면] ?(?:산 ?|지하 ?)?[0-9]|[0-9]호"), (addresses,)),
)
_ROUNDS = 6
_TEXT_KEYS = ("q:", "a:")
_HASHED = re.compile(r"h:[0-9a-f]{32}")
_LARGEST_PLAIN = 10**6  # larger numbers of `meta` may be somebody's


class Change(NamedTuple):
    """A stretch of a text (in characters), its kind, and what stands there from now on."""

    start: int
    end: int
    kind: str
    dummy: str


class Masker:
    """Masks texts and dialogues of one corpus; the same original always becomes the same stand-in.

    Args:
        members: display names of the people who speak (sender labels).
        keep: names that are no secret.

    Attributes:
        counts: replaced items per kind.
        mapping: original → stand-in. Only in memory: it undoes the masking.
    """

    def __init__(self, members: Iterable[str] = (), *, keep: Iterable[str] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.mapping: dict[str, str] = {}
        self._names = Names(members, keep)
        self._dummies = Dummies()
        self._speakers: dict[str, str] = {}
        self._hints = self._compiled_hints()

    def _compiled_hints(self) -> re.Pattern[str]:
        forms = self._names.forms()
        return re.compile(f"{_HINTS}|(?i:{alternation(forms)})" if forms else _HINTS)

    def mask(self, text: str) -> str:
        """The text with everything personal replaced; masking it again changes nothing."""
        if not self._hints.search(text):
            return text
        for _ in range(_ROUNDS):  # a dummy may meet what stood beside the original: 다올로 417haneul@…
            masked = self._mask_once(text)
            if masked == text:
                break
            text = masked
        return text

    def _mask_once(self, text: str) -> str:
        pieces, place = [], 0
        for change in self.changes(text):
            original = text[change.start : change.end]
            pieces += [text[place : change.start], change.dummy]
            place = change.end
            self.counts[change.kind] += 1
            self.mapping[original] = change.dummy
        return "".join([*pieces, text[place:]]) if pieces else text

    def changes(self, text: str) -> list[Change]:
        """What `mask` replaces, from left to right."""
        original = current = shadow(text)
        found: list[Found] = []
        for hint, finders in _STAGES:
            for find in finders if hint.search(current) else ():
                here = list(find(current))
                current = blank(current, here)
                found += here
        for here in self._names.find(current):
            found += here
        return [
            Change(
                f.start, f.end, f.kind, f.head if f.kind == "name" else self._dummies.of(f, original[f.start : f.end])
            )
            for f in sorted(found)
            if f.kind != LEAVE
        ]

    def dialogue(self, dialogue: Dialogue) -> Dialogue:
        """The dialogue with masked texts, speakers and labels; ids and keys that may tell something become hashes.

        Of `meta` only numbers and truth values remain.
        """
        turns = tuple(map(self._turn, dialogue.turns))
        return replace(
            dialogue,
            id=self._id(dialogue.id),
            turns=turns,
            group_keys=tuple(dict.fromkeys(_masked_keys(dialogue.group_keys, turns))),
            meta=_numbers_of(dialogue.meta),
        )

    def _turn(self, turn: Turn) -> Turn:
        text = self.mask(turn.text)
        emotion = turn.emotion and self.mask(turn.emotion)
        speaker = turn.speaker and self._speaker(turn.speaker)
        if (text, emotion, speaker) == (turn.text, turn.emotion, turn.speaker):
            return turn
        return replace(turn, text=text, emotion=emotion, speaker=speaker)

    def _speaker(self, label: str) -> str:
        if label not in self._speakers:
            person = self._names.person(label)
            self._speakers[label] = self.mask(label) if person == label else person
            self._hints = self._compiled_hints()  # an unannounced speaker is looked for from now on
        return self._speakers[label]

    def _id(self, name: str) -> str:
        personal = self.mask(name) != name or any(form in name.lower() for form in self._names.forms() if len(form) > 1)
        return _hashed(name) if personal else name


def _masked_keys(keys: Iterable[str], turns: Iterable[Turn]) -> Iterator[str]:
    """Keys made of text are made again of the masked text, others become hashes."""
    kinds = {key[:2] for key in keys}
    yield from (key for key in group_keys(turns) if key[:2] in kinds)
    yield from (_hashed(key) for key in keys if not key.startswith(_TEXT_KEYS))


def _hashed(name: str) -> str:
    return name if _HASHED.fullmatch(name) else "h:" + hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def _numbers_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < _LARGEST_PLAIN)
