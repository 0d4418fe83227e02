"""What an evaluation found, as plain values: computed once, kept in `evaluation/metrics.json`, read by every report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = "yuhee-evaluation/1"


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its bootstrap confidence interval.

    Attributes:
        value: the figure; NaN where it cannot be computed.
        low, high: ends of the 95 % interval; equal to the value where none was computed.
        reason: why it cannot be computed, for people; None where it could.
    """

    value: float
    low: float
    high: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One held-out reply and what led to it.

    Attributes:
        id: `{dialogue id}#{exchange}`, exchanges counted from 0.
        context: (role, text) of every turn before the reply, oldest first.
        emotion: label of the user's last turn, None where there is none.
        reference: the corpus's own reply, in NFC.
        exchange: how many replies stood before it in its dialogue.
    """

    id: str
    context: tuple[tuple[str, str], ...]
    emotion: str | None
    reference: str
    exchange: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system replied to one question.

    Attributes:
        text: the reply.
        finished: it ended by itself, not at the length limit.
        seconds: that it took; 0 where it was not measured.
        tokens: generated, the end token included; 0 where there are none.
        bits: of the reference under the system, lost characters charged; None for systems without a likelihood.
        reference_tokens: of the reference and its end in the system's tokenizer; 0 where there are none.
    """

    text: str
    finished: bool = True
    seconds: float = 0.0
    tokens: int = 0
    bits: float | None = None
    reference_tokens: int = 0


@dataclass(frozen=True, slots=True)
class System:
    """A model or a baseline over all questions.

    Attributes:
        name: key in files: `model`, `nearest_question`, `frequent_reply`, `random_reply`, `character_ngram`.
        title: for people.
        answers: (questions,) in the order of the questions; empty for a system that writes no replies.
        figures: metric name → interval.
        slices: slice (`감정`, `답 길이`, …) → value → metric name → interval; the model alone has them.
    """

    name: str
    title: str
    answers: tuple[Answer, ...]
    figures: Mapping[str, Interval]
    slices: Mapping[str, Mapping[str, Mapping[str, Interval]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Classes:
    """What a classifier told, for pictures and lists.

    Attributes:
        labels: in the order of all that follows.
        confusion: system → (labels, labels) messages by right label and by told label.
        reliability: (bins, 3) of the model: messages, summed confidence and hits.
        probabilities: (messages, labels) of the model.
    """

    labels: tuple[str, ...]
    confusion: Mapping[str, tuple[tuple[int, ...], ...]]
    reliability: tuple[tuple[float, ...], ...]
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model on one split, with the baselines.

    Attributes:
        run: the run folder as it was named.
        setting: plain values: split, decoding, seed, number of questions, corpus hash, versions.
        questions: of the test split.
        systems: the model first.
        nearest: (questions,) for each question the nearest training question and its reply.
        verdict: the report's first sentence: whether the model beats its baselines.
        classes: of a classifier, whose questions are messages with their right label as `emotion`.
        against: what it was compared with, if with anything: `{run, differences: {metric: {value, low, high, p, replies} or
            {reason}}}`, this run minus that one.
    """

    run: str
    setting: Mapping[str, Any]
    questions: tuple[Question, ...]
    systems: tuple[System, ...]
    nearest: tuple[tuple[str, str], ...]
    verdict: str
    classes: Classes | None = None
    against: Mapping[str, Any] | None = None
