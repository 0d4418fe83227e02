"""From a configuration to a finished run."""

from yuhee.training.checkpoints import Interrupted
from yuhee.training.config import TrainConfig, parse_config
from yuhee.training.overrides import compose_config, config_dir, prepare
from yuhee.training.run import TrainResult, train
from yuhee.training.run_folder import new_run_folder
from yuhee.training.summary import print_summary

__all__ = [
    "Interrupted",
    "TrainConfig",
    "TrainResult",
    "compose_config",
    "config_dir",
    "new_run_folder",
    "parse_config",
    "prepare",
    "print_summary",
    "train",
]
