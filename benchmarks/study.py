"""The results table: every row of `study.yaml` trained with every seed, evaluated, and written as one page.

    python -m benchmarks.study [--jobs 2] [--only ROW …] [--root outputs/study]

What is finished is not done again, what was cut off goes on from its last checkpoint.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@dataclass(frozen=True)
class Job:
    """One run: a row of the study with one seed."""

    row: str
    seed: int
    overrides: list[str]
    folder: Path

    def train(self, threads: int) -> None:
        """Train, or go on where it was cut off, or do nothing where it is finished.

        Raises:
            CalledProcessError: the run failed; its folder says why.
        """
        if (self.folder / "metrics.json").is_file():
            return
        begun = any((self.folder / "checkpoints").glob("*.ckpt"))
        command = ["train.py", *self.overrides, f"seed={self.seed}", f"hydra.run.dir={self.folder}"]
        _run([*command, "ckpt_path=last"] if begun else command, threads, self.folder)

    def evaluate(self, threads: int) -> None:
        """Evaluate the finished run on its test split, once."""
        if not (self.folder / "evaluation" / "metrics.json").is_file():
            _run(["-m", "yuhee", "evaluate", str(self.folder)], threads, self.folder)


def _run(command: list[str], threads: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "study.log").open("a", encoding="utf-8") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        subprocess.run([sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, env=environment, check=True)


def jobs(root: Path, only: list[str]) -> list[Job]:
    """All runs, seed by seed, so that a table of fewer seeds is whole first."""
    study: dict[str, Any] = yaml.safe_load((HERE / "study.yaml").read_text(encoding="utf-8"))
    return [
        Job(row, seed, values["overrides"], root / row / f"seed={seed}")
        for seed in study["seeds"]
        for row, values in study["rows"].items()
        if not only or row in only
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; the cores are shared among them")
    parser.add_argument("--only", nargs="*", default=[], help="rows of study.yaml")
    parser.add_argument("--root", type=Path, default=ROOT / "outputs" / "study")
    arguments = parser.parse_args()
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)

    def work(job: Job) -> None:
        job.train(threads)
        figures = json.loads((job.folder / "metrics.json").read_text(encoding="utf-8"))
        print(f"{job.row} seed {job.seed}: test {figures['test/bpc']:.3f} bits per character", flush=True)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(work, jobs(arguments.root, arguments.only)))


if __name__ == "__main__":
    main()
