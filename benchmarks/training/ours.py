"""This project as `python train.py` runs it: the same configuration, reading, cache, module and Trainer."""

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import workload
from benchmarks.steps import Clock, StopFit
from yuhee.training import compose_config, parse_config, train


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Steps of a run on the whole training split; it is left when the last step is done.

    The run is what `yuhee.training.train` makes of the configuration, with our stopwatch where its own stands.
    """
    warmup, steps = spec["steps"]
    values = workload.read(spec["work"])
    overrides = [*values["overrides"], f"seed={spec['seed']}", f"trainer.max_steps={warmup + steps}"]
    clock = Clock(warmup, stop_after=warmup + steps)
    with (
        tempfile.TemporaryDirectory(dir=spec["work"]) as folder,
        mock.patch("yuhee.training.run.StepFigures", return_value=clock),
    ):
        try:
            train(parse_config(compose_config(overrides)), Path(folder) / "run")
        except StopFit:
            return clock.figures(values["tokens_per_example"])
    raise RuntimeError("the run ended before its last step")
