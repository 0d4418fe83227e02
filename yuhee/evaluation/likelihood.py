"""How surprised a model is by each reply, teacher-forced on whole dialogues as in training."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from yuhee.bundle import Model
from yuhee.data.dialogue import Dialogue, windows
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.data.encoding.marked import lost_characters
from yuhee.data.encoding.reply_example import Example, Kind
from yuhee.models.losses import next_token_nll
from yuhee.models.metrics import LOST_CHARACTER_BITS

TOKENS = 4096  # in a batch, padding included


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
    examples = model.encoder.encode(dialogues)
    scores: list[dict[int, Scored]] = [{} for _ in dialogues]
    with tqdm(total=len(examples), desc=title, unit="대화", delay=2, leave=False) as bar:
        for rows in by_tokens([len(example.input_ids) for example in examples], TOKENS):
            nll = _nll(model, [examples[row] for row in rows])
            for row in rows:
                scores[row] = _of_replies(model.encoder, dialogues[row], examples[row], nll)
            bar.update(len(rows))
    return scores


def by_tokens(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Batches of indices, longest first, each at most so many tokens with its padding (or one example)."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        size = max(1, tokens // max(lengths[order[0]], 1))
        yield order[:size]
        order = order[size:]


@torch.inference_mode()
def _nll(model: Model, examples: Sequence[Example]) -> Iterator[float]:
    """Nats of the labelled tokens, example by example."""
    network = model.network
    batch = model.encoder.collate()(examples)
    input_ids, labels = batch["input_ids"].to(network.device), batch["labels"].to(network.device)
    states = network.base_model(input_ids, use_cache=False).last_hidden_state
    nll: list[float] = next_token_nll(states, labels, network.get_output_embeddings()).tolist()
    return iter(nll)


def _of_replies(encoder: ReplyEncoder, dialogue: Dialogue, example: Example, nll: Iterator[float]) -> dict[int, Scored]:
    """Share an example's nats out to its replies, taking them from `nll`."""
    replies: list[tuple[list[int], float]] = []
    ids: list[int] = []
    nats = 0.0
    for token, kind in zip(example.input_ids[1:], example.kinds[1:], strict=True):  # nothing predicts the first token
        if kind == Kind.REPLY:
            ids.append(token)
            nats += next(nll)
            if token == encoder.end_id:
                replies.append((ids, nats))
                ids, nats = [], 0.0
    learned = _learned(dialogue)
    # long dialogues lose their oldest turns, so what is kept are the last ones
    return {
        place: Scored(
            nats / math.log(2) + LOST_CHARACTER_BITS * lost_characters(dialogue.turns[place].text, encoder.decode(ids)),
            len(ids),
        )
        for place, (ids, nats) in zip(learned[len(learned) - len(replies) :], replies, strict=True)
    }
