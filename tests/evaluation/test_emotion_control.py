import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from yuhee import cli
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.errors import UserError
from yuhee.evaluation import emotion_control as control
from yuhee.evaluation import emotion_reader
from yuhee.evaluation.emotion_reader import LinearReader, messages, replies
from yuhee.evaluation.evaluate import Options
from yuhee.evaluation.generation import Generated
from yuhee.evaluation.likelihood import Scored
from yuhee.evaluation.questions import Asked, ask
from yuhee.evaluation.run_data import Run, open_run

SAID = {None: "그래", "0": "기뻐", "1": "슬퍼"}


class Words:
    """Reads 기뻐 as 0 and everything else as 1."""

    title = "낱말"

    def read(self, texts: Sequence[str]) -> list[str]:
        return ["0" if "기뻐" in text else "1" for text in texts]


@pytest.fixture
def opened(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("YUHEE_CACHE_DIR", str(Path.cwd() / "cache"))
    return open_run(run_folder)


def asked_of(run: Run) -> list[Asked]:
    return [each for each in ask(run.split.test) if each.question.emotion]


def slot(dialogue: Dialogue) -> str | None:
    return next((turn.emotion for turn in dialogue.turns if turn.emotion), None)


def play(monkeypatch: pytest.MonkeyPatch, run: Run, *, heard: bool, obeyed: bool) -> None:
    """Let a model score and reply as if it heard and obeyed its slot, or did not."""
    encoder = run.companion.model.encoder
    true = {turn.text: turn.emotion for dialogue in run.corpus.dialogues for turn in dialogue.turns if turn.emotion}

    def score_replies(model: Any, dialogues: Sequence[Dialogue], title: str) -> list[dict[int, Scored]]:
        def bits(dialogue: Dialogue) -> float:
            return 20.0 if heard and slot(dialogue) != true.get(dialogue.turns[0].text) else 10.0

        return [{place: Scored(bits(each), 5) for place in range(len(each.turns))} for each in dialogues]

    def prompts(companion: Any, asked: Sequence[Asked], decoding: Any) -> list[str | None]:
        return [slot(each.dialogue) for each in asked]

    def generate(model: Any, labels: Sequence[str | None], *_: Any) -> list[Generated]:
        return [Generated(encoder.reply_ids(SAID[label if obeyed else None]), True) for label in labels]

    for fake in (score_replies, prompts, generate):
        monkeypatch.setattr(control, fake.__name__, fake)


def test_a_model_that_obeys_its_slot_is_found_out(opened: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, opened, heard=True, obeyed=True)
    found = control.emotion_control(opened, Options(), Words(), Words())
    assert found.more["wrong"].value == pytest.approx(found.bpc["true"].value)  # 20 bits instead of 10
    assert found.more["wrong"].p < 0.05
    assert found.more["empty"].value > 0
    assert found.changed["0"].value == 100
    assert (found.agreement["0"].asked.value, found.agreement["0"].empty.value) == (100, 0)
    assert (found.agreement["1"].asked.value, found.agreement["1"].empty.value) == (100, 100)
    assert found.overall.value == pytest.approx(50)
    assert found.reply_accuracy.value == pytest.approx(
        100 * sum(e.question.emotion == "1" for e in asked_of(opened)) / len(asked_of(opened))
    )
    assert found.verdict.startswith("감정 슬롯이 대답을 바꿉니다")


def test_a_model_that_does_not_is_told_so(opened: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, opened, heard=False, obeyed=False)
    found = control.emotion_control(opened, Options(), Words(), Words())
    assert [each.value for each in found.more.values()] == [0, 0, 0]
    assert found.changed["0"].value == 0
    assert found.overall.value == 0
    assert found.verdict.startswith("감정 슬롯에 효과가 없습니다")


def test_hearing_and_obeying_are_told_apart(opened: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        play(patch, opened, heard=True, obeyed=False)
        assert "읽지만" in control.emotion_control(opened, Options(), Words(), Words()).verdict
    play(monkeypatch, opened, heard=False, obeyed=True)
    assert "더 잘 맞히게 하지는 않습니다" in control.emotion_control(opened, Options(), Words(), Words()).verdict


def test_a_wrong_label_is_another_one_and_always_the_same() -> None:
    turns = [Turn("user", f"말 {number}", emotion=str(number % 3)) for number in range(60)]
    wrong = [control._wrong(turn, ["0", "1", "2"]) for turn in turns]
    assert all(label != turn.emotion for label, turn in zip(wrong, turns, strict=True))
    assert wrong == [control._wrong(turn, ["0", "1", "2"]) for turn in turns]
    assert {label for label, turn in zip(wrong, turns, strict=True) if turn.emotion == "0"} == {"1", "2"}


def test_only_turns_with_a_label_are_filled() -> None:
    talk = Dialogue("d", (Turn("user", "가", emotion="0"), Turn("assistant", "나"), Turn("user", "다")))
    assert [turn.emotion for turn in control._filled(talk, lambda turn: "1").turns] == ["1", None, None]
    assert [turn.emotion for turn in control._filled(talk, lambda turn: None).turns] == [None, None, None]


def test_the_linear_reader_learns_labels_from_messages() -> None:
    words = {"0": "기뻐서 웃었어", "1": "슬퍼서 울었어"}
    train = [
        Dialogue(f"d:{n}", (Turn("user", f"{words[str(n % 2)]} {n}", emotion=str(n % 2)), Turn("assistant", "응")))
        for n in range(20)
    ]
    assert LinearReader(messages(train)).read(["너무 기뻐서", "참 슬퍼서"]) == ["0", "1"]
    with pytest.raises(UserError, match="두 가지보다 적어"):
        LinearReader(messages(train[::2]))


def test_replies_bear_the_label_of_the_message_they_answer() -> None:
    turns = (Turn("user", "가", emotion="0"), Turn("assistant", "나"), Turn("assistant", "다"), Turn("user", "라"))
    talk = Dialogue(
        "d", (*turns, Turn("assistant", "마"), Turn("user", "바", emotion="1"), Turn("assistant", "사", emotion="2"))
    )
    assert replies([talk]) == [("나", "0"), ("사", "1")]
    assert messages([talk]) == [("가", "0"), ("바", "1")]


def test_a_trained_classifier_reads_if_it_knows_no_other_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trained:
        labels = ("0", "1")
        model = SimpleNamespace(facts={"model": "emotion_roberta"})

        def probabilities(self, texts: Sequence[str]) -> Any:
            return np.array([[0.2, 0.8] if "슬퍼" in text else [0.6, 0.4] for text in texts])

    monkeypatch.setattr(emotion_reader, "load_classifier", lambda path: Trained())
    reader = emotion_reader.ModelReader(Path("run"), ["0", "1", "2"])
    assert reader.title == "emotion_roberta"
    assert reader.read(["슬퍼", "좋아"]) == ["1", "0"]
    with pytest.raises(UserError, match="표지 0, 1"):
        emotion_reader.ModelReader(Path("run"), ["기쁨"])


def test_the_command_writes_and_shows_it(opened: Run, run_folder: Path) -> None:
    result = CliRunner().invoke(cli.app, ["evaluate", str(run_folder), "--emotion-control"])
    assert result.exit_code == 0, result.output
    assert "감정 슬롯" in result.output
    found = json.loads((run_folder / "evaluation" / "metrics.json").read_text())["setting"]["emotion_control"]
    assert set(found["bpc"]) == {"true", "predicted", "empty", "wrong"}
    assert set(found["agreement"]) == {"0", "1"}
    page = (run_folder / "evaluation" / "report.html").read_text()
    assert '<h2 id="emotion">' in page
    assert found["verdict"].split(":")[0] in page


def test_a_model_without_a_slot_is_refused_before_anything_is_written(
    opened: Run, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.companion.model.encoder.emotion = "none"
    with pytest.raises(UserError, match="감정 표지로 학습한 모델이 아니라"):
        control.emotion_control(opened, Options(), Words(), Words())
    assert not (run_folder / "evaluation").exists()
