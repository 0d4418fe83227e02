"""`python train.py` from the start of its process to the end of its first optimizer step, the cache being there."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT

PATIENCE = 120.0  # seconds
POLL = 0.01


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Seconds to the first row of `metrics.csv`, which is written as the first step ends."""
    with tempfile.TemporaryDirectory(dir=spec["work"]) as folder:
        first_step(spec, Path(folder) / "cold")  # fills the cache
        return {"seconds": first_step(spec, Path(folder) / "warm")}


def first_step(spec: dict[str, Any], folder: Path) -> float:
    """Seconds of one run in `folder`, which is killed as soon as its first step is done.

    Raises:
        RuntimeError: it ended without a step, or made none in two minutes.
    """
    arguments = [f"data={spec['corpus']}", "model=tiny", *spec["tiny"], f"hydra.run.dir={folder}"]
    arguments += ["trainer.max_steps=1", "trainer.log_every_n_steps=1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder.parent / f"{folder.name}.log").open("w+") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *arguments], stdout=log, stderr=log, env=environment
        )
        try:
            while not _has_a_step(folder / "metrics.csv"):
                if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                    log.seek(0)
                    raise RuntimeError(f"train.py made no step: {log.read()[-300:]}")
                time.sleep(POLL)
            return time.perf_counter() - start
        finally:
            process.kill()
            process.wait()


def _has_a_step(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", newline="") as rows:
        return any(row.get("step") == "1" for row in csv.DictReader(rows))
