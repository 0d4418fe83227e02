"""python train.py [model=…] [data=…] [key=value …]: the configuration is `conf/`, the work `yuhee.training.train`."""

# ruff: noqa: E402
import gc

gc.disable()  # the imports make a million objects and hardly any garbage; searching them for it takes a fifth of the time

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from yuhee.errors import UserError
from yuhee.training import Interrupted, config_dir, parse_config, prepare, print_summary, remove_unbegun, run_job, train

gc.freeze()  # nor are they searched later
gc.enable()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
def main(config: DictConfig) -> float:
    """Train one model; returns the figure that a sweeper minimises."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        return run_job(config, folder)
    try:
        result = train(parse_config(config), folder)
    except UserError as error:
        print(f"오류: {error}", file=sys.stderr)
        remove_unbegun(folder)
        sys.exit(130 if isinstance(error, Interrupted) else 1)
    print_summary(result)
    return float(result.metrics[config.optimized_metric])


if __name__ == "__main__":
    try:
        sys.argv[1:] = prepare(sys.argv[1:])
    except UserError as error:
        sys.exit(f"오류: {error}")
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
