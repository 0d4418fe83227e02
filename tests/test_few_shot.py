"""The table of few labels: which runs it is made of, what is not done again, and what the page says."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import few_shot, study
from benchmarks.few_shot_page import page, plot
from yuhee.training import compose_config, parse_config

STUDY: dict[str, Any] = {
    "seeds": [1, 2],
    "sizes": [10, 32],
    "masked": ["experiment=pretrain_mlm"],
    "common": ["data=songys"],
    "rows": {
        "linear": {"title": "words", "overrides": ["model=emotion_linear"]},
        "pet": {"title": "PET", "overrides": ["model=emotion_pet", "model.pretrained={masked}"]},
    },
}


def _finished(folder: Path, accuracy: float) -> None:
    folder.mkdir(parents=True)
    figures = {"test/accuracy": accuracy, "test/macro_f1": accuracy - 0.1, "test/loss": 2.5, "seconds": 90}
    (folder / "metrics.json").write_text(json.dumps(figures))


def test_every_run_is_a_configuration_that_exists(tmp_path: Path) -> None:
    whole = few_shot.read_study()
    made = list(few_shot.cells(whole, tmp_path, [], []))
    assert len(made) == len(whole["seeds"]) * (1 + len(whole["rows"]) * len(whole["sizes"]))
    assert len({cell.folder for cell in made}) == len(made)
    assert len(whole["seeds"]) >= 5
    for cell in made[: 1 + len(whole["rows"])]:
        config = parse_config(compose_config(cell.overrides))
        assert config.data.name == "songys"
        assert cell.row == "masked" or config.data.few_shot == whole["sizes"][0]


def test_rows_of_a_seed_start_from_its_own_pre_training_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(study.subprocess, "run", lambda command, **_: ran.append(command[2:]))
    made = list(few_shot.cells(STUDY, tmp_path, ["pet"], ["data.num_workers=1"]))
    _finished(made[0].folder, 0.5)
    for cell in made[:2]:
        cell.do(1)
    bundle = tmp_path / "masked" / "seed=1" / "bundle"
    folder = f"hydra.run.dir={tmp_path / 'pet_10' / 'seed=1'}"
    expected = ["model=emotion_pet", f"model.pretrained={bundle}", "data=songys", "data.few_shot=10"]
    assert ran == [[*expected, "data.num_workers=1", "seed=1", folder]]
    assert str(tmp_path / "masked" / "seed=2") in made[4].overrides[1]


def test_a_failed_run_is_named_and_page_and_picture_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: Any) -> None:
        if "model=emotion_linear" in command:
            raise study.subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(study.subprocess, "run", run)
    monkeypatch.setattr(few_shot, "read_study", lambda: dict(STUDY))
    arguments = ["few_shot", "--seeds", "2", "--sizes", "32", "--root", str(tmp_path), "--out", "few.md", "seed=2"]
    monkeypatch.setattr(few_shot.sys, "argv", arguments)
    with pytest.raises(SystemExit, match=r"linear_32/seed=2$"):
        few_shot.main()
    assert "pet_32 seed 2: done" in capsys.readouterr().out
    assert Path("few.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_shows_mean_deviation_and_seeds_and_what_is_missing(tmp_path: Path) -> None:
    _finished(few_shot.folder(tmp_path, "pet", 10, 1), 0.6)
    _finished(few_shot.folder(tmp_path, "pet", 10, 2), 0.7)
    _finished(few_shot.folder(tmp_path, "pet", 32, 1), 0.8)
    _finished(tmp_path / "masked" / "seed=1", 0.3)
    text = page(STUDY, tmp_path)
    assert "| PET | 65.0 ± 7.1 (2) | 80.0 (1) | 1.5 |" in text
    assert "| PET | 55.0 ± 7.1 (2) | 70.0 (1) | 1.5 |" in text
    assert "| words |  |  |  |" in text
    assert "2.50 nats" in text
    plot(STUDY, tmp_path, tmp_path / "few.png")
