"""Token ids in, token ids out, one at a time, with a key-value cache that lasts from turn to turn."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    LogitsProcessor,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
)

from yuhee.chat.beams import beam_search
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.errors import UserError
from yuhee.models.positions import longest_input

_LIKELY = 256  # tokens that are sorted before all of them are: rarely do so many not reach `top_p`


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the next token is chosen.

    Attributes:
        greedy: always the likeliest; the other settings but the repetition control do not matter then.
        beams: beginnings of a reply that are followed side by side (beam search); with more than one nothing is
            sampled, and a reply comes at once when it is whole.
        temperature, top_p: of the sampling.
        repetition_penalty: on tokens the reply has already used; 1 is none.
        no_repeat_ngram: no run of so many tokens twice in a reply.
        max_new_tokens: the end of every reply.
    """

    greedy: bool = False
    temperature: float = 0.3
    top_p: float = 0.9
    repetition_penalty: float = 1.05
    no_repeat_ngram: int = 4
    max_new_tokens: int = 64
    beams: int = 1

    def check(self) -> None:
        """Refuse impossible settings.

        Raises:
            UserError: naming the first of them.
        """
        for name, low, high, kind in (
            ("temperature", 0.01, 100, (int, float)),
            ("top_p", 0.001, 1, (int, float)),
            ("repetition_penalty", 0.1, 10, (int, float)),
            ("no_repeat_ngram", 1, 10_000, int),
            ("max_new_tokens", 1, 10_000, int),
            ("beams", 1, 100, int),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
                number = "정수" if kind is int else "수"
                raise UserError(f"{name}={value}: {low:g}에서 {high:g} 사이의 {number}여야 합니다.")

    def processors(self) -> LogitsProcessorList:
        chain = LogitsProcessorList(
            [
                RepetitionPenaltyLogitsProcessor(float(self.repetition_penalty)),
                NoRepeatNGramLogitsProcessor(self.no_repeat_ngram),
            ]
        )
        if not self.greedy and self.beams == 1:
            chain.append(TemperatureLogitsWarper(float(self.temperature)))
            chain.append(Nucleus(float(self.top_p)))
        return chain


class Nucleus(LogitsProcessor):  # type: ignore[misc]
    """Keeps the likeliest tokens that together reach `top_p` (Holtzman et al. 2020).

    The same tokens as `TopPLogitsWarper` keeps, but that sorts the whole vocabulary, which takes half as long as an
    int8 network takes for a token.
    """

    def __init__(self, top_p: float) -> None:
        self.top_p = top_p

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(batch, vocabulary) scores → the same, −∞ for tokens that are not kept."""
        probabilities = scores.softmax(-1)
        likely, tokens = probabilities.topk(min(_LIKELY, scores.shape[-1]))
        if (likely.sum(-1) < self.top_p).any():
            likely, tokens = probabilities.sort(descending=True)
        kept = likely.cumsum(-1) - likely < self.top_p
        kept_scores = scores.gather(-1, tokens).masked_fill(~kept, -torch.inf)
        return torch.full_like(scores, -torch.inf).scatter(-1, tokens, kept_scores)


def check_seed(seed: int | None) -> None:
    """Refuse what is no seed.

    Raises:
        UserError: not a whole number from 0 to 2⁶³ − 1.
    """
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63):
        raise UserError(f"seed={seed}: 0 이상 2의 63제곱 미만의 정수여야 합니다.")


def forbidden_tokens(rows: int, encoder: ReplyEncoder) -> tuple[Tensor, Tensor]:
    """What no reply may hold: control markers but the line break and the end, and rows that pad the vocabulary.

    Args:
        rows: of the output embedding.

    Returns:
        (rows,) bool twice: for later tokens, and for a reply's first, which neither breaks the line nor ends it.
    """
    banned = torch.ones(rows, dtype=torch.bool)
    banned[list(set(encoder.tokenizer.get_vocab().values()))] = False
    banned[list(encoder.control_ids)] = True
    never_first = banned.clone()
    banned[encoder.end_id] = False
    if encoder.newline_id is not None:
        never_first[encoder.newline_id] = True
        banned[encoder.newline_id] = False
    return banned, never_first


def reply_room(network: PreTrainedModel, prompt: int, decoding: Decoding, begun: int = 0) -> int:
    """Most tokens of a reply to a prompt of so many; where a network writes apart, that takes no room.

    Args:
        begun: tokens that the reply begins with already.
    """
    taken = begun if network.config.is_encoder_decoder else prompt + begun
    return min(decoding.max_new_tokens, longest_input(network) - taken)


def choose(scores: Tensor, decoding: Decoding, random: torch.Generator) -> int:
    """The next token by its (vocabulary,) scores."""
    return int(scores.argmax()) if decoding.greedy else int(torch.multinomial(scores.softmax(-1), 1, generator=random))


class ReplyEngine(Protocol):
    """What a session needs of an engine.

    Attributes:
        max_positions: most tokens of a prompt and its reply together.
    """

    max_positions: int

    def stream(self, prompt: Sequence[int], decoding: Decoding, seed: int | None = None) -> Iterator[int]:
        """Yield a reply's ids, without its end token."""


class TorchEngine(ABC):
    """Generates replies with PyTorch, whatever the shape of the network.

    Args:
        network: in evaluation mode.
        encoder: knows which ids may not be generated and which one ends a reply.
    """

    max_positions: int

    def __init__(self, network: PreTrainedModel, encoder: ReplyEncoder) -> None:
        self.network = network
        self.encoder = encoder
        self._banned, self._banned_first = forbidden_tokens(network.get_output_embeddings().weight.shape[0], encoder)

    @abstractmethod
    def next_logits(self, prompt: Sequence[int]) -> Callable[[Sequence[int]], Tensor]:
        """What gives the (1, vocabulary) logits in float32 behind a prompt and the reply so far, which grows by one."""

    @torch.inference_mode()
    def stream(self, prompt: Sequence[int], decoding: Decoding, seed: int | None = None) -> Iterator[int]:
        """Yield a reply's ids, without its end token; the reply of a beam search comes at once.

        The reply ends with the end token, after `max_new_tokens`, or where the model's positions end.

        Args:
            prompt: (length,) ids.
            seed: of the sampling; None draws one.
        """
        room, end_id = reply_room(self.network, len(prompt), decoding), self.encoder.end_id
        processors = decoding.processors()
        if decoding.beams > 1:
            rules = {"forbidden": (self._banned, self._banned_first), "processors": processors}
            found = beam_search(self.network, self.encoder, prompt, beams=decoding.beams, room=room, **rules)
            yield from (token for token in found if token != end_id)
            return
        random = torch.Generator()
        random.seed() if seed is None else random.manual_seed(seed)
        following = self.next_logits(prompt)
        reply: list[int] = []
        while len(reply) < room:
            logits = following(reply)
            logits[0, self._banned if reply else self._banned_first] = -torch.inf
            token = choose(processors(torch.tensor([reply], dtype=torch.long), logits)[0], decoding, random)
            if token == end_id:
                return
            reply.append(token)
            yield token


class Engine(TorchEngine):
    """Replies of a causal network: only the part of a prompt that differs from what was read and said is computed."""

    def __init__(self, network: PreTrainedModel, encoder: ReplyEncoder) -> None:
        super().__init__(network, encoder)
        self.max_positions = longest_input(network)
        self._cache = DynamicCache(config=network.config)
        self._cached: list[int] = []

    def next_logits(self, prompt: Sequence[int]) -> Callable[[Sequence[int]], Tensor]:
        """Found anew each time: another reply may have used the cache since the last token."""
        return lambda reply: self._forward(self._rewind([*prompt, *reply]))

    def _rewind(self, prompt: Sequence[int]) -> list[int]:
        """Cut the cache back to what it shares with the prompt; returns the rest of the prompt, at least one id."""
        shared = 0
        for ours, theirs in zip(self._cached, prompt[:-1], strict=False):
            if ours != theirs:
                break
            shared += 1
        if shared < len(self._cached):
            try:
                self._cache.crop(shared - len(self._cached))  # negative: how many to take away
                del self._cached[shared:]
            except (RuntimeError, ValueError, NotImplementedError):  # a sliding window has let go of what is needed
                self._cache, self._cached, shared = DynamicCache(config=self.network.config), [], 0
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
