"""Token ids in, token ids out, one at a time, with a key-value cache that lasts from turn to turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.errors import UserError


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the next token is chosen.

    Attributes:
        greedy: always the likeliest; the other settings but the repetition control do not matter then.
        temperature, top_p: of the sampling.
        repetition_penalty: on tokens the reply has already used; 1 is none.
        no_repeat_ngram: no run of so many tokens twice in a reply.
        max_new_tokens: the end of every reply.
    """

    greedy: bool = False
    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.15
    no_repeat_ngram: int = 4
    max_new_tokens: int = 64

    def check(self) -> None:
        """Refuse impossible settings.

        Raises:
            UserError: naming the first of them.
        """
        for name, possible, rule in (
            ("temperature", self.temperature > 0, "0보다 커야 합니다(가장 그럴듯한 답만 원하면 greedy)"),
            ("top_p", 0 < self.top_p <= 1, "0보다 크고 1 이하여야 합니다"),
            ("repetition_penalty", self.repetition_penalty > 0, "0보다 커야 합니다"),
            ("no_repeat_ngram", self.no_repeat_ngram > 0, "1 이상이어야 합니다"),
            ("max_new_tokens", self.max_new_tokens > 0, "1 이상이어야 합니다"),
        ):
            if not possible:
                raise UserError(f"{name}={getattr(self, name)}: {rule}.")

    def processors(self) -> LogitsProcessorList:
        chain = LogitsProcessorList(
            [
                RepetitionPenaltyLogitsProcessor(self.repetition_penalty),
                NoRepeatNGramLogitsProcessor(self.no_repeat_ngram),
            ]
        )
        if not self.greedy:
            chain.append(TemperatureLogitsWarper(self.temperature))
            chain.append(TopPLogitsWarper(self.top_p))
        return chain


class Engine:
    """Generates replies with PyTorch.

    Args:
        network: a causal language model in evaluation mode.
        encoder: knows which ids may not be generated and which one ends a reply.
    """

    def __init__(self, network: PreTrainedModel, encoder: CausalLMEncoder) -> None:
        self.network = network
        self.end_id = encoder.end_id
        self.max_positions: int = network.config.max_position_embeddings
        rows = network.get_output_embeddings().weight.shape[0]
        banned = torch.ones(rows, dtype=torch.bool)
        banned[list(set(encoder.tokenizer.get_vocab().values()))] = False  # rows that pad the vocabulary stay banned
        banned[list(encoder.markers.control.values())] = True
        never_first = banned.clone()
        never_first[encoder.newline_id] = True
        banned[[encoder.newline_id, self.end_id]] = False
        self._banned, self._banned_first = banned, never_first
        self._cache = DynamicCache(config=network.config)
        self._cached: list[int] = []

    @torch.inference_mode()
    def stream(self, prompt: Sequence[int], decoding: Decoding, seed: int | None = None) -> Iterator[int]:
        """Yield a reply's ids, without its end token.

        Only the part of the prompt that differs from what was read and said before is computed. The reply ends with
        the end token, after `max_new_tokens`, or where the model's positions end.

        Args:
            prompt: (length,) ids.
            seed: of the sampling; None draws one.
        """
        random = torch.Generator()
        random.seed() if seed is None else random.manual_seed(seed)
        processors = decoding.processors()
        room = min(decoding.max_new_tokens, self.max_positions - len(prompt))
        pending, reply = self._rewind(prompt), list[int]()
        while len(reply) < room:
            logits = self._forward(pending)
            logits[0, self._banned if reply else self._banned_first] = -torch.inf
            scores = processors(torch.tensor([reply], dtype=torch.long), logits) if reply else logits
            token = self._choose(scores, decoding, random)
            if token == self.end_id:
                return
            reply.append(token)
            pending = [token]
            yield token

    def _choose(self, scores: Tensor, decoding: Decoding, random: torch.Generator) -> int:
        if decoding.greedy:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(-1)[0], 1, generator=random))

    def _rewind(self, prompt: Sequence[int]) -> list[int]:
        """Cut the cache back to what it shares with the prompt; returns the rest of the prompt, at least one id."""
        shared = 0
        for ours, theirs in zip(self._cached, prompt[:-1], strict=False):
            if ours != theirs:
                break
            shared += 1
        if shared < len(self._cached):
            self._cache.crop(shared - len(self._cached))  # negative: how many to take away
            del self._cached[shared:]
        return list(prompt[shared:])

    def _forward(self, ids: list[int]) -> Tensor:
        """(1, vocabulary) logits in float32 after some more ids."""
        device = self.network.device
        try:
            output = self.network(
                torch.tensor([ids], device=device), past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
        except BaseException:
            self._cache, self._cached = DynamicCache(config=self.network.config), []  # half-written
            raise
        self._cached += ids
        logits: Tensor = output.logits[:, -1].float().cpu()
        return logits
