"""Launchers of a sweep's jobs, and the extras that bring them."""

from collections.abc import Sequence
from importlib.util import find_spec

from yuhee.errors import UserError

_EXTRAS = {"joblib": "sweep", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}


def check_launcher(arguments: Sequence[str]) -> None:
    """Refuse a launcher whose package is not installed.

    Raises:
        UserError: with the command that installs it.
    """
    for argument in arguments:
        name = argument.removeprefix("hydra/launcher=")
        if name != argument and name in _EXTRAS and not find_spec(f"hydra_plugins.hydra_{name.split('_')[0]}_launcher"):
            raise UserError(f'{argument}: pip install "yuhee[{_EXTRAS[name]}]" 로 설치해 주세요.')
