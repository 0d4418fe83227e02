"""One run, evaluated: the model and its baselines on held-out dialogues."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import sacrebleu
import torch
import transformers

import yuhee
from yuhee.chat.engine import Decoding
from yuhee.data.splits import split
from yuhee.evaluation.questions import ask
from yuhee.evaluation.result import Evaluation, Interval, Question, System
from yuhee.evaluation.run_data import Run
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.scoring import Scores, figures, score
from yuhee.evaluation.slices import FIGURES, slices
from yuhee.evaluation.systems import Contender, baselines, model_contender
from yuhee.evaluation.verdict import verdict

LEAKING = ("bpc", "chrf", "exact", "copies")  # what a split that leaks changes
Slices = dict[str, dict[str, dict[str, Interval]]]


@dataclass(frozen=True)
class Options:
    """How to ask.

    Attributes:
        on: split; settings are chosen on val, test is looked at once.
        limit: questions to take at most, a sample; None for all.
        decoding: of the model's replies.
        seed: of the sample, the sampling and the random baseline.
    """

    on: Literal["test", "val"] = "test"
    limit: int | None = None
    decoding: Decoding = field(default_factory=lambda: Decoding(greedy=True))
    seed: int = 0


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, and each system's scores, from which comparisons follow."""

    evaluation: Evaluation
    scores: Mapping[str, Scores]


def evaluate(run: Run, name: str, options: Options, beside: Mapping[str, Any] | None = None) -> Evaluated:
    """Ask the model and the baselines, and judge.

    Args:
        name: of the run, as the user named it.
        beside: figures under another split, to be kept with these (see `other_split`).

    Raises:
        UserError: there is nothing to ask.
    """
    whole = ask(getattr(run.split, options.on))
    asked = ask(getattr(run.split, options.on), options.limit, options.seed)
    questions = [each.question for each in asked]
    fitted = baselines(run.split.train, questions, options.seed)
    contenders = (model_contender(run, asked, options.decoding, options.seed), *fitted.contenders)
    scores = {each.name: score(each.sample) for each in contenders}
    model, *rivals = (_system(each, scores[each.name], options.seed) for each in contenders)
    systems = (replace(model, slices=_slices(run, questions, contenders[0].sample, options.seed)), *rivals)
    evaluation = Evaluation(
        run=name,
        setting=setting(run, options, len(asked), len(whole)) | ({"other_split": beside} if beside else {}),
        questions=tuple(questions),
        systems=systems,
        nearest=fitted.nearest,
        verdict=verdict(systems, scores, by=run.facts["split"]["by"]),
    )
    return Evaluated(evaluation, scores)


def other_split(run: Run, options: Options) -> dict[str, Any]:
    """Figures of the baselines had the corpus been split the other way (rows instead of groups, or groups instead).

    Returns:
        `{"by", "systems": {name: {"title", "figures": {metric: value}}}}`; the model has no place there: it has seen
        some of those questions.
    """
    by = "group" if run.facts["split"]["by"] == "row" else "row"
    parts = split(run.corpus.dialogues, **{**run.facts["split"], "by": by})
    questions = [each.question for each in ask(getattr(parts, options.on), options.limit, options.seed)]
    systems = [
        _system(each, score(each.sample), options.seed)
        for each in baselines(parts.train, questions, options.seed).contenders
    ]
    return as_beside(by, systems)


def as_beside(by: str, systems: Sequence[System]) -> dict[str, Any]:
    """Systems under a split as plain values, those figures that leaks change."""
    return {
        "by": by,
        "systems": {
            system.name: {
                "title": system.title,
                "figures": {
                    name: system.figures[name].value for name in LEAKING if system.figures[name].reason is None
                },
            }
            for system in systems
        },
    }


def _system(contender: Contender, scores: Scores, seed: int) -> System:
    return System(contender.name, contender.title, tuple(contender.sample.answers), figures(scores, seed=seed))


def _slices(run: Run, questions: list[Question], sample: Sample, seed: int) -> Slices:
    """The model's figures on parts of the questions, with intervals."""
    scores = score(sample, FIGURES)
    return {
        name: {value: figures(scores, np.array(rows), seed=seed) for value, rows in values.items()}
        for name, values in slices(questions, run.split.train).items()
    }


def setting(run: Run, options: Options, asked: int, whole: int) -> dict[str, Any]:
    """Plain values that say what was asked, of which model, with which versions."""
    return {
        "corpus": run.facts["corpus"],
        "corpus_hash": run.corpus.hash,
        "model": run.facts["model"],
        "split": run.facts["split"],
        "on": options.on,
        "questions": asked,
        "questions_in_split": whole,
        "decoding": asdict(options.decoding),
        "seed": options.seed,
        "canaries": len(run.facts.get("canaries", [])),
        "versions": {
            "yuhee": yuhee.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "sacrebleu": sacrebleu.__version__,
        },
    }
