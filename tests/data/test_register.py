"""How a message's register is told from its end."""

import pytest

from yuhee.data.register import ending, register


@pytest.mark.parametrize(
    ("text", "level", "last"),
    [
        ("오늘 힘들었어ㅠㅠ", "반말", "었어"),
        ("오늘 힘들었어요!!", "해요", "어요"),
        ("그렇죠 ㅎㅎ", "해요", "렇죠"),
        ("감사합니다 :)", "합니다", "니다"),
        ("괜찮으십니까?", "합니다", "니까"),
        ("그랬구나. 쉬세요", "해요", "세요"),  # the last sentence decides
        ("그러니까", "반말", "니까"),
        ("학교에 다니다", "반말", "니다"),
        ("앉으십시오", "합니다", "시오"),
        ("응", "반말", "응"),
        ("ㅋㅋㅋㅋ", "기타", ""),
        ("ok", "기타", ""),
    ],
)
def test_the_end_tells_the_register(text: str, level: str, last: str) -> None:
    assert register(text) == level
    assert ending(text) == last
