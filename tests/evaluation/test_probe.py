"""Audits of memorisation: on a model that knows one thing by heart, on one that knows nothing, and by command."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import small_module
from yuhee import bundle
from yuhee.cli import main
from yuhee.data.canaries import make_canaries
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.errors import UserError
from yuhee.evaluation import exposure as exposing
from yuhee.evaluation import probe
from yuhee.evaluation.exposure import exposure, exposures
from yuhee.evaluation.probe_command import numbers, probe_path
from yuhee.evaluation.run_data import open_run
from yuhee.models.losses import next_token_nll


@pytest.fixture
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposing, "ALTERNATIVES", 63)


def facts(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "yuhee.json").read_text(encoding="utf-8"))
    return values


def learn(model: bundle.Model, texts: list[Any], steps: int) -> None:
    """Learn dialogues by heart."""
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=3e-3)
    rows = model.encoder.encode(texts)
    for _ in range(steps):
        loss = sum(
            next_token_nll(
                model.network.base_model(torch.tensor([row.input_ids])).last_hidden_state,
                torch.tensor([row.labels]),
                model.network.get_output_embeddings(),
            ).mean()
            for row in rows
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()


def test_exposure_is_the_bits_that_the_rank_gives_away() -> None:
    assert exposure(1) == 10.0
    assert exposure(2) == 9.0
    assert exposure(1024) == 0.0
    by_chance = sum(exposure(rank) for rank in range(1, 1025)) / 1024
    assert by_chance == pytest.approx(exposing.CHANCE, abs=0.01)


@pytest.mark.usefixtures("fewer")
def test_a_secret_that_was_learned_is_exposed_and_the_other_is_not(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder)
    model = bundle.Model(module.network.eval(), encoder, module.description())
    known, unknown = make_canaries(2, seed=1)
    learn(model, [known.dialogue], 60)
    found = exposures(model, [known, unknown])
    [first, second] = found["planted"]
    assert (first["rank"], first["exposure"], first["extracted"]) == (1, 6.0, True)
    assert second["rank"] > 1
    assert not second["extracted"]
    assert (found["count"], found["extracted"], found["exposure"]["max"]) == (2, 1, 6.0)


@pytest.mark.usefixtures("fewer")
def test_replies_known_by_heart_are_completed_and_unseen_ones_are_not(run_folder: Path) -> None:
    run = open_run(run_folder)
    before = probe.completed(run)
    assert (before["train"]["completed"], before["test"]["completed"]) == (0, 0)
    assert (before["train"]["tried"], before["test"]["tried"]) == (72, 9)
    known = run.split.train[0]
    learn(run.companion.model, [known], 120)
    after = probe.completed(run)
    assert (after["train"]["completed"], after["test"]["completed"]) == (len(known.replies), 0)
    assert {example["reply"] for example in after["examples"]} == set(known.replies)
    copies = probe.copied(run)
    assert copies["copied_length"]["value"] > probe.PREFIX
    assert copies["longest_copy"]["value"] == max(example["copied"] for example in copies["examples"])


@pytest.mark.usefixtures("fewer")
def test_the_result_stands_in_the_bundle_and_on_its_card(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run_folder / "bundle" / "README.md").chmod(0o644)
    before = facts(run_folder / "bundle")
    found = probe_path(run_folder)
    after = facts(run_folder / "bundle")
    assert after == {**before, "probe": found}
    assert after["probe"]["canaries"]["count"] == 2
    card = (run_folder / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "## Memorisation" in card
    assert "2 planted secrets" in card
    assert f"{found['completions']['train']['completed']} of 72" in card
    assert all(f"    {example['question']} → " in card for example in found["copies"]["examples"])
    assert all(line.isprintable() for line in card.splitlines())
    assert stat.S_IMODE((run_folder / "bundle" / "README.md").stat().st_mode) == 0o644
    assert not list((run_folder / "bundle").glob(".*"))
    said = capsys.readouterr().out
    assert "심어 둔 비밀의 노출도" in said
    assert bundle.load(run_folder).facts["probe"] == found
    probe_path(run_folder)
    assert facts(run_folder / "bundle") == after


@pytest.mark.usefixtures("fewer")
def test_of_a_personal_corpus_the_numbers_alone_are_written(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    yuhee = run_folder / "bundle" / "yuhee.json"
    yuhee.write_text(yuhee.read_text().replace('"privacy": "public"', '"privacy": "masked"'))
    found = probe_path(run_folder)
    written = yuhee.read_text(encoding="utf-8") + (run_folder / "bundle" / "README.md").read_text(encoding="utf-8")
    examples = [*found["copies"]["examples"], *found["completions"]["examples"]]
    assert examples
    for example in examples:
        assert example["question"] not in written
        assert example["reply"] not in written
    assert facts(run_folder / "bundle")["probe"] == numbers(found)
    assert "가장 길게 베낀 답" in capsys.readouterr().out


def test_a_run_without_canaries_says_how_to_plant_them_and_gives_the_rest(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    yuhee = run_folder / "bundle" / "yuhee.json"
    yuhee.write_text(json.dumps(facts(run_folder / "bundle") | {"canaries": []}))
    monkeypatch.setattr(sys, "argv", ["yuhee", "probe", str(run_folder)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "data.canaries=20" in said.replace("\n", "")
    assert "학습 답을 그대로 베낀 답" in said
    assert "planted secrets" not in (run_folder / "bundle" / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("fewer")
def test_a_bundle_alone_is_audited_by_its_canaries(run_folder: Path, tmp_path: Path, small_bundle: Path) -> None:
    alone = tmp_path / "alone"
    (run_folder / "bundle").rename(alone)
    found = probe_path(alone)
    assert set(found) == {"format", "canaries"}
    assert facts(alone)["probe"] == found
    with pytest.raises(UserError, match="심어 둔 비밀이 없습니다"):
        probe_path(small_bundle)


def test_no_model_and_no_run(run_folder: Path) -> None:
    with pytest.raises(UserError, match="그런 파일이나 폴더가 없습니다"):
        probe_path(Path("nothing"))
    (run_folder / "metrics.json").unlink()
    with pytest.raises(UserError, match="끝나지 않은 실행"):
        probe_path(run_folder)


def test_a_read_only_bundle_is_told(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = facts(run_folder / "bundle")
    monkeypatch.setattr(bundle, "write_private", full)
    with pytest.raises(UserError, match="No space left"):
        bundle.add_fact(run_folder / "bundle", "probe", {"canaries": {}})
    assert facts(run_folder / "bundle") == before


def test_examples_are_no_markup_on_the_card(small_bundle: Path) -> None:
    evil = "<script>x</script>\n# 제목\x1b[2J | 표"
    copies = {name: {"value": 1.0} for name in ("copies", "copied_length", "longest_copy")}
    result = {
        "canaries": {"reason": "없음"},
        "copies": {"questions": 3, **copies, "examples": [{"question": evil, "reply": evil, "copied": 3}]},
    }
    bundle.add_fact(small_bundle, "probe", result)
    lines = (small_bundle / "README.md").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if "script" in line]
    assert line.startswith("    <script>x</script> # 제목[2J | 표 → ")
    assert lines[lines.index(line) - 1] == ""
