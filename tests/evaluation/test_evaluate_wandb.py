"""`yuhee evaluate --log-wandb`, as people type it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.evaluation.conftest import train_small
from tests.training.wandb_files import records


def test_the_report_goes_to_the_wandb_run_of_the_run(
    run_folder: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    recorded = train_small(Path("outputs/day/recorded"), "logger=wandb", "trainer.max_steps=1")
    [before] = [record for kind, record in records(recorded) if kind == "run"]
    short = ("--limit", "2", "--on", "val", "--log-wandb")

    both = run("yuhee", "evaluate", str(recorded), str(run_folder), *short)
    assert (both.returncode, both.stdout) == (1, "")
    assert re.fullmatch(r"오류: outputs/day/first: W&B로 기록한 실행이 아닙니다[^\n]*\n", both.stderr)
    assert not list(Path("outputs").rglob("evaluation*")), "told before anything is evaluated"

    alone = run("yuhee", "evaluate", str(recorded), *short)
    assert alone.returncode == 0, alone.stderr
    assert re.search(
        r"오프라인으로 기록했습니다\. 올리려면 wandb sync outputs/day/recorded/wandb/offline-run-\S+", alone.stdout
    )
    assert (recorded / "evaluation-val-limit2" / "report.html").is_file()
    kinds = list(records(recorded))
    [after] = [record for kind, record in kinds if kind == "run"]
    [report] = [record for kind, record in kinds if kind == "artifact"]
    assert after.run_id == before.run_id
    assert (report.name, report.type) == (f"evaluation-val-limit2-{before.run_id}", "evaluation")
    assert [entry.path for entry in report.manifest.contents] == ["report.html"]
