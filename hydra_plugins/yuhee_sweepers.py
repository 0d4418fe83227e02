"""Our sweepers, where Hydra looks for plugins: it takes none from another package.

The work is in `yuhee.training.sweep` and `yuhee.training.search`, imported only once a sweep begins.
"""

import sys
from collections.abc import Mapping
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """All combinations of the values; see `yuhee.training.sweep.grid`.

    Args:
        params: key → values in Hydra's override syntax; the command line's outrank them.
        batch_size: jobs that the launcher gets at a time; None is all of them.
    """

    def __init__(self, params: Mapping[str, str], batch_size: int | None) -> None:
        self.params = dict(params)
        self.batch_size = batch_size

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the jobs and print the table; exits with status 1 if one of them failed."""
        from yuhee.errors import UserError
        from yuhee.training.sweep import Sweep

        sweep = Sweep(self.hydra_context.config_loader, self.config, self.launcher)
        overrides = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        try:
            with sweep.held(arguments):
                self.run(sweep, overrides)
                failed = sweep.summarise()
        except UserError as error:
            sys.exit(f"오류: {error}")
        if failed:
            sys.exit(1)

    def run(self, sweep: Any, overrides: list[str]) -> None:
        from yuhee.training.sweep import grid

        grid(sweep, overrides, self.batch_size)


class OptunaSweeper(GridSweeper):
    """Values that Optuna proposes; see `yuhee.training.search.search`.

    Args:
        params, batch_size: as for a grid; ranges, intervals and choices are what is searched.
        n_trials: jobs in all.
        seed: of the sampler.
        pruner: `_target_` of an Optuna pruner and its arguments, or None.
    """

    def __init__(
        self, params: Mapping[str, str], batch_size: int, n_trials: int, seed: int, pruner: DictConfig | None
    ) -> None:
        super().__init__(params, batch_size)
        self.n_trials = n_trials
        self.seed = seed
        self.pruner = pruner

    def run(self, sweep: Any, overrides: list[str]) -> None:
        from yuhee.training.search import search

        search(sweep, overrides, self.n_trials, self.batch_size or 1, self.seed, self.pruner)
