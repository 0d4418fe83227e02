"""An invented KakaoTalk export of any length, made from the embedded corpus.

    python benchmarks/synthetic_export.py 1000000 > KakaoTalk_1000000.txt

The same number and seed give the same bytes. Invented personal data stands in about one message of two hundred.
"""

import random
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

from yuhee.data.corpora import sample
from yuhee.data.report import ReadReport

ME, FRIEND = "김하늘", "이바다"
PERSONAL = (
    "내 번호 010-0000-{:04d}이야",
    "바다야 계좌 국민은행 000000-00-00{:04d}로 보내줘",
    "메일은 haneul{:04d}@example.com 이야",
    "하늘아 010 0000 {:04d} 로 전화해",
)
OTHER = ("사진", "이모티콘", "동영상", "보이스톡 해요", "삭제된 메시지입니다.", "파일: 정리.hwp")


def export(messages: int, seed: int = 0) -> Iterator[str]:
    """Lines of a Windows export in Korean, `messages` records with a silence of hours now and then."""
    draw = random.Random(seed)
    dialogues = list(sample.read(None, ReadReport("sample")))
    now = datetime(2020, 1, 1, 8)
    day = None
    written = 0
    yield f"{FRIEND} 님과 카카오톡 대화"
    yield "저장한 날짜 : 2030-01-01 00:00:00"
    yield ""
    while written < messages:
        now += timedelta(minutes=draw.randint(1, 400))
        for turn in draw.choice(dialogues).turns:
            name = ME if turn.role == "user" else FRIEND
            for line in _burst(turn.text, draw):
                if now.date() != day:
                    day = now.date()
                    weekday = "월화수목금토일"[day.weekday()]
                    yield f"{'-' * 15} {day.year}년 {day.month}월 {day.day}일 {weekday}요일 {'-' * 15}"
                hour = now.hour % 12 or 12
                yield f"[{name}] [{'오전' if now.hour < 12 else '오후'} {hour}:{now.minute:02d}] {line}"
                written += 1
                if written == messages:
                    return
            now += timedelta(minutes=draw.choice((0, 0, 0, 1, 1, 2, 5)))


def _burst(text: str, draw: random.Random) -> list[str]:
    """One message, or several in a row as friends send them, a sentence each and without a full stop."""
    lines = [text.replace("\n", " ")]
    if draw.random() < 0.7:
        lines = [line.removesuffix(".") for part in text.split("\n") for line in re.split(r"(?<=[.!?]) ", part)]
    if draw.random() < 0.005:
        lines.append(draw.choice(PERSONAL).format(draw.randrange(10_000)))
    if draw.random() < 0.03:
        lines.append(draw.choice(OTHER))
    return lines


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    sys.stdout.reconfigure(encoding="utf-8", newline="\r\n")
    for row in export(count):
        print(row)
