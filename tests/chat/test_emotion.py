import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from yuhee import bundle, cli
from yuhee.chat.companion import Companion
from yuhee.chat.emotion import EmotionSlot
from yuhee.chat.engine import Decoding
from yuhee.chat.terminal import Conversation
from yuhee.errors import UserError
from yuhee.training.run_folder import newest_run


class Sad:
    """Takes everything for `1`, messages with 신나 for `2`."""

    labels: Sequence[str] = ("1", "2")

    def classify(self, text: str) -> Mapping[str, float]:
        return {"2": 0.9, "1": 0.1} if "신나" in text else {"1": 0.75, "2": 0.25}


class Strange(Sad):
    labels = ("1", "분노")


@pytest.fixture
def companion(small_model: bundle.Model) -> Companion:
    facts = {**small_model.facts, "emotion_labels": ["0", "1", "2"]}
    return Companion(bundle.Model(small_model.network, small_model.encoder, facts))


@pytest.fixture
def conversation(companion: Companion) -> Conversation:
    return Conversation(companion, Decoding(max_new_tokens=3), seed=1, exchanges=10, reader=Sad())


def slots(conversation: Conversation) -> list[str | None]:
    return [turn.emotion for turn in conversation.session.turns if turn.role == "user"]


def say(conversation: Conversation, line: str) -> str | None:
    answer = conversation.command(line)
    if isinstance(answer, Iterator):
        return "".join(answer)
    return answer


def test_auto_fills_the_slot_with_what_the_reader_takes_the_message_for(conversation: Conversation) -> None:
    say(conversation, "/emotion auto")
    say(conversation, "그냥 그래")
    assert conversation.slot.heard == "감정 1 (75%)"
    say(conversation, "나 신나")
    assert conversation.slot.heard == "감정 2 (90%)"
    assert slots(conversation) == ["1", "2"]


def test_what_was_read_can_be_overridden_in_the_middle_of_a_conversation(conversation: Conversation) -> None:
    for line in ("/emotion auto", "하나", "/emotion 0", "둘", "/emotion none", "셋"):
        told = say(conversation, line)
    assert slots(conversation) == ["1", "0", None]
    assert conversation.slot.heard is None
    told = say(conversation, "/emotion")
    assert told == "내 감정: none (고를 수 있는 것: 0, 1, 2, auto, none)"


def test_a_label_that_is_not_there_changes_nothing(conversation: Conversation) -> None:
    say(conversation, "/emotion 2")
    assert "모르는 감정" in (say(conversation, "/emotion 9") or "")
    assert conversation.slot.choice == "2"


def test_auto_needs_a_reader_that_knows_the_labels(companion: Companion, small_model: bundle.Model) -> None:
    with pytest.raises(UserError, match="model=emotion_linear"):
        EmotionSlot(companion, "auto")
    with pytest.raises(UserError, match="분노"):
        EmotionSlot(companion, "auto", Strange())
    unlabelled = Companion(
        bundle.Model(small_model.network, small_model.encoder, {**small_model.facts, "emotion_labels": []})
    )
    with pytest.raises(UserError, match="감정 없이 학습한"):
        EmotionSlot(unlabelled, "auto", Sad())


def finished(name: str, task: str | None) -> None:
    folder = Path("outputs/2026-01-01") / name
    (folder / "bundle").mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    (folder / "bundle" / "yuhee.json").write_text(json.dumps({"task": task} if task else {}))


def test_the_newest_run_is_one_that_is_made_for_the_task() -> None:
    finished("01", None)  # of a version that knew no tasks
    finished("02", "text2text-generation")
    finished("03", "text-classification")
    (Path("outputs/2026-01-01/03") / "bundle" / "x").touch()
    assert newest_run(cli.TALKS) == Path("outputs/2026-01-01/02")
    assert newest_run(cli.READS_EMOTIONS) == Path("outputs/2026-01-01/03")
    (Path("outputs/2026-01-01/02") / "bundle" / "yuhee.json").write_text("{")
    assert newest_run(cli.TALKS) == Path("outputs/2026-01-01/01")
    assert newest_run(("fill-mask",)) is None


def test_the_command_tells_what_is_missing(small_bundle: Path) -> None:
    result = CliRunner().invoke(cli.app, ["chat", str(small_bundle), "--emotion-model", str(small_bundle)])
    assert isinstance(result.exception, UserError)
    assert "가려내지 않습니다" in str(result.exception)
    result = CliRunner().invoke(cli.app, ["chat"])
    assert "이야기할 수 있는 끝난 실행이 없습니다" in str(result.exception)
