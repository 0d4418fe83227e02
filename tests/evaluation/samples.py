"""Tiny samples that the tests of evaluation share."""

from yuhee.evaluation.copying import TrainingReplies
from yuhee.evaluation.result import Answer, Question
from yuhee.evaluation.sample import Sample


def question(reference: str, *, dialogue: str = "d:1", exchange: int = 0, asked: str = "뭐 해?") -> Question:
    return Question(f"{dialogue}#{exchange}", (("user", asked),), None, reference, exchange)


def sample(*pairs: tuple[str, str], training: tuple[str, ...] = (), **answer: object) -> Sample:
    """A system that replied, each in a dialogue of its own: (reply, reference) pairs."""
    questions = tuple(question(reference, dialogue=f"d:{index}") for index, (_, reference) in enumerate(pairs))
    answers = tuple(Answer(text, **answer) for text, _ in pairs)  # type: ignore[arg-type]
    return Sample(questions, answers, TrainingReplies(training))
