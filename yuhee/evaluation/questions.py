"""The held-out replies of a split, each with what led to it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from yuhee.data.dialogue import Dialogue
from yuhee.errors import UserError
from yuhee.evaluation.result import Question


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and where it stands: `dialogue.turns[turn]` is the reference."""

    question: Question
    dialogue: Dialogue
    turn: int


def ask(dialogues: Sequence[Dialogue], limit: int | None = None, seed: int = 0) -> list[Asked]:
    """Every reply that counts (weight 1) of held-out dialogues, in their order.

    Args:
        limit: take a sample of so many; None takes all.
        seed: of the sample.

    Raises:
        UserError: there is none.
    """
    asked = [
        Asked(_question(dialogue, turn), dialogue, turn)
        for dialogue in dialogues
        for turn, said in enumerate(dialogue.turns)
        if said.role == "assistant" and said.weight
    ]
    if not asked:
        raise UserError("평가할 답이 하나도 없습니다. data.split.ratios의 몫을 늘리거나 더 큰 말뭉치로 학습해 주세요.")
    if limit is None or limit >= len(asked):
        return asked
    chosen = random.Random(seed).sample(range(len(asked)), limit)  # noqa: S311 - a sample, no secret
    return [asked[index] for index in sorted(chosen)]


def _question(dialogue: Dialogue, turn: int) -> Question:
    before = dialogue.turns[:turn]
    exchange = sum(said.role == "assistant" for said in before)
    return Question(
        id=f"{dialogue.id}#{exchange}",
        context=tuple((said.role, said.text) for said in before),
        emotion=next((said.emotion for said in reversed(before) if said.role == "user"), None),
        reference=dialogue.turns[turn].text,
        exchange=exchange,
    )
