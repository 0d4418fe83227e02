"""What the model answers to the same few messages, epoch by epoch."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from torch.distributed.fsdp import FSDPModule

from yuhee.chat.engine import Decoding
from yuhee.chat.selection import torch_engine
from yuhee.chat.session import Memory, Session
from yuhee.data.dialogue import Turn
from yuhee.training.wandb_run import WandbRun

GREEDY = Decoding(greedy=True)


class ReplyTable(pl.Callback):
    """Logs greedy replies of the live model after each validation, unless it is sharded; draws no random number.

    The rows so far are kept in checkpoints, so that the table of a resumed run is whole.

    Args:
        tracker: gets the table, and says which messages are answered.
    """

    def __init__(self, tracker: WandbRun) -> None:
        self.tracker = tracker
        self.rows: list[list[Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn is not TrainerFn.FITTING or not trainer.is_global_zero:
            return
        if isinstance(pl_module, FSDPModule):  # one process alone cannot speak with its share of the weights
            return
        engine = torch_engine(pl_module.network, pl_module.encoder)  # type: ignore[arg-type]
        for prompt in self.tracker.prompts:
            session = Session(engine, pl_module.encoder, Memory(0, engine.max_positions))  # type: ignore[arg-type]
            reply = "".join(session.say(Turn("user", prompt), GREEDY, seed=0))
            self.rows.append([trainer.current_epoch, trainer.global_step, prompt, reply])
        self.tracker.log_replies(self.rows, trainer.global_step)
