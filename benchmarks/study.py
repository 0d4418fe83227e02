"""The results table: every row of `study.yaml` trained with every seed, evaluated, and written to `docs/results.md`.

    python -m benchmarks.study [--jobs 2] [--threads 1] [--only ROW …] [--root outputs/study]

What is finished is not done again, what was cut off goes on from its last checkpoint.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.study_page import page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORD = "study.json"


@dataclass(frozen=True)
class Job:
    """One run: a row of the study with one seed.

    Attributes:
        row: its name in `study.yaml`.
        overrides: for `train.py`.
        original: folder of the run whose corpus, architecture and time the original recipe gets instead.
        folder: of the run.
        needs: folders of runs that have to be finished before.
        evaluate: whether it is a model to ask.
        said: the overrides as the study's file has them, without the names of this machine's folders.
    """

    row: str
    seed: int
    overrides: list[str]
    original: Path | None
    folder: Path
    needs: tuple[Path, ...] = ()
    evaluate: bool = True
    said: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the folder was begun with other overrides than the study's file has now."""
        file = self.folder / RECORD
        return file.is_file() and json.loads(file.read_text(encoding="utf-8")) != list(self.said)

    def do(self, threads: int) -> None:
        """Train and evaluate, or go on where it was cut off, or do nothing where it is finished.

        Raises:
            CalledProcessError: a command failed; `study.log` in the folder says why.
        """
        if not (self.folder / "metrics.json").is_file():
            self._run(self._training(), threads)
        asked = self.evaluate and self.original is None
        if asked and not (self.folder / "evaluation" / "metrics.json").is_file():
            self._run(["-m", "yuhee", "evaluate", str(self.folder)], threads)

    def _training(self) -> list[str]:
        if self.original is not None:
            return ["-m", "benchmarks.original_run", str(self.original), str(self.folder), "--seed", str(self.seed)]
        begun = any((self.folder / "checkpoints").glob("*.ckpt"))
        command = ["train.py", *self.overrides, f"seed={self.seed}", f"hydra.run.dir={self.folder}"]
        return [*command, "ckpt_path=last"] if begun else command

    def _run(self, command: list[str], threads: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / RECORD).write_text(json.dumps(self.said, ensure_ascii=False), encoding="utf-8")
        with (self.folder / "study.log").open("a", encoding="utf-8") as log:
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
            subprocess.run([sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, env=environment, check=True)


def read_study() -> dict[str, Any]:
    """`study.yaml`."""
    return dict(yaml.safe_load((HERE / "study.yaml").read_text(encoding="utf-8")))


def jobs(study: dict[str, Any], root: Path, only: list[str]) -> list[Job]:
    """All runs, seed by seed, so that a table of fewer seeds is whole first.

    `{row}` in an override is the folder of that row's run with the same seed; it stands before the rows that need it.
    """
    return [
        _job(row, values, seed, {name: root / name / f"seed={seed}" for name in study["rows"]})
        for seed in study["seeds"]
        for row, values in study["rows"].items()
        if not only or row in only
    ]


def _job(row: str, values: dict[str, Any], seed: int, folders: dict[str, Path]) -> Job:
    said = tuple(values.get("overrides", ()))
    overrides = [os.path.expandvars(each) for each in said]
    needed = [name for name in folders if any(f"{{{name}}}" in each for each in overrides)]
    original = folders[values["original"]] if "original" in values else None
    needs = [*(folders[name] for name in needed), *([original] if original else [])]
    filled = [each.format_map(folders) if needed else each for each in overrides]
    return Job(row, seed, filled, original, folders[row], tuple(needs), values.get("evaluate", True), said)


def check_unchanged(made: Iterable[Job]) -> None:
    """Before anything runs: figures of other settings must not stand in a row of these.

    Raises:
        SystemExit: a folder was begun with other overrides.
    """
    if changed := [str(job.folder) for job in made if job.changed]:
        sys.exit(f"begun with other settings than now, move away or choose another --root: {', '.join(changed)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; the cores are shared among them")
    parser.add_argument("--threads", type=int, help="of each run; all cores shared among the jobs if not given")
    parser.add_argument("--only", nargs="*", default=[], help="rows of study.yaml")
    parser.add_argument("--root", type=Path, default=ROOT / "outputs" / "study")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results.md")
    arguments = parser.parse_args()
    study = read_study()
    threads = arguments.threads or max(1, (os.cpu_count() or 1) // arguments.jobs)
    made = jobs(study, arguments.root, arguments.only)
    check_unchanged(made)
    failed = []
    begun: dict[Path, Future[None]] = {}

    def work(job: Job) -> None:
        for folder in job.needs:
            if folder in begun:
                begun[folder].result()  # it was begun before, so that no two wait for each other
        try:
            job.do(threads)
        except subprocess.CalledProcessError:
            failed.append(job.folder)
        print(f"{job.row} seed {job.seed}: {'failed' if job.folder in failed else 'done'}", flush=True)
        arguments.out.write_text(page(study, arguments.root), encoding="utf-8")

    with ThreadPoolExecutor(arguments.jobs) as pool:
        for job in made:
            begun[job.folder] = pool.submit(work, job)
        for future in begun.values():
            future.result()
    if failed:
        sys.exit("failed, see study.log in: " + ", ".join(map(str, failed)))


if __name__ == "__main__":
    main()
