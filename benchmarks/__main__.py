"""`python -m benchmarks`: every comparison, side by side in one call; results as JSON and Markdown."""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.measure import problem, run_side, say
from benchmarks.report import markdown
from benchmarks.scale import FULL, QUICK
from benchmarks.suites import SUITES, Bench


def main() -> None:
    arguments = _arguments()
    scale = QUICK if arguments.quick else FULL
    if scale.tokenizer is not None:
        place = Path(os.environ.get("YUHEE_DATA_DIR") or "no YUHEE_DATA_DIR").resolve()
        if not (place / scale.tokenizer).is_dir():
            sys.exit(f"benchmarks: no folder {scale.tokenizer} in $YUHEE_DATA_DIR; --quick needs none")
        os.environ["YUHEE_DATA_DIR"] = str(place)  # the sides run in another folder
    results: dict[str, Any] = {"machine": describe(), "quick": arguments.quick, "rounds": arguments.rounds}
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="yuhee-bench-") as work:
        prepared = run_side("prepare", {"work": work, "scale": asdict(scale)})
        if reason := problem(prepared):
            sys.exit(f"benchmarks: cannot prepare ({reason})")
        results["workload"] = prepared
        for name in arguments.only:
            say(f"== {name}")
            results[name] = SUITES[name](Bench(scale, work, arguments.rounds))
            results["minutes"] = (time.monotonic() - start) / 60
            _write(arguments.out, results)  # also when a later comparison is interrupted
    print(markdown(results))
    if failures := list(_failures(results)):
        sys.exit("benchmarks: these sides failed: " + "; ".join(failures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="toy networks and two steps: does every side run?")
    parser.add_argument("--only", default=",".join(SUITES), help="comparisons, comma-separated (default: %(default)s)")
    parser.add_argument("--rounds", type=int, help="rounds of every comparison (default: 3; quick: 1)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"), help="where to write")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.quick else 3
    if arguments.rounds < 1:
        parser.error(f"--rounds {arguments.rounds}: at least one is needed")
    if not arguments.out.parent.is_dir():  # said before half an hour of work
        parser.error(f"--out {arguments.out}: there is no folder {arguments.out.parent}")
    if unknown := [name for name in arguments.only if name not in SUITES]:
        parser.error(f"--only: {', '.join(unknown)} is not among {', '.join(SUITES)}")
    return arguments


def _write(out: Path, results: dict[str, Any]) -> None:
    out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")


def _failures(values: Any, place: str = "") -> Any:
    if isinstance(values, dict):
        if "failed" in values:
            yield f"{place}: {values['failed']}"
        for key, value in values.items():
            yield from _failures(value, f"{place}.{key}".strip("."))


if __name__ == "__main__":
    main()
