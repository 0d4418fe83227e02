"""Notebooks are stored without outputs, and their cells run."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALL = [
    "model.network.num_hidden_layers=1",
    "model.network.hidden_size=32",
    "model.network.num_attention_heads=2",
    "trainer.max_steps=3",
]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_the_quickstart_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """With a small network and three steps in the place of minutes; the cells are the notebook's own."""
    [path] = [path for path in NOTEBOOKS if path.stem == "00_quickstart"]
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    names: dict[str, Any] = {}
    sources = ["".join(cell["source"]).replace('"model=tiny"]', f'"model=tiny", *{SMALL}]') for cell in cells]
    assert "trainer.max_steps=3" in sources[0]
    for source in sources:
        exec(compile(source, path.name, "exec"), names)
    assert names["result"].metrics["data/train_dialogues"] > 1000
    assert "<usr>" in capsys.readouterr().out
