"""However a step's dialogues are laid out, in rows or over processes, it is the same step."""

import json
import shutil
import signal
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.plugins import MixedPrecision

import yuhee
from tests.commands import Command, after_step
from tests.conftest import dialogue, small_module
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import PAD
from yuhee.data.encoding.reply_example import Collate
from yuhee.errors import UserError
from yuhee.training.fsdp import FullyShard

ARGUMENTS = (
    "data=songys",
    "data.path=corpus.csv",
    "precision=32-true",
    "model.vocab_size=400",
    "model.token_dropout=0",
    "model.network.num_hidden_layers=2",
    "model.network.hidden_size=32",
    "model.network.num_attention_heads=2",
    "model.network.hidden_dropout=0",
    "model.network.attention_dropout=0",
    "trainer.max_steps=4",
    "trainer.log_every_n_steps=1",
    "trainer.gradient_clip_val=0.5",
    "trainer.accelerator=cpu",
)
FAMILIES = {
    "kobart": (
        "model.from_scratch=true",
        "model.vocab_size=400",
        "model.lr=1e-3",
        "model.network.d_model=32",
        "model.network.encoder_layers=2",
        "model.network.decoder_layers=2",
        "model.network.encoder_ffn_dim=64",
        "model.network.decoder_ffn_dim=64",
        "model.network.dropout=0",
        "model.network.attention_dropout=0",
    ),
    "emotion_roberta": (
        "model.from_scratch=true",
        "data.vocab_size=400",
        "model.lr=1e-3",
        "model.network.hidden_size=32",
        "model.network.num_hidden_layers=2",
        "model.network.intermediate_size=64",
        "model.network.hidden_dropout_prob=0",
        "model.network.attention_probs_dropout_prob=0",
        "model.token_dropout=0",
    ),
}
TWO_RANKS = (*ARGUMENTS, "data.batch_size=3", "trainer.devices=2")


def train(*arguments: str, ranks: int = 1, stop_after: int | None = None) -> tuple[int, str]:
    """Train in the current folder, in processes that find each other as under `torchrun`.

    Args:
        arguments: of `train.py`.
        ranks: processes.
        stop_after: optimizer steps until the first rank gets a SIGINT.

    Returns:
        The first rank's exit status, and what all of them printed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(ranks), "NODE_RANK": "0"}
    commands = []
    for rank in range(ranks):
        place = {**together, "LOCAL_RANK": str(rank)} if ranks > 1 else {}
        stop = partial(after_step, stop_after, signal.SIGINT) if stop_after is not None and rank == 0 else None
        place["YUHEE_CACHE_DIR"] = str(Path("cache").resolve())
        commands.append(Command("train.py", *arguments, before=stop, **place))
    results = [command.result() for command in commands]
    return results[0].returncode, "".join(result.stdout + result.stderr for result in results)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by one process, a dialogue a row; beside it lies its corpus."""
    folder = tmp_path_factory.mktemp("ranks")
    rows = "".join(f"질문 {n} {'가나다' * (n % 9 + 1)},대답 {'라마 ' * (n % 4 + 1)}{n},{n % 3}\n" for n in range(50))
    (folder / "corpus.csv").write_text("Q,A,label\n" + rows, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        status, output = train(*ARGUMENTS, "data.batch_size=6", "hydra.run.dir=one")
    assert status == 0, output
    return folder / "one"


@pytest.fixture(autouse=True)
def _beside(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(one.parent)


def _checkpoint(folder: Path | str) -> dict[str, Any]:
    return torch.load(Path(folder) / "checkpoints" / "last.ckpt", weights_only=True)  # type: ignore[no-any-return]


def _assert_same(run: str, one: Path, tolerance: float = 1e-4, apart: tuple[str, ...] = ()) -> None:
    """Weights, the optimizer's states under the same numbers, and the figures."""
    ours, expected = _checkpoint(run), _checkpoint(one)
    assert ours["state_dict"].keys() == expected["state_dict"].keys()
    for name, tensor in expected["state_dict"].items():
        torch.testing.assert_close(ours["state_dict"][name], tensor, atol=1e-5, rtol=1e-4)
    states, expected_states = (checkpoint["optimizer_states"][0]["state"] for checkpoint in (ours, expected))
    for number, state in expected_states.items():
        for name, tensor in state.items():
            torch.testing.assert_close(states[number][name], tensor, atol=1e-5, rtol=1e-4)
    metrics, expected_metrics = (json.loads(Path(folder, "metrics.json").read_text()) for folder in (run, one))
    assert {"train/objective", "val/loss", "test/loss"} <= set(expected_metrics)
    for key in expected_metrics:
        if key.startswith(("data/", "seconds", "corpus")) or key.endswith(("_per_second", *apart)):
            continue
        assert metrics[key] == pytest.approx(expected_metrics[key], rel=1e-4, abs=tolerance), key


def test_the_steps_are_clipped(one: Path) -> None:
    """Else the norms below would not be compared."""
    rows = [line.split(",") for line in (one / "metrics.csv").read_text().splitlines()]
    place = rows[0].index("train/grad_norm")
    norms = [float(row[place]) for row in rows[1:] if row[place]]
    assert len(norms) == 4
    assert min(norms) > 1


def test_packed_dialogues_make_the_steps_of_padded_ones(one: Path) -> None:
    status, output = train(*ARGUMENTS, "data.batch_size=6", "data.packing=true", "hydra.run.dir=packed")
    assert status == 0, output
    _assert_same("packed", one)


def test_two_ranks_make_the_steps_of_one_process(one: Path) -> None:
    """Lightning starts the second one."""
    status, output = train(*TWO_RANKS, "trainer=ddp", "hydra.run.dir=ddp")
    assert status == 0, output
    assert output.count("yuhee chat") == 1
    _assert_same("ddp", one)


def test_sharded_ranks_stop_and_go_on_and_make_the_steps_of_one_process(one: Path) -> None:
    sharded = (*TWO_RANKS, "trainer=fsdp", "model.gradient_checkpointing=true", "hydra.run.dir=fsdp")
    status, output = train(*sharded, ranks=2, stop_after=2)
    assert status == 130, output
    assert "Traceback" not in output
    assert _checkpoint("fsdp")["global_step"] == 2
    shutil.copytree("fsdp", "whole")
    status, output = train(*sharded, "ckpt_path=last", ranks=2)
    assert status == 0, output
    _assert_same("fsdp", one)
    assert yuhee.load("fsdp").reply("질문", greedy=True) == yuhee.load(one).reply("질문", greedy=True)
    # what the shards saved, one process reads as its own
    status, output = train(*ARGUMENTS, "data.batch_size=6", "ckpt_path=last", "hydra.run.dir=whole")
    assert status == 0, output
    _assert_same("whole", one)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_ranks_of_another_family_make_the_steps_of_one_process(family: str, strategy: str) -> None:
    arguments = (*ARGUMENTS[:3], *ARGUMENTS[-4:], f"model={family}", *FAMILIES[family])
    one = f"{family}-one"
    if not Path(one).exists():
        assert train(*arguments, "data.batch_size=6", f"hydra.run.dir={one}")[0] == 0
    ranks = ("data.batch_size=3", "trainer.devices=2", f"trainer={strategy}", f"hydra.run.dir={family}-{strategy}")
    status, output = train(*arguments, *ranks, ranks=2)
    assert status == 0, output
    # where weights are sharded, nothing is calibrated (docs/gpu.md)
    sharded = ("/loss", "/ece", "/ece_uncalibrated", "/temperature") if strategy == "fsdp" else ()
    _assert_same(f"{family}-{strategy}", Path(one), apart=sharded if family == "emotion_roberta" else ())


def test_half_precision_with_a_scaler_is_refused_where_weights_are_sharded() -> None:
    """Each process would skip steps of its own."""
    strategy = FullyShard()
    strategy.precision_plugin = MixedPrecision("16-mixed", "cpu")
    with pytest.raises(UserError, match="precision=bf16-mixed"):
        strategy.setup_environment()


def test_a_mean_of_the_ranks_means_would_be_another_step(encoder: CausalLMEncoder) -> None:
    """So the runs above could differ."""
    module = small_module(encoder, context_loss_weight=0.5).eval()
    talk = [dialogue("안녕", "응"), dialogue("오늘 너무 힘들었어ㅠㅠ", "헐 무슨 일 있었어? 나한테 말해 봐")]
    collate = Collate(encoder.markers[PAD])
    ranks = [collate(list(encoder.encode([each]))) for each in talk]

    def gradient(*batches: Any, mean: bool = False) -> torch.Tensor:
        module.zero_grad()
        parts = [module._objective(batch) for batch in batches]
        weights = [float(torch.where(is_reply, 1.0, 0.5).sum()) for _, _, is_reply in parts]
        sums = [loss for loss, _, _ in parts]
        if mean:
            sums, weights = [loss / weight for loss, weight in zip(sums, weights, strict=True)], [float(len(parts))]
        (torch.stack(sums).sum() / sum(weights)).backward()
        return torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])

    whole = gradient(collate(list(encoder.encode(talk))))
    torch.testing.assert_close(gradient(*ranks), whole, atol=1e-6, rtol=1e-4)
    assert (gradient(*ranks, mean=True) - whole).norm() > 0.1 * whole.norm()
