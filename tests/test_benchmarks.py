"""Every side of the benchmark still runs; how fast is for `make bench` to say."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import GPT2Config

from benchmarks import __main__ as bench
from benchmarks import grid, measure, report, side, suites, targets, turns, workload
from benchmarks.corpus import warm_start
from benchmarks.scale import FULL, QUICK
from benchmarks.training.original import Exchanges, exchanges_of, masked_loss, train_original
from tests.conftest import dialogue

pytestmark = pytest.mark.filterwarnings("ignore:The number of training batches")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder that all sides share, with toy networks."""
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YUHEE_CACHE_DIR", str(folder / "cache"))
        figures = side.call("prepare", {"work": str(folder), "scale": asdict(QUICK)})
    assert figures["body_parameters"] < 10_000
    return str(folder)


def call(work: str, name: str, **values: Any) -> dict[str, Any]:
    """Run a side in this process; a side whose package is missing says so and is skipped here, too."""
    result = side.call(name, {"work": work, "seed": 1, **values})
    if reason := result.get("skipped"):
        assert "not installed" in reason
        pytest.skip(reason)
    return result


def positive(result: Mapping[str, Any], *keys: str) -> None:
    assert all(math.isfinite(result[key]) and result[key] > 0 for key in (*keys, "peak_mb")), result


@pytest.mark.parametrize("label", QUICK.steps)
def test_training_sides(work: str, label: str) -> None:
    result = call(work, f"training.{label}", steps=QUICK.steps[label])
    positive(result, "examples_per_second", "tokens_per_second", "seconds_per_step")


@pytest.mark.parametrize("label", ["ours", "original", "transformers", "ctranslate2"])
def test_reply_sides(work: str, label: str) -> None:
    positive(call(work, f"replies.{label}", replies=1, new_tokens=3, dtype="bfloat16"), "tokens_per_second")


def test_waiting_for_the_first_token(work: str) -> None:
    positive(call(work, "replies.first_token", replies=1, prompt_tokens=16), "milliseconds")
    result = call(work, "replies.conversation", new_tokens=2, engine="torch")
    assert len(result["milliseconds"]) == 10
    positive(result, "tenth_over_first")


def test_data_sides(work: str) -> None:
    result = call(work, "data.corpus")
    positive(result, "file_to_cache_seconds", "examples_encoded_per_second")
    assert result["first_batch_cold_seconds"] > result["file_to_cache_seconds"]
    assert call(work, "data.million", dialogues=200)["train_examples"] == 160
    positive(call(work, "peak", matrix=64), "fp32_gflops", "bf16_gflops")


def test_warm_start_sees_the_first_step_of_a_real_run(tmp_path: Path) -> None:
    spec = {"corpus": "sample", "tiny": QUICK.tiny}
    assert 0 < warm_start.first_step(spec, tmp_path / "run") < warm_start.PATIENCE
    assert not (tmp_path / "run" / "metrics.json").exists()  # it went no further


def test_multi_turn_sides(work: str) -> None:
    overrides = ["model=tiny", "data=sample", *QUICK.tiny]
    result = call(work, "turns", overrides=overrides, rows=2, steps=1, turns=(1, 2))
    positive(result, "one_pass_2", "expanded_2", "ratio_1")


def test_scaling_side(work: str) -> None:
    points = grid.points(batch=(2, 3), length=(16, 32), turns=(2, 4))
    overrides = ["model=tiny", "data=sample", *QUICK.tiny]
    rows = call(work, "scaling", overrides=overrides, points=points)["rows"]
    two_turns = [(row["batch"], row["length"], row["tokens"]) for row in rows if row["turns"] == 2]
    assert sorted(two_turns) == [(2, 16, 32), (2, 32, 64), (3, 16, 48), (3, 32, 96)]
    assert {row["turns"] for row in rows} == {2, 4}


def test_a_process_of_its_own_reports_figures_skips_and_failures(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    positive(measure.run_side("peak", {"work": work, "matrix": 32}), "bf16_gflops")
    assert "no such side" in measure.run_side("no such side", {"work": work})["failed"]
    monkeypatch.setitem(side.SIDES, "missing", "a_package_that_is_missing:run")
    assert side.call("missing", {})["skipped"].startswith("a_package_that_is_missing is not installed")


def test_sides_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, int]] = []

    def run_side(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        calls.append((name, spec["seed"]))
        n = float(len(calls))
        return {"skipped": "no"} if name == "b" else {"speed": n, "turns": [n, 10 - n], "engine": "e"}

    monkeypatch.setattr(measure, "run_side", run_side)
    results = measure.alternate({name: (name, {}) for name in "abc"}, rounds=3)
    assert calls == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("c", 2), ("a", 3), ("c", 3)]
    assert measure.medians(results["a"]) == {"speed": 4.0, "turns": [4.0, 6.0], "engine": "e"}
    assert measure.medians(results["b"]) == {"skipped": "no"}


def test_ratios_are_taken_within_a_round(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    workload.save(
        tmp_path,
        "workload",
        {"body_parameters": 100, "head_parameters": 50, "tokens_per_example": 20, "reply_tokens_per_example": 8},
    )
    slow = {
        "ours": [100, 10, 10],
        "original": [10, 1, 5],
        "trl": [50, 5, 5],
        "trl_packed": [25, 5, 1],
        "transformers": [1, 1, 1],
    }
    sides = {
        label: [{"examples_per_second": float(rate), "peak_mb": 100.0} for rate in rates]
        for label, rates in slow.items()
    }
    sides["transformers"][0] = {"skipped": "transformers is not installed"}
    peaks = [{"fp32_gflops": 1.0, "bf16_gflops": value} for value in (0.144, 0.0144, 0.0144)]
    monkeypatch.setattr(suites, "alternate", lambda *_: {**sides, "peak": peaks})
    figures = suites.training(suites.Bench(FULL, str(tmp_path), 3))
    assert figures["speed_over_original"] == 10  # 10, 10, 2
    assert figures["memory_over_original"] == 1
    assert figures["speed_over_transformers"] is None
    assert figures["speed_over_best_trl"] == figures["speed_over_trl"] == 2  # 4 over the other
    assert figures["flops_per_example"] == 6 * (100 * 20 + 50 * 8)
    assert figures["share_of_bf16_peak"] == pytest.approx(1e-2)


def test_headline_says_what_was_reached() -> None:
    results = {"training": {"speed_over_original": 7.0, "share_of_bf16_peak": 0.4, "memory_over_original": 0.3}}
    rows = {row[0]: row[1:] for row in targets.headline(results)}
    assert rows["training examples/s over the original recipe"] == ["7.0 ×", "6.0 ×", "10.0 ×", "yes"]
    assert rows["share of the measured bf16 matrix-product peak"][-1] == "**no**"
    assert rows["peak memory against the original recipe"][-1] == "aim"
    assert rows["training examples/s over TRL's best configuration"] == ["not measured", "2.2 ×", "3.5 ×", "–"]
    assert len(rows) == 4  # nothing about comparisons that were left out


def test_report_lists_what_was_skipped() -> None:
    machine = {"cpu": "x", "cores": 2, "memory_gb": None, "flags": [], "system": "s", "python": "3", "packages": {}}
    row = {"skipped": "trl is not installed"}
    training = {"sides": {"trl": row}, "peak": {"fp32_gflops": 1.0, "bf16_gflops": 2.0}, "flops_per_example": 1e9}
    text = report.markdown({"machine": machine, "quick": False, "rounds": 3, "minutes": 1, "training": training})
    assert "| trl | trl is not installed |" in text


def test_rates_do_not_depend_on_which_lengths_were_drawn() -> None:
    assert workload.step_seconds([0.0, 5.0, 6.0, 8.0], warmup=2) == [1.0, 2.0]
    long, short = (workload.rates([tokens / 100], [tokens], 20) for tokens in (800, 200))
    assert long["examples_per_second"] == short["examples_per_second"] == 5


def test_grid_has_every_point_but_the_largest() -> None:
    made = grid.points(**FULL.grid)
    assert len(made) == len(set(made)) == 5 * 6 - 1 + 3
    assert (128, 512, 2) not in made
    assert {n for b, length, n in made if (b, length) == (32, 256)} == {2, 4, 8, 16}


def test_fit_finds_the_line() -> None:
    rows = [{"tokens": tokens, "seconds": 0.5 + 2e-6 * tokens} for tokens in (100, 200, 1000)]
    line = grid.linear_fit(rows)
    assert line == pytest.approx({"microseconds_per_token": 2, "seconds_without_tokens": 0.5, "r2": 1})


@pytest.mark.parametrize(("n", "expected"), [(1, (1,)), (2, (1, 2)), (4, (1, 4)), (8, (2, 7)), (16, (4, 13))])
def test_depths_of_the_expansion_have_the_mean_of_all(n: int, expected: tuple[int, ...]) -> None:
    assert turns.depths(n) == expected
    assert sum(expected) / len(expected) == (n + 1) / 2


def test_original_format(tiny_tokenizer: Tokenizer) -> None:
    rows = Exchanges([("안녕!", "오늘 뭐 했어?")], tiny_tokenizer)
    ids, mask, labels = (column.tolist() for column in rows[0])
    text = "".join(tiny_tokenizer.id_to_token(token) for token in ids)
    assert text.startswith("<usr>▁안녕")
    assert "!" not in text
    assert "?" not in text
    assert "<unused1><sys>" in text  # an empty emotion slot
    assert len(ids) == len(mask) == len(labels) == 40
    learned = [place for place, value in enumerate(mask) if value]
    assert tiny_tokenizer.id_to_token(ids[learned[0]]) == "<sys>"
    assert [labels[place] for place in learned[:-1]] == [ids[place + 1] for place in learned[:-1]]
    # defect 2: the last one learned is <pad> after </s>
    assert tiny_tokenizer.id_to_token(ids[learned[-1]]) == "</s>"
    assert tiny_tokenizer.id_to_token(labels[learned[-1]]) == "<pad>"


def test_original_loss_depends_on_the_padding() -> None:
    logits, labels = torch.randn(1, 6, 11), torch.zeros(1, 6, dtype=torch.long)
    mask = torch.tensor([[0, 1, 1, 0, 0, 0]])
    nll = torch.nn.functional.cross_entropy(logits[0, 1:3], labels[0, 1:3], reduction="sum")
    assert masked_loss(logits, mask, labels) == pytest.approx(float(nll + 4 * math.log(11)) / 2, rel=1e-5)


def test_original_recipe_trains_and_stops(tiny_tokenizer: Tokenizer) -> None:
    three = dialogue("안녕!", "오늘 뭐 했어?", "시험을 망쳤어", "고생했어", "응")
    assert exchanges_of([three]) == [("안녕!", "오늘 뭐 했어?"), ("시험을 망쳤어", "고생했어")]
    config = GPT2Config(vocab_size=tiny_tokenizer.get_vocab_size(), n_layer=1, n_head=2, n_embd=16, n_positions=64)
    losses: list[float] = []
    arguments = ([three], tiny_tokenizer, config)
    train_original(*arguments, steps=3, seed=1, on_step=lambda number, loss: losses.append(float(loss)))
    assert len(losses) == 3
    assert losses[2] < losses[0]
    again = train_original(*arguments, seconds=0, seed=1)
    other = train_original(*arguments, steps=1, seed=1)
    assert not again.training
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), other.parameters(), strict=True))
    with pytest.raises(ValueError, match="seconds or steps"):
        train_original(*arguments)


def test_quick_scale_asks_for_what_the_full_one_does() -> None:
    assert json.dumps(asdict(QUICK)).count(":") == json.dumps(asdict(FULL)).count(":")


def test_what_is_told_of_the_speed_is_what_was_measured() -> None:
    folder = Path(measure.__file__).parent
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert (folder / "results.md").read_text(encoding="utf-8") == report.markdown(results)
    readme = (folder.parent / "README.md").read_text(encoding="utf-8")
    korean = (folder.parent / "README.ko.md").read_text(encoding="utf-8")
    for what, figure, least, aim, reached in targets.headline(results):
        assert f"| {what} | {figure} | {least} | {aim} | {reached} |" in readme
        assert f"| {figure} | {least} | {aim} |" in korean


@pytest.mark.parametrize("mistake", [["--rounds", "0"], ["--out", "nowhere/results.json"], ["--only", "trainig"]])
def test_a_mistake_is_told_before_anything_is_measured(
    mistake: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", *mistake])
    with pytest.raises(SystemExit):
        bench.main()
    assert f"error: {mistake[0]}" in capsys.readouterr().err
