"""Who reads the emotion of a text in an evaluation."""

from collections.abc import Iterable, Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from yuhee.data.dialogue import Dialogue
from yuhee.errors import UserError


class LinearReader:
    """Character TF-IDF and logistic regression, fitted on the labelled messages of the training dialogues.

    Raises:
        UserError: they bear fewer than two labels.
    """

    title = "글자 TF-IDF + 로지스틱 회귀"

    def __init__(self, train: Iterable[Dialogue]) -> None:
        labelled = [(turn.text, turn.emotion) for dialogue in train for turn in dialogue.turns if turn.emotion]
        if len({label for _, label in labelled}) < 2:
            raise UserError("학습 대화의 감정 표지가 두 가지보다 적어 감정을 읽는 법을 배울 수 없습니다.")
        texts, labels = zip(*labelled, strict=True)
        self._pipeline = make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True),
            LogisticRegression(C=10.0, max_iter=1000),
        ).fit(texts, labels)

    def read(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text."""
        return [str(label) for label in self._pipeline.predict(list(texts))]
