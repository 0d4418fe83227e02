"""Parts of a test set, by what kind of question it is: where a model is good, and where it only seems so."""

import re
from collections.abc import Container, Sequence

from yuhee.data.dialogue import Dialogue
from yuhee.evaluation.result import Question

LENGTHS = (10, 20, 40)  # characters of the reference at which the next class begins
FIGURES = ("bpc", "chrf", "distinct_2", "register", "copies", "length")
_WORD = re.compile(r"\w+")


def slices(questions: Sequence[Question], train: Sequence[Dialogue]) -> dict[str, dict[str, list[int]]]:
    """Slice → value → indices of the questions. A slice of one value says nothing and is left out."""
    seen = {word for dialogue in train for turn in dialogue.turns for word in _WORD.findall(turn.text)}
    found: dict[str, list[str | None]] = {
        "감정": [question.emotion for question in questions],
        "답 길이": [_length(question) for question in questions],
        "차례": ["첫 답" if question.exchange == 0 else "이어지는 답" for question in questions],
        "낱말": [_familiarity(question, seen) for question in questions],
    }
    rows = {name: _rows(values) for name, values in found.items()}
    return {name: values for name, values in rows.items() if len(values) > 1}


def _rows(values: Sequence[str | None]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        rows.setdefault("없음" if value is None else value, []).append(index)
    return dict(sorted(rows.items()))


def _length(question: Question) -> str:
    """A class whose name sorts as the lengths do."""
    bounds = [0, *LENGTHS]
    place = max(index for index, bound in enumerate(bounds) if len(question.reference) >= bound)
    high = f"{bounds[place + 1] - 1:02}" if place + 1 < len(bounds) else ""
    return f"{bounds[place]:02}–{high}자"


def _familiarity(question: Question, seen: Container[str]) -> str:
    texts = [question.reference, *(text for _, text in question.context[-1:])]
    words = [word for text in texts for word in _WORD.findall(text)]
    return "모두 학습에 있음" if all(word in seen for word in words) else "처음 보는 말이 있음"
