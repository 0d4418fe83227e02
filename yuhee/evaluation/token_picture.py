"""What a model makes of each token of a dialogue, and what the loss does with it, as a picture."""

import unicodedata
from dataclasses import dataclass

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from yuhee.bundle import Model
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.reply_example import Kind
from yuhee.data.encoding.tokenizer import readable
from yuhee.evaluation.plots import legible, style

COLOURS = {Kind.REPLY: "#2e7d32", Kind.CONTEXT: "#0277bd", Kind.UNLEARNED: "#8d6e00"}
NAMES = {Kind.REPLY: "배우는 답", Kind.CONTEXT: "맥락", Kind.UNLEARNED: "표지"}
LINE = 76  # width of a line, in halves of a Hangul syllable
HEIGHT = 2.6  # of a line, in the same unit's double


@dataclass(frozen=True, slots=True)
class SeenToken:
    """A token as the model sees it.

    Attributes:
        text: readable, with `␣` for a space.
        kind: what it is to the loss.
        probability: that the model gives it after all before it; None for the first, and for what it only reads.
    """

    text: str
    kind: Kind
    probability: float | None


def seen_tokens(model: Model, dialogue: Dialogue) -> list[SeenToken]:
    """A dialogue, encoded as for training, with the model's probability for each token.

    Where each reply is an example of its own, it is the last one's.
    """
    example = model.encoder.encode([dialogue])[-1]
    batch = model.encoder.collate()([example])
    names = ("input_ids", "attention_mask", "decoder_input_ids")
    inputs = {name: batch[name].to(model.network.device) for name in names if name in batch}
    written = inputs.get("decoder_input_ids", inputs["input_ids"])
    with torch.inference_mode():
        logits = model.network(**inputs).logits[0, :-1].float()
    likely = logits.softmax(-1).gather(1, written[0, 1:, None]).flatten().tolist()
    probabilities = [*[None] * (len(example.pieces) - len(likely)), *likely]
    return [
        SeenToken(_text(model.encoder.tokenizer.id_to_token(token) or ""), kind, probability)
        for (token, kind), probability in zip(example.pieces, probabilities, strict=True)
    ]


def token_picture(tokens: list[SeenToken]) -> Figure:
    """Tokens as boxes: the colour says what the loss does with it, its depth and the number how likely it was."""
    starts = _layout(tokens)
    lines = starts[-1][1] + 1 if starts else 1
    with style():
        figure = Figure(figsize=(9, 0.62 * lines + 0.5), layout="constrained")
        axes = figure.add_subplot()
        axes.set(xlim=(0, LINE), ylim=((lines + 0.4) * HEIGHT, -1.2))
        axes.axis("off")
        for token, (left, line) in zip(tokens, starts, strict=True):
            top, width = line * HEIGHT, _width(token.text)
            depth = 0.12 if token.probability is None else 0.12 + 0.68 * token.probability
            colour = COLOURS[token.kind]
            axes.add_patch(
                FancyBboxPatch(
                    (left + 0.15, top),
                    width - 0.3,
                    1.5,
                    boxstyle="round,pad=0,rounding_size=0.25",
                    facecolor=(*mpl.colors.to_rgb(colour), depth),
                    edgecolor=colour,
                    linewidth=0.8,
                )
            )
            axes.text(left + width / 2, top + 0.78, token.text, ha="center", va="center", fontsize=10)
            if token.probability is not None:
                axes.text(
                    left + width / 2, top + 2.0, f"{token.probability:.0%}", ha="center", va="center", fontsize=6.5
                )
        for place, kind in enumerate(NAMES):
            axes.text(place * 12, -0.7, f"■ {NAMES[kind]}", color=COLOURS[kind], va="center", fontsize=9)
    return legible(figure)


def _layout(tokens: list[SeenToken]) -> list[tuple[float, int]]:
    """Left end and line of each token; a user's turn opens a line."""
    places: list[tuple[float, int]] = []
    left, line, before = 0.0, 0, Kind.UNLEARNED
    for token in tokens:
        opens = before is Kind.REPLY and token.kind is not Kind.REPLY
        if opens or left + _width(token.text) > LINE:
            left, line = 0.0, line + 1
        places.append((left, line))
        left, before = left + _width(token.text), token.kind
    return places


def _width(text: str) -> float:
    """In halves of a Hangul syllable, the box's edge included."""
    return max(3.2, 1.4 + sum(2.0 if unicodedata.east_asian_width(c) in "WF" else 1.15 for c in text))


def _text(token: str) -> str:
    return readable(token).replace(" ", "␣").replace("▁", "␣")
