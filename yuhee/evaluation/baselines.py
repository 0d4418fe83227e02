"""What a model has to beat, fitted on the training dialogues alone."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from yuhee.data.dialogue import Dialogue
from yuhee.errors import UserError
from yuhee.evaluation.result import Answer, Question

MAX_PAIRS = 200_000  # training exchanges that the look-up searches; of more, evenly spaced ones
CELLS = 2**23  # similarities that are held at once: 100 MB as a sparse matrix


def last_question(question: Question) -> str:
    """The user's last turn before the reply; empty where the user has said nothing."""
    return next((text for role, text in reversed(question.context) if role == "user"), "")


def exchanges(dialogues: Iterable[Dialogue]) -> list[tuple[str, str]]:
    """(user's last turn, reply) for every reply that is learned and has one."""
    pairs = []
    for dialogue in dialogues:
        asked = None
        for turn in dialogue.turns:
            if turn.role == "user":
                asked = turn.text
            elif turn.role == "assistant" and turn.weight and asked is not None:
                pairs.append((asked, turn.text))
    return pairs


def learned_replies(dialogues: Iterable[Dialogue]) -> list[str]:
    """Every reply that is learned, as often as it stands there.

    Raises:
        UserError: there is none.
    """
    replies = [
        turn.text for dialogue in dialogues for turn in dialogue.turns if turn.role == "assistant" and turn.weight
    ]
    if not replies:
        raise UserError("학습 대화에 배울 답이 하나도 없어 견줄 기준선을 만들 수 없습니다. 말뭉치를 확인해 주세요.")
    return replies


class NearestQuestion:
    """The reply to the training question that looks most like the user's last turn.

    Cosine of TF-IDF over 1- to 4-grams of characters within words (scikit-learn `char_wb`, its defaults otherwise). Of
    equally near questions the first in the order of the split, which only their content decides.

    Raises:
        UserError: no training reply follows a question.
    """

    name = "nearest_question"
    title = "가장 가까운 질문의 답"

    def __init__(self, dialogues: Iterable[Dialogue]) -> None:
        pairs = exchanges(dialogues)
        if not pairs:
            raise UserError("학습 대화에 질문과 답의 짝이 하나도 없어 가장 가까운 질문을 찾을 수 없습니다.")
        self._pairs = pairs[:: -(-len(pairs) // MAX_PAIRS)]
        self._vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), dtype=np.float32)
        self._index = self._vectors.fit_transform(question for question, _ in self._pairs).T.tocsr()

    def nearest(self, questions: Sequence[Question]) -> tuple[tuple[str, str], ...]:
        """(training question, its reply) for each question."""
        if not questions:
            return ()
        asked = self._vectors.transform([last_question(question) for question in questions])
        size = max(1, CELLS // len(self._pairs))
        best: list[int] = []
        for start in range(0, len(questions), size):
            similarity = asked[start : start + size] @ self._index
            best += np.asarray(similarity.argmax(axis=1)).ravel().tolist()
        return tuple(self._pairs[index] for index in best)

    def answers(self, questions: Sequence[Question]) -> tuple[Answer, ...]:
        return tuple(Answer(reply) for _, reply in self.nearest(questions))


class FrequentReply:
    """The most frequent training reply to everything; of equally frequent ones the first in the order of characters."""

    name = "frequent_reply"
    title = "가장 흔한 답"

    def __init__(self, dialogues: Iterable[Dialogue]) -> None:
        counts = Counter(learned_replies(dialogues))
        self.reply = min(counts, key=lambda reply: (-counts[reply], reply))

    def answers(self, questions: Sequence[Question]) -> tuple[Answer, ...]:
        return (Answer(self.reply),) * len(questions)


class RandomReply:
    """A training reply by lot, frequent ones more often: what chance scores."""

    name = "random_reply"
    title = "아무 답"

    def __init__(self, dialogues: Iterable[Dialogue], seed: int = 0) -> None:
        self._replies = learned_replies(dialogues)
        self._seed = seed

    def answers(self, questions: Sequence[Question]) -> tuple[Answer, ...]:
        """The same for the same seed and the same number of questions."""
        drawn = np.random.default_rng(self._seed).integers(len(self._replies), size=len(questions))
        return tuple(Answer(self._replies[index]) for index in drawn)
