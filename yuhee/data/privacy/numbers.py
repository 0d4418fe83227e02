"""Finders of numbers that lead to one person. All of them read a shadow (see `shadow.py`)."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from yuhee.data.privacy.checks import business, luhn, resident
from yuhee.data.privacy.dummies import is_dummy
from yuhee.data.privacy.found import LEAVE, Found
from yuhee.data.privacy.shadow import SPELT

S = r"(?: ?(?:[-./_~*]|다시|대시|하이픈) ?| {1,2})?"  # between the blocks of a number, as written or said
FRONT, BACK = r"(?<![0-9])(?<![0-9][-.])", r"(?![0-9])(?!-[0-9])"
D = "[0-9공영빵일이삼사오육륙칠팔구oOlI]"
SPOKEN = r"(?: ?(?:[-./_~*,에의]|다시|대시|하이픈) ?| {1,2})?"  # 공일공에 이삼사오에 …

_NOT_DIGIT = re.compile("[^0-9]")
_ISSUED = re.compile(
    r"(?:주문|송장|운송장|등기|택배|배송|예약|접수|승인|문서|관리|일련|제품|상품|모델|시리얼|쿠폰|회원|학|사|바코드|ISBN|isbn|파일|버전)"
    r" ?(?:번호|코드|넘버|번)?[^0-9가-힣]{0,4}(?:[은는이가:] ?)?$"
)
_REGION = "서울|부산|대구|인천|광주|대전|울산|경기|강원|충북|충남|전북|전남|경북|경남|제주"


class Rule(NamedTuple):
    """How a kind of number is written, and what else must hold.

    The pattern's group `head` (optional) is what the dummy keeps, `body` what it replaces by other digits.
    """

    kind: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str], str], bool]


def digits_of(text: str) -> str:
    return _NOT_DIGIT.sub("", text)


def before(match: re.Match[str], width: int = 20) -> str:
    return match.string[max(0, match.start() - width) : match.start()]


def after(match: re.Match[str], width: int = 12) -> str:
    return match.string[match.end() : match.end() + width]


def near(words: str) -> Callable[[re.Match[str]], bool]:
    """A test whether one of the words stands shortly before or after a match."""
    pattern = re.compile(words)
    return lambda match: bool(pattern.search(before(match)) or pattern.search(after(match)))


def issued(match: re.Match[str]) -> bool:
    """Whether the words before call it an order, a parcel, a booking: a number of a thing."""
    return bool(_ISSUED.search(before(match)))


_near_resident = near(r"주민|민증|등본|외국인|거소|등록번호|등록증|생년")
_near_card = near(r"카드|결제|유효기간|[Cc][Vv][Cc]|한도|아멕스|비자|마스터")
_near_business = near(r"사업자|간이과세|일반과세|세금계산서")
_near_licence = near(r"면허")


def _always(_match: re.Match[str], _digits: str) -> bool:
    return True


def _is_resident(match: re.Match[str], digits: str) -> bool:
    """Six digits, a separator, seven digits are clear; thirteen digits in a row need more."""
    if match["gap"]:
        return True
    recent = digits[6] in "3478" and digits[:4] >= "2010"  # random tails, since October 2020
    return _near_resident(match) or (not issued(match) and (resident(digits) or recent))


def _is_card(match: re.Match[str], digits: str) -> bool:
    return _near_card(match) or (not issued(match) and luhn(digits))


def _is_business(match: re.Match[str], digits: str) -> bool:
    return _near_business(match) or (not issued(match) and business(digits))


def _is_licence(match: re.Match[str], _digits: str) -> bool:
    return bool(match["gap"]) or _near_licence(match)


def _rule(kind: str, pattern: str, holds: Callable[[re.Match[str], str], bool] = _always) -> Rule:
    return Rule(kind, re.compile(pattern), holds)


_BIRTH = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_AREA = r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-8])"

RULES = (
    _rule("resident_number", rf"{FRONT}(?P<body>{_BIRTH}(?P<gap>{S})[1-4][0-9]{{6}})(?![0-9])", _is_resident),
    _rule("foreigner_number", rf"{FRONT}(?P<body>{_BIRTH}(?P<gap>{S})[5-8][0-9]{{6}})(?![0-9])", _is_resident),
    _rule(
        "card",
        rf"{FRONT}(?P<body>[2-69][0-9]{{3}}(?:{S}[0-9]{{4}}){{3}}"
        rf"|3[47][0-9]{{2}}(?:{S})[0-9]{{6}}(?:{S})[0-9]{{5}}|3[068][0-9]{{2}}(?:{S})[0-9]{{6}}(?:{S})[0-9]{{4}}){BACK}",
        _is_card,
    ),
    _rule(
        "driving_licence",
        rf"{FRONT}(?P<body>(?:1[1-9]|2[0-8])(?P<gap>{S})[0-9]{{2}}{S}[0-9]{{6}}{S}[0-9]{{2}}){BACK}",
        _is_licence,
    ),
    _rule("driving_licence", rf"(?P<region>{_REGION})[- ]?(?P<body>[0-9]{{2}}{S}[0-9]{{6}}{S}[0-9]{{2}}){BACK}"),
    _rule(
        "phone",
        rf"(?<![0-9+])(?P<head>(?:\+|00)?82{S}\(?0?\)?{S}(?:1[016-9]|{_AREA}){S})(?P<body>[0-9]{{3,4}}{S}[0-9]{{4}})(?![0-9])",
    ),
    _rule("phone", rf"{FRONT}(?P<head>\(?01[016-9]\)?{S})(?P<body>[0-9]{{3,4}}{S}[0-9]{{4}})(?![0-9])"),
    _rule("phone", rf"{FRONT}(?P<head>0 ?(?:1 ?0|5 ?0{S}[2-8]){S})(?P<body>(?:[0-9]{S}){{7}}[0-9])(?![0-9])"),
    _rule("phone", rf"{FRONT}(?P<head>\(?0{_AREA}\)?{S})(?P<body>[0-9]{{3,4}}{S}[0-9]{{4}})(?![0-9])"),
    _rule(
        "phone",
        rf"(?<![0-9A-Za-z])(?P<head>[공영빵0oO][일1lI][공영빵0oO일육륙칠팔구16-9]{SPOKEN})(?P<body>{D}{{4}}{SPOKEN}{D}{{4}}|{D}{{3}}{SPOKEN}{D}{{4}})(?![0-9])",
    ),
    _rule(
        "phone",
        rf"(?<![0-9A-Za-z])(?P<head>[공영빵0](?:[이2]|[삼사오육륙3-6][일이삼사오1-5]|[칠7][공영0]){SPOKEN})"
        rf"(?P<body>{D}{{4}}{SPOKEN}{D}{{4}}|{D}{{3}}{SPOKEN}{D}{{4}})(?![0-9])",
    ),
    _rule("business_number", rf"{FRONT}(?P<body>[1-9][0-9]{{2}}{S}[0-9]{{2}}{S}[0-9]{{5}}){BACK}", _is_business),
    _rule(
        "passport",
        r"(?<![A-Za-z0-9])(?P<head>[MSRGDOmsrgdo] ?-? ?)(?P<body>[0-9]{3} ?[A-Za-z] ?[0-9]{4}|[0-9](?: ?[0-9]){7})(?![A-Za-z0-9])",
    ),
)


def numbers(rule: Rule, shadow: str) -> Iterator[Found]:
    """The numbers of one kind, from left to right."""
    for match in rule.pattern.finditer(shadow):
        body = match["body"].translate(SPELT) if rule.kind == "phone" else match["body"]
        digits = digits_of(body)
        if is_dummy(rule.kind, digits):
            yield Found(match.start(), match.end(), LEAVE)
        elif rule.holds(match, digits):
            yield Found(match.start(), match.end(), rule.kind, _head(match, rule.kind), body)


def _head(match: re.Match[str], kind: str) -> str:
    groups = match.groupdict()
    if groups.get("region"):
        return "서울 "  # the same for all
    head = groups.get("head") or ""
    return head.translate(SPELT) if kind == "phone" else head
