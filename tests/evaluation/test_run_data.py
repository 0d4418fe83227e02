"""What is not a finished run of this version on this corpus is told in one sentence."""

import json
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from omegaconf import OmegaConf

from yuhee import paths
from yuhee.errors import UserError
from yuhee.evaluation.run_data import open_run
from yuhee.training import compose_config, parse_config, train


def refused(path: Path, *parts: str, **options: str) -> None:
    with pytest.raises(UserError) as caught:
        open_run(path, **options)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def change(run: Path, key: str, value: object) -> None:
    file = run / ".hydra" / "config.yaml"
    config = OmegaConf.load(file)
    OmegaConf.update(config, key, value, force_add=True)
    OmegaConf.save(config, file)


def test_a_run_its_bundle_and_its_checkpoint_open_alike(run_folder: Path) -> None:
    hashes = set()
    for path in (run_folder, run_folder / "bundle", run_folder / "checkpoints" / "best.ckpt"):
        run = open_run(path)
        assert run.folder == run_folder.resolve()
        hashes.add((run.corpus.hash, run.split.test[0].content_hash()))
    assert hashes == {(json.loads((run_folder / "metrics.json").read_text())["corpus_hash"], next(iter(hashes))[1])}
    assert len(run.split.test) == 6
    assert not run.personal


def test_nothing_there_and_no_run(run_folder: Path, small_bundle: Path) -> None:
    refused(Path("outputs/none"), "그런 파일이나 폴더가 없습니다")
    refused(Path("outputs"), "실행 폴더")
    refused(small_bundle, "무엇으로 학습했는지", "실행 폴더")


def test_a_run_that_is_not_finished_gives_its_checkpoint_only(run_folder: Path) -> None:
    (run_folder / "metrics.json").unlink()
    refused(run_folder, "끝나지 않은 실행", "ckpt_path=last", "best.ckpt")
    assert open_run(run_folder / "checkpoints" / "best.ckpt").split.test
    (run_folder / "checkpoints" / "best.ckpt").write_bytes(b"half")
    refused(run_folder / "checkpoints" / "best.ckpt", "손상된 파일")


def test_a_run_that_goes_on(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PATIENCE", 0.05)
    with FileLock(run_folder / ".lock"):
        refused(run_folder, "아직 돌고 있습니다")
    assert open_run(run_folder)


def test_a_bundle_or_a_configuration_of_another_version(run_folder: Path) -> None:
    change(run_folder, "data.magic", 7)
    refused(run_folder, "다른 판의 설정", "magic")
    facts = run_folder / "bundle" / "yuhee.json"
    facts.write_text(facts.read_text().replace("yuhee-bundle/1", "yuhee-bundle/9"))
    refused(run_folder, "다른 판의 모델", "yuhee-bundle/9")


@pytest.mark.parametrize("fact", ["split", "corpus_hash", "private"])
def test_a_bundle_that_does_not_say_what_it_learned_from(run_folder: Path, fact: str) -> None:
    file = run_folder / "bundle" / "yuhee.json"
    facts = json.loads(file.read_text())
    del facts[fact]
    file.write_text(json.dumps(facts))
    refused(run_folder, f"yuhee.json에 {fact}")


def test_a_job_that_failed_is_told_why(run_folder: Path) -> None:
    (run_folder / "metrics.json").unlink()
    (run_folder / "job.json").write_text(json.dumps({"status": "failed", "figure": None, "error": "기억이 모자랍니다"}))
    refused(run_folder, "실패한 실행", "기억이 모자랍니다")


@pytest.mark.parametrize("content", ["", "data: 3\n", "data: [\n", "data: {name: ${nowhere}}\n"])
def test_a_damaged_configuration(run_folder: Path, content: str) -> None:
    (run_folder / ".hydra" / "config.yaml").write_text(content)
    refused(run_folder, "설정")


@pytest.mark.parametrize(
    "reader",
    [
        {"_target_": "os.system"},
        {"_target_": "yuhee.data.corpora.hub.os.system"},
        {"_target_": "yuhee.data.corpora.nothing.read"},
        {"_target_": "yuhee.data.corpora.chat_jsonl.read", "x": {"_target_": "os.system", "command": "touch hacked"}},
    ],
)
def test_a_configuration_that_names_foreign_code_is_not_run(run_folder: Path, reader: dict[str, object]) -> None:
    change(run_folder, "data.reader", reader)
    refused(run_folder, "코드", "열지 않았습니다")
    assert not Path("hacked").exists()


def test_a_corpus_that_moved_is_found_again_by_its_path(run_folder: Path) -> None:
    shutil.move("corpus.jsonl", "elsewhere.jsonl")
    refused(run_folder, "corpus.jsonl", "--data-path")
    assert len(open_run(run_folder, "elsewhere.jsonl").split.test) == 6


def test_a_corpus_that_changed(run_folder: Path) -> None:
    lines = Path("corpus.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("corpus.jsonl").write_text("".join(reversed(lines)), encoding="utf-8")
    assert open_run(run_folder)  # the order of the lines is no change
    Path("corpus.jsonl").write_text("".join(lines[:-1]), encoding="utf-8")
    refused(run_folder, "corpus.jsonl", "바뀌어", "다시 학습")


def test_a_split_that_was_edited(run_folder: Path) -> None:
    change(run_folder, "data.split.seed", 5)
    refused(run_folder, "data.split", "다릅니다")


def test_a_run_of_a_notebook_is_opened_as_one_of_the_command(tmp_path: Path) -> None:
    options = ["data=sample", "model.vocab_size=400", "model.network.num_hidden_layers=1", "trainer.max_steps=1"]
    config = parse_config(
        compose_config([*options, "model.network.hidden_size=32", "model.network.num_attention_heads=2"])
    )
    folder = train(config, tmp_path / "run").folder
    run = open_run(folder)
    assert run.facts["corpus_hash"] == run.corpus.hash
    assert parse_config(OmegaConf.load(folder / ".hydra" / "config.yaml")) == config
