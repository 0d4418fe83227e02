"""Finders of e-mail addresses and of what opens a door in a web address. They read a shadow (see `shadow.py`)."""

import re
from collections.abc import Iterator

from yuhee.data.privacy.found import LEAVE, Found

_LOCAL = r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++"
_PROVIDER = "네이버|지메일|구글|카카오|한메일|다음|네이트|핫메일|아웃룩|야후|아이클라우드"
_DOT = r"(?:\.| ?(?:닷|쩜|점|[\[(]?dot[\])]?) ?)"
_END = "(?:[A-Za-z][A-Za-z0-9-]*|컴|넷|오알지|케이알|씨오)"
_MAIL = re.compile(
    rf"{_LOCAL} ?@ ?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
    rf"|{_LOCAL} ?(?:@|[\[(]?골뱅이[\])]?|[\[(](?:at|AT|앳)[\])]) ?"
    rf"(?:(?:{_PROVIDER})(?:컴|{_DOT}{_END})*|[A-Za-z0-9-]+(?:{_DOT}{_END})+)"
    rf"|{_LOCAL} ?@ ?(?:naver|gmail|daum|hanmail|kakao|nate|hotmail|outlook|icloud|yahoo)(?![A-Za-z0-9-])"
    rf"|(?<![A-Za-z0-9._%+-])(?=[A-Za-z]*[0-9._])[A-Za-z0-9._%+-]++ at [A-Za-z0-9-]+(?:{_DOT}{_END})+"
)
_OURS = re.compile(r"friend[0-9]+@example\.com")

_TEXT = r"[^\s가-힣ㄱ-ㅣ<>\"'`\\^{|}\[\]()\0]"
_HANGUL = (
    r"(?:[가-힣]+(?:[./=&?#_-]|%)" + _TEXT + "*+)*"
)  # 사진.zip?dl=0 belongs to the address, 이야 behind it does not
_URL = re.compile(
    rf"(?P<scheme>(?:[Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp])://)(?P<user>[^\s/@가-힣]{{1,200}}@)?(?P<host>[A-Za-z0-9.:-]+)(?P<rest>[/?#]{_TEXT}*+{_HANGUL})?"
    rf"|(?<![A-Za-z0-9@.-])(?P<bare>[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++){{0,4}}\.[A-Za-z]{{2,4}})(?P<tail>[/?]{_TEXT}++{_HANGUL})"
)
# hosts whose paths lead to a room, a document or a person
_DOORS = re.compile(
    r"(?:^|\.)(?:open\.kakao\.com|pf\.kakao\.com|qr\.kakaopay\.com|discord\.gg|discord\.com|discordapp\.com|zoom\.us|meet\.google\.com"
    r"|(?:docs|drive|forms|photos|calendar)\.google\.com|forms\.gle|goo\.gl|t\.me|telegram\.me|whatsapp\.com|wa\.me|line\.me|notion\.so"
    r"|notion\.site|dropbox\.com|we\.tl|wetransfer\.com|slack\.com|toss\.me|band\.us|instagram\.com|facebook\.com|fb\.com|twitter\.com"
    r"|x\.com|tiktok\.com|threads\.net|linkedin\.com|bit\.ly|me2\.do|han\.gl|vo\.la|url\.kr|naver\.me|kko\.to|linktr\.ee|paypal\.me"
    r"|blog\.naver\.com|cafe\.naver\.com|teams\.microsoft\.com|1drv\.ms|icloud\.com)$"
)
# what comes behind these in a path is secret on any host; they are not
_DOOR_WORDS = (
    "invite invitation join r s share card user users u profile profiles member members m o p me id people account reset verify "
    "auth token key session private ical download file d g n l meetup-join room rooms chat order orders track"
)
_OTHER_WORDS = (
    "j document spreadsheets presentation forms file folders folder edit view viewform shared_invite joinchat ti wc meetings "
    "calendar viewer explore reel reels tv status posts post photo photos stories channels scl fi sh home about"
)
_HARMLESS_KEYS = "q query search keyword page lang hl gl sort order_by v t list index dl pvs usp tab category gid"
_BEFORE_SECRETS = frozenset(_DOOR_WORDS.split())
_KNOWN_WORDS = _BEFORE_SECRETS | frozenset(_OTHER_WORDS.split())
_PLAIN_KEYS = frozenset(_HARMLESS_KEYS.split())
_WORD = re.compile(
    r"[a-z]+[0-9]{1,4}|[a-z]{1,20}(?:[-_.][a-z]{1,20})*|[A-Z]{1,6}|[0-9]{1,16}|v[0-9]+|@?[가-힣]+(?:[._][a-z가-힣]+)*|(?:%[0-9A-Fa-f]{2})+"
)
_MIXED = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[^.]{12,}|[0-9A-Za-z_-]{20,}")
_HARMLESS = re.compile(r"utm_[a-z]+")
_TOKEN = re.compile(r"token[0-9]+")
_SPLIT = re.compile(r"[/?#&]")


def mails(shadow: str) -> Iterator[Found]:
    for match in _MAIL.finditer(shadow):
        yield Found(match.start(), match.end(), LEAVE if _OURS.match(match[0]) else "email")


def links(shadow: str) -> Iterator[Found]:
    """The secret parts of web addresses, and the rest of these addresses as stretches to leave alone."""
    for match in _URL.finditer(shadow):
        place = match.start()
        for start, end in _secrets(match):
            if _TOKEN.fullmatch(shadow, start, end):
                continue
            if start > place:
                yield Found(place, start, LEAVE)
            yield Found(start, end, "url_token")
            place = end
        if match.end() > place:
            yield Found(place, match.end(), LEAVE)


def _secrets(match: re.Match[str]) -> Iterator[tuple[int, int]]:
    if match["user"]:
        yield match.start("user"), match.end("user") - 1
    rest = "tail" if match["bare"] else "rest"
    if not match[rest]:
        return
    door = bool(_DOORS.search((match["bare"] or match["host"]).lower().split(":")[0]))
    start, before, in_query = match.start(rest), "", False
    for piece in _segments(match[rest]):
        offset, mark, segment = piece
        in_query = in_query or mark in "?#"
        found = _in_query(segment) if in_query else _in_path(segment, before, door)
        if found:
            yield start + offset + found[0], start + offset + found[1]
        before = segment.lower()


def _segments(rest: str) -> Iterator[tuple[int, str, str]]:
    """`(offset, mark before it, segment)` of the parts of a path and a query."""
    marks = [match.start() for match in _SPLIT.finditer(rest)]
    for place, end in zip(marks, [*marks[1:], len(rest)], strict=True):
        if end > place + 1:
            yield place + 1, rest[place], rest[place + 1 : end]


def _in_query(segment: str) -> tuple[int, int] | None:
    """The value of `key=value`, whatever it is, unless the key is known to be harmless."""
    key, equals, value = segment.partition("=")
    if not equals:
        return (0, len(segment)) if _MIXED.search(segment) else None
    if not value or key.lower() in _PLAIN_KEYS or _HARMLESS.fullmatch(key.lower()):
        return None
    return len(key) + 1, len(segment)


def _in_path(segment: str, before: str, door: bool) -> tuple[int, int] | None:
    """The segment, unless it is a plain word or number that leads to no room and no person."""
    bare = segment.rstrip(".,;!~")
    if not bare or bare in _KNOWN_WORDS:
        return None
    plain = _WORD.fullmatch(bare)
    if door or before in _BEFORE_SECRETS or segment.startswith("@") or (not plain and _looks_secret(bare)):
        return 0, len(bare)
    return None


def _looks_secret(segment: str) -> bool:
    return bool(_MIXED.search(segment)) or (
        len(segment) >= 6 and any(map(str.isdigit, segment)) and any(map(str.isalpha, segment)) and "." not in segment
    )
