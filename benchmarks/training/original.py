"""The original recipe (2022), written fresh from its description, defects included; comments say which.

<usr>{question}<unused1><sys>{answer}</s>   one exchange, no history, the emotion slot left empty
"""

import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from benchmarks import workload

MAX_LENGTH = 40
BATCH_SIZE = 32
LEARNING_RATE = 3e-5
PUNCTUATION = re.compile(r"[?.!,]")
NEGATIVE = -1e18  # overflows in half precision: the recipe runs in float32 only

Exchange = tuple[str, str]
OnStep = Callable[[int, torch.Tensor], None]


class Exchanges(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """Question and answer as (length,) ids, (length,) mask of the answer, (length,) labels shifted by hand.

    Tokenized anew whenever a row is asked for, one row at a time, in the training process.
    """

    def __init__(self, exchanges: Sequence[Exchange], tokenizer: Tokenizer) -> None:
        self.exchanges = exchanges
        self.tokenizer = tokenizer
        self.pad = tokenizer.token_to_id("<pad>")

    def __len__(self) -> int:
        return len(self.exchanges)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        question, answer = (PUNCTUATION.sub(" ", text) for text in self.exchanges[index])
        # the markers are active in the text as well: what somebody typed can rewrite the structure
        question_ids = self._ids(f"<usr>{question}<unused1>")
        answer_ids = self._ids(f"<sys>{answer}</s>")
        if len(question_ids) >= MAX_LENGTH:
            question_ids = question_ids[-(MAX_LENGTH // 2) :]
        answer_ids = answer_ids[: MAX_LENGTH - len(question_ids)]
        ids = question_ids + answer_ids
        # the mask covers the answer's last token too, whose label is <pad>: <pad> after </s> is learned
        mask = [0] * len(question_ids) + [1] * len(answer_ids)
        labels = [self.pad] * len(question_ids) + answer_ids[1:]
        return self._padded(ids, self.pad), self._padded(mask, 0), self._padded(labels, self.pad)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _padded(self, values: list[int], filler: int) -> torch.Tensor:
        # everything is padded to 40 although half of the examples are shorter than 18 tokens
        return torch.tensor(values + [filler] * (MAX_LENGTH - len(values)))


def masked_loss(logits: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """() the recipe's "loss": masked positions have uniform logits, so each of them adds ln V.

    Args:
        logits: (batch, length, vocabulary).
        mask: (batch, length) int64, 1 where the answer is.
        labels: (batch, length), shifted already.
    """
    # int64 mask of batch × length × vocabulary, and two float copies of that size
    wide = mask.unsqueeze(2).repeat_interleave(repeats=logits.shape[2], dim=2)
    masked = torch.where(wide == 1, logits, NEGATIVE * torch.ones_like(logits))
    loss = torch.nn.functional.cross_entropy(masked.transpose(2, 1), labels, reduction="none")
    return loss.sum() / mask.sum()


def exchanges_of(dialogues: Sequence[Any]) -> list[Exchange]:
    """Every user turn with the reply right behind it; the recipe knows no history.

    Args:
        dialogues: `yuhee.data.dialogue.Dialogue`s, or anything with `turns` that have `role` and `text`.
    """
    pairs = (pair for dialogue in dialogues for pair in pairwise(dialogue.turns))
    return [(a.text, b.text) for a, b in pairs if (a.role, b.role) == ("user", "assistant")]


def train_original(
    dialogues: Sequence[Any],
    tokenizer: Tokenizer,
    network_config: PretrainedConfig,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> PreTrainedModel:
    """Train a network with random weights by the original recipe.

    Args:
        dialogues: see `exchanges_of`.
        tokenizer: with KoGPT2's markers.
        network_config: `transformers` config of a causal language model for this tokenizer.
        seconds: of wall time, tokenization included, after which the step that is under way is the last.
        steps: optimizer steps after which to end; what comes first counts.
        seed: of weights, dropout and order (the original had none).
        on_step: called after every optimizer step with its number (from 1) and the loss.

    Returns:
        the network in evaluation mode, float32.

    Raises:
        ValueError: neither seconds nor steps.
    """
    if seconds is None and steps is None:
        raise ValueError("train_original needs seconds or steps")
    torch.manual_seed(seed)
    network: PreTrainedModel = AutoModelForCausalLM.from_config(network_config, dtype=torch.float32).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    rows = DataLoader(Exchanges(exchanges_of(dialogues), tokenizer), batch_size=BATCH_SIZE, shuffle=True)
    end = time.monotonic() + (float("inf") if seconds is None else seconds)
    done = 0
    while True:  # no validation, no schedule, no checkpoint
        for ids, mask, labels in rows:
            optimizer.zero_grad()
            loss = masked_loss(network(ids).logits, mask, labels)
            loss.backward()
            optimizer.step()
            done += 1
            if on_step is not None:
                on_step(done, loss.detach())
            if done == steps or time.monotonic() >= end:
                return network.eval()


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """The recipe's steps on the rows that the other sides train on, without yuhee."""
    bundle, (warmup, steps) = Path(spec["work"]) / "bundle", spec["steps"]
    dialogues = [
        SimpleNamespace(turns=[SimpleNamespace(role=role, text=text) for role, text in turns])
        for turns in workload.read(spec["work"], "dialogues")
    ]
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    config = AutoConfig.from_pretrained(bundle)
    marks: list[float] = []
    train_original(
        dialogues,
        tokenizer,
        config,
        steps=warmup + steps,
        seed=spec["seed"],
        on_step=lambda number, loss: marks.append(time.perf_counter()),
    )
    seconds = workload.step_seconds(marks, warmup)
    # padded to 40, every step is the same work
    rate = BATCH_SIZE * len(seconds) / sum(seconds)
    tokens_per_example = workload.read(spec["work"])["tokens_per_example"]
    return {
        "examples_per_second": rate,
        "tokens_per_second": rate * tokens_per_example,
        "seconds_per_step": sum(seconds) / len(seconds),
    }
