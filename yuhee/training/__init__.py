"""From a configuration to a finished run."""

from yuhee.training.checkpoints import Interrupted
from yuhee.training.config import TrainConfig, parse_config
from yuhee.training.overrides import compose_config, config_dir, prepare
from yuhee.training.run import TrainResult, train
from yuhee.training.run_folder import new_run_folder, remove_unbegun
from yuhee.training.summary import print_summary
from yuhee.training.sweep_job import run_job
from yuhee.training.wandb_run import check_recorded, log_evaluation

__all__ = [
    "Interrupted",
    "TrainConfig",
    "TrainResult",
    "check_recorded",
    "compose_config",
    "config_dir",
    "log_evaluation",
    "new_run_folder",
    "parse_config",
    "prepare",
    "print_summary",
    "remove_unbegun",
    "run_job",
    "train",
]
