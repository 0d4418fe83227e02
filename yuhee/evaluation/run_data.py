"""A finished run, opened again: its model, and the corpus it learned from, read and split as it was then."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from yuhee.bundle import Model, load
from yuhee.chat.companion import Companion
from yuhee.data.config import DataConfig
from yuhee.data.corpus import Corpus
from yuhee.data.encoding.encoder import writes_replies
from yuhee.data.few_shot import few_labels
from yuhee.data.splits import Split, split
from yuhee.errors import UserError
from yuhee.evaluation.runs import read_json
from yuhee.paths import is_running

READERS = "yuhee.data.corpora."


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: of the run.
        model: network, encoder and facts.
        config: plain values of `.hydra/config.yaml`, interpolations unresolved.
        corpus: read again.
        split: the corpus, split again, with the labels that the model saw.
    """

    folder: Path
    model: Model
    config: Mapping[str, Any]
    corpus: Corpus
    split: Split

    @cached_property
    def companion(self) -> Companion:
        """The model to talk with.

        Raises:
            UserError: it does not write replies.
        """
        if not writes_replies(self.model.encoder):
            raise UserError(
                f"{self.folder}: 답을 쓰지 않는 모델이라 잴 답이 없습니다. yuhee evaluate 나 그 실행의 metrics.json을 보세요."
            )
        return Companion(self.model)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.model.facts

    @property
    def personal(self) -> bool:
        """Whether the corpus is somebody's own, masked or not: its text stays in the run's folder."""
        return self.corpus.private or bool(self.facts["private"]) or self.facts.get("privacy", "public") != "public"


def run_folder_of(path: Path) -> Path | None:
    """The run folder that a run folder, its bundle or one of its checkpoints belongs to; None where there is none."""
    for folder in (path, path.parent, path.parent.parent):
        if (folder / ".hydra" / "config.yaml").is_file():
            return folder
    return None


def open_run(path: Path, data_path: str | None = None) -> Run:
    """Load a run's model and read its corpus again.

    Args:
        path: run folder, its bundle, or one of its checkpoints.
        data_path: where the corpus lies now, if it was moved.

    Raises:
        UserError: no run, one that is unfinished, still running, damaged or of another version, or a corpus that
            moved or changed since.
    """
    path = path.expanduser()
    if not path.exists():
        raise UserError(f"{path}: 그런 파일이나 폴더가 없습니다. outputs/ 아래의 실행 폴더를 주세요.")
    folder = run_folder_of(path.resolve())
    if folder is None:
        raise UserError(
            f"{path}: 무엇으로 학습했는지 알 수 없습니다. .hydra/ 가 든 실행 폴더(outputs/<날짜>/<시각>)를 주세요."
        )
    if path.is_dir():
        _check_finished(path, folder)
    model = load(path)
    config = _config(folder)
    data = _data_config(folder, config)
    if data_path is not None:
        data = data.model_copy(update={"path": data_path})
    facts = model.facts
    if missing := sorted({"split", "corpus", "corpus_hash", "private"} - facts.keys()):
        raise UserError(
            f"{folder}: yuhee.json에 {missing[0]}이(가) 없어 무엇으로 학습했는지 모릅니다. 학습한 그대로의 실행 폴더를 주세요."
        )
    if facts["split"] != data.split.model_dump(mode="json"):
        raise UserError(f"{folder}: 설정의 data.split이 모델이 학습한 분할과 다릅니다. 고친 설정을 되돌려 주세요.")
    corpus = _read_again(data)
    if corpus.hash != facts["corpus_hash"]:
        raise UserError(
            f"{data.path or data.name}: 말뭉치가 학습한 뒤에 바뀌어(해시 {corpus.hash[:8]}, 학습할 때 {facts['corpus_hash'][:8]}) "
            "시험 문항이 학습에 쓰였을 수 있습니다. 그때의 말뭉치로 되돌리거나 다시 학습해 주세요."
        )
    parts = split(corpus.dialogues, **dict(data.split))
    if data.few_shot is not None:
        parts = few_labels(parts, data.few_shot, int(config["seed"]))
    return Run(folder, model, config, corpus, parts)


def _check_finished(path: Path, folder: Path) -> None:
    if (folder / ".lock").exists() and is_running(folder):
        raise UserError(f"{path}: 이 실행은 아직 돌고 있습니다. 끝난 뒤에 평가해 주세요.")
    if not ((folder / "metrics.json").is_file() and (folder / "bundle").is_dir()):
        if (error := read_json(folder / "job.json").get("error")) is not None:
            raise UserError(f"{path}: 실패한 실행이라 평가할 것이 없습니다(까닭: {error}).")
        saved = {file.name for file in (folder / "checkpoints").glob("*.ckpt")}
        if not saved:
            raise UserError(
                f"{path}: 시작하자마자 멈춘 실행이라 평가할 것이 없습니다. 같은 설정으로 다시 학습해 주세요."
            )
        best = " 지금까지의 모델은 그 안의 checkpoints/best.ckpt 로 볼 수 있습니다." if "best.ckpt" in saved else ""
        raise UserError(f"{path}: 끝나지 않은 실행입니다. 같은 설정에 ckpt_path=last 를 붙여 마저 학습해 주세요.{best}")


def _config(folder: Path) -> dict[str, Any]:
    file = folder / ".hydra" / "config.yaml"
    try:
        config = OmegaConf.load(file)
    except (OSError, ValueError, YAMLError):
        config = None
    if not isinstance(config, DictConfig) or not isinstance(config.get("data"), DictConfig):
        raise UserError(f"{file}: 설정이 손상되어 읽을 수 없습니다. 백업에서 되살리거나 다시 학습해 주세요.")
    values: dict[str, Any] = OmegaConf.to_container(config)
    return values


def _data_config(folder: Path, config: Mapping[str, Any]) -> DataConfig:
    try:
        values = OmegaConf.to_container(OmegaConf.create(dict(config)), resolve=True)["data"]
        _refuse_foreign_code(folder, values)
        return DataConfig.model_validate(values)
    except (ValidationError, OmegaConfBaseException) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        reason = ".".join(["data", *map(str, first["loc"])]) if first else str(error).strip().split("\n")[0]
        raise UserError(
            f"{folder}: 다른 판의 설정이라 읽을 수 없습니다({reason}). 그 판의 yuhee로 평가해 주세요."
        ) from None


def _refuse_foreign_code(folder: Path, data: Mapping[str, Any]) -> None:
    """A run folder may come from anywhere: its configuration names readers of ours and nothing else."""
    for part in (data.get("parts") or {}).values():
        _refuse_foreign_code(folder, part)
    reader = data.get("reader")
    if reader is None:
        return
    target = str(reader.get("_target_"))
    ours = target.startswith(READERS) and _module(target).startswith(READERS)
    if not ours or "_target_" in str({key: value for key, value in reader.items() if key != "_target_"}):
        raise UserError(f"{folder}: 설정의 data.reader가 yuhee의 것이 아닌 코드({target[:80]})를 불러 열지 않았습니다.")


def _module(target: str) -> str:
    try:
        return str(get_method(target).__module__)
    except Exception:  # whatever an import says, there is no such reader
        return ""


def _read_again(data: DataConfig) -> Corpus:
    try:
        return data.read()
    except UserError as error:
        raise UserError(f"{error} (학습한 말뭉치를 옮겼으면 --data-path 로 지금 자리를 알려 주세요.)") from None
