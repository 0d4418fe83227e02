"""Optuna proposes the settings of a sweep's jobs; the study is a file in the sweep's folder that jobs report to.

Job n is trial n. A trial that was running when the sweep was killed is launched again under its own number, so that it
goes on from its own checkpoint.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.utils import instantiate
from pytorch_lightning.trainer.states import TrainerFn

from yuhee.errors import UserError
from yuhee.training.checkpoints import Checkpoints
from yuhee.training.sweep_folder import JOURNAL

if TYPE_CHECKING:
    from yuhee.training.sweep import Sweep
    from yuhee.training.sweep_job import Outcome

STUDY = "yuhee"


class Pruned(UserError):
    """A trial was given up because others did better at this point; `figure` is its best so far."""

    def __init__(self, figure: float) -> None:
        super().__init__("가망이 없어 멈춥니다.")
        self.figure = figure


class TrialReport(pl.Callback):
    """Reports each validation to the job's trial, and stops the run if the pruner says so.

    A report's step is the share of the training that is done, in per cent: comparable between trials whose epochs have
    different numbers of optimizer steps. Its value is the best figure so far, which is what the sweep minimises.

    Args:
        trial: of Optuna.
    """

    def __init__(self, trial: Any) -> None:
        self.trial = trial

    @classmethod
    def of(cls, folder: Path, number: int, pruner: Any) -> Sequence[pl.Callback]:
        """The callback for a job of the sweep in `folder`; nothing if Optuna does not run that sweep."""
        if not (folder / JOURNAL).is_file():
            return []
        study = _study(folder, pruner)
        trial_id = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
        return [cls(_optuna().trial.Trial(study, trial_id))]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn is not TrainerFn.FITTING:
            return
        [checkpoints] = [callback for callback in trainer.callbacks if isinstance(callback, Checkpoints)]  # type: ignore[attr-defined]
        done = round(100 * trainer.global_step / max(int(trainer.estimated_stepping_batches), 1))
        if done not in self.trial.storage.get_trial(self.trial._trial_id).intermediate_values:
            self.trial.report(checkpoints.best, done)
        if done < 100 and self.trial.should_prune():
            raise Pruned(checkpoints.best)


def search(sweep: "Sweep", overrides: Sequence[str], n_trials: int, batch_size: int, seed: int, pruner: Any) -> None:
    """Run jobs until there are `n_trials`, with those of an earlier start of the same sweep counted.

    Args:
        sweep: whose folder is held.
        overrides: fixed settings and the search space, in Hydra's syntax; later ones outrank earlier ones.
        n_trials: finished, pruned and failed ones together.
        batch_size: jobs that the launcher gets at a time.
        seed: of the sampler.
        pruner: configuration of an Optuna pruner, or None.

    Raises:
        UserError: Optuna is not installed, or there is nothing to search.
    """
    optuna = _optuna()
    parser = OverridesParser.create(config_loader=sweep.loader)
    parsed = {override.key_or_group: override for override in parser.parse_overrides(list(overrides))}
    space = {key: distribution(override) for key, override in parsed.items() if override.is_sweep_override()}
    if not space:
        raise UserError("탐색할 값이 없습니다. 예: model.lr='tag(log, interval(1e-4, 3e-3))' 를 붙여 주세요.")
    study = _study(sweep.folder, pruner)
    # a sampler that starts anew must not propose again what it proposed before the kill
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))

    states = optuna.trial.TrialState

    def settings(trial: Any) -> list[str]:
        return [_override(override, trial.params) for override in parsed.values()]

    def run(trials: Sequence[Any]) -> None:
        outcomes = _outcomes(sweep, trials[0].number, [settings(trial) for trial in trials])
        for trial, outcome in zip(trials, outcomes, strict=True):
            if outcome.status == "finished":
                study.tell(trial.number, outcome.figure)
            else:
                study.tell(trial.number, state=states.PRUNED if outcome.status == "pruned" else states.FAIL)

    for trial in study.trials:  # of an earlier start
        if trial.state != states.RUNNING:
            sweep.add(settings(trial), trial.number)
        elif set(trial.params) == set(space):
            run([trial])
        else:  # killed while it was being proposed
            study.tell(trial.number, state=states.FAIL)
    while (missing := n_trials - len(study.trials)) > 0:
        run([study.ask(space) for _ in range(min(batch_size, missing))])


def _outcomes(sweep: "Sweep", first: int, batch: Sequence[Sequence[str]]) -> "list[Outcome]":
    """Run a batch; a proposal that cannot be is a trial that failed, and the search goes on."""
    wrong = [sweep.add(overrides, number) for number, overrides in enumerate(batch, first)]
    if not any(wrong):
        return sweep.launch(batch, first)
    return [
        sweep.refuse(number, problems) if problems else sweep.launch([overrides], number)[0]
        for number, (overrides, problems) in enumerate(zip(batch, wrong, strict=True), first)
    ]


def _study(folder: Path, pruner: Any) -> Any:
    optuna = _optuna()
    # absolute: Optuna's lock is a symbolic link to the file
    backend = optuna.storages.journal.JournalFileBackend(str((folder / JOURNAL).resolve()))
    return optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        study_name=STUDY,
        direction="minimize",
        pruner=optuna.pruners.NopPruner() if pruner is None else instantiate(pruner),
        load_if_exists=True,
    )


def distribution(override: Override) -> Any:
    """Hydra's sweep syntax → Optuna's distribution; choices stay text in Hydra's syntax."""
    value: Any = override.value()
    distributions = _optuna().distributions
    if isinstance(value, IntervalSweep):
        kind = distributions.IntDistribution if isinstance(value.start, int) else distributions.FloatDistribution
        return kind(value.start, value.end, log="log" in value.tags)
    if isinstance(value, RangeSweep):
        values = list(value.range())
        kind = distributions.IntDistribution if isinstance(values[0], int) else distributions.FloatDistribution
        return kind(values[0], round(values[-1], 12), step=value.step)  # sums of steps are off by a hair
    return distributions.CategoricalDistribution(list(override.sweep_string_iterator()))


def _override(override: Override, params: Mapping[str, Any]) -> str:
    key = override.key_or_group
    value = params[key] if key in params else override.get_value_element_as_str()
    return f"{override.get_key_element()}={value}"


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise UserError('hydra/sweeper=optuna: pip install "yuhee[sweep]" 로 설치해 주세요.') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
