"""metrics.csv across resumes, and W&B that neither prompts nor hangs."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from yuhee.errors import UserError
from yuhee.training import loggers, wandb_access, wandb_run
from yuhee.training.loggers import CsvMetrics, make_loggers

KEY = "0123456789abcdef" * 2 + "01234567"
OPTIONS = {"wandb": {"project": "yuhee", "name": None, "group": None, "tags": []}}


def test_rows_are_appended_and_new_columns_fit_in() -> None:
    logger = CsvMetrics(Path("m.csv"))
    logger.log_metrics({"train/loss": 0.1 + 0.2}, 1)
    logger.log_metrics({"train/loss": 2.0, "val/bpc": 3.5}, 2)
    logger.log_metrics({"val/bpc": 3.0}, 3)
    assert Path("m.csv").read_text() == "step,train/loss,val/bpc\n1,0.30000000000000004,\n2,2.0,3.5\n3,,3.0\n"


def test_a_resume_keeps_rows_up_to_its_checkpoint() -> None:
    logger = CsvMetrics(Path("m.csv"))
    for step in (1, 2, 3):
        logger.log_metrics({"train/loss": step / 3}, step)
    before = Path("m.csv").read_text().splitlines()
    resumed = CsvMetrics(Path("m.csv"), last_step=2)
    resumed.log_metrics({"train/loss": 9.0}, 3)
    assert Path("m.csv").read_text().splitlines() == [*before[:3], "3,9.0"]
    assert list(pd.read_csv("m.csv")["step"]) == [1, 2, 3]


class _Wandb(http.server.BaseHTTPRequestHandler):
    """Knows nobody: every key is wrong."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"data": {"viewer": None}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def _server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Wandb)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wandb_access, "PATIENCE", 1.0)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("HOME", str(tmp_path))  # no key in a .netrc
    monkeypatch.setenv("WANDB_API_KEY", KEY)


def _is_offline(tmp_path: Path) -> bool:
    run = make_loggers(OPTIONS, tmp_path, None, {"seed": 1}, private=False)[1]
    assert isinstance(run, wandb_run.WandbRun)
    run.log_metrics({"val/bpc": 3.0}, 1)
    run.finish(0)
    return bool(list(tmp_path.glob("wandb/offline-run-*/*.wandb")))


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("mode", [None, "online", "shared"])
def test_without_a_key_wandb_goes_offline(
    mode: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the user's environment asks for: on a terminal W&B itself would ask for a key, and wait."""
    monkeypatch.delenv("WANDB_API_KEY")
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    assert _is_offline(tmp_path)
    assert "키가 없어 오프라인" in caplog.text


@pytest.mark.usefixtures("_patient")
def test_with_a_wrong_key_wandb_goes_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _server() as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        assert _is_offline(tmp_path)
    assert "키가 맞지 않아 오프라인" in caplog.text


@pytest.mark.usefixtures("_patient")
def test_without_a_network_wandb_goes_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert _is_offline(tmp_path)
    assert "닿지 못해 오프라인" in caplog.text


@pytest.mark.usefixtures("_patient")
def test_a_server_that_never_answers_does_not_hold_a_run_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert _is_offline(tmp_path)
    assert "오프라인" in caplog.text


def test_tensorboard_without_its_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(*args: object, **kwargs: object) -> None:
        raise ModuleNotFoundError("tensorboard")

    monkeypatch.setattr(loggers, "TensorBoardLogger", missing)
    with pytest.raises(UserError, match=r"yuhee\[tensorboard\]"):
        make_loggers({"tensorboard": {}}, tmp_path, None, {}, private=False)
