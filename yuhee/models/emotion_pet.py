"""PET: an emotion classifier from a few labelled messages and many unlabelled ones.

Schick & Schütze 2021, "Exploiting Cloze Questions for Few Shot Text Classification and Natural Language Inference":
a masked language model for each pattern learns from the labelled messages, together they tell all others softly, and the
classifier that is kept learns from those soft labels.
"""

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import yaml
from filelock import FileLock
from pydantic import Field, field_validator, model_validator
from torch import Tensor
from torch.nn import functional as F

from yuhee.data.config import DataConfig
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.encoding.cloze import Cloze, check_pattern
from yuhee.data.encoding.distillation import UNLABELLED, DistillationEncoder, messages
from yuhee.data.encoding.labelled import LabelledBatch
from yuhee.data.encoding.special_tokens import ROLES
from yuhee.data.encoding.tokenizer import parse_tokenizer
from yuhee.data.splits import Split
from yuhee.errors import UserError
from yuhee.models.class_metrics import ClassTotals
from yuhee.models.emotion_roberta import EmotionRoberta, EmotionRobertaConfig
from yuhee.models.family import Objective
from yuhee.models.pattern_ensemble import PatternEnsemble, Plan
from yuhee.models.pattern_model import Material, Recipe
from yuhee.models.pretrained import check_fills_gaps, load_network
from yuhee.paths import private_partial

log = logging.getLogger(__name__)

SOFT_LABELS = "soft_labels.pt"  # in the run's folder: digests of the messages' token ids, and their probabilities
ASKED_WITH = {"pretrained", "patterns", "verbalizers", "repetitions", "generations", "growth", "pattern_steps"}
ASKED_WITH |= {"pattern_lr", "pattern_batch", "alpha", "weighting", "temperature", "weight_decay"}


class EmotionPetConfig(EmotionRobertaConfig):
    """Keys of `model.*`; those of `emotion_roberta` are the distilled classifier's.

    Attributes:
        patterns: texts with `{text}` and `{mask}`.
        verbalizers: label → the word that stands for it in the gap, of one token or several.
        repetitions: pattern models for each pattern.
        generations: further ones that learn from each other (iPET); 0 is PET.
        growth: by which the labelled set is larger in each generation.
        pattern_steps, pattern_lr, pattern_batch: of a pattern model's training; labelled messages in a step.
        alpha: weight of the masked-language-model loss on all messages; the labels' weighs 1 − alpha.
        weighting: of the patterns: by accuracy before training, or all the same.
        temperature: of the soft labels, and of the classifier while it learns them (Hinton et al. 2015).
    """

    patterns: list[str] = Field(min_length=1)
    verbalizers: dict[str, str]
    repetitions: int = Field(1, gt=0)
    generations: int = Field(0, ge=0)
    growth: float = Field(5.0, gt=1)
    pattern_steps: int = Field(250, gt=0)
    pattern_lr: float = Field(gt=0)
    pattern_batch: int = Field(16, gt=0)
    alpha: float = Field(1.0e-4, ge=0, le=1)
    weighting: Literal["accuracy", "uniform"] = "accuracy"
    temperature: float = Field(2.0, gt=0)

    @field_validator("patterns")
    @classmethod
    def _patterns_are_whole(cls, patterns: list[str]) -> list[str]:
        return [check_pattern(pattern) for pattern in patterns]

    @field_validator("verbalizers", mode="before")
    @classmethod
    def _typed(cls, words: Any) -> Any:
        """Hydra's own parser takes no Hangul for a key, so a mapping typed at the command line arrives as its text."""
        try:
            return yaml.safe_load(words) if isinstance(words, str) else words
        except yaml.YAMLError:
            return words

    @model_validator(mode="after")
    def _can_start(self) -> "EmotionPetConfig":
        if self.from_scratch:
            raise ValueError(
                "model.from_scratch=true: PET은 빈칸을 채울 줄 아는 모델에서 시작합니다. experiment=pretrain_mlm 으로 "
                "학습한 bundle 폴더를 model.pretrained에 주세요"
            )
        if self.class_weights != "none" or self.label_smoothing:
            raise ValueError(
                "model.class_weights, model.label_smoothing: PET의 분류기는 부드러운 표지에서 배우므로 쓰이지 않습니다. "
                "기본값(none, 0)으로 두세요"
            )
        if self.generations and len(self.patterns) < 2:
            raise ValueError("model.generations: 서로 가르치려면 model.patterns가 둘 이상이어야 합니다")
        return self


class EmotionPet(EmotionRoberta):
    """The classifier that learns from the soft labels; `prepare` makes them."""

    Config = EmotionPetConfig
    family = "emotion_pet"
    encoder: DistillationEncoder
    config: EmotionPetConfig
    soft_labels: dict[str, Tensor]

    @staticmethod
    def make_encoder(  # type: ignore[override]
        config: EmotionPetConfig, data: DataConfig, split: Split
    ) -> DistillationEncoder:
        """The encoder for this model, with the checkpoint's tokenizer.

        Raises:
            UserError: as of `EmotionRoberta`, or the tokenizer, the labels and the patterns do not go together.
        """
        check_fills_gaps(config.pretrained or "", "model.pretrained")
        plain = EmotionRoberta.make_encoder(config, data, split)
        encoder = DistillationEncoder(plain.tokenizer, labels=plain.labels, max_length=plain.max_length)
        if "mask_token" not in encoder.special.roles:
            raise UserError(
                f"토크나이저에 {'·'.join(ROLES['mask_token'])} 토큰이 없어 PET에 쓸 수 없습니다. "
                "빈칸을 채우는 모델(BERT, RoBERTa)을 model.pretrained에 주세요."
            )
        clozes(config, encoder)
        if unused := [label for label in config.verbalizers if label not in encoder.labels]:
            log.info("model.verbalizers: 말뭉치에 없는 감정 %s의 낱말은 쓰지 않습니다.", ", ".join(unused))
        return encoder

    def prepare(self, data: DialogueDataModule, folder: Path, device: torch.device) -> None:
        """Make the soft labels, or read those that this run has made before; of several processes, one makes them."""
        file, made_of = folder / SOFT_LABELS, self._made_of(data)
        with FileLock(folder / f".{SOFT_LABELS}.lock"):
            if _made_of(file) != made_of:
                _save(file, {**self._tell(data, device), "made_of": made_of})
        saved = torch.load(file, map_location="cpu", weights_only=True)
        self.soft_labels = dict(zip(saved["messages"], saved["probabilities"], strict=True))

    def objective(self, batch: LabelledBatch) -> Objective:
        logits, labels = self(batch["inputs"]), batch["labels"]
        soft = self._soft_labels(batch["inputs"]).to(logits.device)
        loss = distillation_loss(logits, soft, self.config.temperature)
        return Objective(loss, loss.item(), float(len(labels)), self._totals(logits, labels))

    def evaluated(self, batch: LabelledBatch) -> ClassTotals:
        return self._totals(self(batch["inputs"]), batch["labels"])

    def _totals(self, logits: Tensor, labels: Tensor) -> ClassTotals:
        known = labels != UNLABELLED
        return ClassTotals.of(logits[known], labels[known])

    def _told(self, data: Any) -> tuple[Tensor, Tensor]:
        logits, labels = super()._told(data)
        known = labels != UNLABELLED
        return logits[known], labels[known]

    def _soft_labels(self, inputs: dict[str, Tensor]) -> Tensor:
        """(batch, labels) probabilities."""
        ids, lengths = inputs["input_ids"].cpu().numpy(), inputs["attention_mask"].sum(1).tolist()
        return torch.stack([self.soft_labels[_digest(row[:length])] for row, length in zip(ids, lengths, strict=True)])

    def _made_of(self, data: DialogueDataModule) -> str:
        """A digest of all that the soft labels depend on: messages, their labels, and the settings of the pattern models."""
        settings = self.config.model_dump(include=ASKED_WITH)
        told = [(message.text, message.label) for message in messages(data.split.train)]
        values = [settings, data.seed, self.encoder.vocabulary, self.encoder.settings, told]
        return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(errors="surrogatepass")).hexdigest()

    def _tell(self, data: DialogueDataModule, device: torch.device) -> dict[str, Any]:
        config, encoder = self.config, self.encoder
        found = list(messages(data.split.train))
        texts = list(dict.fromkeys(message.text for message in found))
        known = {message.text: message.label for message in found if message.label is not None}
        rows = [row.input_ids.tolist() for row in encoder.read(texts)]
        material = Material(list(known), torch.tensor([encoder.labels.index(label) for label in known.values()]), rows)
        network = load_network(config.pretrained or "", "model.pretrained", "AutoModelForMaskedLM").to(device)
        recipe = Recipe(
            config.pattern_steps, config.pattern_batch, config.pattern_lr, config.weight_decay, config.alpha
        )
        plan = Plan(config.repetitions, config.generations, config.growth, config.weighting, data.seed)
        probabilities = PatternEnsemble(network, clozes(config, encoder), recipe, plan).tell(
            material, texts, config.temperature
        )
        return {"messages": [_digest(row) for row in rows], "probabilities": probabilities}


def clozes(config: EmotionPetConfig, encoder: DistillationEncoder) -> list[Cloze]:
    """The configuration's patterns for an encoder's tokenizer and labels.

    Raises:
        UserError: a word for a label is missing, unknown or another's.
    """
    whole = parse_tokenizer(encoder.vocabulary)  # one that cuts nothing off
    words, labels = config.verbalizers, encoder.labels
    return [Cloze(whole, pattern, words, labels, encoder.max_length) for pattern in config.patterns]


def distillation_loss(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """() summed Kullback-Leibler divergence from soft labels, both at a temperature, times its square.

    Hinton et al. 2015, "Distilling the Knowledge in a Neural Network".

    Args:
        logits: (batch, labels).
        soft: (batch, labels) probabilities at that temperature.
    """
    return F.kl_div((logits / temperature).log_softmax(-1), soft, reduction="sum") * temperature**2


def _digest(ids: npt.ArrayLike) -> str:
    return hashlib.blake2b(np.asarray(ids, dtype=np.int32).tobytes(), digest_size=16).hexdigest()


def _made_of(file: Path) -> str | None:
    """Of what the soft labels in a file were made; None where there are none, or from before that was kept."""
    if not file.is_file():
        return None
    found = torch.load(file, map_location="cpu", weights_only=True).get("made_of")
    return None if found is None else str(found)


def _save(file: Path, values: dict[str, Any]) -> None:
    """Write whole or not at all, readable by the owner alone."""
    handle, partial = private_partial(file)
    try:
        with os.fdopen(handle, "wb") as target:
            torch.save(values, target)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
