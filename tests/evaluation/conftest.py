"""One small trained run for all tests of evaluation: four seconds once instead of once a test."""

import json
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from yuhee.training import compose_config, parse_config, train

PLACES = ("학교", "회사", "바다", "산", "시장", "도서관", "공원", "병원", "집", "극장")
SMALL = (
    "data=chat_jsonl",
    "data.path=corpus.jsonl",
    "data.privacy=public",
    "data.canaries=2",
    "data.max_length=64",
    "model.vocab_size=400",
    "model.network.num_hidden_layers=1",
    "model.network.hidden_size=32",
    "model.network.intermediate_size=64",
    "model.network.num_attention_heads=2",
    "trainer.max_steps=6",
    "precision=32-true",
    "logger=csv",
)


def write_corpus(path: Path) -> None:
    """Sixty dialogues of one and of two exchanges, half of them with an emotion."""
    lines = []
    for number in range(60):
        place, day = PLACES[number % 10], f"{number // 10 + 1}월 {number % 28 + 1}일"
        messages = [
            {"role": "user", "content": f"{day}에 {place} 갔어?", "emotion": str(number % 2)},
            {"role": "assistant", "content": f"응, {place}에 갔다가 {number}번 버스를 타고 왔어."},
        ]
        if number % 2:
            messages += [
                {"role": "user", "content": f"{number}번은 {place}에 안 가잖아"},
                {"role": "assistant", "content": f"{place} 앞까지는 걸어서 {number}분 걸렸지 ㅋㅋ 그래서 다리가 아파"},
            ]
        lines.append(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def train_small(folder: Path, *more: str) -> Path:
    """Train in the current folder as `train.py` would, `.hydra/` included."""
    config = compose_config([*SMALL, *more])
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(config, folder / ".hydra" / "config.yaml")
    return train(parse_config(config), folder).folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `corpus.jsonl` and the run `outputs/day/first` on it."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YUHEE_CACHE_DIR", str(folder / "cache"))
        patch.chdir(folder)
        write_corpus(Path("corpus.jsonl"))
        train_small(Path("outputs/day/first"))
    assert Path.cwd() == before
    return folder


@pytest.fixture
def run_folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run for one test, which stands in its folder; relative like a user names it."""
    shutil.copy(trained / "corpus.jsonl", tmp_path)
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    return Path("outputs/day/first")
