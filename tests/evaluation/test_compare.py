"""yuhee compare on invented run folders: what is read, grouped, sorted, explained, written."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from filelock import FileLock
from rich.cells import cell_len
from safetensors.numpy import save_file
from typer.testing import CliRunner

from tests.conftest import one_sentence_error
from yuhee.cli import app
from yuhee.errors import UserError
from yuhee.evaluation import plots
from yuhee.evaluation.compare import differing, lower_is_better, rank, read_runs, warnings_about
from yuhee.evaluation.compare_command import compare
from yuhee.evaluation.compare_plots import importance_figure, parallel_figure, scaling_figure
from yuhee.evaluation.importance import importance
from yuhee.evaluation.runs import find_runs, read_run, read_settings

Values = dict[str, Any]


def make_run(folder: Path, config: Values | None = None, metrics: Values | None = None, curves: str = "") -> Path:
    """A run folder with what is given; dotted keys of the configuration become nested ones."""
    (folder / ".hydra").mkdir(parents=True)
    nested: Values = {}
    for key, value in (config or {}).items():
        *path, last = key.split(".")
        place = nested
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(nested, allow_unicode=True), encoding="utf-8")
    if metrics is not None:
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    if curves:
        (folder / "metrics.csv").write_text(curves, encoding="utf-8")
    return folder


def grid(root: Path, rates: tuple[float, ...] = (1e-4, 1e-3), seeds: tuple[int, ...] = (1, 2)) -> Path:
    """A sweep in which the rate decides and the seed adds a little: bpc 3 for the first rate, 4 for the second …"""
    for job, (place, rate, seed) in enumerate((p, r, s) for p, r in enumerate(rates) for s in seeds):
        config = {"seed": seed, "model.lr": rate, "model.name": "tiny", "optimized_metric": "val/bpc"}
        make_run(
            root / str(job), config, {"val/bpc": 3.0 + place + 0.1 * seed, "seconds": 10.0 + job, "corpus_hash": "c"}
        )
    return root


def test_states(tmp_path: Path) -> None:
    finished = make_run(tmp_path / "finished", metrics={"val/bpc": 3})
    running = make_run(tmp_path / "running")
    stopped, failed, killed = (make_run(tmp_path / name) for name in ("stopped", "failed", "killed"))
    (stopped / "checkpoints").mkdir()
    (stopped / "checkpoints" / "last.ckpt").touch()
    pruned = make_run(tmp_path / "pruned")
    for folder, status in ((pruned, "pruned"), (failed, "failed")):
        (folder / "job.json").write_text(json.dumps({"status": status}), encoding="utf-8")
    (failed / "checkpoints").mkdir()
    (failed / "checkpoints" / "last.ckpt").touch()
    with FileLock(running / ".lock"), FileLock(pruned / "other.lock"):
        states = {
            folder.name: read_run(folder).state for folder in (finished, running, stopped, failed, killed, pruned)
        }
    assert states == {
        "finished": "끝남",
        "running": "도는 중",
        "stopped": "멈춤",
        "failed": "실패",
        "killed": "실패",
        "pruned": "가지치기",
    }
    assert not (finished / ".lock").exists()  # looking leaves nothing behind


def test_a_run_that_goes_on_is_worth_its_best_validation_so_far(tmp_path: Path) -> None:
    curves = "step,train/bpc,val/bpc,val/loss\n10,5.0,,\n10,,4.0,2.0\n20,3.0,,\n20,,4.5,2.5\n25,2.9,,\n30,2.8,,\n31,x"
    figures = read_run(make_run(tmp_path / "a", curves=curves)).figures
    assert figures == {"step": 31.0, "train/bpc": 2.8, "val/bpc": 4.0, "val/loss": 2.0}
    assert read_run(make_run(tmp_path / "b", curves="step,train")).figures == {}
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "metrics.csv").touch()
    assert read_run(tmp_path / "c").figures == {}


def test_parameters_tokens_and_the_evaluation(tmp_path: Path) -> None:
    config = {"data.batch_size": 8, "trainer.accumulate_grad_batches": 2, "trainer.devices": "auto"}
    metrics = {"train/tokens_per_second": 600.0, "train/examples_per_second": 20.0, "val/bpc": math.nan}
    folder = make_run(tmp_path / "a", config, metrics, "step,train/bpc\n100,3.0\n")
    (folder / "bundle").mkdir()
    save_file(
        {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32)}, folder / "bundle" / "model.safetensors"
    )
    (folder / "evaluation").mkdir()
    systems = {
        "model": {"figures": {"chrf": {"value": 9.5, "low": 9, "high": 10}, "ppl": {"value": None, "reason": "x"}}}
    }
    (folder / "evaluation" / "metrics.json").write_text(json.dumps({"systems": systems}), encoding="utf-8")
    figures = read_run(folder).figures
    assert figures["parameters"] == 17
    assert figures["tokens_seen"] == 100 * 8 * 2 * 30
    assert figures["evaluation/chrf"] == 9.5
    assert "evaluation/ppl" not in figures
    for broken in ("{", '{"systems": {}}', '{"systems": [1]}', '{"systems": {"model": {"figures": {"chrf": 3}}}}'):
        (folder / "evaluation" / "metrics.json").write_text(broken, encoding="utf-8")
        (folder / "bundle" / "model.safetensors").write_text("no weights")
        assert set(read_run(folder).figures) == {"step", "train/bpc", "tokens_seen", *metrics}


def test_runs_are_found_below_in_the_order_of_their_jobs(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep" / "2026-01-01_00-00-00"
    for job in (10, 2, 0):
        make_run(sweep / str(job))
    (make_run(sweep / "1") / "evaluation").mkdir()
    (sweep / "1" / "evaluation" / "metrics.json").write_text("{}")
    (tmp_path / "docs" / "a" / "b" / "c" / "d").mkdir(parents=True)
    (tmp_path / "file.txt").touch()
    found, empty = find_runs(
        [tmp_path / "sweep", sweep / "2", tmp_path / "docs", tmp_path / "file.txt", tmp_path / "no"]
    )
    assert [run.name for run in found] == ["0", "1", "2", "10"]
    assert [path.name for path in empty] == ["docs", "file.txt", "no"]


def test_settings_tell_no_places_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "topsecret")
    config = {
        "seed": 3,
        "data.path": "/home/kim/하늘이랑 톡.txt",
        "data.parts.mine.path": "~/톡2.txt",
        "data.vocab_size": 1500,
        "data.split.ratios": [0.8, 0.1, 0.1],
        "model.vocab_size": "${data.vocab_size}",
        "model.pretrained": "/home/kim/models/kogpt2",
        "model.tokenizer": "C:\\Users\\kim\\tok",
        "model.loop": "${model.loop}",
        "logger.key": "${oc.env:WANDB_API_KEY}",
        "hydra.run.dir": "/home/kim",
    }
    settings = read_settings(make_run(tmp_path / "a", config))
    assert settings["model.vocab_size"] == 1500
    assert settings["data.split.ratios"] == "0.8, 0.1, 0.1"
    assert settings["model.pretrained"] == "…/kogpt2"
    assert settings["model.tokenizer"] == "…/tok"
    assert settings["data.path"].startswith("#")
    assert settings["data.path"] != settings["data.parts.mine.path"]
    assert not any(secret in str(settings) for secret in ("kim/", "하늘", "톡2", "topsecret"))
    for content in ("a: [", "- 1", "\x00", "!!python/object/apply:os.system [exit]"):
        (tmp_path / "a" / ".hydra" / "config.yaml").write_text(content)
        assert read_settings(tmp_path / "a") == {}


def test_settings_that_change_together_are_one_column(tmp_path: Path) -> None:
    for name, layers, extra in (
        ("tiny", 4, {}),
        ("kogpt2", 12, {"model.new": 1}),
        ("tiny", 4, {"trainer.max_epochs": 1}),
    ):
        config = {"model.name": name, "model.network.layers": layers, "data.batch_size": 16, **extra}
        make_run(
            tmp_path / f"{name}{len(extra)}{layers}",
            {**config, "logger.wandb.name": str(extra), "ckpt_path": str(extra)},
        )
    settings, together = differing(read_runs([tmp_path]))
    assert together == {"model.name": ["model.network.layers", "model.new"], "trainer.max_epochs": []}
    assert list(settings) == list(together)


def test_settings_of_a_search_stay_columns_of_their_own(tmp_path: Path) -> None:
    """No two trials share a value of either, so that both tell the runs apart in the same way."""
    draw = np.random.default_rng(0)
    for job in range(40):
        rate, decay = (float(10 ** draw.uniform(-4, -2)) for _ in range(2))
        config = {"model.lr": rate, "model.weight_decay": decay, "data.epochs": job % 3, "trainer.max_epochs": job % 3}
        make_run(tmp_path / str(job), config, {"val/bpc": 3 + (math.log10(decay) + 3) ** 2})
    runs = read_runs([tmp_path])
    settings, together = differing(runs)
    assert list(settings) == ["data.epochs", "model.lr", "model.weight_decay"]
    assert together["data.epochs"] == ["trainer.max_epochs"]  # the same in every run: one refers to the other
    shares = importance(runs, "val/bpc").shares
    assert shares.index[0] == "model.weight_decay"
    assert shares["model.weight_decay"] > 0.8


def test_what_somebody_chose_beside_the_model_is_a_column(tmp_path: Path) -> None:
    for name, rate in (("tiny", 1e-3), ("kogpt2", 3e-5)):
        folder = make_run(tmp_path / name, {"model.name": name, "model.lr": rate, "model.layers": len(name)})
        overrides = [f"model={name}", f"++model.lr={rate}"]
        (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides), encoding="utf-8")
    _, together = differing(read_runs([tmp_path]))
    assert together == {"model.name": ["model.layers"], "model.lr": []}


def test_evaluations_of_val_come_before_those_of_test(tmp_path: Path) -> None:
    for name, figures in (("a", {"evaluation": 9.0, "evaluation-val": 5.0}), ("b", {"evaluation-limit5": 99.0})):
        run = make_run(tmp_path / name, {"model.name": name}, {"val/bpc": 3.0})
        for place, chrf in figures.items():
            (run / place).mkdir()
            systems = {"model": {"figures": {"chrf": {"value": chrf}}}}
            (run / place / "metrics.json").write_text(json.dumps({"systems": systems}))
    runs = read_runs([tmp_path])
    ranking = rank(runs, "chrf")
    assert ranking.by == "evaluation-val/chrf"
    assert ranking.figures[ranking.by].tolist()[0] == 5.0
    assert math.isnan(ranking.figures[ranking.by].tolist()[1]), "some of the questions compare with nothing"
    assert not any("설정은 val로" in note for note in warnings_about(runs, ranking.by))
    assert rank(runs, "evaluation/chrf").figures["evaluation/chrf"].tolist()[0] == 9.0


def test_bits_of_other_replies_are_pointed_out(tmp_path: Path) -> None:
    for length in (40, 256):
        make_run(tmp_path / str(length), {"data.max_length": length}, {"val/bpc": 3.0})
    runs = read_runs([tmp_path])
    assert any("data.max_length" in note for note in warnings_about(runs, "val/bpc"))
    assert not any("data.max_length" in note for note in warnings_about(runs, "seconds"))


def test_one_and_one_point_zero_are_one_setting(tmp_path: Path) -> None:
    for name, value in (("a", 1), ("b", 1.0), ("c", 1)):
        make_run(tmp_path / name, {"model.context_loss_weight": value})
    assert differing(read_runs([tmp_path]))[1] == {}


def test_seeds_are_gathered_as_mean_and_deviation(tmp_path: Path) -> None:
    runs = read_runs([grid(tmp_path)])
    ranking = rank(runs)
    assert ranking.by == "val/bpc"
    assert ranking.settings.to_dict("list") == {"model.lr": [1e-4, 1e-3]}
    assert ranking.figures["val/bpc"].tolist() == pytest.approx([3.15, 4.15])
    assert ranking.deviations["val/bpc"].tolist() == pytest.approx([0.1 / math.sqrt(2)] * 2)
    assert ranking.states == ["끝남 2", "끝남 2"]
    assert [len(members) for members in ranking.members] == [2, 2]
    each = rank(runs, each=True)
    assert each.figures["val/bpc"].tolist() == pytest.approx([3.1, 3.2, 4.1, 4.2])
    assert each.deviations["val/bpc"].isna().all()


def test_an_unfinished_seed_does_not_move_the_mean(tmp_path: Path) -> None:
    grid(tmp_path, rates=(1e-4,))
    make_run(tmp_path / "9", {"seed": 3, "model.lr": 1e-4, "model.name": "tiny"}, curves="step,val/bpc\n1,9.0\n")
    ranking = rank(read_runs([tmp_path]), "val/bpc")
    assert ranking.figures["val/bpc"].tolist() == pytest.approx([3.15])
    assert ranking.states == ["끝남 2, 실패 1"]


def test_a_seed_that_never_repeats_is_a_setting_like_others(tmp_path: Path) -> None:
    for seed in (1, 2):
        make_run(tmp_path / str(seed), {"seed": seed, "model.lr": seed / 10}, {"val/bpc": seed})
    assert list(rank(read_runs([tmp_path]), "val/bpc").settings) == ["model.lr", "seed"]


@pytest.mark.parametrize(
    ("figure", "lower"),
    [
        ("val/bpc", True),
        ("test/loss", True),
        ("seconds", True),
        ("train/tokens_per_second", False),
        ("evaluation/chrf", False),
        ("evaluation/copies", True),
    ],
)
def test_directions(figure: str, lower: bool) -> None:
    assert lower_is_better(figure) is lower


def test_sorting_by_anything(tmp_path: Path) -> None:
    for name, speed in (("slow", 1.0), ("fast", 9.0), ("unknown", math.nan)):
        make_run(tmp_path / name, {"model.name": name}, {"train/tokens_per_second": speed})
    runs = read_runs([tmp_path])
    assert rank(runs, "train/tokens_per_second").settings["model.name"].tolist() == ["fast", "slow", "unknown"]
    with pytest.raises(UserError, match="가까운 이름: train/tokens_per_second"):
        rank(runs, "train/token_per_second")
    assert rank(runs).figures["val/bpc"].isna().all()  # nobody has what is sorted by: in the order they came


def test_what_a_reader_must_know(tmp_path: Path) -> None:
    for name, corpus, by in (("a", "c1", "group"), ("b", "c2", "row")):
        make_run(tmp_path / name, {"data.split.by": by}, {"test/bpc": 1.0, "corpus_hash": corpus})
    make_run(tmp_path / "c", {"data.split.by": "row"})
    make_run(tmp_path / "classifier", {"data.split.by": "row"}, {"test/accuracy": 0.8, "corpus_hash": "c2"})
    notes = " ".join(warnings_about(read_runs([tmp_path, tmp_path / "a" / "nothing"]), "test/bpc"))
    for told in (
        "시험 대화가 다르면",
        "설정은 val로 고르세요",
        "끝났지만 test/bpc 값이 없는 실행 1개",
        "실패해서 test/bpc 값이 없는 실행 1개",
        "건너뛴 곳 1개",
    ):
        assert told in notes
    assert warnings_about(read_runs([grid(tmp_path / "clean")]), "val/bpc") == []


def sweep_of(count: int, outcome: Callable[[float, float, str], float]) -> pd.DataFrame:
    """A table of finished runs over two numbers and a name."""
    draw = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        lr, decay, name = float(10 ** draw.uniform(-5, -2)), float(draw.uniform(0, 1)), str(draw.choice(["a", "b"]))
        setting = {"model.lr": lr, "model.weight_decay": decay, "model.name": name}
        rows.append(
            {
                ("run", "folder"): "x",
                ("run", "state"): "끝남",
                **{("setting", key): value for key, value in setting.items()},
                ("figure", "val/bpc"): outcome(lr, decay, name),
            }
        )
    table = pd.DataFrame(rows)
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    return table


def test_importance_finds_what_matters() -> None:
    found = importance(sweep_of(60, lambda lr, decay, name: math.log10(lr) + 0.1 * decay), "val/bpc")
    assert found.reason is None
    assert found.explained > 0.8
    assert found.shares.index[0] == "model.lr"
    assert found.shares["model.lr"] > 0.9
    assert found.shares["model.name"] < 0.05
    kinds = importance(sweep_of(60, lambda lr, decay, name: float(name == "a")), "val/bpc").shares
    assert kinds.index[0] == "model.name"
    assert kinds["model.name"] > 0.9


def test_importance_says_when_it_means_nothing() -> None:
    noise = iter(np.random.default_rng(1).normal(size=40))
    assert "설명되지 않습니다" in str(importance(sweep_of(40, lambda *_: float(next(noise))), "val/bpc").reason)
    assert "9개뿐" in str(importance(sweep_of(9, lambda *_: 1.0), "val/bpc").reason)
    assert "0개뿐" in str(importance(sweep_of(20, lambda *_: 1.0), "test/bpc").reason)
    same = sweep_of(12, lambda lr, *_: lr).drop(columns="setting", level=0)
    assert "모두 같아" in str(importance(same, "val/bpc").reason)


def test_figures_for_a_notebook(tmp_path: Path) -> None:
    runs = read_runs([grid(tmp_path)])
    parallel, scaling = parallel_figure(runs), scaling_figure(runs)
    assert parallel is not None
    assert scaling is not None
    lines = [line for line in parallel.axes[0].lines if len(np.asarray(line.get_ydata())) == 3]  # lr, seed, figure
    heights = [[round(float(y), 2) for y in line.get_ydata()] for line in lines]
    assert sorted(heights) == [[0, 0, 0], [0, 1, 0.09], [1, 0, 0.91], [1, 1, 1]]
    assert max(lines, key=lambda line: line.get_linewidth()).get_ydata().tolist() == [0, 0, 0]  # the best
    assert [axes.get_xlabel() for axes in scaling.axes] in (["걸린 시간 (초)"], ["wall time (seconds)"])
    assert importance_figure(runs) is None  # four runs
    assert importance_figure(sweep_of(30, lambda lr, *_: math.log(lr))) is not None
    empty = read_runs([make_run(tmp_path / "x" / "alone")])
    assert (parallel_figure(empty), scaling_figure(empty)) == (None, None)


def test_the_page_the_pictures_and_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "<script>alert(1)</script>[red]\u202e\x1b[31m$x$"
    for number in range(12):
        config = {
            "model.name": evil if number % 2 else "=1+1",
            "model.lr": 10.0**-number,
            "data.path": f"/home/kim/{number}",
        }
        make_run(tmp_path / "s" / str(number), config, {"val/bpc": number % 2 + number / 100})
    out = compare([tmp_path / "s"])
    assert out == tmp_path / "s" / "comparison"
    assert {file.name for file in out.iterdir()} == {
        "index.html",
        "table.csv",
        "parallel.png",
        "importance.png",
    }
    html = (out / "index.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[red]⟨U+202E⟩⟨U+001B⟩[31m$x$" in html
    assert "script-src &#39;none&#39;" in html
    table = pd.read_csv(out / "table.csv")
    assert table["model.name"][0] == "'=1+1"
    assert table["val/bpc"].tolist() == pytest.approx([n % 2 + n / 100 for n in range(12)])
    assert "/home/kim" not in html + table.to_csv()
    few = compare([tmp_path / "s" / "0"], out=out)
    assert not (few / "importance.png").exists()  # of the comparison before
    plots.korean_font.cache_clear()
    monkeypatch.setattr(plots, "KOREAN_FONTS", ())
    compare([tmp_path / "s"], out=tmp_path / "other")
    plots.korean_font.cache_clear()
    assert "한글 글꼴이 없어" in (tmp_path / "other" / "index.html").read_text(encoding="utf-8")


def test_the_command(tmp_path: Path, run: Callable[..., CompletedProcess[str]]) -> None:
    grid(tmp_path / "outputs" / "sweep" / "2026-01-01_00-00-00")
    (tmp_path / "outputs" / "nothing").mkdir()
    done = run("yuhee", "compare", "outputs/sweep/2026-01-01_00-00-00", "outputs/nothing")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "외 1" in line]
    assert ["3.150 ± 0.071" in line for line in lines] == [True, False]
    assert "0.0001" in lines[0]
    assert "model.name" not in done.stdout  # does not differ
    assert "건너뛴 곳 1개: outputs/nothing" in done.stdout
    assert "4개뿐이라 뜻이 없습니다" in done.stdout
    assert "outputs/sweep/2026-01-01_00-00-00/comparison/index.html" in done.stdout.replace("\n", "")


@pytest.mark.parametrize("room", [60, 80, 200])
def test_the_table_fits_the_terminal(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(room))
    for number in range(6):  # no two settings change together
        settings = {f"model.set_{name}": f"{name}-value-{number == place}" for place, name in enumerate("abcdef")}
        figures = {"val/bpc": 3.0 + number, "test/bpc": 3.1 + number, "seconds": 10.0 + number}
        make_run(tmp_path / "r" / str(number), settings, figures)
    compare([tmp_path], out=tmp_path / "out")
    said = capsys.readouterr().out
    assert max(map(cell_len, said.splitlines())) <= room
    assert sum(f"set_{name}" in said for name in "abcdef") == {60: 2, 80: 3, 200: 6}[room]
    assert ("개 더 있습니다" in said) == (room < 200)
    for number in range(6):  # a run and its figure stand in one line
        assert any(f"r/{number} " in line and f" {3 + number}" in line for line in said.splitlines())


def test_mistakes_are_one_sentence(tmp_path: Path, run: Callable[..., CompletedProcess[str]]) -> None:
    assert "견줄 실행이 없습니다" in one_sentence_error(run("yuhee", "compare", str(tmp_path)))
    grid(tmp_path / "s")
    (tmp_path / "file").touch()
    for arguments, told in (
        (["--by", "val/bcp"], "가까운 이름: val/bpc"),
        (["--out", str(tmp_path / "file")], "여기에 쓸 수 없습니다"),
    ):
        result = CliRunner().invoke(app, ["compare", str(tmp_path / "s"), *arguments])
        assert isinstance(result.exception, UserError)
        assert told in str(result.exception)
    assert not (tmp_path / "s" / "comparison").exists()


def test_a_comparison_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    grid(tmp_path / "good")
    compare([tmp_path / "good"], out=tmp_path / "out")
    before = sorted(file.name for file in (tmp_path / "out").iterdir())
    begun = make_run(tmp_path / "begun", {"optimized_metric": "val/bpc"})
    with pytest.raises(UserError, match="아직 val/bpc 값이 없습니다"):
        compare([begun], out=tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == before


def test_runs_without_a_common_folder_are_compared_here(tmp_path: Path) -> None:
    from yuhee.evaluation.compare_command import _common_folder

    runs = pd.DataFrame([["/a/x"], ["/b/y"]], columns=pd.MultiIndex.from_tuples([("run", "folder")]))
    assert _common_folder(runs) == Path.cwd()


def test_a_key_that_an_older_run_lacks_is_as_good_as_unset(tmp_path: Path) -> None:
    for seed, more in ((1, {}), (2, {"data.few_shot": None}), (3, {"data.few_shot": 32})):
        make_run(tmp_path / str(seed), {"seed": seed, "model.lr": 1.0, **more}, {"val/bpc": 3.0})
    ranking = rank(read_runs([tmp_path]))
    assert [len(members) for members in ranking.members] == [2, 1]
    assert list(ranking.settings) == ["data.few_shot"]
