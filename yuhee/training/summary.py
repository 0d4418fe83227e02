"""The end of a run, as a person reads it: figures, and what the model makes of messages it has not seen."""

import os
from itertools import islice

from lightning_fabric.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.table import Table
from rich.text import Text

from yuhee.chat.classifier import Classifier
from yuhee.chat.companion import Companion, load
from yuhee.data.encoding.labelled import labelled
from yuhee.training.run import TrainResult

SHOWN = 6
FIGURES = {
    "test/bpc": "test 글자당 비트 (낮을수록 좋음)",
    "test/ppl": "test 토큰당 혼란도",
    "val/bpc": "val 글자당 비트",
    "train/bpc": "train 글자당 비트 (마지막 에폭)",
    "test/accuracy": "test 정확도",
    "test/macro_f1": "test 매크로 F1",
    "test/ece": "test 보정 오차(ECE, 낮을수록 좋음)",
    "val/macro_f1": "val 매크로 F1",
    "train/macro_f1": "train 매크로 F1 (마지막 에폭)",
    "data/test_reply_overlap": "train에도 있는 test 답의 몫",
    "train/examples_per_second": "초당 대화",
    "seconds": "걸린 시간 (초)",
}


@rank_zero_only
def print_summary(result: TrainResult) -> None:
    """Print the run's figures, and replies to or labels of messages of a few test dialogues; once, whatever the ranks."""
    console = Console(soft_wrap=True)
    figures = Table(title="결과", show_header=False)
    for key, name in FIGURES.items():
        if key in result.metrics:
            figures.add_row(name, f"{result.metrics[key]:.3f}")
    console.print(figures)
    if result.module.starts:
        place = os.path.relpath(result.bundle)
        console.print(Text(f"여기서 시작하려면: python train.py model={result.module.starts} model.pretrained={place}"))
        return
    if type(result.module.network).__module__.startswith("transformers_modules."):
        console.print(
            Text(f"체크포인트의 코드로 도는 모델입니다. transformers로 여세요: {os.path.relpath(result.bundle)}")
        )
        return
    loaded = load(result.bundle)
    if isinstance(loaded, Classifier):
        _print_classifications(console, loaded, result)
    else:
        _print_replies(console, loaded, result)


def _print_replies(console: Console, companion: Companion, result: TrainResult) -> None:
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


def _print_classifications(console: Console, classifier: Classifier, result: TrainResult) -> None:
    table = Table(title="학습에 쓰지 않은 말의 감정")
    for column in ("나", "모델이 읽은 감정", "말뭉치의 표지"):
        table.add_column(column, overflow="fold")
    for message in islice(labelled(result.split.test), SHOWN):
        told = "  ".join(f"{label} {share:.0%}" for label, share in classifier.classify(message.text).items())
        table.add_row(*(Text(text) for text in (message.text, told, message.label)))
    console.print(table)
    console.print(Text(f"얼마나 믿을 만한지 재려면: yuhee evaluate {os.path.relpath(result.folder)}"))
