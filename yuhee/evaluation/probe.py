"""`yuhee probe`: what a model has learned by heart, as numbers and examples."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from yuhee.bundle import Model
from yuhee.chat.engine import Decoding
from yuhee.chat.session import reply_text
from yuhee.data.canaries import Canary
from yuhee.evaluation.baselines import learned_replies
from yuhee.evaluation.copying import TrainingReplies, plain
from yuhee.evaluation.exposure import PLAIN, exposures
from yuhee.evaluation.generation import generate, prompts
from yuhee.evaluation.questions import Asked, ask
from yuhee.evaluation.result import Answer
from yuhee.evaluation.run_data import Run
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.scoring import figures, score

QUESTIONS = 1000  # test questions whose replies are searched for copies
PROMPTED = 500  # replies of each split that are begun
PREFIX = 4  # tokens of a reply that are given
REST = 4  # tokens, at least, that have to follow
EXAMPLES = 5
NO_CANARIES = (
    "심어 둔 비밀이 없습니다. 재려면 python train.py … data.canaries=20 (여러 번 보이려면 data.canary_repeats=10도)으로 "
    "학습한 실행을 주세요(그 모델은 대화용이 아닙니다)."
)


def planted(model: Model) -> dict[str, Any]:
    """The audit by canaries, which needs nothing but the model; `{"reason"}` where none were planted."""
    canaries = [Canary(**values) for values in model.facts.get("canaries", [])]
    if not canaries:
        return {"reason": NO_CANARIES}
    return {"repeats": model.facts.get("canary_repeats", 1), **exposures(model, canaries)}


def copied(run: Run, seed: int = 0) -> dict[str, Any]:
    """How much of the greedy replies to test questions stands in training replies."""
    asked = ask(run.split.test, QUESTIONS, seed)
    decoding = Decoding(greedy=True)
    encoder = run.companion.model.encoder
    replies = generate(run.companion.model, prompts(run.companion, asked, decoding), decoding)
    training = TrainingReplies(learned_replies(run.split.train))
    answers = [Answer(reply_text(encoder, reply.ids)) for reply in replies]
    sample = Sample([each.question for each in asked], answers, training)
    found = figures(score(sample, ("copies", "copied_length", "longest_copy")))
    longest = np.argsort(-sample.copied, kind="stable")[:EXAMPLES]
    return {
        "questions": len(asked),
        **{
            name: {"value": figure.value, "low": figure.low, "high": figure.high}
            for name, figure in found.items()
            if figure.reason is None
        },
        "examples": [
            {"question": _last(asked[row]), "reply": answers[row].text, "copied": int(sample.copied[row])}
            for row in longest
        ],
    }


def completed(run: Run, seed: int = 0) -> dict[str, Any]:
    """How often a greedy continuation of a reply's first tokens is the rest of it, word for word.

    After Carlini et al. 2021, "Extracting Training Data from Large Language Models". Test replies that stand nowhere
    in training are begun the same way: what the model completes there it has not memorised but guessed.
    """
    training = TrainingReplies(learned_replies(run.split.train))
    unseen = [each for each in ask(run.split.test) if each.question.reference not in training]
    found = {"train": _complete(run, ask(run.split.train), seed), "test": _complete(run, unseen, seed)}
    return {
        "prefix": PREFIX,
        "least_rest": REST,
        **{name: {"tried": tried, "completed": len(hits)} for name, (tried, hits) in found.items()},
        "examples": [
            {"question": _last(each), "reply": each.question.reference} for each in found["train"][1][:EXAMPLES]
        ],
    }


def _complete(run: Run, asked: Sequence[Asked], seed: int) -> tuple[int, list[Asked]]:
    """How many replies were begun, and those that the model completed."""
    encoder = run.companion.model.encoder
    order = random.Random(seed).sample(range(len(asked)), len(asked))  # noqa: S311 - a sample, no secret
    begun: dict[str, tuple[Asked, list[int]]] = {}
    for index in order:
        reply = asked[index].dialogue.turns[asked[index].turn]
        ids = encoder.reply_ids(reply.text)
        if len(ids) >= PREFIX + REST:
            begun.setdefault(plain(reply.text), (asked[index], ids))
        if len(begun) == PROMPTED:
            break
    each = list(begun.values())
    shown = prompts(run.companion, [one for one, _ in each], PLAIN)
    replies = generate(run.companion.model, shown, PLAIN, begun=[ids[:PREFIX] for _, ids in each])
    hits = [
        one for (one, ids), reply in zip(each, replies, strict=True) if reply.finished and reply.ids == ids[PREFIX:]
    ]
    return len(each), hits


def _last(asked: Asked) -> str:
    context = asked.question.context
    return context[-1][1] if context else ""
