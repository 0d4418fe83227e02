"""Pattern models that learn from the same few labels, and in further generations from each other (PET and iPET)."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from yuhee.data.encoding.cloze import Cloze
from yuhee.models.ensemble import most_confident, together, weights
from yuhee.models.pattern_model import Material, PatternModel, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How the ensemble is made.

    Attributes:
        repetitions: models for each pattern, which differ by their random numbers.
        generations: further ones, in which each model learns from what those of the other patterns are surest of.
        growth: by which the labelled set is larger in each generation.
        weighting: of the patterns: by accuracy before training, or all the same.
        seed: of all random numbers; each model has its own stream, whatever was trained before it.
    """

    repetitions: int
    generations: int
    growth: float
    weighting: Literal["accuracy", "uniform"]
    seed: int


class PatternEnsemble:
    """The pattern models of one masked language model.

    Args:
        network: that all of them start from.
        clozes: a pattern each.
    """

    def __init__(self, network: PreTrainedModel, clozes: Sequence[Cloze], recipe: Recipe, plan: Plan) -> None:
        self.network = network
        self.clozes = clozes
        self.recipe = recipe
        self.plan = plan
        self._start = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
        self._members = [
            (pattern, repetition) for pattern in range(len(clozes)) for repetition in range(plan.repetitions)
        ]

    def tell(self, material: Material, texts: Sequence[str], temperature: float) -> Tensor:
        """(texts, labels) probabilities that the last generation gives to the labels of texts."""
        weight = self._weights(material)
        sets = [material] * len(self._members)
        for generation in range(self.plan.generations + 1):
            told = [
                self._member(generation, *member, learned, texts)
                for member, learned in zip(self._members, sets, strict=True)
            ]
            scores = torch.stack(told)
            if generation < self.plan.generations:
                growth = self.plan.growth ** (generation + 1)
                sets = [self._grown(material, texts, scores, weight, growth, pattern) for pattern, _ in self._members]
        return together(scores, weight, temperature)

    def _weights(self, material: Material) -> Tensor:
        """(members,) weights."""
        accuracies = []
        for cloze in self.clozes:
            self.network.load_state_dict(self._start)
            told = PatternModel(self.network, cloze).told(material.texts).argmax(-1)
            accuracies.append((told == material.labels).float().mean())
            log.info("틀 '%s': 학습 전 정확도 %.1f%%", cloze.pattern, 100 * float(accuracies[-1]))
        if self.plan.weighting == "uniform":
            accuracies = [torch.ones(())] * len(self.clozes)
        return weights(torch.stack([accuracies[pattern] for pattern, _ in self._members]))

    def _member(
        self, generation: int, pattern: int, repetition: int, material: Material, texts: Sequence[str]
    ) -> Tensor:
        """(texts, labels) log-probabilities of a model trained from the start."""
        cloze = self.clozes[pattern]
        log.info(
            "틀 '%s': %d세대 %d번째 모델을 예 %d개로 학습합니다",
            cloze.pattern,
            generation + 1,
            repetition + 1,
            len(material.texts),
        )
        self.network.load_state_dict(self._start)
        model = PatternModel(self.network, cloze)
        place = f"{self.plan.seed}:{generation}:{pattern}:{repetition}"
        with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
            torch.manual_seed(int.from_bytes(hashlib.blake2b(place.encode(), digest_size=8).digest()))
            model.train(material, self.recipe)
        log.info("틀 '%s': 배운 모델이 메시지 %d개를 읽습니다", cloze.pattern, len(texts))
        return model.told(texts)

    def _grown(
        self, material: Material, texts: Sequence[str], scores: Tensor, weight: Tensor, growth: float, pattern: int
    ) -> Material:
        """The labelled texts with `growth` times as many of each label, chosen by the models of the other patterns."""
        others = torch.tensor([index for index, member in enumerate(self._members) if member[0] != pattern])
        known = set(material.texts)
        free = torch.tensor([index for index, text in enumerate(texts) if text not in known], dtype=torch.long)
        probabilities = together(scores[others][:, free], weight[others] / weight[others].sum())
        counts = torch.bincount(material.labels, minlength=probabilities.shape[1])
        chosen = most_confident(probabilities, ((growth - 1) * counts).round())
        new = torch.tensor([label for _, label in chosen], dtype=torch.long)
        return replace(
            material,
            texts=[*material.texts, *(texts[int(free[index])] for index, _ in chosen)],
            labels=torch.cat([material.labels, new]),
        )
