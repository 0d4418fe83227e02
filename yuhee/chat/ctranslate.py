"""Replies with CTranslate2."""

import threading
from collections.abc import Iterator, Sequence

import ctranslate2

from yuhee.chat.engine import Decoding, ReplyEngine


class CTranslateEngine:
    """Generates replies with CTranslate2, and what that cannot do with PyTorch.

    CTranslate2 keeps no cache from turn to turn: it reads the whole prompt for each reply. Two things it cannot do:

    - draw by a seed: its random numbers belong to a thread, not to a reply;
    - forbid a token at the first place only. A reply must not begin with a line break; one that would is
      generated anew. (That it must not be empty is a minimal length.)

    Args:
        generator: the same model as the other engine's, see `conversion.generator`.
        torch_engine: of the same model.
        end_id: ends a reply.
        newline_id: of a line break.
    """

    def __init__(
        self, generator: ctranslate2.Generator, torch_engine: ReplyEngine, end_id: int, newline_id: int
    ) -> None:
        self.generator = generator
        self.torch_engine = torch_engine
        self.end_id = end_id
        self.newline_id = newline_id
        self.max_positions = torch_engine.max_positions

    def stream(self, prompt: Sequence[int], decoding: Decoding, seed: int | None = None) -> Iterator[int]:
        """Yield a reply's ids, without its end token; see `Engine.stream`."""
        if decoding.beams > 1 or (seed is not None and not decoding.greedy):
            yield from self.torch_engine.stream(prompt, decoding, seed)
            return
        first = True
        for token in self._generate(prompt, decoding):
            if first and token == self.newline_id:
                yield from self.torch_engine.stream(prompt, decoding, seed)
                return
            first = False
            yield token

    def _generate(self, prompt: Sequence[int], decoding: Decoding) -> Iterator[int]:
        room = min(decoding.max_new_tokens, self.max_positions - len(prompt))
        if room <= 0:
            return
        stopped = threading.Event()
        steps = self.generator.generate_tokens(
            [str(token) for token in prompt],
            max_length=room,
            min_length=1,
            sampling_topk=1 if decoding.greedy else 0,
            sampling_topp=float(decoding.top_p),
            sampling_temperature=float(decoding.temperature),
            repetition_penalty=float(decoding.repetition_penalty),
            no_repeat_ngram_size=decoding.no_repeat_ngram,
            callback=lambda _: stopped.is_set(),
        )
        try:
            for step in steps:
                if step.token_id == self.end_id:
                    return
                yield step.token_id
        finally:  # whoever stops listening, by Ctrl-C too, stops the thread that generates
            stopped.set()
