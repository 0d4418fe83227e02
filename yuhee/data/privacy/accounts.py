"""Finder of bank accounts: any grouping of 10 to 16 digits beside a bank, or a grouping that only accounts have."""

import re
from collections.abc import Iterator

from yuhee.data.privacy.dummies import is_dummy
from yuhee.data.privacy.found import LEAVE, Found
from yuhee.data.privacy.numbers import BACK, FRONT, after, before, digits_of, issued

_CLEAR = re.compile(
    r"은행|뱅크|카뱅|토뱅|케뱅|농협|수협|신협|새마을|우체국|저축|산림조합|신한|국민|KB|NH|IBK|KEB|SC제일|씨티|토스|증권|카카오페이"
    r"|계좌|통장|입금|송금|이체|예금주|축의금|부의금|조의금|회비|월세|보증금"
)
# words of every day: only right beside the number
_WORDS = "우리|하나|기업|제일|부산|대구|광주|제주|전북|경남|외환|산업|카카오|신한|국민"
_WORD_BEFORE = re.compile(rf"(?:{_WORDS}) ?[:(\[]? ?$")
_WORD_AFTER = re.compile(rf"^[ ,(/\[]{{0,3}}(?:{_WORDS})")
_DATE = re.compile(r"(?:19|20)[0-9]{2}[-./ ]{1,3}(?:0?[1-9]|1[0-2])[-./ ]{1,3}(?:[12][0-9]|3[01]|0?[1-9])(?![0-9])")
_BOOK = re.compile(r"97[89]")
_UNIT = "원만천억개시분일월년명번"
_SEPARATED = rf"[0-9]{{2,7}}(?P<gap> ?[-./_] ?| {{1,2}})[0-9]{{1,8}}(?:(?P=gap)[0-9]{{1,8}}(?![0-9]*[{_UNIT}])){{1,3}}"
_ACCOUNT = re.compile(rf"{FRONT}(?:{_SEPARATED}|[0-9]{{3,7}}[- ][0-9]{{5,9}}|[0-9]{{10,16}}){BACK}")
_FEWEST, _MOST = 10, 16  # digits


def accounts(shadow: str) -> Iterator[Found]:
    for match in _ACCOUNT.finditer(shadow):
        digits = digits_of(match[0])
        if is_dummy("bank_account", digits):
            yield Found(match.start(), match.end(), LEAVE)
        elif _FEWEST <= len(digits) <= _MOST and _is_account(match, digits):
            yield Found(match.start(), match.end(), "bank_account", "", match[0])


def _is_account(match: re.Match[str], digits: str) -> bool:
    if issued(match) or _DATE.match(match[0]) or max(map(len, re.findall("[0-9]+", match[0]))) < 4:
        return False
    left, right = before(match, 24), after(match, 14)
    named = _CLEAR.search(left) or _CLEAR.search(right) or _WORD_BEFORE.search(left) or _WORD_AFTER.search(right)
    return bool(named) or _stands_alone(match, digits)


def _stands_alone(match: re.Match[str], digits: str) -> bool:
    """Whether the grouping alone says account: 110-482-736159. Parcels (4-4-4) and books (978-…) look otherwise."""
    blocks = match[0].split("-")
    sizes = [len(block) for block in blocks]
    return (
        len(blocks) in (3, 4)
        and "".join(blocks) == digits
        and 11 <= len(digits) <= 14
        and 3 <= sizes[0] <= 6
        and len(set(sizes)) > 1
        and not _BOOK.match(digits)
        and digits[0] != "0"
    )
