"""What `conf/data/*.yaml` may say."""

from typing import Annotated, Any, Literal

from hydra.utils import instantiate
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from yuhee.data.corpus import Corpus, read_corpus
from yuhee.data.mix import Ingredient, mixed

Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, numbers typed as paths stay text."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class SplitConfig(Section):
    by: Literal["group", "row"] = "group"
    seed: int = 0
    ratios: tuple[Positive, Positive, Positive] = (0.8, 0.1, 0.1)

    @field_validator("ratios")
    @classmethod
    def _sum_to_one(cls, ratios: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(ratios) - 1) > 1e-6:
            raise ValueError(f"합이 1이어야 합니다(지금 {sum(ratios):g})")
        return ratios


class NormalizeConfig(Section):
    punctuation: Literal["keep", "strip"] = "keep"


class DataConfig(Section):
    """Keys of `data.*`.

    Attributes:
        name: the corpus.
        reader: `_target_` of a reader and its own options.
        parts: corpora to mix instead of a reader, by a name for each.
        path: the user's file or folder, None where the reader knows.
        privacy: `mask` replaces personal data in whatever comes from the user's own files; `public` says that the
            corpus holds none.
        batch_size: dialogues per rank and micro-batch.
        max_length: of an example, in tokens.
        packing: lay the training dialogues of a batch one behind another into rows of `max_length` tokens.
        epochs: a sensible length of training for this corpus; `trainer.max_epochs` follows it.
        vocab_size: a sensible size of a tokenizer trained on this corpus, in tokens; `model=tiny` follows it.
        emotion: `label` fills the emotion slot, `none` leaves it empty.
        emotion_dropout: share of the training turns whose slot stays empty all the same, so that the model knows
            what to say to a message whose emotion nobody named.
        chain: share of the training dialogues that follow another one in the same example, so that the model learns
            to go along when the subject changes.
        history: exchanges before its own that a reply may look back on; None for the whole dialogue, which learns
            all its replies in one pass. A number makes one example of each exchange.
        few_shot: labelled messages of each emotion to learn from, drawn by `seed`; the other messages of the training
            split lose their labels. None keeps all labels.
        canaries: secrets to plant into the training split for `yuhee probe`; they do not belong into a model that
            people talk with.
        canary_repeats: times each of them is seen in an epoch.
    """

    name: str
    reader: dict[str, Any] | None = None
    parts: dict[str, "PartConfig"] = Field(default_factory=dict)
    path: str | None = None
    privacy: Literal["mask", "public"] = "mask"
    batch_size: int = Field(16, gt=0)
    max_length: int = Field(256, ge=8)
    packing: bool = False
    num_workers: int = Field(0, ge=0)
    epochs: int = Field(10, gt=0)
    vocab_size: int = Field(4000, ge=300)
    emotion: Literal["label", "none"] = "label"
    emotion_dropout: float = Field(0.5, ge=0, le=1)
    chain: float = Field(0.0, ge=0, lt=1)
    history: int | None = Field(None, ge=0)
    few_shot: int | None = Field(None, gt=0)
    canaries: int = Field(0, ge=0, le=1000)
    canary_repeats: int = Field(1, gt=0, le=1000)
    split: SplitConfig = SplitConfig()
    normalize: NormalizeConfig = NormalizeConfig()

    @model_validator(mode="after")
    def _has_a_source(self) -> "DataConfig":
        if (self.reader is None) == (not self.parts):
            raise ValueError("data.reader와 data.parts 가운데 하나만 있어야 합니다")
        if self.parts and (self.path is not None or self.privacy == "public"):
            raise ValueError("data=mix에서는 data.parts.<이름>.path 와 data.parts.<이름>.privacy 로 정하세요")
        return self

    def read(self) -> Corpus:
        """Read the corpus, or the mix of several.

        Raises:
            UserError: it cannot be read, or holds no dialogue.
        """
        if self.parts:
            return mixed(self.name, {name: part.ingredient() for name, part in self.parts.items()})
        return read_corpus(
            self.name, instantiate(self.reader, _partial_=True), self.path, public=self.privacy == "public"
        )


class PartConfig(DataConfig):
    """Keys of `data.parts.<name>.*`: a corpus of its own, of which only what says how to read it counts.

    Attributes:
        weight: times a dialogue is seen in an epoch of training; 0.5 takes every second one.
        cap: most dialogues to take, None for all.
    """

    weight: float = Field(1.0, gt=0, le=100)
    cap: int | None = Field(None, gt=0)

    def ingredient(self) -> Ingredient:
        return Ingredient(self.read(), self.weight, self.cap)
