"""Who is who in a room: the exporter, the friend, and which of them the bot is."""

import unicodedata
from collections import Counter
from dataclasses import dataclass

from yuhee.errors import UserError

SIDES = {"friend": ("friend",), "me": ("me",), "both": ("friend", "me")}
BOTS = frozenset(["오픈채팅봇", "방장봇"])
OWN_NAMES = frozenset(["회원님", "you"])  # what some Android versions print for the exporter
_LISTED = 20


@dataclass(frozen=True)
class Cast:
    """The names of the exporter, and those of the assistant: of each in turn if both sides are wanted."""

    me: frozenset[str]
    assistants: tuple[frozenset[str], ...]


def choose(speakers: Counter[str], me: str | None, friend: str | None, bot_side: str) -> Cast:
    """Find both sides among the senders; everybody else is on the user's side.

    Raises:
        UserError: a name that nobody has, or too few names to know who is who; it lists the names. Without speakers
            there is nobody to name.
    """
    me, friend = as_typed(me), as_typed(friend)
    if not speakers:
        return Cast(frozenset(), ())
    own = (OWN_NAMES & speakers.keys()) - {friend}
    if own == speakers.keys():
        own = frozenset()  # then it is somebody's nickname
    if me is None and friend is None:
        raise UserError(f'--me "이름"이나 --friend "이름"으로 대화하는 사람을 골라 주세요: {_listed(speakers)}.')
    for option, name in (("--me", me), ("--friend", friend)):
        if name is not None and name not in speakers and not (option == "--me" and own):
            raise UserError(f'{option} "{name}": 이 대화에 없는 이름이니 다음에서 골라 주세요: {_listed(speakers)}.')
    mine = {name for name in speakers if name in own or name == me}
    theirs = {name for name in speakers if name == friend}
    if mine & theirs:
        raise UserError(f"--me와 --friend가 같은 사람이니 서로 다른 이름을 골라 주세요: {_listed(speakers)}.")
    others = speakers.keys() - mine - theirs - BOTS
    if len(others) == 1:
        mine, theirs = mine or others, theirs or others
    names = {"me": frozenset(mine), "friend": frozenset(theirs)}
    for side in SIDES[bot_side]:
        if not names[side] and others:
            raise UserError(f'여럿이 있는 방이니 --{side} "이름"으로 한 사람을 골라 주세요: {_listed(speakers)}.')
    return Cast(names["me"], tuple(names[side] for side in SIDES[bot_side]))


def as_typed(name: str | None) -> str | None:
    """A typed name as the senders are written."""
    return unicodedata.normalize("NFC", name).strip() if name else None


def _listed(speakers: Counter[str]) -> str:
    names = ", ".join(f"{name}({count}개)" for name, count in speakers.most_common(_LISTED))
    more = len(speakers) - _LISTED
    return f"{names} 외 {more}명" if more > 0 else names
