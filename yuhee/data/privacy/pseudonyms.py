"""Common given names without a final consonant, so that particles need only one form."""

from collections.abc import Iterable, Iterator
from itertools import count, product

_FAVOURITES = (
    "지우 서우 민서 지호 시우 수아 지아 서아 예나 소희 다희 은주 현서 준서 연우 하유 태오 로아 이서 채아 윤아 세아 "
    "유주 서후 도후 재하 준호 민호 진우 승우 건우 현우 민우 정우 태희 은서 윤서 시아 하나 리아 나희 주하 은지 민지 "
    "예서 규리 소이 유하 서하 도하"
)
_FIRST, _SECOND = "지서민시수예소다은현준연태채윤세유재진승건정규", "우호아나희주서하후이지오"


_POOL = tuple(dict.fromkeys([*_FAVOURITES.split(), *map("".join, product(_FIRST, _SECOND))]))
_NUMBERED = "친구"


def is_pseudonym(name: str) -> bool:
    """Whether a name is one of ours already."""
    return name in _POOL or (name.startswith(_NUMBERED) and name.removeprefix(_NUMBERED).isdigit())


def pseudonyms(taken: Iterable[str]) -> Iterator[str]:
    """Names in a fixed order without end, none of which stands in one of the texts of `taken`."""
    texts = "\n".join(taken)
    yield from (name for name in _POOL if name not in texts)
    yield from (f"{_NUMBERED}{number}" for number in count(1) if f"{_NUMBERED}{number}" not in texts)
