"""Replies to many questions at once: what the chat would say, token for token, in batches."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from yuhee.bundle import Model
from yuhee.chat.beams import beam_search
from yuhee.chat.companion import Companion
from yuhee.chat.engine import Decoding, choose, forbidden_tokens, reply_room
from yuhee.chat.rows import make_rows
from yuhee.evaluation.likelihood import by_tokens
from yuhee.evaluation.questions import Asked

TOKENS = 8192  # of a batch of prompts and its replies, padding included


@dataclass(slots=True)
class Generated:
    """A reply as ids, without its end token, and whether it came to it."""

    ids: list[int] = field(default_factory=list)
    finished: bool = False


def prompts(companion: Companion, asked: Sequence[Asked], decoding: Decoding) -> list[list[int]]:
    """Ids of what the chat would show the model before each reply, had the conversation gone as the corpus has it.

    The answers that are never left to a model (`chat/care.py`) have no part in this: the model is asked every time.
    """
    result = []
    for each in asked:
        *history, last = each.dialogue.turns[: each.turn] or [None]
        session = companion.session()
        session.restore([turn for turn in history if turn is not None])
        result.append(companion.model.encoder.prompt([]) if last is None else session.prompt(last, decoding))
    return result


def generate(
    model: Model,
    questions: Sequence[Sequence[int]],
    decoding: Decoding,
    seed: int = 0,
    title: str = "대답",
    begun: Sequence[Sequence[int]] | None = None,
) -> list[Generated]:
    """Replies to prompts, the same as the chat's PyTorch engine gives one by one.

    Args:
        questions: ids of each prompt.
        seed: of the sampling: the n-th prompt is answered with `seed + n`.
        title: of the progress bar.
        begun: ids that each reply begins with, equally many, which are not part of what is returned; without beams.
    """
    replies = [Generated() for _ in questions]
    asked = list(zip(questions, begun or [[]] * len(questions), replies, strict=True))
    with tqdm(total=len(questions), desc=title, unit="답", delay=2, leave=False, disable=None) as bar:
        size = TOKENS if decoding.beams == 1 else 1  # a beam search is a batch of its own
        for rows in by_tokens([len(prompt) + decoding.max_new_tokens for prompt in questions], size):
            randoms = [torch.Generator().manual_seed(seed + row) for row in rows]
            batch = _Batch(model, [asked[row] for row in rows], decoding, randoms)
            batch.run() if decoding.beams == 1 else batch.search()
            bar.update(len(rows))
    return replies


def seconds_alone(
    companion: Companion, questions: Sequence[Sequence[int]], decoding: Decoding, seed: int
) -> list[float]:
    """Seconds that the chat's own engine takes for each reply, one conversation at a time, after a warm-up."""
    seconds = []
    for row, prompt in enumerate([*questions[:1], *questions]):
        start = time.perf_counter()
        for _ in companion.engine.stream(prompt, decoding, seed + max(row - 1, 0)):
            pass
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


class _Batch:
    """Prompts of different lengths whose replies grow together; finished ones leave the batch."""

    def __init__(
        self,
        model: Model,
        asked: Sequence[tuple[Sequence[int], Sequence[int], Generated]],
        decoding: Decoding,
        randoms: Sequence[torch.Generator],
    ) -> None:
        self.network, self.encoder, self.end_id = model.network, model.encoder, model.encoder.end_id
        self.decoding = decoding
        self.processors = decoding.processors()
        self.forbidden = forbidden_tokens(self.network.get_output_embeddings().weight.shape[0], model.encoder)
        self.pad_id = model.encoder.special_ids()["pad_token_id"]
        room = [reply_room(self.network, len(prompt), decoding, len(begun)) for prompt, begun, _ in asked]
        answered = [row for row in range(len(asked)) if room[row] > 0]
        self.asked = [asked[row] for row in answered]
        # (reply, room in tokens, random numbers) of those that still speak
        self.speaking = [(asked[row][2], room[row], randoms[row]) for row in answered]

    @torch.inference_mode()
    def run(self) -> None:
        if not self.speaking:
            return
        prompts, begun, _ = zip(*self.asked, strict=True)
        rows = make_rows(self.network, prompts, begun, self.pad_id)
        kept = self._say(self._choose(rows.first()))
        while kept:
            if len(kept) < len(self.asked):
                rows.keep(kept)
            self.asked = [self.asked[row] for row in kept]
            kept = self._say(self._choose(rows.after([reply.ids[-1] for reply, *_ in self.speaking])))

    def search(self) -> None:
        """The same by beam search, one reply after another."""
        rules = {"forbidden": self.forbidden, "processors": self.processors}
        for (prompt, _, reply), (_, room, _) in zip(self.asked, self.speaking, strict=True):
            found = beam_search(self.network, self.encoder, prompt, beams=self.decoding.beams, room=room, **rules)
            reply.finished = found[-1:] == [self.end_id]
            reply.ids = [token for token in found if token != self.end_id]

    def _choose(self, logits: Tensor) -> list[int]:
        """(batch, vocabulary) logits → the next token of each reply."""
        said = torch.tensor([reply.ids for reply, *_ in self.speaking], dtype=torch.long)
        logits[:, self.forbidden[0 if said.shape[1] else 1]] = -torch.inf
        scores = self.processors(said, logits)
        return [choose(row, self.decoding, random) for row, (_, _, random) in zip(scores, self.speaking, strict=True)]

    def _say(self, tokens: Sequence[int]) -> list[int]:
        """Add a token to each reply; returns the rows that go on."""
        kept = []
        for row, (token, (reply, room, _)) in enumerate(zip(tokens, self.speaking, strict=True)):
            reply.finished = token == self.end_id
            if not reply.finished:
                reply.ids.append(token)
                if len(reply.ids) < room:
                    kept.append(row)
        self.speaking = [self.speaking[row] for row in kept]
        return kept
