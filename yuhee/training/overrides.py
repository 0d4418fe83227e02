"""Command-line overrides as people type them, made into what Hydra's grammar accepts.

Hydra 1.3 alone refuses Hangul, commas, parentheses and `=` in unquoted values, does not expand `~`, and stops at
the first key it does not know.
"""

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from yuhee.errors import UserError
from yuhee.training.config import find_problems, nearest, problems_error
from yuhee.training.launchers import check_launcher
from yuhee.training.run_folder import check_unused, new_run_folder, resume_folder
from yuhee.training.sweep_folder import resume_sweep

PATH_KEYS = re.compile(
    r"data\.(parts\.[\w-]+\.)*path|model\.(pretrained|tokenizer)|ckpt_path|hydra\.(run|sweep)\.dir", re.ASCII
)
_OVERRIDE = re.compile(r"(?P<sign>\+{0,2})(?P<key>[A-Za-z0-9_./@-]+)=(?P<value>.*)", re.DOTALL)
_HYDRAS = re.compile(r"[+~]*hydra[./]")
_SEARCH = re.compile(r"sweep=(?!grid$)")  # such a choice makes a sweep without -m, too

# our launchers bear the plugins' names, so that Hydra checks them against the plugins' schemas: with a warning each time
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/")
OmegaConf.register_new_resolver("yuhee.new_run", new_run_folder, use_cache=True, replace=True)


def config_dir() -> Path:
    """`conf/`: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def compose_config(overrides: Sequence[str]) -> DictConfig:
    """Compose `conf/train.yaml` outside `train.py`, for notebooks and the `yuhee` command.

    Raises:
        UserError: a wrong key, value or choice.
    """
    return _compose(prepare(overrides))


def prepare(arguments: Sequence[str]) -> list[str]:
    """Quote, expand and check command-line arguments; flags pass through.

    `ckpt_path=last` without `hydra.run.dir` gets the folder of the newest unfinished run of this configuration; in a
    sweep, that of the newest unfinished sweep with the same arguments.

    Raises:
        UserError: every unknown key, wrong type and wrong choice in one message; or nothing to resume.
    """
    multirun = any(flag in ("-m", "--multirun") or _SEARCH.match(flag) for flag in arguments)
    check_launcher(arguments)
    groups = _groups()
    prepared, checked, problems = [], [], []
    for argument in arguments:
        match = _OVERRIDE.fullmatch(argument)
        if argument.startswith(("-", "~")):
            prepared.append(argument)
            checked += [argument] if argument.startswith("~") and not _HYDRAS.match(argument) else []
        elif match is None:
            problems.append(_malformed(argument, groups))
        elif _HYDRAS.match(argument):
            prepared.append(f"{match['sign']}{match['key']}={_value(match['key'], match['value'], multirun)}")
        elif (group := match["key"].split("@")[0]) in groups:  # data=songys, or +data@data.parts.mine=kakaotalk
            if problem := _wrong_choice(group, match["value"], groups):
                problems.append(problem)
            else:
                prepared.append(f"{match['sign']}{match['key']}={match['value']}")
                checked.append(f"{match['sign']}{match['key']}={match['value'].split(',')[0]}")
        else:
            # `++`: Hydra takes any key, and all unknown ones are reported together below
            prepared.append(f"++{match['key']}={_value(match['key'], match['value'], multirun)}")
            checked.append(_first_choice(prepared[-1]))
    if _asks_for_help(arguments):
        return prepared
    config = _compose(checked)
    problems += find_problems(config)
    problems += _ignored_checkpoint(checked, config)
    if problems:
        raise problems_error(problems)
    if not multirun:
        _check_folder(arguments, config)
    return _resumed(prepared, config, multirun) if config.ckpt_path == "last" else prepared


def _ignored_checkpoint(overrides: Sequence[str], config: DictConfig) -> list[str]:
    """A checkpoint that somebody named and a model with random weights would never look at."""
    named = [override for override in overrides if override.startswith("++model.pretrained=")]
    if not (named and config.model.get("from_scratch") and config.model.get("pretrained")):
        return []
    problem = (
        f"model.pretrained={config.model.pretrained}: model.from_scratch=true라 쓰이지 않습니다. 이 모델에서 이어 배우려면 "
        "model.from_scratch=false도, 토크나이저만 쓰려면 그 자리를 model.tokenizer에 주세요"
    )
    return [problem]


def _check_folder(arguments: Sequence[str], config: DictConfig) -> None:
    """Before Hydra writes its files over those of a run that is there."""
    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        if key == "hydra.run.dir":
            check_unused(Path(value.strip("'\"")).expanduser(), config.ckpt_path)


def _resumed(prepared: list[str], config: DictConfig, multirun: bool) -> list[str]:
    """Arguments with the folder to go on in; the jobs of a sweep find their own checkpoints."""
    if multirun:
        prepared = [argument for argument in prepared if not argument.startswith("++ckpt_path=")]
    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    if any(f"{key}=" in argument for argument in prepared):
        return prepared
    mine = [argument for argument in prepared if not argument.startswith("-") and not _HYDRAS.match(argument)]
    return [*prepared, f"{key}={_quote(str(resume_sweep(mine) if multirun else resume_folder(config)))}"]


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return any(flag in arguments for flag in ("-h", "--help", "--hydra-help", "--version"))


def _compose(overrides: Sequence[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return compose("train", overrides=list(overrides))
    except HydraException as error:
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise UserError(f"설정을 읽을 수 없습니다: {reason}") from None


def _groups() -> dict[str, list[str]]:
    """Group → its choices, from the folders of `conf/`."""
    others = [config_dir() / "sweep" / "wandb.yaml"]  # W&B's own format
    return {
        folder.name: sorted(
            file.stem for file in folder.glob("*.yaml") if not file.stem.startswith("_") and file not in others
        )
        for folder in config_dir().iterdir()
        if folder.is_dir() and folder.name != "hydra"
    }


def _malformed(argument: str, groups: dict[str, list[str]]) -> str:
    key, sign, _ = argument.partition("=")
    if sign and not key.isascii():
        return f"{key}: 키에는 영문자와 숫자와 _ 만 쓸 수 있습니다"
    choices = [f"{group}={choice}" for group in groups for choice in groups[group]]
    return f"{argument}: '이름=값' 꼴이 아닙니다{nearest(argument, choices)}"


def _wrong_choice(group: str, value: str, groups: dict[str, list[str]]) -> str | None:
    for choice in value.split(","):
        if (group, choice) == ("sweep", "wandb"):
            return "sweep=wandb: 이 파일은 W&B의 것입니다. 'wandb sweep conf/sweep/wandb.yaml' 로 쓰세요"
        if choice not in groups[group] and not (choice == "null" and group in ("experiment", "debug")):
            known = ", ".join(groups[group])
            return f"{group}={choice}: 그런 선택은 없습니다{nearest(choice, groups[group])}. 있는 것: {known}"
    return None


def _value(key: str, value: str, multirun: bool) -> str:
    """The value in Hydra's grammar: paths and whatever Hydra cannot parse become quoted text."""
    if value in ("", "null") or value[0] in "'\"":
        return value
    if PATH_KEYS.fullmatch(key):
        value = os.path.expanduser(value)  # noqa: PTH111 - the name of nobody stays as typed
        if multirun and "," in value and not Path(value).exists():
            return ",".join(_value(key, each, multirun) for each in value.split(","))
        return _quote(value)
    return value if _parses(f"{key}={value}") else _quote(value)


def _parses(override: str) -> bool:
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def _quote(value: str) -> str:
    escaped = re.sub(r"(\\*)'", lambda m: m[1] * 2 + "\\'", value)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return "'" + escaped + "\\" * trailing + "'"


def _first_choice(override: str) -> str:
    """For the check before a sweep: the first of several values."""
    parsed = OverridesParser.create().parse_override(override)
    if not parsed.is_sweep_override():
        return override
    if not parsed.is_discrete_sweep():
        return f"{override.split('=', 1)[0]}={parsed.value().start}"
    return f"{override.split('=', 1)[0]}={next(iter(parsed.sweep_string_iterator()), 'null')}"
