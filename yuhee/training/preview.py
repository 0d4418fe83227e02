"""`yuhee show`: encoded examples, coloured by what the loss does with each token."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from yuhee.chat.terminal import printable
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.data.encoding.reply_example import Kind
from yuhee.data.encoding.tokenizer import readable
from yuhee.data.splits import split
from yuhee.errors import UserError
from yuhee.training.config import parse_config
from yuhee.training.overrides import compose_config
from yuhee.training.trainer import quieten

STYLES = {
    Kind.REPLY: ("배움", "bold green"),
    Kind.CONTEXT: ("맥락", "cyan"),
    Kind.UNLEARNED: ("표지", "dim yellow"),
}


def print_examples(overrides: Sequence[str], count: int) -> None:
    """Print the first `count` examples of the training split.

    Raises:
        UserError: a wrong configuration, or a corpus or tokenizer that cannot be read.
    """
    quieten()
    if not_overrides := [each for each in overrides if "=" not in each and not each.startswith("~")]:
        raise UserError(f"{not_overrides[0]}: '이름=값' 꼴로 적어 주세요. 예: yuhee show data=songys model=kogpt2")
    config = parse_config(compose_config(overrides))
    corpus = config.data.read()
    parts = split(corpus.dialogues, **dict(config.data.split))
    encoder = config.family.make_encoder(config.model, config.data, parts)
    console = Console(highlight=False)
    if encoder.task in ("text-classification", "fill-mask"):
        _print_texts(console, encoder, parts.train[:count])
        return
    weight = getattr(config.model, "context_loss_weight", 0.0)
    legend = {**STYLES, Kind.CONTEXT: (f"맥락(무게 {weight:g})", STYLES[Kind.CONTEXT][1])}
    console.print(Text("  ").join(Text(name, style=style) for name, style in legend.values()))
    for example in encoder.encode(parts.train[:count]):
        console.print()
        console.print(Text(f"{example.id} · {len(example.pieces)} 토큰 · 답 {example.characters}자", style="bold"))
        console.print(_coloured(encoder, example), soft_wrap=True)


def _coloured(encoder: ReplyEncoder, example: Any) -> Text:
    line = Text()
    for token, kind in example.pieces:
        piece = printable(readable(encoder.tokenizer.id_to_token(token) or ""))
        line.append(piece, style=STYLES[kind][1])
        line.append("│", style="dim")
    return line


def _print_texts(console: Console, encoder: Any, dialogues: Sequence[Dialogue]) -> None:
    for example in encoder.encode(dialogues):
        label = getattr(example, "label", -1)
        emotion = f" · 감정 {encoder.labels[label]}" if label >= 0 else ""
        console.print()
        console.print(Text(f"{example.id} · {len(example.input_ids)} 토큰{emotion}", style="bold"))
        line = Text()
        for piece in encoder.pieces(example):
            line.append(printable(piece), style=STYLES[Kind.CONTEXT][1])
            line.append("│", style="dim")
        console.print(line, soft_wrap=True)
