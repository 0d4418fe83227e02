"""A run of a classifier, evaluated: the model and its baselines on held-out messages."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from yuhee.chat.classifier import Classifier
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.labelled import labelled
from yuhee.errors import UserError
from yuhee.evaluation.class_metrics import CLASS_METRICS
from yuhee.evaluation.emotion_reader import LinearReader
from yuhee.evaluation.evaluate import Evaluated, Options, setting
from yuhee.evaluation.result import Classes, Evaluation, Question, System
from yuhee.evaluation.run_data import Run
from yuhee.evaluation.scoring import Scores, figures
from yuhee.evaluation.statistics import Array, Indices
from yuhee.evaluation.verdict import verdict
from yuhee.models.class_metrics import confidence_bins

BASELINES = ("linear", "most_frequent")
CONTESTS = (("macro_f1", "매크로 F1", 1, BASELINES), ("accuracy", "정확도", 1, BASELINES))


@dataclass(frozen=True)
class _Told:
    """What a system makes of the messages: (messages, labels) probabilities."""

    name: str
    title: str
    probabilities: Array


def evaluate_classifier(run: Run, name: str, options: Options) -> Evaluated:
    """Have the model and the baselines tell the labels of held-out messages, and judge.

    The baselines learn from the labels that the model learned from: with `data.few_shot` from the same few.

    Args:
        name: of the run, as the user named it.

    Raises:
        UserError: no message has a label.
    """
    classifier = Classifier(run.model)
    dialogues = getattr(run.split, options.on)
    questions = [question for dialogue in dialogues for question in _questions(dialogue)]
    if not questions:
        raise UserError(
            "평가할 표지가 하나도 없습니다. data.split.ratios의 몫을 늘리거나 더 큰 말뭉치로 학습해 주세요."
        )
    asked = _sample(questions, options)
    labels, right = classifier.labels, np.array([classifier.labels.index(str(each.emotion)) for each in asked])
    told = _tell(classifier, [each.context[-1][1] for each in asked], run.split.train)
    clusters = np.unique([each.id.rpartition("#")[0] for each in asked], return_inverse=True)[1]
    scores = {each.name: _scores(each.probabilities, right, clusters, asked) for each in told}
    systems = tuple(System(each.name, each.title, (), figures(scores[each.name], seed=options.seed)) for each in told)
    by = run.facts["split"]["by"]
    evaluation = Evaluation(
        run=name,
        setting=setting(run, options, len(asked), len(questions)),
        questions=tuple(asked),
        systems=systems,
        nearest=(),
        verdict=verdict(systems, scores, by=by, contests=CONTESTS),
        classes=_classes(labels, told, right),
    )
    return Evaluated(evaluation, scores)


def _questions(dialogue: Dialogue) -> list[Question]:
    return [Question(each.id, (("user", each.text),), each.label, "", 0) for each in labelled([dialogue])]


def _sample(questions: Sequence[Question], options: Options) -> list[Question]:
    if options.limit is None or options.limit >= len(questions):
        return list(questions)
    chosen = random.Random(options.seed).sample(range(len(questions)), options.limit)  # noqa: S311 - no secret
    return [questions[index] for index in sorted(chosen)]


def _tell(classifier: Classifier, texts: Sequence[str], train: Sequence[Dialogue]) -> list[_Told]:
    """The model's probabilities, and those of the baselines."""
    examples = [(message.text, message.label) for message in labelled(train)]
    reader = LinearReader(examples)
    counts = Counter(label for _, label in examples)
    shares = np.array([counts[label] / counts.total() for label in classifier.labels])
    linear = np.zeros((len(texts), len(classifier.labels)))
    linear[:, [classifier.labels.index(label) for label in reader.labels]] = reader.probabilities(texts)
    return [
        _Told("model", "모델", classifier.probabilities(texts)),
        _Told("linear", reader.title, linear),
        _Told("most_frequent", "늘 가장 흔한 감정", np.tile(shares, (len(texts), 1))),
    ]


def _scores(probabilities: Array, right: Indices, clusters: Indices, asked: Sequence[Question]) -> Scores:
    measured: Mapping[str, object] = {
        name: metric.compute(probabilities, right) for name, metric in CLASS_METRICS.items()
    }
    return Scores(tuple(each.id for each in asked), clusters, dict(measured))  # type: ignore[arg-type]


def _classes(labels: Sequence[str], told: Sequence[_Told], right: Indices) -> Classes:
    confusion = {}
    for each in told:
        table = np.zeros((len(labels), len(labels)), dtype=int)
        np.add.at(table, (right, each.probabilities.argmax(1)), 1)
        confusion[each.name] = tuple(map(tuple, table.tolist()))
    model = told[0].probabilities
    return Classes(
        labels=tuple(labels),
        confusion=confusion,
        reliability=tuple(map(tuple, confidence_bins(model, right).tolist())),
        probabilities=tuple(map(tuple, model.tolist())),
    )
