"""The register (speech level) of a Korean message, by how it ends."""

import re
from typing import Literal

Register = Literal["반말", "해요", "합니다", "기타"]
REGISTERS: tuple[Register, ...] = ("반말", "해요", "합니다", "기타")

# the last three syllables before the laughter, tears, punctuation and emoji that people put behind the last word
_LAST = re.compile(r"[가-힣]{1,3}(?=[^가-힣]*\Z)")
_HAMNIDA = ("시오", "십쇼", "소서")
_BIEUP = 17  # number of the final consonant ㅂ in a syllable block
_HAEYO = ("요", "죠", "욤", "용")


def ending(text: str) -> str:
    """The last two syllables that carry the register; empty if the text holds no syllable."""
    return _last_word(text)[-2:]


def register(text: str) -> Register:
    """`합니다` (formal), `해요` (polite), `반말` (plain), or `기타` where no syllable ends the text.

    The last sentence decides: people who mix end as they mean it.
    """
    word = _last_word(text)
    if not word:
        return "기타"
    if word.endswith(_HAMNIDA) or (word.endswith(("니다", "니까")) and _closes_with_bieup(word[:-2])):
        return "합니다"
    return "해요" if word.endswith(_HAEYO) else "반말"


def _last_word(text: str) -> str:
    found = _LAST.search(text)
    return found[0] if found else ""


def _closes_with_bieup(stem: str) -> bool:
    """갑니다 and 습니까 are formal, 다니다 and 그러니까 are not."""
    return bool(stem) and "가" <= stem[-1] <= "힣" and (ord(stem[-1]) - ord("가")) % 28 == _BIEUP
