"""How W&B can be reached now, found out without a prompt and without a hang."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests

log = logging.getLogger(__name__)

T = TypeVar("T")
PATIENCE = 4.0  # seconds for the server's answer, then a run goes offline
NO_SERVER = ("offline", "dryrun", "disabled")  # values of WANDB_MODE with which W&B asks nobody for a key


def wandb_mode(folder: Path) -> str:
    """`WANDB_MODE`, by default `online`; `offline`, with a note that says why, where the server would not take the run.

    A mode that the user asked for is looked into as well: with it W&B would ask on the terminal for a missing key.
    """
    mode = os.environ.get("WANDB_MODE") or "online"
    if mode in NO_SERVER:
        return mode
    try:
        reason = within(PATIENCE, _why_offline)
    except TimeoutError:
        reason = "W&B 서버가 제때 답하지 않아"
    if reason is None:
        return mode
    log.warning("%s 오프라인으로 기록합니다. 나중에 'wandb sync %s/wandb/offline-run-*' 로 올립니다.", reason, folder)
    return "offline"


def within(seconds: float, function: Callable[[], T]) -> T:
    """The function's result.

    Raises:
        TimeoutError: it takes longer; it is left to itself in a thread that does not keep the process alive.
    """
    result: list[T] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            result.append(function())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not result:
        raise TimeoutError(f"{seconds:g}초 안에 답이 없음")
    return result[0]


def _why_offline() -> str | None:
    """Why W&B cannot be used online now; None if it can. Asks the server once, with the key if there is one."""
    import wandb

    url = (os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url).rstrip("/") + "/graphql"
    netrc = requests.utils.get_netrc_auth(url)
    key = os.environ.get("WANDB_API_KEY") or (netrc[1] if netrc else None)
    if not key:
        return "W&B 키가 없어"
    try:
        answer = requests.post(url, json={"query": "{viewer{id}}"}, auth=("api", key), timeout=PATIENCE / 2)
    except requests.RequestException:
        return "W&B 서버에 닿지 못해"
    try:
        viewer: Any = (answer.json().get("data") or {}).get("viewer") if answer.ok else None
    except ValueError:
        viewer = None
    return None if viewer else "W&B 키가 맞지 않아"
