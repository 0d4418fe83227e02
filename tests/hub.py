"""A miniature of the hub on the loopback, which serves small checkpoints in the layout of the known ones."""

import hashlib
import http.server
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import torch
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel

from tests.chat_families import BY_NAME, checkpoint
from tests.conftest import TEXTS, small_bart, small_module
from tests.data.readers import wordpiece
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.seq2seq import Seq2SeqEncoder
from yuhee.data.encoding.tokenizer import train_tokenizer

Files = dict[str, bytes]  # by repository and name


def _pickled(network: PreTrainedModel, folder: Path, **config: str) -> None:
    """`config.json` and `pytorch_model.bin`, as checkpoints of those years have them."""
    values = {**network.config.to_dict(), **config}
    (folder / "config.json").write_text(json.dumps(values, default=str), encoding="utf-8")
    torch.save(network.state_dict(), folder / "pytorch_model.bin")


def _kogpt2(folder: Path) -> None:
    """Of the tokenizer only `tokenizer.json`."""
    encoder = CausalLMEncoder(train_tokenizer(TEXTS * 3, 600), max_length=128)
    _pickled(small_module(encoder).network, folder, license="CC-BY-NC-SA 4.0")
    encoder.tokenizer.save(str(folder / "tokenizer.json"))


def _kobart(folder: Path) -> None:
    encoder = Seq2SeqEncoder(train_tokenizer(TEXTS * 3, 600), max_length=64)
    _pickled(small_bart(encoder).network, folder)
    encoder.tokenizer.save(str(folder / "tokenizer.json"))


def _roberta(folder: Path) -> None:
    """BERT's tokenizer with RoBERTa's network, as KLUE publishes them."""
    tokenizer = wordpiece([*TEXTS, "일상 이별 사랑"])
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64}
    ids = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "max_position_embeddings": 130}
    config = AutoConfig.for_model("roberta", vocab_size=tokenizer.get_vocab_size(), **shape, **ids)
    _pickled(AutoModelForMaskedLM.from_config(config), folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def _qwen(folder: Path) -> None:
    checkpoint(BY_NAME["qwen2.5"], folder)


def _polyglot(folder: Path) -> None:
    checkpoint(BY_NAME["polyglot"], folder)


REPOSITORIES: Mapping[str, Callable[[Path], None]] = {
    "skt/kogpt2-base-v2": _kogpt2,
    "gogamza/kobart-base-v2": _kobart,
    "klue/roberta-small": _roberta,
    "Qwen/Qwen2.5-0.5B-Instruct": _qwen,
    "EleutherAI/polyglot-ko-1.3b": _polyglot,
}


@contextmanager
def serving() -> Iterator[str]:
    """The address of a hub that has these repositories; everything else does not exist there."""
    files: Files = {}
    for name, write in REPOSITORIES.items():
        with TemporaryDirectory() as folder:
            write(Path(folder))
            files |= {f"{name}/{file.name}": file.read_bytes() for file in Path(folder).iterdir()}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(files))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(files: Files) -> type[http.server.BaseHTTPRequestHandler]:
    class Hub(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, with_body: bool) -> None:
            path = self.path.split("?")[0].strip("/")
            found = re.fullmatch(r"([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
            body = files.get(f"{found[1]}/{found[2]}", b"") if found else b""
            repository = "/".join(path.removeprefix("api/models/").split("/")[:2])
            known = repository in REPOSITORIES
            if path.startswith("api/models/") and known:
                body = json.dumps({"id": repository, "sha": "0" * 40, "siblings": []}).encode()
            self.send_response(200 if body else 404)
            if not body:
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

    return Hub
