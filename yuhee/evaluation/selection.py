"""Which replies a report shows: the best, the middle and the worst, whole dialogues, and as many as fit into the page."""

import base64
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics import CHRF

from yuhee.evaluation.result import Answer, Evaluation, Question
from yuhee.evaluation.visible import visible

TEXT_LIMIT = 300  # characters of a text in the table of all replies
LONG = 1000  # characters of a text that is shown by itself
LONG_TALK = 40  # turns of a dialogue, the last ones
PACKED_LIMIT = 8_000_000  # characters of the packed table: the page stays under 10 MB
_UNPACKED_LIMIT = 60_000_000  # characters: what is packed at all, and what a browser unpacks

Row = tuple[int, str, str, str, float, float | None]
"""Turns before the question, question, reply, reference, chrF, bits per character of the reference."""


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn of a test dialogue; `reply` is what the model said in its place, None where it was not asked."""

    role: str
    text: str
    reply: str | None = None


def reply_scores(evaluation: Evaluation) -> list[float]:
    """(questions,) chrF (0 to 100) of each reply of the model against its reference (Popović 2015, sacrebleu)."""
    chrf = CHRF()
    pairs = zip(evaluation.systems[0].answers, evaluation.questions, strict=True)
    return [chrf.sentence_score(answer.text, [question.reference]).score for answer, question in pairs]


def bits_per_character(questions: Sequence[Question], answers: Sequence[Answer]) -> list[float | None]:
    """(questions,) of each reference under a system, its end counted as a character; None without a likelihood."""
    return [
        None if answer.bits is None else answer.bits / (len(question.reference) + 1)
        for question, answer in zip(questions, answers, strict=True)
    ]


def pick(scores: Sequence[float], surprises: Sequence[float | None], count: int) -> dict[str, list[int]]:
    """Places of the best, the middle and the worst replies, no reply twice.

    Args:
        scores: (questions,) higher is better.
        surprises: (questions,) bits per character, which decide between replies of the same score.
        count: of each.
    """
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], surprises[place] or 0.0, place))
    if len(order) < 3:
        return {"모든 답": order}
    count = min(count, len(order) // 3)
    middle = (len(order) - count) // 2
    return {
        "가장 좋은 답": order[:count],
        "중간": order[middle : middle + count],
        "가장 나쁜 답": order[::-1][:count],
    }


def whole_dialogues(evaluation: Evaluation, count: int) -> list[list[ShownTurn]]:
    """Test dialogues with the model's reply beside each reference, those of several exchanges first.

    Which ones depends on their ids alone, so that two runs' reports show the same.
    """
    dialogues: dict[str, list[int]] = defaultdict(list)
    for place, question in enumerate(evaluation.questions):
        dialogues[question.id.rpartition("#")[0]].append(place)
    chosen = sorted(dialogues, key=lambda name: (len(dialogues[name]) == 1, _draw(name)))[:count]
    return [_dialogue(evaluation, dialogues[name]) for name in chosen]


def _draw(name: str) -> bytes:
    return hashlib.blake2b(name.encode(errors="replace"), digest_size=8).digest()


def _dialogue(evaluation: Evaluation, places: Sequence[int]) -> list[ShownTurn]:
    """A context holds every turn before its reply, so the last question's holds the whole dialogue."""
    questions = evaluation.questions
    replies = {len(questions[place].context): evaluation.systems[0].answers[place].text for place in places}
    last = questions[max(places, key=lambda place: len(questions[place].context))]
    turns = [*last.context, ("assistant", last.reference)]
    return [ShownTurn(role, text, replies.get(number)) for number, (role, text) in enumerate(turns)][-LONG_TALK:]


def table_rows(
    evaluation: Evaluation, scores: Sequence[float], bits: Sequence[float | None], places: Iterable[int]
) -> list[Row]:
    """Rows of the table of all replies."""
    rows: list[Row] = []
    for place in places:
        question, surprise = evaluation.questions[place], bits[place]
        rows.append(
            (
                max(len(question.context) - 1, 0),
                visible(cut(question.context[-1][1] if question.context else "", TEXT_LIMIT)),
                visible(cut(evaluation.systems[0].answers[place].text, TEXT_LIMIT)),
                visible(cut(question.reference, TEXT_LIMIT)),
                round(scores[place], 1),
                None if surprise is None else round(surprise, 2),
            )
        )
    return rows


def cut(text: str, limit: int = LONG) -> str:
    """Its beginning."""
    return text if len(text) <= limit else text[:limit] + "…"


def pack(evaluation: Evaluation, scores: Sequence[float], bits: Sequence[float | None]) -> tuple[str, int]:
    """As many rows as fit, taken evenly from the worst to the best and then in the order of the corpus.

    Returns:
        gzipped JSON in base64, of at most `PACKED_LIMIT` characters; and how many rows it holds.
    """
    by_score = np.argsort(scores, kind="stable")
    kept = len(by_score)
    while True:
        places = np.sort(by_score[np.linspace(0, len(by_score) - 1, kept).round().astype(int)])
        rows = table_rows(evaluation, scores, bits, places.tolist())
        if (size := sum(len(row[1]) + len(row[2]) + len(row[3]) for row in rows)) > _UNPACKED_LIMIT:
            kept = int(kept * _UNPACKED_LIMIT / size)
            continue
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
        if len(packed) <= PACKED_LIMIT:
            return packed, kept
        kept = int(0.97 * kept * PACKED_LIMIT / len(packed))
