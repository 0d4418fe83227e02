"""PET as a run: from a masked language model, a few labels and many messages to a classifier."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F

import yuhee
from tests.models.labelled_corpus import FEELINGS, write_corpus
from tests.models.test_masked_lm import small_masked_lm
from yuhee.chat.classifier import Classifier
from yuhee.data.encoding.masked_text import MaskedTextEncoder
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.splits import split
from yuhee.errors import UserError
from yuhee.models.emotion_pet import SOFT_LABELS, EmotionPet, distillation_loss
from yuhee.models.pattern_ensemble import PatternEnsemble
from yuhee.training import Interrupted, TrainResult, compose_config, parse_config, train

WORDS = ("일상", "이별", "사랑", "한마디로", "이야기 :", "무슨 이야기야?")
TEXTS = [f"{text} {number}번째야" for texts in FEELINGS.values() for text in texts for number in range(10)]
SMALL = (
    "model=emotion_pet",
    "data=chat_jsonl",
    "data.path=corpus.jsonl",
    "data.privacy=public",
    "data.few_shot=2",
    "data.epochs=2",
    "data.max_length=32",
    "model.pretrained=masked",
    "model.pattern_steps=2",
    "model.pattern_batch=4",
    "trainer.accelerator=cpu",
)


@pytest.fixture(autouse=True)
def start() -> None:
    """A corpus, and a masked language model to start from."""
    write_corpus(Path("corpus.jsonl"))
    encoder = MaskedTextEncoder(train_tokenizer([*TEXTS, *WORDS * 3], 500), max_length=32)
    small_masked_lm(encoder).network.save_pretrained("masked")
    encoder.save(Path("masked"), 32)


def _config(*arguments: str) -> Any:
    return parse_config(compose_config([*SMALL, *arguments]))


def _figures(result: TrainResult) -> dict[str, float]:
    kept = ("train", "val", "test")
    return {k: v for k, v in result.metrics.items() if k.split("/")[0] in kept and not k.endswith("per_second")}


class _StopAt(pl.Callback):
    """Ctrl-C after a step."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == 7:
            signal.raise_signal(signal.SIGINT)


def test_a_run_ends_in_a_classifier_and_a_stopped_one_goes_on_without_asking_the_patterns_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = train(_config(), Path("whole"))
    assert {"test/accuracy", "test/macro_f1", "test/ece", "val/error"} <= set(whole.metrics)
    classifier = yuhee.load(whole.bundle)
    assert isinstance(classifier, Classifier)
    assert sum(classifier.classify("너무 슬퍼서 울었어").values()) == pytest.approx(1)
    soft = torch.load(Path("whole") / SOFT_LABELS, weights_only=True)
    assert soft["probabilities"].shape == (len({turn.text for d in whole.split.train for turn in d.turns[:1]}), 3)
    torch.testing.assert_close(soft["probabilities"].sum(1), torch.ones(len(soft["messages"])))
    torch.rand(3)  # what ran before makes no difference
    with pytest.raises(Interrupted):
        train(_config(), Path("stopped"), [_StopAt()])
    monkeypatch.setattr(PatternEnsemble, "tell", lambda *_: pytest.fail("asked again"))
    again = train(_config().model_copy(update={"ckpt_path": "last"}), Path("stopped"))
    assert _figures(again) == _figures(whole)


def test_soft_labels_of_other_settings_or_messages_are_not_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Interrupted):
        train(_config(), Path("stopped"), [_StopAt()])
    before = torch.load(Path("stopped") / SOFT_LABELS, weights_only=True)["made_of"]
    asked: list[None] = []
    original = PatternEnsemble.tell
    monkeypatch.setattr(PatternEnsemble, "tell", lambda *given: asked.append(None) or original(*given))
    other = _config("model.patterns=['{text} {mask}']", "data.few_shot=3")
    train(other.model_copy(update={"ckpt_path": "last"}), Path("stopped"))
    assert len(asked) == 1
    assert torch.load(Path("stopped") / SOFT_LABELS, weights_only=True)["made_of"] != before


def test_a_checkpoint_of_other_words_is_told_before_the_patterns_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Interrupted):
        train(_config(), Path("stopped"), [_StopAt()])
    monkeypatch.setattr(PatternEnsemble, "tell", lambda *_: pytest.fail("asked first"))
    encoder = MaskedTextEncoder(train_tokenizer([*TEXTS, *WORDS * 3], 450), max_length=32)
    small_masked_lm(encoder).network.save_pretrained("masked")
    encoder.save(Path("masked"), 32)
    (Path("stopped") / SOFT_LABELS).unlink()
    with pytest.raises(UserError, match="어휘가 지금 설정의 토크나이저와 다릅니다"):
        train(_config().model_copy(update={"ckpt_path": "last"}), Path("stopped"))


def test_the_loss_is_zero_at_the_soft_labels_and_its_gradient_that_of_their_cross_entropy() -> None:
    soft = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]])
    assert distillation_loss(2 * soft.log(), soft, 2.0).item() == pytest.approx(0, abs=1e-6)
    logits = torch.randn(2, 3, requires_grad=True)
    [gradient] = torch.autograd.grad(distillation_loss(logits, soft, 2.0), logits)
    cross_entropy = -(soft * (logits / 2).log_softmax(-1)).sum() * 4
    torch.testing.assert_close(gradient, torch.autograd.grad(cross_entropy, logits)[0])
    plain = F.cross_entropy(logits, soft, reduction="sum") + (soft * soft.log()).sum()
    assert distillation_loss(logits, soft, 1.0).item() == pytest.approx(plain.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["model.patterns=['{text} 기분']"], "{mask}가 꼭 한 번 있어야 합니다"),
        (["model.patterns=['{text} {mask}']", "model.generations=1"], "model.patterns가 둘 이상"),
        (["model.from_scratch=true"], "experiment=pretrain_mlm"),
        (["model.class_weights=balanced"], "쓰이지 않습니다"),
        (["model.label_smoothing=0.1"], "쓰이지 않습니다"),
        (["model.alpha=1.5"], "1 이하여야 합니다"),
        (["model.patterns=[]"], "model.patterns=[]: 적어도 1개가 있어야 합니다"),
    ],
)
def test_an_impossible_configuration_is_told_before_anything_is_read(arguments: list[str], part: str) -> None:
    with pytest.raises(UserError, match="설정") as caught:
        _config(*arguments)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["model.verbalizers.1=사랑"], "감정 1의 낱말과 토큰이 같아"),
        (["model.verbalizers.1='  '"], "빈 낱말입니다"),
        (["model.tokenizer=maskless.json"], "<mask> 토큰이 없어"),
    ],
)
def test_words_and_tokenizers_that_do_not_fit_are_told_before_weights_load(arguments: list[str], part: str) -> None:
    Path("masked/model.safetensors").unlink()
    if "maskless" in arguments[0]:
        text = Path("masked/tokenizer.json").read_text(encoding="utf-8")
        Path("maskless.json").write_text(text.replace('"<mask>"', '"mask"'), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        train(_config(*arguments), Path("run"))
    assert part in str(caught.value)


@pytest.mark.parametrize("architecture", ["ElectraForPreTraining", "RobertaForSequenceClassification"])
def test_a_checkpoint_that_fills_no_gaps_is_told_before_weights_load(architecture: str) -> None:
    Path("masked/model.safetensors").unlink()
    values = json.loads(Path("masked/config.json").read_text(encoding="utf-8")) | {"architectures": [architecture]}
    values["model_type"] = architecture.partition("For")[0].lower()
    Path("masked/config.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(UserError, match=f"{architecture}.*빈칸을 채우는 층이 없습니다"):
        train(_config(), Path("run"))


def test_a_causal_model_is_told_before_weights_load() -> None:
    Path("masked/model.safetensors").unlink()
    Path("masked/config.json").write_text(json.dumps({"model_type": "gpt2"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"gpt2은\(는\) 빈칸을 채우는 모델"):
        train(_config(), Path("run"))


def test_generations_and_repetitions_reach_the_ensemble(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, int, int, int]] = []
    member = PatternEnsemble._member

    def spy(self: PatternEnsemble, generation: int, pattern: int, repetition: int, material: Any, texts: Any) -> Any:
        trained.append((generation, pattern, repetition, len(material.texts)))
        return member(self, generation, pattern, repetition, material, texts)

    monkeypatch.setattr(PatternEnsemble, "_member", spy)
    train(_config("model.generations=1", "model.growth=2", "model.repetitions=2", "trainer.max_steps=1"), Path("run"))
    members = [(pattern, repetition) for pattern in range(3) for repetition in range(2)]
    few, grown = ([entry for entry in trained if entry[0] == generation] for generation in (0, 1))
    assert [entry[1:3] for entry in few] == [entry[1:3] for entry in grown] == members
    assert {entry[3] for entry in few} == {6}
    assert all(6 < entry[3] <= 12 for entry in grown)  # as many more as the others tell that label


def test_a_word_for_a_label_that_is_not_there_is_named(caplog: pytest.LogCaptureFixture) -> None:
    config = _config("model.verbalizers.joy=행복")
    corpus = config.data.read()
    with caplog.at_level("INFO"):
        EmotionPet.make_encoder(config.model, config.data, split(corpus.dialogues, **dict(config.data.split)))
    assert "감정 joy의 낱말은 쓰지 않습니다" in caplog.text


def test_words_for_other_labels_are_typed_as_a_mapping_and_a_label_without_one_is_named() -> None:
    config = _config("model.verbalizers={기쁨: 사랑, 0: 일상}")
    assert config.model.verbalizers == {"기쁨": "사랑", "0": "일상"}
    with pytest.raises(UserError, match=r"감정 1, 2을\(를\) 나타낼 낱말이 없습니다.*model\.verbalizers="):
        train(config, Path("run"))
    for typed in ("사랑", "{기쁨: 사랑"):
        with pytest.raises(UserError, match="'이름: 값' 묶음이 아닙니다"):
            _config(f"model.verbalizers={typed}")
