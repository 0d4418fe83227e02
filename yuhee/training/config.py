"""The whole configuration, typed, with every problem reported at once and before any weights load."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, get_args, get_type_hints

import pytorch_lightning as pl
from hydra.utils import get_class, get_method
from omegaconf import DictConfig, OmegaConf
from pydantic import Field, PydanticSchemaGenerationError, SerializeAsAny, TypeAdapter, ValidationError

from yuhee.data.config import DataConfig, Section
from yuhee.errors import UserError
from yuhee.training.wandb_run import WandbConfig

PRECISIONS = ("auto", "32-true", "16-mixed", "bf16-mixed", "bf16-true", "16-true", "64-true", "32", "16", "bf16", "64")
LOGGERS: dict[str, type[Section]] = {"wandb": WandbConfig, "tensorboard": Section}
_MESSAGES = {
    "missing": "값이 필요합니다",
    "int_type": "정수가 아닙니다",
    "int_parsing": "정수가 아닙니다",
    "int_from_float": "정수가 아닙니다",
    "float_type": "수가 아닙니다",
    "float_parsing": "수가 아닙니다",
    "bool_type": "true나 false가 아닙니다",
    "bool_parsing": "true나 false가 아닙니다",
    "string_type": "글자가 아닙니다",
    "literal_error": "{expected} 가운데 하나여야 합니다",
    "greater_than": "{gt:g}보다 커야 합니다",
    "greater_than_equal": "{ge:g} 이상이어야 합니다",
    "less_than_equal": "{le:g} 이하여야 합니다",
    "too_short": "적어도 {min_length}개가 있어야 합니다",
    "string_too_short": "{min_length}자 이상이어야 합니다",
    "less_than": "{lt:g}보다 작아야 합니다",
    "list_type": '목록이 아닙니다(["가", "나"] 꼴로 쓰세요)',
    "dict_type": "'이름: 값' 묶음이 아닙니다",
    "model_type": "'이름: 값' 묶음이 아닙니다",
    "value_error": "{error}",
}


class CheckpointConfig(Section):
    every_n_steps: int = Field(200, gt=0)


class CallbacksConfig(Section):
    checkpoint: CheckpointConfig = CheckpointConfig()


class TrainConfig(Section):
    """Top-level keys. `model` is the `Config` of the family that `model._target_` names."""

    seed: int = Field(1, ge=0, lt=2**32)
    precision: str = "auto"
    ckpt_path: str | None = None
    optimized_metric: str = "val/bpc"
    data: DataConfig
    model: SerializeAsAny[Section]
    trainer: dict[str, Any]
    logger: dict[str, Any] = Field(default_factory=dict)
    callbacks: CallbacksConfig = CallbacksConfig()

    @property
    def family(self) -> Any:
        """The LightningModule class of the model."""
        return get_class(self.model.target)  # type: ignore[attr-defined]


def parse_config(config: DictConfig) -> TrainConfig:
    """Check a composed configuration.

    Raises:
        UserError: all problems together, each with its key, what is wrong and the nearest valid name.
    """
    if problems := find_problems(config):
        raise problems_error(problems)
    values = _plain(config)
    model = get_class(values["model"]["_target_"]).Config.model_validate(values.pop("model"))
    return TrainConfig.model_validate({**values, "model": model})


def problems_error(problems: list[str]) -> UserError:
    if len(problems) == 1:
        return UserError(f"설정: {problems[0]}")
    return UserError(f"설정에 고칠 곳이 {len(problems)}군데 있습니다:\n" + "\n".join(f"  - {p}" for p in problems))


def find_problems(config: DictConfig) -> list[str]:
    """Sentences about every unknown key and every impossible value."""
    values = _plain(config)
    sections: dict[str, type[Section]] = {"data": DataConfig, "callbacks": CallbacksConfig}
    model = values.get("model") or {}
    family = get_class(model["_target_"])
    sections["model"] = family.Config
    problems = []
    for name, schema in sections.items():
        problems += _validate(schema, values.pop(name, {}), name)
    problems += _check_readers(config.data, "data")
    problems += _check_trainer(values.pop("trainer", {}) or {})
    problems += _check_loggers(values.pop("logger", {}) or {})
    top = {key: field for key, field in TrainConfig.model_fields.items() if key not in (*sections, "trainer", "logger")}
    problems += [_unknown(key, "", TrainConfig.model_fields) for key in values if key not in top]
    for key in top:
        if key in values:
            problems += _check_type(top[key].rebuild_annotation(), values[key], key)
    if values.get("precision") is not None and str(values["precision"]) not in PRECISIONS:
        problems.append(f"precision={values['precision']}: {', '.join(PRECISIONS)} 가운데 하나여야 합니다")
    metric = str(values.get("optimized_metric"))
    if metric.startswith("test/"):
        problems.append("optimized_metric: 시험 점수로 설정을 고를 수 없습니다. val/… 을 쓰세요")
    elif metric not in family.optimizable:
        known = ", ".join(family.optimizable)
        problems.append(
            f"optimized_metric={metric}: 이 모델에 없는 수치입니다{nearest(metric, family.optimizable)}(있는 것: {known})"
        )
    return problems


def nearest(name: str, names: Iterable[str], prefix: str = "") -> str:
    """`(비슷한 이름: …)` for the nearest of the valid names, or nothing."""
    found = difflib.get_close_matches(name, list(names), n=2, cutoff=0.5)
    return f"(비슷한 이름: {', '.join(prefix + near for near in found)})" if found else ""


@cache
def trainer_arguments() -> dict[str, Any]:
    """Name → type of Lightning's Trainer arguments that a configuration may set."""
    hints = get_type_hints(pl.Trainer.__init__)
    ours = {"self", "return", "precision", "logger", "callbacks", "plugins", "default_root_dir", "profiler"}
    return {name: hint for name, hint in hints.items() if name not in ours}


def _plain(config: DictConfig) -> dict[str, Any]:
    return dict(OmegaConf.to_container(config, resolve=True, throw_on_missing=False))


def _validate(schema: type[Section], values: Any, prefix: str) -> list[str]:
    try:
        schema.model_validate(values or {})
    except ValidationError as error:
        return [_sentence(problem, prefix, schema) for problem in error.errors()]
    return []


def _sentence(problem: Any, prefix: str, schema: type[Section]) -> str:
    place = [str(part) for part in problem["loc"]]
    key = ".".join([prefix, *place])
    if problem["type"] == "extra_forbidden":
        steps = iter(place[:-1])
        for step in steps:
            annotation: Any = schema.model_fields[step].annotation
            schema = get_args(annotation)[1] if get_args(annotation) else annotation
            if step == "parts":
                next(steps, None)  # the part's name
        return _unknown(place[-1], ".".join([prefix, *place[:-1]]), schema.model_fields)
    if problem["type"] == "missing" and place[-3:-2] == ["parts"]:
        part = ".".join([prefix, *place[:-1]])
        return f"{part}: 섞는 말뭉치에 없는 이름입니다. 이름을 고치거나 +data@{part}=<말뭉치> 로 더해 주세요"
    template = _MESSAGES.get(problem["type"], problem["msg"])
    text = template.format(**problem.get("ctx", {}))
    given = "" if isinstance(problem["input"], dict) else f"={problem['input']}"
    return f"{key}{given}: {text}" if place else text


def _unknown(name: str, prefix: str, names: Iterable[str]) -> str:
    dot = f"{prefix}." if prefix else ""
    return f"{dot}{name}: 없는 키입니다{nearest(name, names, dot)}"


def _check_readers(data: DictConfig, prefix: str) -> list[str]:
    problems = []
    if isinstance(data.get("reader"), DictConfig):
        reader = get_method(str(data.reader._target_))
        problems += _check_arguments(reader, data.reader, f"{prefix}.reader", ("_target_",))
    parts = data.get("parts")
    for name, part in parts.items() if isinstance(parts, DictConfig) else ():
        if isinstance(part, DictConfig):
            problems += _check_readers(part, f"{prefix}.parts.{name}")
    return problems


def _check_arguments(function: Callable[..., Any], values: Any, prefix: str, free: tuple[str, ...]) -> list[str]:
    names = [name for name in inspect.signature(function).parameters if name not in ("path", "report")]
    return [_unknown(str(key), prefix, names) for key in values if key not in (*free, *names)]


def _check_trainer(values: dict[str, Any]) -> list[str]:
    arguments = trainer_arguments()
    problems = []
    for key, value in values.items():
        if key == "precision":
            problems.append("trainer.precision: 맨 위의 precision=… 을 쓰세요")
        elif key not in arguments:
            problems.append(_unknown(key, "trainer", arguments))
        else:
            problems += _check_type(arguments[key], value, f"trainer.{key}")
    return problems


def _check_loggers(values: dict[str, Any]) -> list[str]:
    problems = []
    for name, options in values.items():
        if name not in LOGGERS:
            problems.append(_unknown(name, "logger", LOGGERS))
        else:
            problems += _validate(LOGGERS[name], options, f"logger.{name}")
    return problems


def _check_type(hint: Any, value: Any, key: str) -> list[str]:
    try:
        adapter = TypeAdapter(hint, config={"arbitrary_types_allowed": True})
    except PydanticSchemaGenerationError:
        return []
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        text = _MESSAGES.get(first["type"], "이 값은 쓸 수 없습니다").format(**first.get("ctx", {}))
        return [f"{key}={value}: {text}"]
    return []
