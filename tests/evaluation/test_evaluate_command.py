"""`yuhee evaluate` as people type it, on a small trained run."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.conftest import train_small
from yuhee.chat.engine import Decoding
from yuhee.cli import main
from yuhee.errors import UserError
from yuhee.evaluation import files, systems
from yuhee.evaluation.command import Asked, evaluate_paths
from yuhee.evaluation.evaluate import Options
from yuhee.training.retrain import retrain

Run = Callable[..., subprocess.CompletedProcess[str]]
SHORT = Options(decoding=Decoding(greedy=True, max_new_tokens=8))
SYSTEMS = ["model", "nearest_question", "frequent_reply", "random_reply", "character_ngram"]


@pytest.fixture(autouse=True)
def short_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is drawn once, by the command in its own process; elsewhere a line stands for it."""
    monkeypatch.setattr(files, "write_report", lambda evaluation, _run, target: target.write_text(evaluation.verdict))


def read(folder: Path, name: str = "evaluation") -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / name / "metrics.json").read_text(encoding="utf-8"))
    return values


def test_the_command_leaves_a_report_figures_and_replies(run_folder: Path, run: Run) -> None:
    result = run("yuhee", "evaluate", str(run_folder))
    assert result.returncode == 0, result.stderr
    found = read(run_folder)
    assert found["format"] == "yuhee-evaluation/1"
    assert list(found["systems"]) == SYSTEMS
    assert (found["setting"]["questions"], found["setting"]["on"]) == (9, "test")
    figures = found["systems"]["model"]["figures"]
    trained = json.loads((run_folder / "metrics.json").read_text())
    assert figures["bpc"]["value"] == pytest.approx(trained["test/bpc"], rel=1e-5)
    assert figures["bpc"]["low"] <= figures["bpc"]["value"] <= figures["bpc"]["high"]
    assert figures["seconds"]["value"] > 0
    no_likelihood = found["systems"]["nearest_question"]["figures"]["bpc"]
    assert (no_likelihood["value"], no_likelihood["reason"]) == (None, "글의 확률을 내지 않는 시스템입니다")
    slices = found["systems"]["model"]["slices"]
    assert {"감정", "답 길이", "차례", "낱말"} >= set(slices) >= {"감정", "차례"}
    assert found["verdict"] in result.stdout.replace("\n", "")
    lines = [json.loads(line) for line in (run_folder / "evaluation" / "replies.jsonl").read_text().splitlines()]
    assert len(lines) == 9
    assert list(lines[0]["answers"]) == SYSTEMS[:4]
    assert sum(line["answers"]["model"]["bits"] for line in lines) > 0
    page = (run_folder / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert found["verdict"].split(":")[0] in page
    assert lines[0]["reference"] in page
    for file in (run_folder / "evaluation").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
    assert (run_folder / "evaluation").stat().st_mode & 0o777 == 0o700


def test_a_mistake_is_one_sentence(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["yuhee", "evaluate", str(run_folder), "--split", "row"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert re.fullmatch(r"오류: [^\n]*--retrain[^\n]*\n", capsys.readouterr().err)
    assert not (run_folder / "evaluation").exists()
    with pytest.raises(UserError, match="실행을 하나만"):
        evaluate_paths([run_folder, run_folder], Asked(SHORT), against=run_folder)


def test_figures_do_not_depend_on_the_day(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    timed = {"seconds", "tokens_per_second"}
    name = "evaluation-limit5-sample-seed3"
    for options, place in (
        (SHORT, "evaluation"),
        (Options(limit=5, seed=3, decoding=Decoding(max_new_tokens=8)), name),
    ):
        rounds = []
        for _ in range(2):
            evaluate_paths([run_folder], Asked(options))
            found = read(run_folder, place)
            rounds.append({k: v for k, v in found["systems"]["model"]["figures"].items() if k not in timed})
        assert rounds[0] == rounds[1]
    assert (found["setting"]["questions"], found["setting"]["questions_in_split"]) == (5, 9)
    assert read(run_folder)["setting"]["questions"] == 9, "a part of the questions replaces nothing"


def test_val_and_other_weights_have_folders_of_their_own(run_folder: Path) -> None:
    evaluate_paths([run_folder], Asked(Options(on="val", limit=3, decoding=SHORT.decoding)))
    evaluate_paths([run_folder / "checkpoints" / "last.ckpt"], Asked(SHORT))
    assert read(run_folder, "evaluation-val-limit3")["setting"]["on"] == "val"
    assert read(run_folder, "evaluation-last")["setting"]["on"] == "test"
    assert not (run_folder / "evaluation").exists()


def test_a_write_that_fails_leaves_the_old_evaluation(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate_paths([run_folder], Asked(SHORT))
    before = {file.name: file.read_bytes() for file in (run_folder / "evaluation").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_report", full)
    with pytest.raises(UserError, match=r"평가를 저장하지 못했습니다\(No space"):
        evaluate_paths([run_folder], Asked(SHORT))
    assert {file.name: file.read_bytes() for file in (run_folder / "evaluation").iterdir()} == before
    assert not list(run_folder.glob(".evaluation-*"))


def test_a_metric_that_cannot_be_computed_says_why_and_the_others_stand(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(systems, "score_replies", lambda _model, dialogues: [{} for _ in dialogues])
    evaluate_paths([run_folder], Asked(SHORT))
    figures = read(run_folder)["systems"]["model"]["figures"]
    assert figures["bpc"]["value"] is None
    assert figures["chrf"]["value"] is not None
    assert f"글자당 비트: {figures['bpc']['reason']}" in capsys.readouterr().out


def test_two_runs_are_compared_on_the_same_questions(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = train_small(Path("outputs/day/second"), "trainer.max_steps=1")
    evaluate_paths([run_folder], Asked(SHORT), against=other)
    said = capsys.readouterr().out
    assert "outputs/day/first − outputs/day/second" in said
    assert "p < 0.0" in said or "p = " in said
    first, second = (read(folder)["systems"]["model"]["figures"]["bpc"]["value"] for folder in (run_folder, other))
    [line] = [line for line in said.split("−")[-1].splitlines() if "글자당 비트" in line]
    assert f"{first - second:.3g}" in line


def test_seeds_are_averaged_and_a_broken_run_does_not_stop_the_others(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [train_small(Path("outputs/day/second"), "seed=2"), train_small(Path("outputs/day/wide"), "model.lr=1e-2")]
    broken = Path("outputs/day/broken")
    shutil.copytree(run_folder, broken)
    (broken / "metrics.json").unlink()
    Path("outputs/day/multirun.yaml").write_text("a file that a shell's * names, too")
    with pytest.raises(UserError, match="4개 가운데 1개"):
        evaluate_paths(sorted(Path("outputs/day").iterdir()), Asked(SHORT))
    with pytest.raises(UserError, match="실행 폴더가 하나도 없습니다"):
        evaluate_paths([Path("outputs/day/multirun.yaml"), Path("corpus.jsonl")], Asked(SHORT))
    values = [read(folder)["systems"]["model"]["figures"]["bpc"]["value"] for folder in (run_folder, others[0])]
    captured = capsys.readouterr()
    assert captured.out.count("씨앗") == 1
    assert "씨앗 2개" in captured.out
    mean, sd = sum(values) / 2, abs(values[0] - values[1]) / math.sqrt(2)
    assert f"{mean:.3g} ± {sd:.3g}" in captured.out
    assert "끝나지 않은 실행" in captured.err


def test_the_leaky_split_stands_beside_the_honest_one(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="시험 질문을 학습 때 보았으므로"):
        evaluate_paths([run_folder], Asked(SHORT, split="row"))
    new: list[Path] = []
    evaluate_paths([run_folder], Asked(SHORT, split="row", retrain=lambda *a: new.append(retrain(*a)) or new[-1]))
    [leaky] = new
    assert leaky != run_folder
    assert read(run_folder)["setting"]["split"]["by"] == "group"
    found = read(leaky)
    assert found["setting"]["split"]["by"] == "row"
    assert "행 단위 분할" in found["verdict"]
    honest = found["setting"]["other_split"]
    assert honest["by"] == "group"
    assert (
        honest["systems"]["model"]["figures"]["bpc"] == read(run_folder)["systems"]["model"]["figures"]["bpc"]["value"]
    )
    assert "묶음 분할(새지 않음) → 행 분할(샘)" in capsys.readouterr().out
    assert read(run_folder)["setting"]["other_split"]["by"] == "row", "the run that was named shows both"
    # the run that is there now needs no other: its baselines are fitted on both splits
    evaluate_paths([leaky], Asked(SHORT, split="row"))
    honest = read(leaky)["setting"]["other_split"]["systems"]
    assert list(honest) == SYSTEMS[1:]
    rivals = read(run_folder)["systems"]
    for name in SYSTEMS[1:4]:
        assert honest[name]["figures"]["chrf"] == rivals[name]["figures"]["chrf"]["value"]
    with pytest.raises(UserError, match="로 학습한 모델은 group"):
        evaluate_paths([leaky], Asked(SHORT, split="group"))


def test_a_corpus_that_was_moved_is_found_by_the_new_run_too(run_folder: Path) -> None:
    Path("corpus.jsonl").rename("moved.jsonl")
    new: list[Path] = []
    asked = Asked(SHORT, "row", lambda *a: new.append(retrain(*a)) or new[-1], data_path="moved.jsonl")
    evaluate_paths([run_folder], asked)
    assert read(new[0])["setting"]["split"]["by"] == "row"


def test_a_training_that_cannot_begin_leaves_no_folder(run_folder: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.jsonl"):
        retrain(run_folder, "row", "nowhere.jsonl")
    assert [path.name for path in Path("outputs").glob("*/*")] == ["first"]


def test_a_comparison_is_printed_and_kept(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = train_small(Path("outputs/day/other"), "trainer.max_steps=1", "seed=2")
    evaluate_paths([run_folder], Asked(SHORT), against=other)
    said = capsys.readouterr().out
    assert "견주지 않음 · 답 하나에 걸린 시간: 다시 재면" in said
    assert "씨앗" not in said
    kept = read(run_folder)["against"]
    assert kept["run"] == str(other)
    figures = [read(folder)["systems"]["model"]["figures"]["bpc"]["value"] for folder in (run_folder, other)]
    found = kept["differences"]["bpc"]
    assert found["value"] == pytest.approx(figures[0] - figures[1])
    assert (found["replies"], found["low"] <= found["value"] <= found["high"], 0 < found["p"] <= 1) == (9, True, True)
    assert "against" not in read(other)


def test_folders_that_are_no_runs_are_passed_over_and_a_run_counts_once(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("outputs/day/comparison").mkdir()
    evaluate_paths([run_folder, Path("outputs/day/comparison"), run_folder / "bundle"], Asked(SHORT))
    said = capsys.readouterr().out
    assert "실행이 아니라 건너뜁니다: outputs/day/comparison" in said.replace("\n", "")
    assert "씨앗" not in said


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--sample", "--beams", "2"], "--sample 과 --beams"),
        (["--retrain"], "--retrain: 어느 분할로"),
        (["--emotion-model", "x"], "--emotion-model: --emotion-control"),
    ],
)
def test_flags_that_would_be_ignored_are_refused(
    flags: list[str], told: str, run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["yuhee", "evaluate", str(run_folder), *flags])
    with pytest.raises(SystemExit):
        main()
    assert told in capsys.readouterr().err
    assert not (run_folder / "evaluation").exists()


def test_runs_on_different_questions_are_not_compared(run_folder: Path) -> None:
    other = train_small(Path("outputs/day/other"), "data.split.seed=4", "trainer.max_steps=1")
    with pytest.raises(UserError, match="시험 질문이 달라"):
        evaluate_paths([run_folder], Asked(SHORT), against=other)


def test_a_path_that_is_not_there_is_told_before_anything_is_evaluated(run_folder: Path) -> None:
    for paths, against in (([run_folder], Path("nope")), ([run_folder, Path("nope")], None)):
        with pytest.raises(UserError, match=r"^nope: 그런 파일이나 폴더가 없습니다"):
            evaluate_paths(paths, Asked(SHORT), against)
    assert not (run_folder / "evaluation").exists()
