"""Replies to many questions at once: what the chat would say, token for token, in batches."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DynamicCache

from yuhee.bundle import Model
from yuhee.chat.companion import Companion
from yuhee.chat.engine import Decoding, forbidden_tokens
from yuhee.evaluation.likelihood import by_tokens
from yuhee.evaluation.questions import Asked
from yuhee.models.positions import longest_input

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
    model: Model, questions: Sequence[Sequence[int]], decoding: Decoding, seed: int = 0, title: str = "대답"
) -> list[Generated]:
    """Replies to prompts, the same as `Engine.stream` gives one by one.

    Args:
        questions: ids of each prompt.
        seed: of the sampling: the n-th prompt is answered with `seed + n`.
        title: of the progress bar.
    """
    replies = [Generated() for _ in questions]
    with tqdm(total=len(questions), desc=title, unit="답", delay=2, leave=False) as bar:
        for rows in by_tokens([len(prompt) + decoding.max_new_tokens for prompt in questions], TOKENS):
            randoms = [torch.Generator().manual_seed(seed + row) for row in rows]
            _Batch(model, [questions[row] for row in rows], [replies[row] for row in rows], decoding, randoms).run()
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
    """Prompts of different lengths, padded on the left, whose replies grow together; finished ones leave the batch."""

    def __init__(
        self,
        model: Model,
        questions: Sequence[Sequence[int]],
        replies: Sequence[Generated],
        decoding: Decoding,
        randoms: Sequence[torch.Generator],
    ) -> None:
        self.network, self.end_id = model.network, model.encoder.end_id
        self.decoding = decoding
        self.processors = decoding.processors()
        self.forbidden = forbidden_tokens(self.network.get_output_embeddings().weight.shape[0], model.encoder)
        limit = longest_input(self.network)
        room = [min(decoding.max_new_tokens, limit - len(prompt)) for prompt in questions]
        # (prompt, reply, room in tokens, random numbers) of those that still speak
        self.speaking = [each for each in zip(questions, replies, room, randoms, strict=True) if each[2] > 0]
        self.pad_id = model.encoder.special_ids()["pad_token_id"]

    @torch.inference_mode()
    def run(self) -> None:
        ids, mask = self._padded()
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.network.config)
        while self.speaking:
            logits = self.network(
                ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits
            kept = self._say(self._choose(logits[:, -1].float().cpu()))
            if len(kept) < len(mask) and kept:
                cache.batch_select_indices(torch.tensor(kept, device=mask.device))
            mask = torch.cat([mask[kept], mask.new_ones(len(kept), 1)], dim=1)
            positions = positions[kept, -1:] + 1
            ids = torch.tensor([reply.ids[-1:] for _, reply, _, _ in self.speaking], device=mask.device)

    def _padded(self) -> tuple[Tensor, Tensor]:
        """(batch, length) ids and the mask of those that are no padding."""
        width = max((len(prompt) for prompt, *_ in self.speaking), default=0)
        ids = torch.full((len(self.speaking), width), self.pad_id)
        for row, (prompt, *_) in enumerate(self.speaking):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
        lengths = torch.tensor([[len(prompt)] for prompt, *_ in self.speaking]).reshape(-1, 1)
        mask = (torch.arange(width) >= width - lengths).long()
        return ids.to(self.network.device), mask.to(self.network.device)

    def _choose(self, logits: Tensor) -> list[int]:
        """(batch, vocabulary) logits → the next token of each reply."""
        said = torch.tensor([reply.ids for _, reply, _, _ in self.speaking], dtype=torch.long)
        logits[:, self.forbidden[0 if said.shape[1] else 1]] = -torch.inf
        scores = self.processors(said, logits)
        if self.decoding.greedy:
            return [int(token) for token in scores.argmax(-1)]
        shares = scores.softmax(-1)
        return [
            int(torch.multinomial(share, 1, generator=random))
            for share, (_, _, _, random) in zip(shares, self.speaking, strict=True)
        ]

    def _say(self, tokens: Sequence[int]) -> list[int]:
        """Add a token to each reply; returns the rows that go on."""
        kept = []
        for row, (token, (_, reply, room, _)) in enumerate(zip(tokens, self.speaking, strict=True)):
            reply.finished = token == self.end_id
            if not reply.finished:
                reply.ids.append(token)
                if len(reply.ids) < room:
                    kept.append(row)
        self.speaking = [self.speaking[row] for row in kept]
        return kept
