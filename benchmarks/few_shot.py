"""PET, supervised training and a linear model on the same few labels, written to `docs/few_shot.md` and `.png`.

    python -m benchmarks.few_shot [--sizes 32 …] [--seeds 1 …] [--only ROW …] [--root outputs/few_shot] [key=value …]

Every row of `few_shot.yaml` with every size and seed, from one pre-training per seed. What is finished is not done again,
what was cut off goes on from its last checkpoint. `key=value` is for all runs, to try something small.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.few_shot_page import page, plot
from benchmarks.study import HERE, ROOT, Job, check_unchanged


class Cell(Job):
    """One run of the table; its figures are those of its `metrics.json`."""

    def do(self, threads: int) -> None:
        if not (self.folder / "metrics.json").is_file():
            self._run(self._training(), threads)


def read_study() -> dict[str, Any]:
    """`few_shot.yaml`."""
    return dict(yaml.safe_load((HERE / "few_shot.yaml").read_text(encoding="utf-8")))


def folder(root: Path, row: str, size: int, seed: int) -> Path:
    """Of a run."""
    return root / f"{row}_{size}" / f"seed={seed}"


def cells(study: Mapping[str, Any], root: Path, only: Sequence[str], more: Sequence[str]) -> Iterator[Cell]:
    """All runs, seed by seed, the pre-training first, so that a table of fewer seeds is whole first.

    Args:
        only: rows; none for all.
        more: overrides for all runs.
    """
    rows = {name: row for name, row in study["rows"].items() if not only or name in only}
    for seed in study["seeds"]:
        masked = root / "masked" / f"seed={seed}"
        pretraining = [*study["masked"], *more]
        yield Cell("masked", seed, pretraining, None, masked, said=tuple(pretraining))
        for size in study["sizes"]:
            for name, row in rows.items():
                said = (*row["overrides"], *study["common"], f"data.few_shot={size}", *more)
                overrides = [each.replace("{masked}", str(masked / "bundle")) for each in said]
                yield Cell(f"{name}_{size}", seed, overrides, None, folder(root, name, size, seed), said=said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="rows of few_shot.yaml")
    parser.add_argument("--sizes", nargs="*", type=int, help="labelled messages of each class")
    parser.add_argument("--seeds", nargs="*", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--root", type=Path, default=ROOT / "outputs" / "few_shot")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "few_shot.md")
    parser.add_argument("more", nargs="*", metavar="key=value", help="for all runs")
    arguments = parser.parse_intermixed_args()
    study = read_study()
    study |= {name: given for name in ("sizes", "seeds") if (given := getattr(arguments, name))}
    made = list(cells(study, arguments.root.resolve(), arguments.only, arguments.more))
    check_unchanged(made)
    failed = []
    for cell in made:
        try:
            cell.do(arguments.threads)
        except subprocess.CalledProcessError:
            failed.append(str(cell.folder))
        print(f"{cell.row} seed {cell.seed}: {'failed' if str(cell.folder) in failed else 'done'}", flush=True)
        arguments.out.write_text(page(study, arguments.root), encoding="utf-8")
        plot(study, arguments.root, arguments.out.with_suffix(".png"))
    if failed:
        sys.exit("failed, see study.log in: " + ", ".join(failed))


if __name__ == "__main__":
    main()
