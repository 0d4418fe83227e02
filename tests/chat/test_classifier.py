"""`yuhee.load` gives what a model can do, and a sentence for what it cannot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import yuhee
from tests.conftest import one_sentence_error
from tests.data.test_classification import encoder
from tests.models.test_emotion_roberta import module
from yuhee import bundle
from yuhee.chat.classifier import Classifier
from yuhee.errors import UserError

FACTS = {
    "model": "small",
    "corpus": "test",
    "corpus_hash": "0" * 32,
    "split": {"by": "group", "seed": 0},
    "private": False,
    "emotion_labels": ["0", "1", "2"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small = module(encoder())
    small.facts |= FACTS
    bundle.save_bundle(bundle.Model(small.network.eval(), small.encoder, small.description()), tmp_path / "bundle", {})
    return tmp_path / "bundle"


def test_many_messages_are_told_as_each_by_itself(folder: Path) -> None:
    classifier = yuhee.load(folder)
    assert isinstance(classifier, Classifier)
    texts = ["슬퍼", "나 는 오늘 기뻐 " * 3, "나", "오늘 슬퍼"] * 20
    together = classifier.probabilities(texts)
    for row, text in zip(together[:4], texts[:4], strict=True):
        alone = classifier.classify(text)
        assert [alone[label] for label in classifier.labels] == pytest.approx(row.tolist(), abs=1e-6)
    np.testing.assert_allclose(together[:4], together[4:8], atol=1e-6)


@pytest.mark.parametrize("text", ["", "  \n", 3, None, "\ud800"])
def test_an_empty_message_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(UserError, match="감정을 읽을 수 없습니다"):
        yuhee.load(folder).classify(text)


def test_each_model_says_what_it_cannot(folder: Path, small_bundle: Path) -> None:
    with pytest.raises(UserError, match="대답하지 않습니다"):
        yuhee.load(folder).reply("안녕")
    with pytest.raises(UserError, match="감정을 가려내지 않습니다"):
        yuhee.load(small_bundle).classify("안녕")


def test_the_chat_refuses_a_classifier(folder: Path, run: Callable[..., object]) -> None:
    error = one_sentence_error(run("yuhee", "chat", str(folder)))  # type: ignore[arg-type]
    assert "대답하지 않습니다" in error
    assert "model=tiny" in error
