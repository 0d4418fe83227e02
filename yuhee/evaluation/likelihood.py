"""How surprised a model is by each reply, teacher-forced on whole dialogues as in training."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from tqdm import tqdm

from yuhee.bundle import Model
from yuhee.data.dialogue import Dialogue, windows
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.data.encoding.marked import lost_characters
from yuhee.data.encoding.reply_example import IGNORE
from yuhee.models.likelihood import reply_nll
from yuhee.models.metrics import LOST_CHARACTER_BITS

TOKENS = 4096  # in a batch, padding included
_Reply = tuple[list[int], float]  # ids with their end, nats


@dataclass(frozen=True, slots=True)
class Scored:
    """Bits of a reply given all that was said before it, lost characters charged, and its tokens; both with its end."""

    bits: float
    tokens: int


def score_replies(model: Model, dialogues: Sequence[Dialogue], title: str = "가능도") -> list[dict[int, Scored]]:
    """The likelihood of every learned reply, given as much of its dialogue as the model was trained with.

    The sum over all replies ÷ their characters (each end counts as one) is `{split}/bpc` of `metrics.json`.

    Args:
        title: of the progress bar.

    Returns:
        (dialogues,) index of a turn → its score. A reply that the encoder left out of a dialogue longer than
        `data.max_length` has none.
    """
    history = model.facts.get("history")
    if history is None:
        return _score_whole(model, dialogues, title)
    parts = [windows(dialogue, history) for dialogue in dialogues]
    scored = iter(_score_whole(model, [part for each in parts for part in each], title))
    return [_joined(dialogue, part, scored) for dialogue, part in zip(dialogues, parts, strict=True)]


def _joined(dialogue: Dialogue, parts: Sequence[Dialogue], scored: Iterator[dict[int, Scored]]) -> dict[int, Scored]:
    """Scores of a dialogue from those of its windows, in which each of its replies is learned once, in order."""
    found = [scores.get(place) for part, scores in zip(parts, scored, strict=False) for place in _learned(part)]
    return {place: score for place, score in zip(_learned(dialogue), found, strict=True) if score is not None}


def _learned(dialogue: Dialogue) -> list[int]:
    return [place for place, turn in enumerate(dialogue.turns) if turn.role == "assistant" and turn.weight]


def _score_whole(model: Model, dialogues: Sequence[Dialogue], title: str) -> list[dict[int, Scored]]:
    # named by their places, for an encoder makes any number of examples of a dialogue
    examples = model.encoder.encode([replace(dialogue, id=str(place)) for place, dialogue in enumerate(dialogues)])
    replies: list[list[_Reply]] = [[] for _ in examples]
    lengths = [max(len(example.input_ids), len(example.labels)) for example in examples]
    with tqdm(total=len(examples), desc=title, unit="대화", delay=2, leave=False, disable=None) as bar:
        for rows in by_tokens(lengths, TOKENS):
            nll = _nll(model, [examples[row] for row in rows])
            for row in rows:
                replies[row] = _of_replies(model.encoder, examples[row], nll)
            bar.update(len(rows))
    of_dialogues: list[list[_Reply]] = [[] for _ in dialogues]
    for example, found in zip(examples, replies, strict=True):
        of_dialogues[int(example.id)] += found
    return [_scored(model.encoder, *each) for each in zip(dialogues, of_dialogues, strict=True)]


def by_tokens(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Batches of indices, longest first, each at most so many tokens with its padding (or one example)."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        size = max(1, tokens // max(lengths[order[0]], 1))
        yield order[:size]
        order = order[size:]


@torch.inference_mode()
def _nll(model: Model, examples: Sequence[Any]) -> Iterator[float]:
    """Nats of the labelled tokens, example by example."""
    batch = model.encoder.collate()(examples)
    device = model.network.device
    on_device = {name: value.to(device) for name, value in batch.items() if isinstance(value, torch.Tensor)}
    nll: list[float] = reply_nll(model.network, on_device).tolist()
    return iter(nll)


def _of_replies(encoder: ReplyEncoder, example: Any, nll: Iterator[float]) -> list[_Reply]:
    """Share an example's nats out to its replies, taking them from `nll`."""
    replies: list[_Reply] = []
    ids: list[int] = []
    nats = 0.0
    for token in example.labels[1:]:  # nothing predicts the first token
        if token != IGNORE:
            ids.append(token)
            nats += next(nll)
            if token == encoder.end_id:
                replies.append((ids, nats))
                ids, nats = [], 0.0
    return replies


def _scored(encoder: ReplyEncoder, dialogue: Dialogue, replies: Sequence[_Reply]) -> dict[int, Scored]:
    """Index of a turn → its score."""
    learned = encoder.learned(dialogue.turns)
    # long dialogues lose their oldest turns, so what is kept are the last ones
    return {
        place: Scored(
            nats / math.log(2) + LOST_CHARACTER_BITS * lost_characters(dialogue.turns[place].text, encoder.decode(ids)),
            len(ids),
        )
        for place, (ids, nats) in zip(learned[len(learned) - len(replies) :], replies, strict=True)
    }
