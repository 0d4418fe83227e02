"""The end of a run, as a person reads it: figures, and replies to messages the model has not seen."""

import os

from lightning_fabric.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.table import Table
from rich.text import Text

from yuhee.bundle import load
from yuhee.chat.companion import Companion
from yuhee.training.run import TrainResult

SHOWN = 6
FIGURES = {
    "test/bpc": "test 글자당 비트 (낮을수록 좋음)",
    "test/ppl": "test 토큰당 혼란도",
    "val/bpc": "val 글자당 비트",
    "train/bpc": "train 글자당 비트 (마지막 에폭)",
    "data/test_reply_overlap": "train에도 있는 test 답의 몫",
    "train/examples_per_second": "초당 대화",
    "seconds": "걸린 시간 (초)",
}


@rank_zero_only
def print_summary(result: TrainResult) -> None:
    """Print the run's figures beside replies to the first messages of a few test dialogues; once, whatever the ranks."""
    console = Console(soft_wrap=True)
    figures = Table(title="결과", show_header=False)
    for key, name in FIGURES.items():
        if key in result.metrics:
            figures.add_row(name, f"{result.metrics[key]:.3f}")
    console.print(figures)
    companion = Companion(load(result.bundle))
    replies = Table(title="학습에 쓰지 않은 말에 대한 대답")
    for column in ("나", "유희지희", "말뭉치의 답"):
        replies.add_column(column, overflow="fold")
    unseen = [dialogue for dialogue in result.split.test if dialogue.turns[0].role == "user"]
    for seed, dialogue in enumerate(unseen[:SHOWN]):
        question = dialogue.turns[0]
        said = companion.reply(question.text, seed=seed)
        replies.add_row(*(Text(text) for text in (question.text, said, dialogue.replies[0])))
    console.print(replies)
    console.print(Text(f"이어서 이야기하려면: yuhee chat {os.path.relpath(result.folder)}"))
