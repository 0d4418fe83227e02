"""Replies of this project, through what `yuhee.load` returns."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yuhee
from benchmarks import workload
from yuhee.chat.companion import Companion
from yuhee.chat.engine import Decoding
from yuhee.data.dialogue import Turn

TURNS = 10
CONVERSATIONS = 3


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Tokens per second of whole replies with the default engine, each to a prompt of its own."""
    companion = load(spec)
    decoding = Decoding(greedy=True, max_new_tokens=spec["new_tokens"])
    prompts = [companion.model.encoder.prompt([Turn("user", text)]) for text in questions(spec["work"])]
    seconds, tokens = [], 0
    for prompt in prompts[: spec["replies"] + 1]:
        start = time.perf_counter()
        tokens = sum(1 for _ in companion.engine.stream(prompt, decoding))
        seconds.append(time.perf_counter() - start)
        if tokens != spec["new_tokens"]:
            raise RuntimeError(f"a reply ended after {tokens} tokens")
    return {"tokens_per_second": tokens / statistics.median(seconds[1:]), "engine": type(companion.engine).__name__}


def first_token(spec: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds to the first token of a reply to `prompt_tokens` tokens, of which the cache knows nothing."""
    companion = load(spec)
    texts = questions(spec["work"])
    milliseconds = []
    for number in range(2 * spec["replies"] + 1):
        text = " ".join(texts[number * 20 : number * 20 + 20])
        prompt = companion.model.encoder.prompt([Turn("user", text)], spec["prompt_tokens"])
        if len(prompt) != spec["prompt_tokens"]:
            raise RuntimeError(f"a prompt of {len(prompt)} tokens")
        start = time.perf_counter()
        next(iter(companion.engine.stream(prompt, Decoding(greedy=True, max_new_tokens=2))))
        milliseconds.append(1000 * (time.perf_counter() - start))
    return {"milliseconds": statistics.median(milliseconds[1:]), "engine": type(companion.engine).__name__}


def conversation(spec: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds from a message to the first token of its reply, over the turns of a conversation.

    All messages have the same number of tokens, so that only the history grows.
    """
    companion = load(spec)
    turns = _of_one_length(companion, questions(spec["work"]))
    decoding = Decoding(greedy=True, max_new_tokens=max(spec["new_tokens"] // 2, 2))
    rows = [_first_tokens(companion, turns[n:] + turns[:n], decoding) for n in range(CONVERSATIONS + 1)]
    medians = [statistics.median(column) for column in zip(*rows[1:], strict=True)]
    return {"tenth_over_first": medians[-1] / medians[0], "milliseconds": medians}


def load(spec: dict[str, Any]) -> Companion:
    """The bundle, with the engine named in the spec, or the default one."""
    return yuhee.load(Path(spec["work"]) / "bundle", engine=spec.get("engine", "auto"))


def questions(work: str) -> list[str]:
    return [turns[0][1] for turns in workload.read(work, "dialogues")]


def _of_one_length(companion: Companion, texts: list[str]) -> list[Turn]:
    turns = [Turn("user", text) for text in dict.fromkeys(texts[:1000])]
    lengths = [len(companion.model.encoder.turn_ids(turn)) for turn in turns]
    usual = Counter(lengths).most_common(1)[0][0]
    return list(islice((turn for turn, n in zip(turns, lengths, strict=True) if n == usual), TURNS))


def _first_tokens(companion: Companion, turns: list[Turn], decoding: Decoding) -> list[float]:
    session = companion.session(exchanges=len(turns))
    session.engine = engine = _Watched(companion.engine)  # type: ignore[assignment]
    milliseconds = []
    for turn in turns:
        start, engine.first = time.perf_counter(), None
        for _ in session.say(turn, decoding):
            pass
        milliseconds.append(1000 * ((engine.first or time.perf_counter()) - start))
    return milliseconds


class _Watched:
    """An engine that remembers when the first token of the last reply came."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.first: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stream(self, *arguments: Any, **options: Any) -> Iterator[int]:
        for token in self._engine.stream(*arguments, **options):
            self.first = self.first or time.perf_counter()
            yield token
