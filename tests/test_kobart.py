"""KoBART by the commands that people type: train, chat, evaluate, and the folder in plain `transformers`."""

import json
import signal
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from typer.testing import CliRunner

import yuhee
from tests import commands
from tests.evaluation.conftest import write_corpus
from yuhee.cli import app
from yuhee.errors import UserError
from yuhee.evaluation.likelihood import score_replies
from yuhee.evaluation.run_data import open_run
from yuhee.models.kobart import KoBART
from yuhee.training import compose_config, parse_config, train
from yuhee.training.checkpoints import Interrupted

SMALL = (
    "model=kobart",
    "model.from_scratch=true",
    "model.vocab_size=400",
    *(f"model.network.{side}_layers=1" for side in ("encoder", "decoder")),
    *(f"model.network.{side}_ffn_dim=64" for side in ("encoder", "decoder")),
    "model.network.d_model=32",
    "model.network.max_position_embeddings=64",
    "model.label_smoothing=0.1",
    "data=chat_jsonl",
    "data.path=corpus.jsonl",
    "data.privacy=public",
    "data.max_length=64",
    "trainer.max_steps=6",
    "precision=32-true",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kobart")
    write_corpus(folder / "corpus.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        more = ("data.canaries=2", "hydra.run.dir=outputs/run")
        result = commands.run("train.py", *SMALL, *more, YUHEE_CACHE_DIR=str(folder / "cache"))
    assert result.returncode == 0, result.stderr
    assert "학습에 쓰지 않은 말에 대한 대답" in result.stdout
    return folder


@pytest.fixture
def run_folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return Path("outputs/run")


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_sum_over_replies_is_what_training_measured(run_folder: Path, split: str) -> None:
    run = open_run(run_folder)
    dialogues = getattr(run.split, split)
    scores = [score for each in score_replies(run.companion.model, dialogues) for score in each.values()]
    characters = sum(len(reply) + 1 for each in dialogues for reply in each.replies)
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert sum(score.bits for score in scores) / characters == pytest.approx(metrics[f"{split}/bpc"], rel=1e-5)


def test_the_bundle_is_read_by_plain_transformers_with_the_same_ids(run_folder: Path) -> None:
    model = yuhee.load(run_folder).model
    tokenizer = AutoTokenizer.from_pretrained(run_folder / "bundle")
    network = AutoModelForSeq2SeqLM.from_pretrained(run_folder / "bundle")
    messages = [
        {"role": "user", "content": "안녕 <unused3>\n뭐 해?", "emotion": "1"},
        {"role": "assistant", "content": "네 생각ㅋㅋㅋ"},
        {"role": "user", "content": "ㅠㅠ"},
    ]
    ids = tokenizer.apply_chat_template(messages, return_dict=False)
    assert ids == model.encoder.prompt(yuhee.load(run_folder)._turns(messages, None))
    labels = torch.tensor([[*model.encoder.reply_ids("응"), model.encoder.end_id]])
    read = torch.tensor([ids])
    torch.testing.assert_close(network(read, labels=labels).loss, model.network(read, labels=labels).loss)
    assert network.generate(read, max_new_tokens=4)[0, 0] == model.encoder.end_id


def _command(*words: str, typed: str = "") -> str:
    result = CliRunner().invoke(app, list(words), input=typed)
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_chat_samples_and_searches(run_folder: Path) -> None:
    for option in (("--seed", "3"), ("--beams", "3")):
        said = _command("chat", str(run_folder), *option, typed="안녕\n오늘 힘들었어\nquit\n")
        assert len(said.splitlines()) == 2


def test_evaluation_and_probe_work_as_with_any_model(run_folder: Path) -> None:
    _command("evaluate", str(run_folder), "--limit", "4", "--beams", "2")
    found = run_folder / "evaluation-limit4-beams2"
    figures = json.loads((found / "metrics.json").read_text())["systems"]["model"]["figures"]
    assert figures["bpc"]["value"] > 0
    assert (found / "report.html").is_file()
    _command("probe", str(run_folder))


class _CtrlC(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == 3:
            signal.raise_signal(signal.SIGINT)


def test_a_run_that_was_stopped_ends_like_one_that_was_not(tmp_path: Path) -> None:
    write_corpus(Path("corpus.jsonl"))
    config = parse_config(compose_config([*SMALL]))
    with pytest.raises(Interrupted):
        train(config, tmp_path / "stopped", [_CtrlC()])
    figures = [
        {key: value for key, value in result.metrics.items() if "second" not in key}
        for result in (
            train(config, tmp_path / "whole"),
            train(config.model_copy(update={"ckpt_path": "last"}), tmp_path / "stopped"),
        )
    ]
    assert figures[0] == figures[1]


def test_packing_is_refused_before_weights_load(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KoBART, "create", None)
    with pytest.raises(UserError, match=r"data\.packing=false"):
        train(parse_config(compose_config([*SMALL, "data.packing=true"])), run_folder.parent / "packed")
