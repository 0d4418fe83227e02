"""`yuhee evaluate`: runs one by one, then what can be said about several together."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from yuhee.errors import UserError
from yuhee.evaluation.classification import evaluate_classifier
from yuhee.evaluation.emotion_control import Control, Reader, emotion_control, slot_labels
from yuhee.evaluation.emotion_reader import LinearReader, ModelReader, messages, replies
from yuhee.evaluation.evaluate import Evaluated, Options, as_beside, evaluate, other_split
from yuhee.evaluation.files import as_plain, evaluation_folder, save
from yuhee.evaluation.result import Evaluation
from yuhee.evaluation.run_data import Run, open_run, run_folder_of
from yuhee.evaluation.scoring import OTHER_QUESTIONS, differences
from yuhee.evaluation.tables import (
    control_table,
    differences_table,
    figures_table,
    not_compared,
    reasons,
    seeds_table,
    splits_table,
)

PER_RUN = ("seed", "ckpt_path", "logger")  # keys in which runs of the same configuration may differ
Retrain = Callable[[Path, str, str | None], Path]
"""(run folder, `data.split.by`, where the corpus lies now) → folder of a new run of the same configuration under that split."""
Publish = Callable[[Path, Path], str]
"""(run folder, its new report) → the report is where others can see it; says where."""


@dataclass(frozen=True)
class Asked:
    """What the user asked for beside the runs.

    Attributes:
        options: of each evaluation.
        split: the split to be evaluated on; None for the one the run was trained with.
        retrain: trains a run under another split; None refuses.
        data_path: where the corpus lies now, if it was moved.
        emotion_control: exchange the labels in the emotion slot and measure what changes.
        emotion_model: a classifier that reads the messages for it; None fits a linear one.
        publish: called with every report that is written; not with that of the run that others are compared with.
    """

    options: Options
    split: str | None = None
    retrain: Retrain | None = None
    data_path: str | None = None
    emotion_control: bool = False
    emotion_model: Path | None = None
    publish: Publish | None = None


def evaluate_paths(paths: Sequence[Path], asked: Asked, against: Path | None = None) -> None:
    """Evaluate runs, write each one's `evaluation/` folder and print tables.

    Args:
        paths: run folders, bundles in them or their checkpoints. Among several, other files are passed over, and
            one that cannot be evaluated does not keep the others from it.
        against: a run to compare the only path with, on the same questions.

    Raises:
        UserError: a path cannot be evaluated, told after all others are done.
    """
    _check_paths(paths, against, asked.data_path)
    console = Console()
    runs = [path for path in paths if len(paths) == 1 or run_folder_of(path.resolve())]
    for path in paths:
        if path not in runs and (path.is_dir() or path.suffix == ".ckpt"):
            console.print(Text(f"실행이 아니라 건너뜁니다: {path}"))
    if not runs:
        raise UserError(
            f"{paths[0]} 등 {len(paths)}개: 실행 폴더가 하나도 없습니다. outputs/ 아래의 실행 폴더를 주세요."
        )
    done: list[tuple[Run, Evaluated]] = []
    failed = 0
    for path in [*runs, *([against] if against else [])]:
        try:
            done.append(_evaluate(path, replace(asked, publish=None) if path is against else asked, console))
        except UserError as error:
            if len(runs) == 1:
                raise
            failed += 1
            print(f"오류: {error}", file=sys.stderr)  # noqa: T201 - as the command tells its own
    if against is not None:
        _compare(done, console, asked.options, runs[0])
    else:
        _print_seeds(done, console)
    if failed:
        raise UserError(f"실행 {len(runs)}개 가운데 {failed}개를 평가하지 못했습니다. 까닭은 위에 있습니다.")


def _compare(done: Sequence[tuple[Run, Evaluated]], console: Console, options: Options, path: Path) -> None:
    """The first run minus the second: printed, and kept with the first one's evaluation."""
    (run, first), (_, second) = done
    found = differences(first.scores["model"], second.scores["model"])
    console.print(differences_table(first.evaluation.run, second.evaluation.run, found))
    for reason in not_compared(found):
        console.print(Text(f"견주지 않음 · {reason}"))
    kept = {"run": second.evaluation.run, "differences": {name: as_plain(each) for name, each in found.items()}}
    save(replace(first.evaluation, against=kept), run.folder, evaluation_folder(run.folder, path, options))


def _check_paths(paths: Sequence[Path], against: Path | None, data_path: str | None) -> None:
    """Say before the long work what would end it."""
    if against is not None and len(paths) > 1:
        raise UserError("--against 는 실행 하나와 다른 하나를 견줍니다. 앞에는 실행을 하나만 적어 주세요.")
    for path in [*paths, *([against] if against else [])]:
        if not path.expanduser().exists():
            raise UserError(f"{path}: 그런 파일이나 폴더가 없습니다. outputs/ 아래의 실행 폴더를 주세요.")
    if against is not None:
        _check_comparable(open_run(paths[0], data_path), open_run(against, data_path))


def _check_comparable(one: Run, other: Run) -> None:
    tasks = {run.model.encoder.task == "text-classification" for run in (one, other)}
    if len(tasks) > 1:
        raise UserError(
            f"{one.folder}, {other.folder}: 대답을 짓는 모델과 감정을 가려내는 모델은 견줄 수 없습니다. "
            "같은 일을 하는 두 실행을 주세요."
        )
    if one.corpus.hash != other.corpus.hash or one.facts["split"] != other.facts["split"]:
        raise UserError(OTHER_QUESTIONS)


def _evaluate(path: Path, asked: Asked, console: Console) -> tuple[Run, Evaluated]:
    run = open_run(path, asked.data_path)
    if run.model.encoder.task == "text-classification":
        _check_asked_of_classifier(path, run, asked)
        found = evaluate_classifier(run, str(path), asked.options)
        _save_and_print(found.evaluation, run, path, asked, console)
        return run, found
    by = run.facts["split"]["by"]
    if asked.split in (None, by):
        beside = other_split(run, asked.options) if asked.split == "row" else None
        found = _evaluate_and_save(run, path, asked, console, beside)
        if beside:
            console.print(splits_table([beside, as_beside(by, found.evaluation.systems)]))
        return run, found
    if asked.retrain is None:
        raise UserError(
            f"{path}: data.split.by={by} 로 학습한 모델은 {asked.split} 분할의 시험 질문을 학습 때 보았으므로 평가할 수 없습니다. "
            f"data.split.by={asked.split} 로 학습한 실행을 주거나 --retrain 을 붙여 주세요."
        )
    first = _evaluate_and_save(run, path, asked, console, None)
    beside = as_beside(by, first.evaluation.systems)
    folder = asked.retrain(run.folder, str(asked.split), asked.data_path)
    other = open_run(folder, asked.data_path)
    found = _evaluate_and_save(other, folder, asked, console, beside)
    there = as_beside(str(asked.split), found.evaluation.systems)
    both = replace(first.evaluation, setting={**first.evaluation.setting, "other_split": there})
    save(both, run.folder, evaluation_folder(run.folder, path, asked.options))
    console.print(splits_table([beside, there]))
    return run, replace(first, evaluation=both)


def _evaluate_and_save(
    run: Run, path: Path, asked: Asked, console: Console, beside: dict[str, object] | None
) -> Evaluated:
    control = None
    if asked.emotion_control:
        slot_labels(run)  # first: it refuses a model without labels before the long work
        reply_reader = LinearReader(replies(run.split.train))
        control = emotion_control(run, asked.options, _reader(run, asked.emotion_model), reply_reader)
    found = evaluate(run, str(path), asked.options, beside)
    if control:
        setting = {**found.evaluation.setting, "emotion_control": control.as_dict()}
        found = replace(found, evaluation=replace(found.evaluation, setting=setting))
    _save_and_print(found.evaluation, run, path, asked, console, control)
    return found


def _save_and_print(
    evaluation: Evaluation, run: Run, path: Path, asked: Asked, console: Console, control: Control | None = None
) -> None:
    folder = evaluation_folder(run.folder, path, asked.options)
    save(evaluation, run.folder, folder)
    console.print(Text(evaluation.verdict, style="bold"))
    console.print(figures_table(evaluation))
    for reason in reasons(evaluation):
        console.print(Text(f"잴 수 없음 · {reason}"))
    if control:
        console.print(control_table(control))
        console.print(Text(control.verdict, style="bold"))
    console.print(Text(f"보고서: {os.path.relpath(folder)}/report.html"))
    if asked.publish:
        console.print(Text(asked.publish(run.folder, folder / "report.html")), soft_wrap=True)


def _check_asked_of_classifier(path: Path, run: Run, asked: Asked) -> None:
    if asked.emotion_control:
        raise UserError(f"{path}: 감정을 가려내는 모델에는 감정 슬롯이 없습니다. --emotion-control 을 빼 주세요.")
    if asked.options.decoding != Options().decoding:
        raise UserError(f"{path}: 감정을 가려내는 모델은 대답을 짓지 않습니다. --sample 과 --beams 를 빼 주세요.")
    if asked.split not in (None, by := run.facts["split"]["by"]):
        raise UserError(
            f"{path}: data.split.by={by} 로 학습한 모델입니다. data.split.by={asked.split} 로 학습한 실행을 따로 평가해 주세요."
        )


def _reader(run: Run, model: Path | None) -> Reader:
    return (
        LinearReader(messages(run.split.train)) if model is None else ModelReader(model, run.companion.emotion_labels)
    )


def _print_seeds(done: Sequence[tuple[Run, Evaluated]], console: Console) -> None:
    """Runs of the same configuration together."""
    groups: dict[str, list[Evaluated]] = {}
    for run, found in {run.folder: (run, found) for run, found in done}.values():  # none counts twice
        values = {key: value for key, value in run.config.items() if key not in PER_RUN}
        groups.setdefault(json.dumps(values, sort_keys=True, default=str), []).append(found)
    for group in groups.values():
        if len(group) > 1:
            console.print(seeds_table(f"{group[0].evaluation.run} …", [found.evaluation for found in group]))
