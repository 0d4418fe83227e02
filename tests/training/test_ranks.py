"""Two processes train as one process with the same global batch."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import torch

Run = Callable[..., subprocess.CompletedProcess[str]]

ARGUMENTS = (
    "train.py",
    "data=songys",
    "data.path=corpus.csv",
    "precision=32-true",
    "model.vocab_size=400",
    "model.token_dropout=0",
    "model.network.num_hidden_layers=1",
    "model.network.hidden_size=32",
    "model.network.num_attention_heads=2",
    "model.network.hidden_dropout=0",
    "model.network.attention_dropout=0",
    "trainer.max_steps=4",
    "trainer.log_every_n_steps=1",
    "trainer.accelerator=cpu",
)


def test_two_ranks_make_the_steps_of_one_process(run: Run) -> None:
    rows = "".join(f"질문 {n} {'가나다' * (n % 9 + 1)},대답 {'라마 ' * (n % 4 + 1)}{n},{n % 3}\n" for n in range(50))
    Path("corpus.csv").write_text("Q,A,label\n" + rows, encoding="utf-8")
    one = run(*ARGUMENTS, "data.batch_size=6", "hydra.run.dir=one", OMP_NUM_THREADS="1")
    two = run(
        *ARGUMENTS, "data.batch_size=3", "trainer=ddp", "trainer.devices=2", "hydra.run.dir=two", OMP_NUM_THREADS="1"
    )
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    weights = [torch.load(f"{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for name in ("one", "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-5, rtol=1e-4)
    metrics = [json.loads(Path(name, "metrics.json").read_text()) for name in ("one", "two")]
    for key in ("train/bpc", "val/bpc", "test/bpc"):
        assert abs(metrics[0][key] - metrics[1][key]) < 1e-3
