"""The linear classifier: scikit-learn's own figures through our batches, checkpoints and folders."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

import yuhee
from tests.conftest import dialogue
from tests.models.labelled_corpus import write_corpus
from yuhee import cli
from yuhee.data.encoding.character_tfidf import CharacterTfidfEncoder
from yuhee.data.encoding.labelled import labelled
from yuhee.data.example_store import ExampleStore, encode_cached
from yuhee.errors import UserError
from yuhee.models.emotion_linear import EmotionLinear, EmotionLinearConfig
from yuhee.training import TrainResult, compose_config, parse_config, train
from yuhee.training.summary import print_summary

MESSAGES = [
    ("슬퍼 울었어", "1"),
    ("너무 슬퍼", "1"),
    ("기뻐 웃었어", "2"),
    ("너무 기뻐", "2"),
    ("점심 먹자", "0"),
    ("밥", "0"),
]
UNSEEN = ["슬퍼 기뻐", "밥 먹자", "zzz", "ㅠㅠ!"]


def fitted(tmp_path: Path, messages: list[tuple[str, str]], **config: Any) -> EmotionLinear:
    labels = sorted({label for _, label in messages})
    encoder = CharacterTfidfEncoder.fitted([text for text, _ in messages], labels=labels, max_length=256)
    dialogues = [dialogue(text, "응", emotion=label) for text, label in messages]
    store: ExampleStore = encode_cached({"train": dialogues}, encoder.encode, tmp_path / "c", encoder.example)["train"]
    values = {"_target_": "x", "name": "linear", "inverse_penalty": 3.0, **config}
    module = EmotionLinear.create(EmotionLinearConfig(**values), encoder, {"pretrained": None})
    module.fit(store)
    return module.eval()


@pytest.mark.parametrize("labels", [("0", "1", "2"), ("1", "2")])
def test_probabilities_are_those_of_scikit_learn(labels: tuple[str, ...], tmp_path: Path) -> None:
    messages = [(text, label) for text, label in MESSAGES if label in labels]
    module = fitted(tmp_path, messages)
    texts = [text for text, _ in messages]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    table = vectorizer.fit_transform(texts)
    plain = LogisticRegression(C=3.0, max_iter=1000).fit(table, [label for _, label in messages])
    batch = module.encoder.collate()(module.encoder.read([*texts, *UNSEEN]))
    found = module(batch["inputs"]).softmax(-1).detach().numpy()
    np.testing.assert_allclose(found, plain.predict_proba(vectorizer.transform([*texts, *UNSEEN])), atol=1e-5)


def test_an_encoder_comes_back_from_its_values() -> None:
    encoder = CharacterTfidfEncoder.fitted([text for text, _ in MESSAGES], labels=["0", "1"], max_length=8)
    again = CharacterTfidfEncoder.restore(encoder.vocabulary, json.loads(json.dumps(encoder.settings)))
    assert (again.vocabulary, again.settings) == (encoder.vocabulary, encoder.settings)
    for one, other in zip(encoder.read(UNSEEN), again.read(UNSEEN), strict=True):
        assert one.input_ids.tolist() == other.input_ids.tolist()
        np.testing.assert_array_equal(one.weights, other.weights)


def test_an_example_knows_its_pieces() -> None:
    encoder = CharacterTfidfEncoder.fitted(["밥"], labels=["0", "1"], max_length=8)
    [example] = encoder.encode([dialogue("밥", "응", emotion="1")])
    assert (encoder.pieces(example), example.label) == ([" ", " 밥", " 밥 ", "밥", "밥 "], 1)
    assert sum(weight**2 for weight in example.weights) == pytest.approx(1)


def settings(path: Path, *overrides: str) -> Any:
    common = ["model=emotion_linear", "data=chat_jsonl", f"data.path={path}", "data.privacy=public"]
    return parse_config(compose_config([*common, "trainer.accelerator=cpu", *overrides]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("linear")
    return train(settings(write_corpus(folder / "corpus.jsonl")), folder / "run")


def test_a_run_leaves_a_folder_without_a_pickle_that_classifies(trained: TrainResult) -> None:
    assert trained.metrics["test/accuracy"] > 0.9
    assert trained.metrics["train/accuracy"] == 1
    assert {file.suffix for file in trained.bundle.iterdir()} == {".json", ".safetensors", ".md"}
    found = yuhee.load(trained.folder).classify("너무 슬퍼서 울었어")
    assert next(iter(found)) == "1"
    assert sum(found.values()) == pytest.approx(1)


def test_the_checkpoints_hold_the_fit_and_a_run_goes_on_from_them(trained: TrainResult, tmp_path: Path) -> None:
    best = trained.folder / "checkpoints" / "best.ckpt"
    saved = torch.load(best, weights_only=True)["state_dict"]["network.bag.weight"]
    bundled = yuhee.load(trained.bundle).model.network.bag.weight
    torch.testing.assert_close(bundled * trained.metrics["val/temperature"], saved)
    corpus = trained.folder.parent / "corpus.jsonl"
    last = trained.folder / "checkpoints" / "last.ckpt"
    again = train(settings(corpus, f"ckpt_path={last}", "trainer.max_epochs=2"), tmp_path / "again")
    same = ("test/loss", "test/macro_f1", "val/temperature")
    assert [again.metrics[name] for name in same] == pytest.approx([trained.metrics[name] for name in same])


def test_a_corpus_without_labels_is_refused(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus.jsonl", labels=False)
    with pytest.raises(UserError, match="감정 표지가 없어"):
        train(settings(corpus), tmp_path / "run")


def test_fewer_labels_fit_fewer_messages(trained: TrainResult, tmp_path: Path) -> None:
    corpus = trained.folder.parent / "corpus.jsonl"
    few = train(settings(corpus, "data.few_shot=2", "model.class_weights=balanced"), tmp_path / "few")
    messages = list(labelled(few.split.train))
    assert len(messages) == 6
    encoder = few.module.encoder
    assert isinstance(encoder, CharacterTfidfEncoder)
    assert len(encoder.ngrams) == len(
        CharacterTfidfEncoder.fitted([m.text for m in messages], labels=[], max_length=8).ngrams
    )


def test_the_command_shows_how_it_reads_messages_it_has_not_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_corpus(Path("corpus.jsonl"))
    corpus = ("model=emotion_linear", "data=chat_jsonl", f"data.path={path}", "data.privacy=public")
    print_summary(train(parse_config(compose_config([*corpus, "trainer.accelerator=cpu"])), Path("run")))
    told = capsys.readouterr().out
    assert "test 매크로 F1" in told
    assert "학습에 쓰지 않은 말의 감정" in told
    assert "yuhee evaluate run" in told
    shown = CliRunner().invoke(cli.app, ["show", *corpus, "-n", "1"])
    assert "감정" in shown.stdout
    assert "│" in shown.stdout


def test_balanced_weights_are_those_of_scikit_learn(tmp_path: Path) -> None:
    messages = [*MESSAGES, ("또 슬퍼 밥", "1"), ("슬퍼 점심", "1"), ("기뻐 슬퍼", "1")]
    module = fitted(tmp_path, messages, class_weights="balanced")
    texts, labels = zip(*messages, strict=True)
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    plain = LogisticRegression(C=3.0, max_iter=1000, class_weight="balanced")
    plain.fit(vectorizer.fit_transform(texts), labels)
    found = module(module.encoder.collate()(module.encoder.read(UNSEEN))["inputs"]).softmax(-1).detach().numpy()
    np.testing.assert_allclose(found, plain.predict_proba(vectorizer.transform(UNSEEN)), atol=1e-5)
    unweighted = fitted(tmp_path / "other", messages)
    other = unweighted(unweighted.encoder.collate()(unweighted.encoder.read(UNSEEN))["inputs"]).softmax(-1)
    assert np.abs(found - other.detach().numpy()).max() > 0.01
