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


def cells_of(stem: str) -> list[str]:
    """The code of a notebook, cell by cell."""
    [path] = [path for path in NOTEBOOKS if path.stem == stem]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run_cells(cells: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, "notebook", "exec"), names)
    return names


def test_the_quickstart_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """With a small network and three steps in the place of minutes; the cells are the notebook's own."""
    cells = [cell.replace('"model=tiny"]', f'"model=tiny", *{SMALL}]') for cell in cells_of("00_quickstart")]
    assert "trainer.max_steps=3" in cells[0]
    assert run_cells(cells)["result"].metrics["data/train_dialogues"] > 1000
    assert "<usr>" in capsys.readouterr().out


def test_ones_own_chats_become_a_friend(capsys: pytest.CaptureFixture[str]) -> None:
    """The notebook's own cells with 600 messages in the place of 10,000, a small network and three steps."""
    small = {"10_000": "600", '"experiment=own_chats"]': f'"experiment=own_chats", *{SMALL}]'}
    cells = cells_of("01_my_own_chats")
    for old, new in small.items():
        assert sum(cell.count(old) for cell in cells) == 1
        cells = [cell.replace(old, new) for cell in cells]
    names = run_cells(cells)
    assert names["result"].metrics["data/train_dialogues"] > 30
    assert len(names["history"]) == 6
    imported = names["mine"].read_text(encoding="utf-8")
    assert "이바다" not in imported
    assert "김하늘" not in imported
    printed = capsys.readouterr().out
    assert "친구:" in printed
    assert "data=kakaotalk" in printed
