"""Emotion classifiers: what they minimise, what checkpoints they start from, and a whole run of one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    pipeline,
)

import yuhee
from tests.commands import Origin, run
from tests.data.test_classification import encoder, wordpiece
from tests.models.labelled_corpus import SMALL, write_corpus
from yuhee.data.encoding.classification import ClassificationEncoder
from yuhee.data.encoding.labelled import labelled
from yuhee.errors import UserError
from yuhee.models.emotion_roberta import EmotionRoberta, EmotionRobertaConfig
from yuhee.training import TrainResult, compose_config, parse_config, train

NETWORK = {
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_size": 16,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
FACTS = {"pretrained": None}


def module(made: ClassificationEncoder, **config: Any) -> EmotionRoberta:
    values = {"_target_": "x", "name": "small", "from_scratch": True, "vocab_size": 300, "network": NETWORK}
    torch.manual_seed(0)
    return EmotionRoberta.create(EmotionRobertaConfig(**{**values, **config}), made, dict(FACTS))


def config_of(path: Path, *overrides: str) -> Any:
    common = ["model=emotion_roberta", "data=chat_jsonl", f"data.path={path}", "trainer.accelerator=cpu"]
    return parse_config(compose_config([*common, *overrides]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("emotion")
    corpus = write_corpus(folder / "corpus.jsonl")
    return train(config_of(corpus, *SMALL, "data.epochs=20", "model.lr=5e-3", "data.privacy=public"), folder / "run")


def test_the_objective_is_the_weighted_cross_entropy_of_transformers() -> None:
    made = encoder()
    small = module(made).eval()
    small.class_weights = torch.tensor([0.5, 2.0, 1.0])
    rows = [
        row._replace(label=label)
        for row, label in zip(made.read(["슬퍼", "나 는 기뻐", "오늘"]), (1, 2, 0), strict=True)
    ]
    batch = made.collate()(rows)
    logits = small.network(**batch["inputs"]).logits
    found = small.objective(batch)
    plain = F.cross_entropy(logits, batch["labels"], reduction="none")
    assert found.weight == pytest.approx(3.5)
    assert found.value == pytest.approx(float((plain.detach() * torch.tensor([2.0, 1.0, 0.5])).sum()), rel=1e-5)
    assert found.totals.figures("x")["x/loss"] == pytest.approx(float(plain.detach().mean()), rel=1e-5)


def test_scaled_logits_are_the_logits_scaled() -> None:
    made = encoder()
    small = module(made).eval()
    inputs = made.collate()(made.read(["나 는 슬퍼"]))["inputs"]
    before = small(inputs).detach().clone()
    small.scale_logits(0.25)
    torch.testing.assert_close(small(inputs), before / 4)


def test_padding_changes_no_probability() -> None:
    made = encoder()
    small = module(made).eval()
    alone = small(made.collate()(made.read(["슬퍼"]))["inputs"])
    beside = small(made.collate()(made.read(["슬퍼", "나 는 오늘 기뻐 기뻐"]))["inputs"])[:1]
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=1e-4)


def test_tokens_are_dropped_in_training_alone_and_never_special_ones() -> None:
    made = encoder()
    small = module(made, token_dropout=0.9)
    seen = []
    small.network.register_forward_pre_hook(lambda _, args, values: seen.append(values["input_ids"]), with_kwargs=True)
    inputs = made.collate()(made.read(["나 는 오늘 슬퍼"] * 50))["inputs"]
    small.train()(inputs)
    small.eval()(inputs)
    dropped, plain = seen
    assert torch.equal(plain, inputs["input_ids"])
    assert set(dropped[:, [0, -1]].flatten().tolist()) == {2, 3}
    assert (dropped[:, 1:-1] == 4).float().mean() == pytest.approx(0.9, abs=0.07)


def masked_lm(folder: Path) -> Path:
    """A pretrained body with another head, as checkpoints of the hub are."""
    made = encoder()
    ids = made.special_ids()
    BertForMaskedLM(BertConfig(**NETWORK, vocab_size=ids["vocab_size"], pad_token_id=0)).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(wordpiece().to_str(), encoding="utf-8")
    return folder


def test_a_pretrained_body_gets_a_new_head(tmp_path: Path) -> None:
    folder = masked_lm(tmp_path / "bert")
    made = encoder()
    small = module(made, from_scratch=False, pretrained=str(folder))
    body = BertForMaskedLM.from_pretrained(folder).bert.embeddings.word_embeddings.weight
    assert torch.equal(small.network.bert.embeddings.word_embeddings.weight, body)
    assert small.network.config.id2label == {0: "0", 1: "1", 2: "2"}
    assert small.config.lr == 5e-5


def test_a_checkpoint_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    folder = masked_lm(tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(UserError, match=r"가중치 파일에 bert\.encoder"):
        module(encoder(), from_scratch=False, pretrained=str(folder))


def test_a_message_longer_than_the_network_is_refused_behind_the_paddings_id(tmp_path: Path) -> None:
    assert module(encoder(max_length=63)).network.config.max_position_embeddings == 64
    with pytest.raises(UserError, match="63 토큰까지만"):
        module(encoder(max_length=64))


def test_labels_that_a_checkpoint_does_not_know_are_refused_with_the_list(tmp_path: Path) -> None:
    folder = masked_lm(tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "2", "1": "1", "2": "기쁨"}}))
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    with pytest.raises(UserError, match=r"모르는 감정 0이\(가\).*아는 것: 2, 1, 기쁨"):
        train(config_of(corpus, f"model.pretrained={folder}"), tmp_path / "run")


def test_a_corpus_without_labels_is_refused_before_the_model_is_looked_for(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus.jsonl", labels=False)
    with pytest.raises(UserError, match=r"감정 표지가 없어.*data=songys"):
        train(config_of(corpus, "model.pretrained=nobody/nothing"), tmp_path / "run")


@pytest.mark.parametrize("setting", ["data.history=1", "data.packing=true"])
def test_settings_for_replies_are_refused(setting: str, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    with pytest.raises(UserError, match="답을 쓰는 모델의 설정"):
        train(config_of(corpus, *SMALL, setting), tmp_path / "run")


def test_another_familys_figure_cannot_be_optimized(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="optimized_metric=val/bpc: 이 모델에 없는 수치"):
        config_of(tmp_path, "optimized_metric=val/bpc")
    assert config_of(tmp_path).optimized_metric == "val/error"


def test_a_run_learns_calibrates_and_leaves_a_classifier(trained: TrainResult) -> None:
    figures = trained.metrics
    keys = {f"{part}/{name}" for part in ("train", "val", "test") for name in ("loss", "accuracy", "macro_f1", "ece")}
    assert keys <= set(figures)
    assert figures["test/accuracy"] > 0.8
    facts = json.loads((trained.bundle / "yuhee.json").read_text(encoding="utf-8"))
    assert facts["temperature"] == figures["val/temperature"]
    assert (facts["family"], facts["encoder"]["labels"]) == ("emotion_roberta", ["0", "1", "2"])
    assert "classify" in (trained.bundle / "README.md").read_text(encoding="utf-8")


def test_the_bundle_classifies_as_plain_transformers_does(trained: TrainResult) -> None:
    classifier = yuhee.load(trained.folder)
    found = classifier.classify("너무 슬퍼서 울었어 [MASK]")
    assert next(iter(found)) == "1"
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1)
    text = "마음이 아파"
    network = AutoModelForSequenceClassification.from_pretrained(trained.bundle)
    tokenizer = AutoTokenizer.from_pretrained(trained.bundle)
    plain = {
        x["label"]: x["score"]
        for x in pipeline("text-classification", network, tokenizer=tokenizer, top_k=None)([text])[0]
    }
    assert classifier.classify(text) == pytest.approx(plain, abs=1e-5)


def test_the_saved_probabilities_are_calibrated_and_the_checkpoints_are_as_trained(trained: TrainResult) -> None:
    temperature = trained.metrics["val/temperature"]
    text = ["버스가 기뻐"]
    logits = [
        torch.tensor(yuhee.load(path).probabilities(text)).log()
        for path in (trained.bundle, trained.folder / "checkpoints" / "best.ckpt")
    ]
    spread = [each.max() - each.min() for each in logits]
    assert float(spread[1] / spread[0]) == pytest.approx(temperature, rel=1e-3)


def test_few_labels_are_learned_from_and_balanced(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    few = [
        "data.few_shot=5",
        "data.epochs=8",
        "model.lr=2e-2",
        "model.class_weights=balanced",
        "model.token_dropout=0.5",
    ]
    result = train(config_of(corpus, *SMALL, *few), tmp_path / "run")
    assert result.module.trainer.datamodule.examples["train"].column("label").tolist().count(1) == 5  # type: ignore[attr-defined]
    assert result.module.class_weights.tolist() == [1, 1, 1]
    # no token is dropped where nothing is learned: val's figures are those of the bundle
    val = list(labelled(result.split.val))
    shares = yuhee.load(result.bundle).probabilities([message.text for message in val])
    right = [["0", "1", "2"].index(message.label) for message in val]
    assert result.metrics["val/loss"] == pytest.approx(float(-np.log(shares[range(len(val)), right]).mean()), rel=1e-4)


def test_labels_of_a_checkpoint_that_are_none_are_told(tmp_path: Path) -> None:
    config = RobertaConfig(**NETWORK).to_dict() | {"id2label": {"a": "기쁨"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    with pytest.raises(UserError, match="id2label"):
        train(config_of(corpus, f"model.pretrained={tmp_path}"), tmp_path / "run")


def test_the_default_checkpoint_is_taken_by_its_id_from_what_the_hub_client_has_kept(tmp_path: Path) -> None:
    """The layout of klue/roberta-small: RoBERTa's network, BERT's tokens, positions behind the padding's id."""
    kept = tmp_path / "hf" / "hub" / "models--klue--roberta-small"
    snapshot = kept / "snapshots" / ("0" * 40)
    ids = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "vocab_size": encoder().special_ids()["vocab_size"]}
    shape = {**NETWORK, "max_position_embeddings": 40, "type_vocab_size": 1}
    RobertaForMaskedLM(RobertaConfig(**shape, **ids)).save_pretrained(snapshot)
    (snapshot / "tokenizer.json").write_text(wordpiece().to_str(), encoding="utf-8")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0" * 40)
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    common = ("model=emotion_roberta", "data=chat_jsonl", f"data.path={corpus}", "data.max_length=39")
    offline = Origin(HF_HOME=str(tmp_path / "hf"), HF_HUB_OFFLINE="1")
    result = run("train.py", *common, "trainer.max_steps=1", origin=offline)
    assert result.returncode == 0, result.stderr
    [facts] = [json.loads(file.read_text(encoding="utf-8")) for file in Path("outputs").glob("*/*/bundle/yuhee.json")]
    assert (facts["pretrained"], facts["licence"], facts["private"]) == ("klue/roberta-small", "other", False)


def test_balanced_weights_are_messages_by_labels_by_messages_of_the_label(tmp_path: Path) -> None:
    lines = write_corpus(tmp_path / "whole.jsonl").read_text(encoding="utf-8").splitlines()
    corpus = tmp_path / "skewed.jsonl"
    corpus.write_text("\n".join([*lines[:60], *lines[60::3]]) + "\n", encoding="utf-8")
    asked = ("model.class_weights=balanced", "data.privacy=public", "trainer.max_steps=1")
    result = train(config_of(corpus, *SMALL, *asked), tmp_path / "run")
    labels = [message.label for message in labelled(result.split.train)]
    counts = [labels.count(name) for name in ("0", "1", "2")]
    assert len(set(counts)) > 1
    assert isinstance(result.module, EmotionRoberta)
    assert result.module.class_weights is not None
    assert result.module.class_weights.tolist() == pytest.approx([len(labels) / (3 * count) for count in counts])
