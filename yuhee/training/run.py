"""One training run, from a configuration to a bundle."""

import json
import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.rank_zero import rank_zero_only
from omegaconf import OmegaConf
from pytorch_lightning.loggers import Logger
from rich.console import Console

from yuhee import bundle
from yuhee.data.canaries import Canary, make_canaries, plant
from yuhee.data.corpus import Corpus
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.encoding.encoder import writes_replies
from yuhee.data.few_shot import few_labels
from yuhee.data.report_view import report_table, save_page
from yuhee.data.splits import SPLITS, Split, split
from yuhee.errors import UserError
from yuhee.models.family import Family
from yuhee.models.sharding import load_weights
from yuhee.paths import cache_dir, write_private
from yuhee.training.checkpoints import BEST, Checkpoints, readable_checkpoint
from yuhee.training.config import TrainConfig
from yuhee.training.facts import model_facts, tracked_settings
from yuhee.training.fsdp import FullyShard
from yuhee.training.loggers import make_loggers
from yuhee.training.memory import keep_freed_memory
from yuhee.training.progress import StepFigures
from yuhee.training.reply_table import ReplyTable
from yuhee.training.run_folder import check_unused, locked
from yuhee.training.trainer import make_trainer, quieten
from yuhee.training.wandb_run import WandbRun, tracked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves.

    Attributes:
        folder: of the run.
        metrics: the content of `metrics.json`.
        module: the LightningModule with the weights of `best.ckpt`.
        bundle: folder that `yuhee.load` and plain `transformers` read.
        split: the dialogues, for a look at what the model has not seen.
    """

    folder: Path
    metrics: dict[str, Any]
    module: Family
    bundle: Path
    split: Split


def train(config: TrainConfig, folder: Path, callbacks: Sequence[pl.Callback] = ()) -> TrainResult:
    """Train, evaluate and save one model.

    Args:
        config: checked configuration.
        folder: of the run; made if need be, held while the run lasts.
        callbacks: of the caller, called after our own.

    Raises:
        UserError: any mistake or obstacle on the user's side; nothing already saved is lost.
        Interrupted: Ctrl-C or SIGTERM, after saving.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder) if _is_rank_zero() else nullcontext():
        run = _Run(config, folder, callbacks)
        with tracked(run.loggers):
            return run.go()


class _Run:
    """The stages of a run, in order."""

    def __init__(self, config: TrainConfig, folder: Path, callbacks: Sequence[pl.Callback]) -> None:
        self.config = config
        self.folder = folder
        self.callbacks = callbacks
        self.loggers: list[Logger] = []
        self.start = time.monotonic()

    def go(self) -> TrainResult:
        quieten()
        keep_freed_memory()
        resume = self._checkpoint_to_resume()
        self._keep_configuration()
        pl.seed_everything(self.config.seed, workers=True, verbose=False)
        corpus = self.config.data.read()
        parts = self._split(corpus)
        self._report(corpus)
        data = self._data(corpus, parts)
        figures = self._data_figures(corpus, parts, data)
        facts = model_facts(self.config, corpus, data, self._canaries())
        module = self.config.family.create(self.config.model, data.encoder, facts)
        if resume is not None:  # before `prepare`, which may take long
            module.check_resumable(bundle.read_checkpoint(resume))
        every_n_steps = self.config.callbacks.checkpoint.every_n_steps
        checkpoints = Checkpoints(self.folder / "checkpoints", every_n_steps, self.config.optimized_metric, self.start)
        steps = StepFigures()
        trackers = self._start_loggers(resume, private=facts["privacy"] != "public")
        tables = map(ReplyTable, trackers if writes_replies(data.encoder) else [])
        trainer = make_trainer(self.config, self.folder, self.loggers, [checkpoints, steps, *tables, *self.callbacks])
        module.prepare(data, self.folder, trainer.strategy.root_device)
        with checkpoints.signals():
            trainer.fit(module, data, ckpt_path=resume, weights_only=True)
            checkpoints.raise_if_interrupted(trainer)
            figures |= module.epoch.figures("train") | steps.figures
            figures |= _evaluate_best(trainer, module, data, checkpoints)
            checkpoints.raise_if_interrupted(trainer)
        figures |= {"corpus_hash": corpus.hash, "seconds": round(checkpoints.seconds, 1)}
        if trainer.is_global_zero:
            bundle.save_bundle(self._best(trainer, module), self.folder / "bundle", figures)
        self._write("metrics.json", figures)
        for tracker in trackers:
            tracker.log_result(figures)
        return TrainResult(self.folder, figures, module, self.folder / "bundle", parts)

    def _split(self, corpus: Corpus) -> Split:
        config = self.config.data
        parts = plant(split(corpus.dialogues, **dict(config.split)), self._canaries(), config.canary_repeats)
        return parts if config.few_shot is None else few_labels(parts, config.few_shot, self.config.seed)

    def _canaries(self) -> list[Canary]:
        return make_canaries(self.config.data.canaries, self.config.data.split.seed)

    def _best(self, trainer: pl.Trainer, module: Any) -> bundle.Model:
        if isinstance(trainer.strategy, FullyShard):  # no process holds all the weights
            return bundle.load(self.folder)
        return bundle.Model(module.finished(), module.encoder, module.description())

    def _keep_configuration(self) -> None:
        """Hydra has written it if `train.py` was called; a run of a notebook can be opened again as well."""
        file = self.folder / ".hydra" / "config.yaml"
        if _is_rank_zero() and not file.exists():
            file.parent.mkdir(exist_ok=True)
            OmegaConf.save(OmegaConf.create(self.config.model_dump(mode="json", by_alias=True)), file)

    def _report(self, corpus: Corpus) -> None:
        """Save what was read, and tell its notes and the first lines that were of no use."""
        report = corpus.report
        self._write("read_report.json", {**report.as_dict(), "corpus_hash": corpus.hash})
        if _is_rank_zero():
            save_page(report, self.folder / "read_report.html")
            Console(stderr=True, soft_wrap=True).print(report_table(report))
        for note in report.notes:
            log.info("%s: %s", report.source, note)
        for line, reason in report.skipped[:5]:
            log.warning("%s, %d번째 줄을 건너뜁니다: %s", report.source, line, reason)
        if (rest := len(report.skipped) - 5) > 0:
            log.warning("… 그 밖에 %d줄을 건너뜁니다. 모두 %s/read_report.json 에 있습니다.", rest, self.folder)

    def _data(self, corpus: Corpus, parts: Split) -> DialogueDataModule:
        config = self.config.data
        encoder = self.config.family.make_encoder(self.config.model, config, parts)
        if config.few_shot is not None and encoder.task != "text-classification":
            raise UserError(
                f"data.few_shot={config.few_shot}: 감정을 가려내는 모델만 적은 표지로 배웁니다. "
                "data.few_shot을 빼거나 model=emotion_pet, emotion_roberta, emotion_linear 가운데 하나를 쓰세요."
            )
        data = DialogueDataModule(
            parts,
            encoder,
            # personal text never leaves the run's own folder
            cache=self.folder / "cache" if corpus.private else cache_dir() / "encoded",
            cache_key=self._cache_key(corpus),
            batch_size=config.batch_size,
            num_workers=config.num_workers,
            seed=self.config.seed,
            emotion_dropout=config.emotion_dropout,
            chain=config.chain,
            history=config.history,
            packing=config.packing,
        )
        data.setup()
        return data

    def _cache_key(self, corpus: Corpus) -> str:
        """What decides which dialogues are in which split, and which of their labels are seen."""
        config = self.config.data
        drawn = None if config.few_shot is None else [config.few_shot, self.config.seed]
        parts = [corpus.hash, config.split.model_dump(), config.canaries, config.canary_repeats, drawn]
        return json.dumps(parts, sort_keys=True)

    def _data_figures(self, corpus: Corpus, parts: Split, data: DialogueDataModule) -> dict[str, Any]:
        overlap = parts.overlap()
        lost = data.total("lost") / max(data.total("characters"), 1)
        sizes = {f"data/{name}_dialogues": len(getattr(parts, name)) for name in SPLITS}
        log.info(
            "%s: 대화 %d개 → train %d, val %d, test %d", corpus.report.source, len(corpus.dialogues), *sizes.values()
        )
        log.info(
            "train과 겹치는 몫: val 질문 %.1f%% 답 %.1f%%, test 질문 %.1f%% 답 %.1f%%; 토크나이저가 잃는 글자 %.3f%%",
            *(100 * share for share in overlap.values()),
            100 * lost,
        )
        return {**sizes, **overlap, "data/lost_characters": lost}

    def _start_loggers(self, resume: Path | None, *, private: bool) -> list[WandbRun]:
        last_step = None if resume is None else torch.load(resume, weights_only=True, mmap=True)["global_step"]
        self.loggers += make_loggers(
            self.config.logger, self.folder, last_step, tracked_settings(self.config), private=private
        )
        return [logger for logger in self.loggers if isinstance(logger, WandbRun)]

    def _checkpoint_to_resume(self) -> Path | None:
        path = self.config.ckpt_path
        check_unused(self.folder, path)
        if path is None:
            return None
        found = readable_checkpoint(self.folder) if path == "last" else Path(path).expanduser()
        step = bundle.read_checkpoint(found)["global_step"]  # refuses what is missing, broken, foreign or unsafe
        log.info("%s: %s의 스텝 %d부터 이어 갑니다.", self.folder, found.name, step)
        return found

    def _write(self, name: str, values: dict[str, Any]) -> None:
        if _is_rank_zero():
            write_private(self.folder / name, json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def _is_rank_zero() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0


def _evaluate_best(
    trainer: pl.Trainer, module: Family, data: DialogueDataModule, checkpoints: Checkpoints
) -> dict[str, Any]:
    """Figures of the best weights, which the module holds afterwards; test is scored this once."""
    if checkpoints.validated_step != trainer.global_step:
        trainer.validate(module, data, verbose=False)
    best = checkpoints.folder / BEST
    if best.is_file():
        load_weights(module, torch.load(best, map_location="cpu", weights_only=True, mmap=True)["state_dict"])
    settled = module.settle(data)
    trainer.test(module, data, verbose=False)
    test = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("test/")}
    return {**checkpoints.figures, **settled, **test}
