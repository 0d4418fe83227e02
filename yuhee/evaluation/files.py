"""An evaluation on the disk: figures, every reply or message, and the report in one folder, whole or not at all."""

import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yuhee.errors import UserError
from yuhee.evaluation.class_plots import class_plots
from yuhee.evaluation.evaluate import Options
from yuhee.evaluation.plots import save_png
from yuhee.evaluation.report import write_report
from yuhee.evaluation.result import FORMAT, Classes, Evaluation, Interval
from yuhee.evaluation.statistics import Difference
from yuhee.paths import write_private


def evaluation_folder(run: Path, path: Path, options: Options) -> Path:
    """`evaluation/` of the run, for all test questions answered greedily by its bundle; what compares with nothing else has
    a name that says why, such as `evaluation-last-val-limit300/`."""
    drawn = options.limit is not None or not options.decoding.greedy
    parts = [
        path.stem if path.suffix == ".ckpt" else "",
        options.on if options.on != "test" else "",
        f"limit{options.limit}" if options.limit is not None else "",
        "sample" if not options.decoding.greedy else "",
        f"beams{options.decoding.beams}" if options.decoding.beams > 1 else "",
        f"seed{options.seed}" if options.seed and drawn else "",
    ]
    return run / "-".join(["evaluation", *filter(None, parts)])


def save(evaluation: Evaluation, run: Path, folder: Path) -> None:
    """Write the folder in place of an older one; only its owner may read it, as it holds text of the corpus.

    Args:
        run: the run folder, of which the report shows learning curves and configuration.

    Raises:
        UserError: the disk is full or read-only.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".evaluation-") as name:
            building = Path(name) / "evaluation"  # mkdtemp made the parent readable by its owner alone
            building.mkdir(mode=0o700)
            write_private(
                building / "metrics.json", json.dumps(as_dict(evaluation), ensure_ascii=False, indent=2) + "\n"
            )
            if evaluation.classes:
                write_private(building / "messages.jsonl", "".join(_messages(evaluation, evaluation.classes)))
                for picture, figure in class_plots(evaluation.classes).items():
                    save_png(figure, building / f"{picture}.png")
                    (building / f"{picture}.png").chmod(0o600)
            else:
                write_private(building / "replies.jsonl", "".join(_lines(evaluation)))
            write_report(evaluation, run, building / "report.html")
            if folder.exists():
                folder.rename(Path(name) / "old")
            building.rename(folder)
    except OSError as error:
        raise UserError(
            f"{folder}: 평가를 저장하지 못했습니다({error.strerror}). 공간과 권한을 확인해 주세요."
        ) from None


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """What `metrics.json` holds: figures of all systems, without any text of the corpus."""
    classes = evaluation.classes
    return {
        "format": FORMAT,
        "run": evaluation.run,
        "verdict": evaluation.verdict,
        "setting": dict(evaluation.setting),
        "systems": {
            system.name: {
                "title": system.title,
                "figures": {name: _figure(figure) for name, figure in system.figures.items()},
                "slices": {
                    name: {
                        value: {metric: _figure(figure) for metric, figure in figures.items()}
                        for value, figures in values.items()
                    }
                    for name, values in system.slices.items()
                },
            }
            for system in evaluation.systems
        },
        **({"labels": classes.labels, "confusion": classes.confusion} if classes else {}),
        **({"against": dict(evaluation.against)} if evaluation.against else {}),
    }


def _figure(figure: Interval) -> dict[str, Any]:
    """`{value, low, high}`, or `{value: null, reason}`."""
    if figure.reason is not None or math.isnan(figure.value):
        return {"value": None, "reason": figure.reason}
    return {"value": figure.value, "low": figure.low, "high": figure.high}


def as_plain(difference: Difference) -> dict[str, Any]:
    """`{value, low, high, p, replies}`, or `{reason}`."""
    if difference.reason is not None:
        return {"reason": difference.reason}
    return {key: value for key, value in asdict(difference).items() if key != "reason"}


def _lines(evaluation: Evaluation) -> Iterator[str]:
    """One question a line, with every system's answer."""
    for row, question in enumerate(evaluation.questions):
        answers = {system.name: asdict(system.answers[row]) for system in evaluation.systems if system.answers}
        yield json.dumps({**asdict(question), "answers": answers}, ensure_ascii=False) + "\n"


def _messages(evaluation: Evaluation, classes: Classes) -> Iterator[str]:
    """One message a line, with its right label and the model's probabilities."""
    for question, row in zip(evaluation.questions, classes.probabilities, strict=True):
        told = dict(zip(classes.labels, row, strict=True))
        line = {"id": question.id, "text": question.context[-1][1], "label": question.emotion, "probabilities": told}
        yield json.dumps(line, ensure_ascii=False) + "\n"
