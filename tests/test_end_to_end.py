"""The commands people type, in real processes: train, look, talk, and the mistakes on the way."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import yuhee
from tests import commands
from tests.conftest import ROOT, one_sentence_error
from yuhee.cli import main
from yuhee.errors import UserError
from yuhee.training import compose_config, parse_config, train

Run = Callable[..., subprocess.CompletedProcess[str]]

SMALL = (
    "model.vocab_size=500",
    "model.network.num_hidden_layers=1",
    "model.network.hidden_size=32",
    "model.network.num_attention_heads=2",
    "trainer.log_every_n_steps=1",
)
METRICS = {
    *(f"{split}/{figure}" for split in ("train", "val", "test") for figure in ("loss", "bpc", "ppl")),
    "train/objective",
    "train/examples_per_second",
    "train/tokens_per_second",
    *(f"data/{split}_dialogues" for split in ("train", "val", "test")),
    *(f"data/{split}_{what}_overlap" for split in ("val", "test") for what in ("question", "reply")),
    "data/lost_characters",
    "corpus_hash",
    "seconds",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of the embedded default, made by the real command in a folder of its own."""
    folder = tmp_path_factory.mktemp("trained")
    short = ("trainer.max_steps=12", "callbacks.checkpoint.every_n_steps=5")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("YUHEE_DATA_DIR", raising=False)
        result = commands.run("train.py", *SMALL, *short, YUHEE_CACHE_DIR=str(folder / "cache"))
    assert result.returncode == 0, result.stderr
    (folder / "stdout.txt").write_text(result.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def run_folder(trained: Path) -> Path:
    [folder] = trained.glob("outputs/*/*/")
    return folder


def test_a_run_leaves_what_the_contract_lists(run_folder: Path) -> None:
    names = {".hydra", "train.log", "metrics.csv", "metrics.json", "read_report.json", "checkpoints", "bundle"}
    assert names <= {path.name for path in run_folder.iterdir()}
    assert {path.name for path in (run_folder / "checkpoints").iterdir()} == {"last.ckpt", "previous.ckpt", "best.ckpt"}
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert set(metrics) == METRICS
    assert metrics["data/train_dialogues"] + metrics["data/val_dialogues"] + metrics["data/test_dialogues"] >= 600
    with (run_folder / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert steps == list(range(1, 13))


def test_the_summary_shows_figures_and_replies_to_unseen_messages(trained: Path) -> None:
    output = (trained / "stdout.txt").read_text(encoding="utf-8")
    assert "test 글자당 비트" in output
    assert "학습에 쓰지 않은 말에 대한 대답" in output
    assert "yuhee chat outputs" in output


def test_the_bundle_is_read_by_plain_transformers_with_the_same_ids(run_folder: Path) -> None:
    companion = yuhee.load(run_folder)
    tokenizer = AutoTokenizer.from_pretrained(run_folder / "bundle")
    network = AutoModelForCausalLM.from_pretrained(run_folder / "bundle")
    messages = [
        {"role": "user", "content": "안녕 <usr>\n뭐 해?", "emotion": "1"},
        {"role": "assistant", "content": "네 생각ㅋㅋㅋ"},
        {"role": "user", "content": "ㅠㅠ"},
    ]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    turns = companion._turns(messages, None)
    assert ids == companion.model.encoder.prompt(turns)
    ours = companion.model.network(torch.tensor([ids])).logits
    torch.testing.assert_close(network(torch.tensor([ids])).logits, ours)


def test_piped_chat_prints_one_reply_a_line(run_folder: Path, run: Run) -> None:
    result = run("yuhee", "chat", str(run_folder), "--seed", "3", stdin="안녕\n오늘 힘들었어\nquit\n")
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2
    again = run("yuhee", "chat", str(run_folder), "--seed", "3", stdin="안녕\n오늘 힘들었어\nquit\n")
    assert again.stdout == result.stdout


def test_every_kind_of_path_loads_and_best_is_the_bundle(run_folder: Path) -> None:
    best = yuhee.load(run_folder / "checkpoints" / "best.ckpt")
    for path in (run_folder, run_folder / "bundle"):
        assert yuhee.load(path).reply("안녕", greedy=True) == best.reply("안녕", greedy=True)


def test_the_second_run_takes_the_encoded_examples_from_the_cache(trained: Path, run: Run) -> None:
    cache = trained / "cache"
    [folder] = (cache / "encoded").iterdir()
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    result = run("train.py", *SMALL, "trainer.max_steps=1", YUHEE_CACHE_DIR=str(cache))
    assert result.returncode == 0, result.stderr
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def _corpus(name: str = "mine.csv", rows: int = 40) -> str:
    lines = "".join(f"나의 질문 {n},나의 대답 {n * 3},{n % 3}\n" for n in range(rows))
    Path(name).write_text("Q,A,label\n" + lines, encoding="utf-8")
    return name


def test_ones_own_file_is_cached_in_the_run_folder_only_and_never_named_to_a_tracker(run: Run) -> None:
    result = run(
        "train.py",
        "data=songys",
        f"data.path={_corpus('내 대화 (비밀).csv')}",
        "logger=wandb",
        *SMALL,
        "trainer.max_steps=2",
    )
    assert result.returncode == 0, result.stderr
    [folder] = Path("outputs").glob("*/*/")
    assert not (Path("cache") / "encoded").exists()
    [examples] = (folder / "cache").iterdir()
    assert examples.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in examples.iterdir())
    facts = json.loads((folder / "bundle" / "yuhee.json").read_text())
    assert (facts["private"], facts["privacy"]) == (False, "masked")
    tracked = b"".join(file.read_bytes() for file in folder.glob("wandb/**/*") if file.is_file())
    assert tracked
    for secret in ("비밀", "나의 질문", "나의 대답"):
        assert secret.encode() not in tracked


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "파일이 없습니다"),
        ("", "비어 있습니다"),
        ("질문,답\n안녕,응\n", "열 Q, A, label"),
        ("Q,A,label\n", "쓸 수 있는 대화가 하나도 없습니다"),
        ("Q,A,label\n안녕,,0\n", "2번째 줄"),
        ("Q,A,label\n안녕,응,0\n", "나눌 수 없습니다"),
        (b"Q,A,label\n\xff\xfe\xfa\x81", "cp949"),
    ],
)
def test_a_bad_corpus_is_one_sentence(content: str | bytes | None, part: str) -> None:
    if content is not None:
        Path("bad.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=part) as caught:
        train(parse_config(compose_config(["data=songys", "data.path=bad.csv"])), Path("run"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mistake", "part"),
    [
        (["data=songys", "data.path=bad.csv"], "파일이 없습니다"),
        (["data=songys", "data.path=mine.csv", "model=kogpt2", "model.pretrained=nowhere/at/all"], "폴더가 없습니다"),
        (["data=songys", "data.path=mine.csv", "data.few_shot=2"], "data.few_shot=2: 감정을 가려내는 모델만"),
    ],
)
def test_a_mistake_is_told_without_a_traceback_and_leaves_no_run_behind(
    run: Run, mistake: list[str], part: str
) -> None:
    _corpus()
    Path("kept").mkdir()
    Path("kept/mine.txt").touch()
    result = run("train.py", *mistake)
    assert result.returncode == 1
    assert part in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not list(Path("outputs").glob("*/*"))
    assert run("train.py", *mistake, "hydra.run.dir=kept").returncode == 1
    assert Path("kept/mine.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chat", "--nope"], "--nope: 그런 옵션은 없습니다"),
        (["evaluate"], "paths: 빠졌습니다"),
        (["evaluate", "x", "--limit", "0"], "--limit: 쓸 수 없는 값입니다(1 이상이어야 합니다)"),
        (["chat", "--seed", "하나"], "--seed: 쓸 수 없는 값입니다(정수여야 합니다)"),
        (["chat", "--top-p", "x"], "--top-p: 쓸 수 없는 값입니다(수여야 합니다)"),
        (["evaluate", "x", "--on", "train"], "--on: 쓸 수 없는 값입니다('test', 'val' 가운데 하나여야 합니다)"),
        (["evaluate", "--against"], "--against: 뒤에 값을 적어 주세요"),
        (["chat", "하나", "둘"], "둘: 남는 말입니다"),
        (["talk"], "talk: 그런 명령은 없습니다"),
        (["shwo"], "shwo: 그런 명령은 없습니다(비슷한 것: show)"),
    ],
)
def test_a_mistake_in_the_command_line_is_a_sentence_in_the_users_language(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["yuhee", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr()
    assert caught.value.code == 2
    assert said.err.startswith(f"오류: {told}")
    assert "--help' 에 있습니다" in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


def test_bad_rows_are_told_and_the_rest_counts(run: Run) -> None:
    _corpus()
    with Path("mine.csv").open("a", encoding="utf-8") as file:
        file.write("답이 없다,,0\n")
    result = run("train.py", "data=songys", "data.path=mine.csv", *SMALL, "trainer.max_steps=1")
    assert result.returncode == 0, result.stderr
    assert "42번째 줄을 건너뜁니다" in result.stderr
    [folder] = Path("outputs").glob("*/*/")
    report = json.loads((folder / "read_report.json").read_text())
    assert (report["dialogues"], report["skipped"]) == (40, [[42, "Q나 A가 비어 있습니다"]])


def test_replies_longer_than_max_length_are_told(run: Run) -> None:
    result = run("train.py", *SMALL, "data.max_length=8", "trainer.max_steps=1")
    assert "data.max_length=8" in result.stderr


def _limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def test_a_full_disk_loses_nothing_that_was_saved(run: Run) -> None:
    """A limit on the size of files stands for a full disk: both fail in the middle of a write."""
    _corpus()
    arguments = ("data=songys", "data.path=mine.csv", *SMALL, "trainer.max_epochs=3", "hydra.run.dir=here")
    small = (*arguments, "callbacks.checkpoint.every_n_steps=1", "trainer.max_steps=2")
    message = one_sentence_error(run("train.py", *small, before=_limit_files))
    assert "저장하지 못했습니다" in message
    assert "ckpt_path=last" in message
    assert not list(Path("here/checkpoints").glob("*.partial"))


def test_no_model_and_no_network_are_told_apart(run: Run) -> None:
    missing = one_sentence_error(run("train.py", "model=kogpt2", "model.pretrained=없는/폴더"))
    assert "그런 폴더가 없습니다" in missing
    offline = one_sentence_error(run("train.py", "model=kogpt2", "model.pretrained=nobody/nothing"))
    assert "네트워크" in offline


def test_show_prints_tokens_with_their_part(run: Run) -> None:
    result = run("yuhee", "show", "data=sample", "model=tiny", "-n", "2", FORCE_COLOR="1")
    assert result.returncode == 0, result.stderr
    assert "<usr>" in result.stdout
    assert "</s>" in result.stdout
    assert "\x1b[1;32m" in result.stdout  # learned
    assert "\x1b[36m" in result.stdout  # context


def test_a_wheel_works_in_an_empty_folder(tmp_path: Path) -> None:
    """`conf/` and the sample corpus travel in the wheel."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    empty = tmp_path / "empty"
    empty.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "yuhee", "show", "-n", "1"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "YUHEE_CACHE_DIR": str(tmp_path / "c")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "sample:" in result.stdout
