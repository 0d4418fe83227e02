"""What a message is: words, or a placeholder for something else; and which bare lines are notices.

A placeholder must be the whole message: `사진` is a photo, `사진 보냈어요` is what somebody said.
"""

import re
from typing import NamedTuple

_IMAGE, _MOVIE, _SOUND = r"(?:jpe?g|png|gif|webp|heic)", r"(?:mp4|mov|avi|3gp|webm)", r"(?:m4a|mp3|aac|amr|ogg|wav)"
_STORED = r"(?:[0-9a-f]{{64}}|\d{{8}}_\d{{6}}(?:_\d+)?)\.{0}(?:\n(?:[0-9a-f]{{64}}|\d{{8}}_\d{{6}}(?:_\d+)?)\.{0})*"
_LENGTH = r"(?:\d+:)?\d+:\d\d"
_KINDS = {
    "photo": rf"사진(?: [1-9]\d*장)?|<사진(?: 읽지 않음)?>|\(사진\)|[Pp]hoto|<Photo(?: Unread)?>|\(Photo\)|\d+ photos"
    rf"|{_STORED.format(_IMAGE)}",
    "video": rf"동영상(?: \d+개)?|<동영상(?: 읽지 않음)?>|[Vv]ideos?|\d+ videos|{_STORED.format(_MOVIE)}",
    "emoticon": r"이모티콘|\(이모티콘\)|\([Ee]moticon\)|Emoticons?",
    "voice": rf"음성 ?메시지|Voice Note|{_STORED.format(_SOUND)}",
    "file": r"(?:파일|File): .*\.\w{1,10}",
    "location": r"지도|(?:지도|위치): .+",
    "contact": r"연락처(?:: .+)?|카카오톡 프로필",
    "search": r"샵검색:? #.+",
    "call": rf"(?:보이스톡|페이스톡|그룹콜)(?: 해요\.?| {_LENGTH}| 취소| 부재중| 응답 없음| 시작| 종료)"
    rf"|(?:Voice|Video) Call(?: {_LENGTH})?|라이브톡 (?:시작|종료)|Live Talk (?:started|ended)"
    r"|보이스룸이 방금 시작했어요\.|보이스룸 종료",
    "money": r"[\d,]+원을 (?:받으세요|보냈어요|받았어요)\.?|[\d,]+원 받기 완료!.*|송금봉투[를가] .+|자동환불 (?:예정|완료).*"
    r"|정산 내용을 확인해주세요\.|선물과 메시지를 보냈습니다\.",
    "board": r"톡게시판 '(?:공지|투표|투표 종료|글 공유)': (?:.|\n)*|(?:투표|일정): .+"
    r"|(?:투표가|일정이) (?:등록|종료|공유)되었습니다\.?",
    "deleted": r"삭제된 메시지입니다\.|This message was deleted\.|The message has been deleted\.",
}
_PLACEHOLDER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_STARTS = frozenset("사<(Pp동Vv이E음파F지위연카샵보페그L라송자정선톡투일삭T0123456789abcdef")
_DOTTED_EMOTICON = re.compile(r"이모티콘 .+")  # iOS writes the words that came with an emoticon behind it

_DELETED = re.compile(
    r"(?:삭제된 메시지입니다|메시지가 삭제되었습니다|This message was deleted|The message has been deleted)\."
)
_HIDDEN = re.compile(r"(?:채팅방 )?관리자가 메시지를 가렸습니다\.|\d+개의 메시지를 가렸습니다\.")
_NOTICE = re.compile(
    r".{1,40}님이 나갔습니다\.|.{1,40}님이 .{1,1000}님을 초대(?:했|하였)습니다\.|.{1,40}님을 ?(?:내)?보냈습니다\."
    r"|.{1,40} joined (?:this chatroom|the chat)\.|.{1,40} left this chatroom\."
    r"|.{1,40} has been removed from this chatroom\."
    r"|(?:.{1,40}님이 )?(?:방장이|부방장이) 되었습니다\.|(?:.{1,40}님이 )?부방장에서 해제되었습니다\."
    r"|관리자만 말하기 기능이 (?:활성화|해제)되었습니다\.|(?:.{1,40}님이 )?채팅방 이름을 변경했습니다\.?"
    r"|(?:.{1,40}님이 )?채팅방 공지를? (?:등록|변경|삭제)(?:했|하였|되었)습니다\.?"
)
# These are also what people write, so the name must be somebody's in the room.
_NOTICE_BY_NAME = re.compile(r"(.{1,40}?) (?:left|invited .{1,1000})\.")
# An open chat's legal text follows its join notice without a line break.
_JOINED = re.compile(r".{1,40}?님이 들어왔습니다\.(?:$|(?=타인, |.{0,200}(?:사칭|운영정책)))")


class Message(NamedTuple):
    """A message or, without a sender, a notice.

    Attributes:
        line: number of its first line.
        time: ISO 8601, None if the file does not say the day.
        minute: the same as a count of minutes; only differences mean anything.
        sender: display name.
        kind: `text` or what else it is.
        body: the words.
        maybe_cut: so long that the client may have cut it.
    """

    line: int
    time: str | None
    minute: int
    sender: str | None
    kind: str
    body: str
    maybe_cut: bool = False


def kind_of(body: str, dotted: bool = False) -> str:
    """The kind of a member's message: `text`, `empty` or one of the placeholders' (see `_KINDS`).

    `dotted` says that the file writes its dates as iOS does (`2022. 3. 30.`).
    """
    body = body.strip()
    if not body:
        return "empty"
    if body[0] not in _STARTS:
        return "text"
    if dotted and _DOTTED_EMOTICON.fullmatch(body):
        return "emoticon"
    found = _PLACEHOLDER.fullmatch(body)
    return found.lastgroup or "text" if found else "text"


def kind_of_notice(body: str) -> str:
    """`deleted` or `notice`, for a record without a sender."""
    return "deleted" if _DELETED.fullmatch(body.strip()) else "notice"


def is_marker(line: str) -> bool:
    """A line that stands alone on every client: a message was deleted or hidden here."""
    return len(line) < 100 and bool(_DELETED.fullmatch(line) or _HIDDEN.fullmatch(line))


def is_notice(line: str, names: frozenset[str]) -> bool:
    """Whether a line without time and sender is a notice. `names`: everybody who wrote something in the room."""
    if len(line) < 1200 and (_NOTICE.fullmatch(line) or _HIDDEN.fullmatch(line)):
        return True
    if len(line) < 1200 and (found := _NOTICE_BY_NAME.fullmatch(line)):
        return found[1] in names
    return bool(_JOINED.match(line))
