"""`yuhee evaluate` of a classifier: figures by their definitions, the same few labels for the baseline, one page."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from tests.models.labelled_corpus import SMALL, write_corpus
from yuhee.chat.engine import Decoding
from yuhee.cli import main
from yuhee.data.encoding.labelled import labelled
from yuhee.errors import UserError
from yuhee.evaluation import classification
from yuhee.evaluation.class_metrics import CLASS_METRICS
from yuhee.evaluation.class_plots import confusion_matrix
from yuhee.evaluation.command import Asked, evaluate_paths
from yuhee.evaluation.evaluate import Options
from yuhee.evaluation.plots import svg
from yuhee.evaluation.run_data import open_run
from yuhee.models.class_metrics import calibration_error, confidence_bins
from yuhee.training import compose_config, parse_config, train


def trained(folder: Path, *overrides: str) -> Path:
    return trained_on(write_corpus(folder / "corpus.jsonl"), folder / "run", *overrides)


def trained_on(corpus: Path, folder: Path, *overrides: str) -> Path:
    common = ["data=chat_jsonl", f"data.path={corpus}", "data.privacy=public", "trainer.accelerator=cpu"]
    return train(parse_config(compose_config([*common, *overrides])), folder).folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    few = ("data.few_shot=3", "seed=5", "data.epochs=1")
    return trained(tmp_path_factory.mktemp("run"), "model=emotion_roberta", *SMALL, *few)


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("linear"), "model=emotion_linear")


def read(folder: Path, name: str = "evaluation") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name / "metrics.json").read_text(encoding="utf-8"))
    return found


@given(st.integers(1, 30), st.integers(2, 4), st.integers(0, 2**31))
def test_figures_are_those_of_scikit_learn(count: int, labels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(labels), count)
    right = random.integers(labels, size=count)
    found = {}
    for name, metric in CLASS_METRICS.items():
        sums = metric.compute(probabilities, right)
        found[name] = float(sums.aggregate(sums.table.sum(axis=0, keepdims=True))[0])
    told = probabilities.argmax(1)
    assert found["accuracy"] == pytest.approx(100 * accuracy_score(right, told))
    assert found["macro_f1"] == pytest.approx(100 * f1_score(right, told, average="macro"))
    assert found["log_loss"] == pytest.approx(log_loss(right, probabilities, labels=range(labels)))
    assert found["ece"] == pytest.approx(100 * calibration_error(confidence_bins(probabilities, right)[None])[0])


def test_the_folder_holds_figures_pictures_and_one_page(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["yuhee", "evaluate", str(run_folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    said = capsys.readouterr().out
    found = read(run_folder)
    assert said.split(":")[0].split() == found["verdict"].split(":")[0].split()
    assert list(found["systems"]) == ["model", "linear", "most_frequent"]
    figures = found["systems"]["model"]["figures"]
    assert figures["ece"]["value"] >= 0
    for name in ("accuracy", "macro_f1"):
        assert figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"]
    metrics = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert figures["macro_f1"]["value"] == pytest.approx(100 * metrics["test/macro_f1"], abs=1e-3)
    lines = [json.loads(line) for line in (run_folder / "evaluation" / "messages.jsonl").read_text().splitlines()]
    assert np.sum(found["confusion"]["model"]) == len(lines) == found["setting"]["questions"]
    assert all(sum(line["probabilities"].values()) == pytest.approx(1) for line in lines)
    page = (run_folder / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert found["verdict"].split(":")[0] in page
    assert "무엇을 무엇으로 읽었나" in page
    for name in ("confusion.png", "reliability.png"):
        assert (run_folder / "evaluation" / name).read_bytes().startswith(b"\x89PNG")
    assert not (run_folder / "evaluation" / "replies.jsonl").exists()
    for file in (run_folder / "evaluation").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_the_baseline_learns_from_the_same_few_labels(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    reader = classification.LinearReader
    monkeypatch.setattr(classification, "LinearReader", lambda examples: seen.append(examples) or reader(examples))
    evaluate_paths([run_folder], Asked(Options(limit=4)))
    [examples] = seen
    assert Counter(label for _, label in examples) == {"0": 3, "1": 3, "2": 3}
    assert [text for text, _ in examples] == [m.text for m in labelled(open_run(run_folder).split.train)]
    assert read(run_folder, "evaluation-limit4")["setting"]["questions"] == 4


def test_two_classifiers_are_compared_on_the_same_messages(
    run_folder: Path, linear: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate_paths([linear], Asked(Options()), against=run_folder)
    said = capsys.readouterr().out
    assert "run − " in said
    assert "매크로 F1" in said.split("run − ")[1]
    assert read(linear)["systems"]["model"]["figures"]["accuracy"]["value"] > 90


def test_what_a_classifier_cannot_be_asked_is_refused(linear: Path) -> None:
    with pytest.raises(UserError, match=r"data\.split\.by=row 로 학습한 실행"):
        evaluate_paths([linear], Asked(Options(), split="row"))
    with pytest.raises(UserError, match="감정 슬롯이 없습니다"):
        evaluate_paths([linear], Asked(Options(), emotion_control=True))


def test_a_label_is_text_in_a_picture() -> None:
    drawn = svg(confusion_matrix(["<b>슬픔</b>", "$기쁨$"], [[3, 1], [0, 0]]))
    assert "<b>" not in drawn
    assert "$기쁨$" in drawn


def test_what_asks_for_replies_is_refused_of_a_classifier(linear: Path) -> None:
    with pytest.raises(UserError, match="--sample 과 --beams"):
        evaluate_paths([linear], Asked(Options(decoding=Decoding(greedy=True, beams=3))))


def test_a_classifier_against_a_model_that_replies_is_refused_before_either_is_asked(linear: Path) -> None:
    small = ("data.vocab_size=500", "data.epochs=1", "trainer.max_steps=1", "model.network.hidden_size=32")
    replies = trained_on(
        linear.parent / "corpus.jsonl",
        linear.parent / "replies",
        "model=tiny",
        *small,
        "model.network.num_hidden_layers=1",
    )
    with pytest.raises(UserError, match="대답을 짓는 모델과 감정을 가려내는 모델"):
        evaluate_paths([linear], Asked(Options()), against=replies)
    assert not (replies / "evaluation").exists()
