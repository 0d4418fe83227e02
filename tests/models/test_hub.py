"""Loading by hub id, against a miniature hub on the loopback that serves the layout of `skt/kogpt2-base-v2`."""

import hashlib
import http.server
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from tests.conftest import one_sentence_error, small_module
from yuhee.data.encoding.causal_lm import CausalLMEncoder

Run = Callable[..., subprocess.CompletedProcess[str]]


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers `resolve` requests for the files of one repository; everything else does not exist."""

    protocol_version = "HTTP/1.1"
    repository = "skt/kogpt2-base-v2"
    files: ClassVar[dict[str, bytes]] = {}

    def _answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        found = re.fullmatch(rf"{self.repository}/resolve/[^/]+/(.+)", path)
        body = self.files.get(found[1], b"") if found else b""
        if path.startswith(f"api/models/{self.repository}"):
            body = json.dumps({"id": self.repository, "sha": "0" * 40, "siblings": []}).encode()
        self.send_response(200 if body else 404)
        if not body:
            known = path.removeprefix("api/models/").startswith(self.repository)
            self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(encoder: CausalLMEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A hub with a KoGPT2-like repository: config.json, pytorch_model.bin and only tokenizer.json."""
    module = small_module(encoder)
    torch.save(module.network.state_dict(), tmp_path / "pytorch_model.bin")
    config = {**module.network.config.to_dict(), "license": "CC-BY-NC-SA 4.0"}
    Hub.files = {
        "config.json": json.dumps(config, default=str).encode(),
        "pytorch_model.bin": (tmp_path / "pytorch_model.bin").read_bytes(),
        "tokenizer.json": encoder.tokenizer.to_str().encode(),
    }
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_kogpt2_loads_by_its_hub_id_and_its_licence_travels(hub: str, run: Run) -> None:
    arguments = ("train.py", "model=kogpt2", "data=sample", "data.max_length=96", "trainer.max_steps=1")
    result = run(*arguments, HF_ENDPOINT=hub)
    assert result.returncode == 0, result.stderr
    [folder] = Path("outputs").glob("*/*/")
    assert "license: cc-by-nc-sa-4.0" in (folder / "bundle" / "README.md").read_text(encoding="utf-8")
    facts = json.loads((folder / "bundle" / "yuhee.json").read_text(encoding="utf-8"))
    assert facts["pretrained"] == "skt/kogpt2-base-v2"
    again = run("yuhee", "show", "model=kogpt2", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr


def test_a_hub_id_that_does_not_exist_is_one_sentence(hub: str, run: Run) -> None:
    result = run("yuhee", "show", "model=kogpt2", "model.pretrained=nobody/nothing", HF_ENDPOINT=hub)
    assert "허브에 그런 모델도 없습니다" in one_sentence_error(result)


def test_no_network_is_one_sentence(hub: str, run: Run) -> None:
    result = run("yuhee", "show", "model=kogpt2", HF_ENDPOINT="http://127.0.0.1:9")
    assert "네트워크" in one_sentence_error(result)
