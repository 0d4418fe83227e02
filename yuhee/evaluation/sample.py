"""What a metric sees: one system's answers beside the questions, the references and the training replies."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from yuhee.evaluation.copying import TrainingReplies
from yuhee.evaluation.result import Answer, Question
from yuhee.evaluation.statistics import Array, Indices


@dataclass(frozen=True)
class Sample:
    """One system over the questions of a split.

    Attributes:
        questions: of the split.
        answers: (questions,); empty for a system that writes no replies.
        training: the replies that the system could have copied; empty where they are not at hand.
        reference_bits: (questions,) of a system that writes no replies but has a likelihood; the answers' own
            otherwise.

    Raises:
        ValueError: other numbers of answers or bits than of questions.
    """

    questions: Sequence[Question]
    answers: Sequence[Answer] = ()
    training: TrainingReplies = field(default_factory=TrainingReplies)
    reference_bits: Array | None = None

    def __post_init__(self) -> None:
        for given in (self.answers, self.reference_bits):
            if given is not None and len(given) not in (0, len(self.questions)):
                raise ValueError(f"{len(given)} answers to {len(self.questions)} questions")

    @cached_property
    def texts(self) -> list[str]:
        """The replies in NFC."""
        return [unicodedata.normalize("NFC", answer.text) for answer in self.answers]

    @cached_property
    def references(self) -> list[str]:
        return [question.reference for question in self.questions]

    @cached_property
    def bits(self) -> Array:
        """Of each reference; NaN where there is no likelihood."""
        if self.reference_bits is not None:
            return self.reference_bits
        return np.array([np.nan if answer.bits is None else answer.bits for answer in self.answers], dtype=float)

    @cached_property
    def copied(self) -> Array:
        """Characters of the longest stretch of each reply that stands in a training reply."""
        return self.training.longest_copies(self.texts).astype(float)

    @cached_property
    def dialogues(self) -> Indices:
        """(questions,) number of each question's dialogue, from 0 without gaps."""
        names = [question.id.rpartition("#")[0] for question in self.questions]
        return np.unique(np.array(names, dtype=object), return_inverse=True)[1].astype(np.int64).reshape(-1)
