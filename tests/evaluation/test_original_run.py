"""The original recipe on another run's corpus, for the results table."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import original_run


def test_the_original_recipe_gets_the_corpus_the_architecture_and_the_time_of_another_run(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    train = original_run.train_original

    def shortened(dialogues: object, tokenizer: object, config: object, *, seconds: float, seed: int) -> object:
        given.update(dialogues=dialogues, config=config, seconds=seconds, seed=seed)
        return train(dialogues, tokenizer, config, steps=2, seed=seed)  # type: ignore[arg-type]

    monkeypatch.setattr(original_run, "train_original", shortened)
    monkeypatch.setattr(sys, "argv", ["original_run", str(run_folder), "theirs", "--seed", "3"])
    original_run.main()
    ours = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert given["seed"] == 3
    planted = 2  # canaries, which the other recipe does not get
    assert len(given["dialogues"]) == ours["data/train_dialogues"] - planted  # type: ignore[arg-type]
    assert given["config"].hidden_size == 32  # type: ignore[attr-defined]
    epochs = 10  # of `data=chat_jsonl`, which trainer.max_epochs refers to
    assert given["seconds"] == epochs * ours["data/train_dialogues"] / ours["train/examples_per_second"]
    theirs = json.loads(Path("theirs/metrics.json").read_text(encoding="utf-8"))
    assert theirs["test/bpc"] > ours["test/bpc"] > 0
