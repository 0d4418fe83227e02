"""A masked language model that tells labels by the words it puts into a pattern's gap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm
from transformers import PreTrainedModel

from yuhee.data.encoding.cloze import Cloze, Gap
from yuhee.data.encoding.labelled import padded
from yuhee.models.losses import IGNORE
from yuhee.models.masked_lm import Masking
from yuhee.models.optim import adamw, learning_rates, scale_and_clip

BATCH = 64  # texts that are read together
UNLABELLED = 3  # unlabelled texts beside each labelled one in a step, as in the paper


@dataclass(frozen=True)
class Recipe:
    """How a pattern model is trained.

    Attributes:
        steps: of the optimizer.
        batch_size: labelled texts in a step.
        lr, weight_decay: of AdamW; a tenth of the steps warms up, a cosine follows.
        alpha: weight of the masked-language-model loss on unlabelled text; the labels' weighs 1 − alpha. (The paper's
            own code has it the other way round.)
        mask_share: of the words of unlabelled text, that are hidden.
    """

    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    alpha: float
    mask_share: float = 0.15


@dataclass(frozen=True)
class Material:
    """What a pattern model learns from.

    Attributes:
        texts: labelled ones.
        labels: (texts,) index of each one's label.
        unlabelled: token ids of further texts with their frame.
    """

    texts: Sequence[str]
    labels: Tensor
    unlabelled: Sequence[Sequence[int]]


def combined(labels: Tensor, words: Tensor, alpha: float) -> Tensor:
    """(1 − alpha) × the labels' loss + alpha × the masked-language-model loss."""
    return (1 - alpha) * labels + alpha * words


class PatternModel:
    """A network with a pattern.

    Args:
        network: masked language model; trained in place.
    """

    def __init__(self, network: PreTrainedModel, cloze: Cloze) -> None:
        self.network = network
        self.cloze = cloze
        self.pad_id = cloze.special["pad_token"]

    @property
    def device(self) -> torch.device:
        return torch.device(self.network.device)

    def filled(self, texts: Sequence[str]) -> dict[int, list[Gap]]:
        """The texts in the pattern, with gaps of as many masks as there are lengths of words."""
        return {masks: self.cloze.fill(texts, masks) for masks in self.cloze.gaps}

    def scores(self, filled: dict[int, list[Gap]], chosen: Sequence[int]) -> Tensor:
        """(chosen, labels) mean log-probability of each label's word in the gaps of some of the texts, in nats."""
        answers = self.cloze.answers
        scores: list[Tensor] = [torch.empty(0)] * len(answers)
        for masks, gaps in filled.items():
            words = self._words([gaps[index] for index in chosen], masks)
            for label, answer in enumerate(answers):
                if len(answer) == masks:
                    scores[label] = words[:, range(masks), answer].mean(1)
        return torch.stack(scores, 1)

    @torch.no_grad()
    def told(self, texts: Sequence[str]) -> Tensor:
        """(texts, labels) log-probabilities of the labels."""
        self.network.eval()
        filled = self.filled(texts)
        order = sorted(range(len(texts)), key=lambda index: len(next(iter(filled.values()))[index].input_ids))
        starts = tqdm(range(0, len(order), BATCH), desc="읽기", leave=False, disable=None)  # on a terminal alone
        scores = [self.scores(filled, order[start : start + BATCH]).cpu() for start in starts]
        return torch.cat(scores)[torch.tensor(order).argsort()].log_softmax(-1)

    def train(self, material: Material, recipe: Recipe) -> None:
        """Learn the labels; PyTorch's random state decides which texts make a step, what is masked and dropped out."""
        self.network.train()
        masking = Masking(self.cloze.special, self.network.config.vocab_size, recipe.mask_share)
        optimizer = adamw(self.network, recipe.lr, recipe.weight_decay)
        rates = learning_rates(optimizer, "cosine", recipe.steps // 10, recipe.steps)
        filled, labels = self.filled(material.texts), material.labels.to(self.device)
        labelled = _in_turn(len(material.texts), recipe.batch_size)
        unlabelled = _in_turn(len(material.unlabelled), UNLABELLED * recipe.batch_size)
        for _ in tqdm(range(recipe.steps), desc="학습", leave=False, disable=None):
            chosen = next(labelled)
            loss = F.cross_entropy(self.scores(filled, chosen), labels[chosen])
            if recipe.alpha:
                words = self._hidden_words([material.unlabelled[index] for index in next(unlabelled)], masking)
                loss = combined(loss, words, recipe.alpha)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            scale_and_clip(self.network.parameters(), 1.0, 1.0)
            optimizer.step()
            rates.step()

    def _words(self, gaps: Sequence[Gap], masks: int) -> Tensor:
        """(gaps, masks, vocabulary) log-probabilities in the gaps."""
        logits = self._logits(*self._batch([gap.input_ids for gap in gaps]))
        starts = torch.tensor([gap.start for gap in gaps], device=self.device)
        places = starts[:, None] + torch.arange(masks, device=self.device)
        return logits[torch.arange(len(gaps), device=self.device)[:, None], places].float().log_softmax(-1)

    def _hidden_words(self, rows: Sequence[Sequence[int]], masking: Masking) -> Tensor:
        """() mean nats of the masked words."""
        ids, attention_mask = self._batch(rows)
        hidden, labels = masking(ids, torch.rand(3, *ids.shape, device=ids.device))
        nats = F.cross_entropy(self._logits(hidden, attention_mask)[labels != IGNORE].float(), labels[labels != IGNORE])
        return torch.nan_to_num(nats)  # a step may hide no word

    def _logits(self, ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.network(input_ids=ids, attention_mask=attention_mask).logits
        return logits

    def _batch(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        ids = padded(rows, self.pad_id, np.int64)
        mask = padded([np.ones(len(row)) for row in rows], 0, np.int64)
        return ids.to(self.device), mask.to(self.device)


def _in_turn(count: int, size: int) -> Iterator[list[int]]:
    """Random batches that go through all of `count` before any comes again; a batch is never larger than `count`."""
    order: list[int] = []
    size = min(size, count)
    while True:
        if len(order) < size:
            order += torch.randperm(count).tolist()
        yield order[:size]
        order = order[size:]
