"""The results table: which runs it is made of, what goes on where it was cut off, and what the page says."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import study
from benchmarks.study_page import page
from yuhee.training import compose_config, parse_config

STUDY: dict[str, Any] = {
    "seeds": [1, 2],
    "rows": {
        "ours": {"title": "ours", "overrides": ["data=sample"], "baselines": True},
        "theirs": {"title": "theirs", "original": "ours"},
    },
    "tables": {"Both": ["ours", "theirs"]},
}


def _finished(folder: Path, bpc: float) -> None:
    (folder / "evaluation").mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"val/bpc": bpc + 1, "test/bpc": bpc, "seconds": 120}))
    figures = {"bpc": {"value": bpc, "low": bpc - 0.1, "high": bpc + 0.1}, "chrf": {"value": None, "reason": "없음"}}
    other = {"title": "글자", "figures": {"bpc": {"value": 3.214, "low": 3.1, "high": 3.3}}}
    systems = {"model": {"title": "모델", "figures": figures}, "character_ngram": other}
    (folder / "evaluation" / "metrics.json").write_text(json.dumps({"systems": systems}))


def test_every_row_of_the_study_is_a_configuration_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUHEE_DATA_DIR", "/data")
    whole = study.read_study()
    made = study.jobs(whole, Path("root"), [])
    assert len(made) == len(whole["rows"]) * len(whole["seeds"])
    shown = {name for name, row in whole["rows"].items() if row.get("evaluate", True)}
    assert {name for names in whole["tables"].values() for name in names} == shown
    for job in made[: len(whole["rows"])]:
        assert job.original is None or job.original == Path("root/recipe_ours/seed=1")
        parse_config(compose_config(job.overrides))


def test_what_is_finished_is_not_done_again_and_what_was_cut_off_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(study.subprocess, "run", lambda command, **_: ran.append(command[1:]))
    first, second, third, _ = study.jobs(STUDY, tmp_path, [])
    _finished(first.folder, 2.0)
    (third.folder / "checkpoints").mkdir(parents=True)
    (third.folder / "checkpoints" / "last.ckpt").touch()
    for job in (first, second, third):
        job.do(1)
    folder = f"hydra.run.dir={third.folder}"
    assert ran == [
        ["-m", "benchmarks.original_run", str(first.folder), str(second.folder), "--seed", "1"],
        ["train.py", "data=sample", "seed=2", folder, "ckpt_path=last"],
        ["-m", "yuhee", "evaluate", str(third.folder)],
    ]


def test_a_folder_of_other_settings_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(study.subprocess, "run", lambda command, **_: ran.append(command[1:]))
    for job in study.jobs(STUDY, tmp_path, []):
        job.do(1)
    study.check_unchanged(study.jobs(STUDY, tmp_path, []))
    ours = {**STUDY["rows"]["ours"], "overrides": ["data=sample", "data.epochs=2"]}
    changed = {**STUDY, "rows": {**STUDY["rows"], "ours": ours}}
    monkeypatch.setattr(study, "read_study", lambda: changed)
    monkeypatch.setattr(study.sys, "argv", ["study", "--root", str(tmp_path), "--out", str(tmp_path / "page.md")])
    ran.clear()
    with pytest.raises(SystemExit, match=rf"other settings.*{tmp_path}/ours/seed=1, {tmp_path}/ours/seed=2$"):
        study.main()
    assert not ran
    assert not (tmp_path / "page.md").exists()


def test_a_run_that_starts_from_another_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {
        "first": {"title": "1", "overrides": ["data=sample"], "evaluate": False},
        "second": {"title": "2", "overrides": ["model.pretrained={first}/bundle"]},
        "third": {"title": "3", "original": "first"},
    }
    ended: list[str] = []

    def run(command: list[str], **_: Any) -> None:
        folder = next(part for part in command if "seed=1" in part and "/" in part)
        time.sleep(0.3 if "first" in folder and "train.py" in command else 0)
        ended.append(" ".join(command[1:]))

    monkeypatch.setattr(study.subprocess, "run", run)
    monkeypatch.setattr(study, "read_study", lambda: {"seeds": [1], "rows": rows, "tables": {}})
    monkeypatch.setattr(
        study.sys, "argv", ["study", "--jobs", "3", "--root", str(tmp_path), "--out", str(tmp_path / "page.md")]
    )
    study.main()
    assert "data=sample" in ended[0]
    assert not any("evaluate" in command and "first" in command for command in ended)
    assert any(f"model.pretrained={tmp_path}/first/seed=1/bundle" in command for command in ended[1:])


def test_a_failed_run_is_named_and_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: Any) -> None:
        if "seed=1" in command:
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(study.subprocess, "run", run)
    monkeypatch.setattr(study, "read_study", lambda: STUDY)
    monkeypatch.setattr(study.sys, "argv", ["study", "--only", "ours", "--root", str(tmp_path), "--out", "page.md"])
    with pytest.raises(SystemExit, match="seed=1"):
        study.main()
    assert "ours seed 2: done" in capsys.readouterr().out
    assert Path("page.md").is_file()


def test_seeds_that_are_alike_have_no_deviation(tmp_path: Path) -> None:
    for seed, bpc in ((1, 94.55319148936171), (2, 94.55319148936169)):
        _finished(tmp_path / "ours" / f"seed={seed}", bpc)
    assert "| **ours** | 2 | 94.6 |" in page(STUDY, tmp_path)


def test_the_page_shows_mean_and_deviation_baselines_and_what_is_missing(tmp_path: Path) -> None:
    _finished(tmp_path / "ours" / "seed=1", 2.0)
    _finished(tmp_path / "ours" / "seed=2", 3.0)
    lines = page(STUDY, tmp_path).splitlines()
    assert "| **ours** | 2 | 2.50 ± 0.71 |  |" in next(line for line in lines if "ours" in line)
    assert any(line.startswith("| – character ngram |  | 3.21 [3.1, 3.3] |") for line in lines)
    assert any(line.startswith("| theirs | 0 |") for line in lines)
    assert "| – first seed |  | 2 [1.9, 2.1] |  |" in page(STUDY, tmp_path)


def test_the_page_says_how_each_row_was_made(tmp_path: Path) -> None:
    rows = {**STUDY["rows"], "after": {"title": "after", "overrides": ["model.pretrained={ours}/bundle"]}}
    said = page({**STUDY, "rows": rows, "tables": {"All": list(rows)}}, tmp_path)
    assert "Commands, each with `seed=1,2`" in said
    assert "- ours: `python train.py data=sample`\n" in said
    assert "- theirs: `python -m benchmarks.original_run <run of: ours> <folder> --seed …`" in said
    assert (
        "- after: `python train.py model.pretrained=<run of: ours>/bundle` after `python train.py data=sample`" in said
    )


def test_seeds_that_are_not_evaluated_yet_are_not_counted_as_such(tmp_path: Path) -> None:
    _finished(tmp_path / "ours" / "seed=1", 2.0)
    _finished(tmp_path / "ours" / "seed=2", 3.0)
    (tmp_path / "ours" / "seed=2" / "evaluation" / "metrics.json").unlink()
    assert "| **ours** | 2, 1 of them evaluated | 2.00 |" in page(STUDY, tmp_path)
