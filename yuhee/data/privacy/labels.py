"""What a sender's label says about a name: 김하늘 → 김하늘, 하늘; 준서맘 → 준서; 이도윤 (회사) → 이도윤, 도윤."""

import re
import unicodedata

from yuhee.data.privacy.shadow import shadow
from yuhee.data.privacy.words import COMPOUND, JOBS, KINSHIP, LATIN_SURNAMES, ROLES, SURNAMES

_HANGUL = re.compile("[가-힣]+")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*[0-9]*")
_TITLE = re.compile(rf"(?<=[가-힣]{{2}})(?:{KINSHIP}|{JOBS})?(?:님|씨)?$")
_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_TEAM = re.compile(r"(?:팀|부|과|실|점|반|조|회사|그룹|대학교?|학교|유치원)$")
_SPEAKS = re.compile("[가-힣]{2}|[A-Za-z].{2}")  # enough of a label to look for it in texts
_SIGN = re.compile("[A-Za-z]?[0-9]{0,3}")
_LEAST_LATIN = 4  # letters of a part of a Latin name that stands for a person on its own

_NICKNAME = re.compile("[가-힣]{4,6}")

_INITIALS = "g kk n d tt r m b pp s ss - j jj ch k t p h"
_VOWELS = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i"
_FINALS = "- k k k n n n t l k m l l l p l m p p t t ng t t k t p t"
_INITIAL, _VOWEL, _FINAL = (sounds.split() for sounds in (_INITIALS, _VOWELS, _FINALS))


def plain(label: str) -> str:
    return shadow(unicodedata.normalize("NFC", label)).strip()


def names_of(label: str) -> tuple[list[str], list[str]]:
    """`(full names and nicknames, given names)` of a label; both empty for 엄마, 팀장님 and the like."""
    label = plain(label)
    words = [w for w in _HANGUL.findall(_BRACKETS.sub(" ", label)) if not is_role(w)]
    named = [w for w in words if len(w) > 1 and not _TEAM.search(w)] or [w for w in words if len(w) == 1][:1]
    whole = [label] if _SPEAKS.search(label) and not is_role(label) else []
    if not named:
        return [*whole, *_latin(label)], []
    first = _TITLE.sub("", named[0])
    full, given = _split(first, named[1:2])
    return list(dict.fromkeys([*whole, *([first] if len(first) > 1 else []), *full])), list(dict.fromkeys(given))


def is_role(word: str) -> bool:
    """Whether a label is nobody's name: 엄마, 팀장님, user, A, 2."""
    return word.lower() in ROLES or word.removesuffix("님") in ROLES or bool(_SIGN.fullmatch(word))


def _split(name: str, rest: list[str]) -> tuple[list[str], list[str]]:
    """Family name and given name, in every way they can be cut."""
    if len(name) == 1:
        joined = [f"{name} {rest[0]}", name + rest[0]] if rest and name in SURNAMES else []
        return joined, rest if joined else [name]
    given = []
    if name[:2] in COMPOUND and len(name) in (3, 4):
        given += [name[2:], name[:2]]
    if name[0] in SURNAMES and 2 <= len(name) <= 4 and not (name[:2] in COMPOUND and len(name) == 4):
        given.append(name[1:])
    return [f"{name.removesuffix(part)} {part}" for part in given if name.endswith(part)], given


def halves(full: str) -> list[str]:
    """Halves of a nickname of four syllables and more, by which its bearer is addressed (솜사탕토끼 → 솜사탕님, 토끼님)."""
    if not _NICKNAME.fullmatch(full) or full[0] in SURNAMES:
        return []
    return [full[:2], full[-2:], *([full[:3]] if len(full) > 4 else [])]


def _latin(label: str) -> list[str]:
    """A handle or a Latin name, and its longer parts: sora_choi → sora, choi."""
    found: list[str] = []
    for word in _LATIN.findall(label):
        parts = [p for p in re.split("[._-]", word) if len(p) >= _LEAST_LATIN and p.isalpha()]
        found += [word, *parts] if len(word) >= _LEAST_LATIN else []
    return list(dict.fromkeys(found))


def latin_forms(full: str, given: str) -> list[str]:
    """Latin spellings of a Hangul name (revised romanisation, and the usual spellings of the surname)."""
    if not _HANGUL.fullmatch(full) or not full.endswith(given):
        return []
    family = full.removesuffix(given)
    parts = [_romanised(syllable) for syllable in given]
    spelt = ["".join(parts), *(["-".join(parts), " ".join(parts)] if len(parts) > 1 else [])]
    families = [*LATIN_SURNAMES.get(family, "").split(), "".join(map(_romanised, family))] if family else []
    both = [form for s in spelt for f in families if f for form in (f"{s} {f}", f"{f} {s}", f"{f}{s}", f"{s}{f}")]
    return [*both, *(s for s in spelt if len(s) >= _LEAST_LATIN and len(given) > 1)]


def _romanised(syllable: str) -> str:
    code = ord(syllable) - 0xAC00
    return (_INITIAL[code // 588] + _VOWEL[code // 28 % 21] + _FINAL[code % 28]).replace("-", "")
