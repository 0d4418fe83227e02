"""Finder of places where somebody may live: a street or a lot with its number, a block with a flat.

A number decides: 다올로 417 is an address, 다올로 alone is not. Because 로 and 동 are also particles and ends of common
words (버스로 20분, 운동 30-40분), a street or lot without a known region before it has to look like nothing else.
"""

import re
from collections.abc import Iterator

from yuhee.data.privacy.found import LEAVE, Found
from yuhee.data.privacy.regions import CITIES, LOCAL, PROVINCES

_HOMES = (
    "아파트|APT|apt|빌라|오피스텔|맨션|빌라트|타운|하이츠|연립|원룸|고시원|고시텔|레지던스|캐슬|자이|푸르지오"
    "|래미안|힐스테이트|주택|빌딩|빌|마을|주공|하우스|팰리스|파크|타워|더샵"
)
_UNIT = (
    r"(?! ?(?:시간|시(?!흥)|분|초|명|개|원|만|천|억|월|년|일 |일간|일에|살|세|층 |퍼|%|km|kg|키로|킬로|미터|m"
    r"|번 ?(?!지|길)|회|등|점|배"
    r"|박|인분|잔|병|장|권|대 |대로|도 |kcal|칼로리|GB|호선|주 |주일|차 |번째|학년|학기|단계|편|화 ))"
)
_HOME_NAME = rf"[가-힣A-Za-z0-9]{{0,12}}(?:{_HOMES})(?: ?[0-9]{{1,2}}(?:단지|차))?"
_NUMBER = r"[0-9]{1,4}(?:-[0-9]{1,4})?(?![0-9.,:/%~][0-9]|[0-9]|-[0-9])"
_CORE = re.compile(
    rf"(?P<street>[로길])(?P<lane> ?[0-9]{{1,4}}(?:번|[가나다라마바사])?길)? ?(?:지하 ?)?(?P<house>{_NUMBER})(?!번?길){_UNIT}"
    rf"|(?P<lot>[동리가읍면]) ?(?:산 ?)?(?P<plot>{_NUMBER}){_UNIT}(?P<mark> ?번지)?"
    rf"|(?:(?<![0-9A-Za-z제-])[0-9A-Za-z]{{1,4}}(?:동 ?|-(?=[0-9]{{3}}))|(?<![가-힣])[가-힣]동 ?)"
    r"(?P<flat>[A-Za-z]?[0-9]{1,4})호(?!선|기|차)"
    rf"|(?:{_HOMES}) ?(?:[0-9A-Za-z가-힣]{{1,4}}동 ?)?(?P<home>[A-Za-z]?[0-9]{{2,4}})호(?!선|기|차)"
)
_TAIL = re.compile(
    r"(?: ?번지)?(?:,? ?(?:지하 ?)?[0-9]{1,3}층)?"
    r"(?:,? ?(?:[가-힣A-Za-z0-9]{1,12}(?: ?[0-9]{1,2}(?:단지|차))?(?=,? ?(?:[0-9A-Za-z]{1,4}동 ?)?[A-Za-z]?[0-9]{1,4}호)|"
    + _HOME_NAME
    + r"))?"
    r"(?P<rooms>,? ?[0-9]{1,4}-[0-9]{2,4}호"
    r"|(?:,? ?[0-9A-Za-z가-힣]{1,4}동(?= ?[A-Za-z]?[0-9]{1,4}호))?"
    r"(?:,? ?(?:지하 ?1층 ?)?[A-Za-z]?[0-9]{1,4}호(?!선|기|차)|, ?[0-9]{1,4}-[0-9]{2,4}(?![0-9-]))?)"
    r"(?:,? ?(?:(?:지하 ?)?[0-9]{1,2}층|반지하|옥탑방?|지하|지층))?(?: ?\([가-힣A-Za-z0-9, ]{2,30}\))?"
)
_REGIONS_MOST = 6  # words of an address before its street
_BLOCK = re.compile("[0-9A-Za-z]동")
_ATTACHED = re.compile(r"[가-힣0-9.]{1,20}$")
_NAME_BEFORE = re.compile(r"[가-힣A-Za-z0-9]{1,14} ?$")
_HOME_END = re.compile(rf"(?:{_HOMES}|단지|차) ?$")
_HOME_BEFORE = re.compile(_HOME_NAME + " ?$")
_TOKEN_BEFORE = re.compile(r"([^\s,()\[\]\0]{1,14})(,? )$")
_POSTCODE = re.compile(r"(?:[(\[]?우? ?[0-9]{5}[)\]]?,? )$")
_REGION_END = re.compile("(?:" + "|".join(sorted(PROVINCES | LOCAL, key=len, reverse=True)) + ")$")
_SMALL = re.compile(r"[가-힣0-9]{1,5}(?:읍|면|동|가|리)")
_COPULA = re.compile(
    r" ?(?:이[야에고라래지거랑며]|예요|야(?![가-힣])|에[서 ]|에$|으?로 |으?로[가-힣]|[,.)\]!?~]|$|번지| 사[는세]|인데|입니다|의 )"
)
_NO_STREET = re.compile(
    r"(?:으|그대|이대|저대|멋대|맘대|마음대|제대|말대|뜻대|^서|^새|^바|^별|^따|^주|^홀|실|^날|때때|스스|억지|진짜|정말|^대체|실제|무료|유료"
    r"|위|아래|거꾸|스코어|점수|합계|기준|비율|확률|^대|카드|버스|^차|가격|평균|최고|최대|최소|번호|나이|[0-9]|^하|절대)$"
)
_NO_LOT = re.compile(
    r"(?:운|활|행|노|이|자|관|정|처)$|^(?:감|작|변|충|출|율|소|머|요|거|다|우|빨|멀|수|무|꼬|미|파|분|도|허|종|논|유|승|격)$"
)


def addresses(shadow: str) -> Iterator[Found]:
    floor = 0
    for match in _CORE.finditer(shadow):
        if match.start() < floor:
            continue
        start, sure = _head(shadow, match, floor)
        if start is None or not (sure or _looks_like_one(shadow, match, start)):
            continue
        tail = _TAIL.match(shadow, match.end())
        end = tail.end() if tail else match.end()
        whole = shadow[start:end]
        floor = end
        yield (
            Found(start, end, LEAVE)
            if "어느" in whole or whole.startswith("0동")
            else _found(shadow, start, end, match, tail)
        )


def _head(shadow: str, match: re.Match[str], floor: int) -> tuple[int | None, bool]:
    """Where the address begins, and whether a known region stands in it."""
    start = match.start()
    if match["street"] or match["lot"]:
        name = _ATTACHED.search(shadow, max(floor, start - 20), start)
        if not name:
            return None, False
        start = name.start()
    elif match["home"]:
        name = _NAME_BEFORE.search(shadow, max(floor, start - 15), start)
        start = name.start() if name else start
    else:
        near = _HOME_END.search(shadow, max(floor, start - 8), start)
        name = _HOME_BEFORE.search(shadow, max(floor, start - 25), start) if near else None
        start = name.start() if name else start
    return _with_regions(shadow, start, floor)


def _with_regions(shadow: str, start: int, floor: int) -> tuple[int, bool]:
    """Walk left over 서울 마포구 서교동; a small unit (읍, 면, 동) counts only behind a region."""
    sure, pending = False, start
    for _ in range(_REGIONS_MOST):
        if pending <= floor or shadow[pending - 1] != " ":
            break
        token = _TOKEN_BEFORE.search(shadow, max(floor, pending - 17), pending)
        if not token:
            break
        region = _REGION_END.search(token[1])
        if region or token[1] in CITIES:
            pending = start = token.start() + (region.start() if region else 0)
            sure = True
            if region and region.start() > 0:
                break
        elif _SMALL.fullmatch(token[1]):
            pending = token.start()
        else:
            break
    if sure:
        code = _POSTCODE.search(shadow, max(floor, start - 10), start)
        start = code.start() if code else start
    return start, sure


def _looks_like_one(shadow: str, match: re.Match[str], start: int) -> bool:
    """Whether a stretch without a known region before it is an address all the same."""
    name = shadow[start : match.start()]
    attached = _REGION_END.search(name[:-1]) if name else None
    if match["flat"] or match["home"] or attached:
        return True
    if match["street"]:
        clear = match["lane"] or "-" in match["house"] or _TAIL_ROOMS.match(shadow, match.end())
        long = len(match["house"]) > 1 and len(name) > 1
        return not _NO_STREET.search(name) and bool(clear or (long and _COPULA.match(shadow, match.end())))
    if match["mark"]:
        return True
    first = match["plot"].split("-")[0]
    return (
        match["lot"] in "동리"
        and "-" in match["plot"]
        and len(first) > 1
        and len(name) > 1
        and not _NO_LOT.search(name)
    )


_TAIL_ROOMS = re.compile(r",? ?(?:[0-9]{1,4}동 ?[0-9]{1,4}호|[0-9]{2,4}호(?!선|차|기)|[0-9]{1,2}층)")


def _found(shadow: str, start: int, end: int, match: re.Match[str], tail: re.Match[str] | None) -> Found:
    """A coarse address of the same parts."""
    if match["flat"] or match["home"]:
        return Found(start, end, "address", "어느아파트 0동 " if match["home"] else "0동 ", "호")
    lead = shadow[start : match.start()].split()[:-1]
    region = "서울시 " if any(_province(word) for word in lead) else ""
    district = "어느구 " if len(lead) > bool(region) else ""
    flat = tail[0] if tail and tail["rooms"] else ""
    rooms = " 0동 0호" if _BLOCK.search(flat) else " 0호" if flat else ""
    name = "어느로" if match["street"] else "어느동"
    return Found(start, end, "address", f"{region}{district}{name} ", rooms)


def _province(word: str) -> bool:
    return word in PROVINCES
