"""Messages as bags of their characters' 1- to 4-grams, weighted by how rare those are (TF-IDF): no token, no order.

scikit-learn's `TfidfVectorizer` counts and weighs; what it learned is a JSON file of n-grams and their weights.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.labelled import LabelledBatch, labelled, padded
from yuhee.errors import UserError

FORMAT = "yuhee-character-tfidf/1"


class Row(NamedTuple):
    """What a batch takes of an example."""

    id: str
    input_ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    label: int


@dataclass(frozen=True, slots=True)
class Example:
    """One message.

    Attributes:
        id: of the dialogue, and the turn's place in it.
        input_ids: (length,) numbers of its n-grams, each once.
        weights: (length,) their TF-IDF, of Euclidean norm 1.
        label: index of its label.
    """

    id: str
    input_ids: list[int]
    weights: list[float]
    label: int

    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "weights": pa.list_(pa.float32()),
        "label": pa.int32(),
    }
    row: ClassVar[type[Row]] = Row


class CharacterTfidfEncoder:
    """Encodes messages; the same code path serves training and `classify`.

    Args:
        ngrams: of the training messages; an n-gram of a word's edge holds a space.
        idf: (ngrams,) weight of each.
        labels: in the order of the network's outputs.
        max_length: of the corpus's configuration; nothing is cut here.
    """

    kind: ClassVar[str] = "character_tfidf"
    network: ClassVar[str] = "AutoModelForSequenceClassification"
    task: ClassVar[str] = "text-classification"
    example: ClassVar[type[Example]] = Example
    emotion: Literal["label", "none"] = "none"

    def __init__(self, ngrams: Sequence[str], idf: Sequence[float], *, labels: Sequence[str], max_length: int) -> None:
        self.ngrams = list(ngrams)
        self.labels = tuple(labels)
        self.max_length = max_length
        self._vectorizer = vectorizer({ngram: index for index, ngram in enumerate(self.ngrams)})
        self._vectorizer.idf_ = np.array(idf, dtype=float)

    @classmethod
    def fitted(cls, texts: Sequence[str], *, labels: Sequence[str], max_length: int) -> "CharacterTfidfEncoder":
        """The encoder with the n-grams of some messages."""
        found = vectorizer().fit(texts)
        return cls(found.get_feature_names_out().tolist(), found.idf_.tolist(), labels=labels, max_length=max_length)

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that, with the vocabulary, make the same encoder again."""
        return {"kind": self.kind, "labels": list(self.labels), "max_length": self.max_length}

    @property
    def vocabulary(self) -> str:
        """JSON text of the n-grams and their weights."""
        values = {"format": FORMAT, "ngrams": self.ngrams, "idf": self._vectorizer.idf_.tolist()}
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def restore(cls, vocabulary: str, settings: Mapping[str, Any]) -> "CharacterTfidfEncoder":
        """The encoder with those settings."""
        values = json.loads(vocabulary)
        if values["format"] != FORMAT:
            raise ValueError("not a vocabulary of character n-grams")
        return cls(values["ngrams"], values["idf"], labels=settings["labels"], max_length=settings["max_length"])

    def encode(self, dialogues: Sequence[Dialogue]) -> list[Example]:
        """The labelled messages of many dialogues."""
        messages = list(labelled(dialogues))
        return [
            Example(message.id, row.input_ids.tolist(), row.weights.tolist(), self.labels.index(message.label))
            for message, row in zip(messages, self.read([message.text for message in messages]), strict=True)
        ]

    def read(self, texts: Sequence[str]) -> list[Row]:
        """Examples of messages whose labels nobody knows."""
        if not texts:
            return []
        table = self._vectorizer.transform(texts)
        spans = zip(table.indptr[:-1], table.indptr[1:], strict=True)
        weights = table.data.astype(np.float32)
        return [Row("", table.indices[start:end], weights[start:end], 0) for start, end in spans]

    def pieces(self, example: Example) -> list[str]:
        """What the network reads of a message, for people."""
        return [self.ngrams[index] for index in example.input_ids]

    def collate(self, *, packing: bool = False) -> "Collate":
        """What makes a batch of examples.

        Raises:
            UserError: packing, which is for tokens in a row.
        """
        if packing:
            raise UserError("data.packing=true: 감정을 가려내는 모델은 글을 이어 놓지 않습니다. false로 두세요.")
        return Collate()

    def special_ids(self) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary."""
        return {"vocab_size": len(self.ngrams)}

    def save(self, folder: Path, max_positions: int) -> None:
        """Write the vocabulary, where bundles have it; `transformers` has no tokenizer of this kind."""
        (folder / "tokenizer.json").write_text(self.vocabulary + "\n", encoding="utf-8")


class Collate:
    """Pad with weight 0 to the longest of the batch."""

    def __call__(self, examples: Sequence[Example | Row]) -> LabelledBatch:
        return {
            "inputs": {
                "input_ids": padded([example.input_ids for example in examples], 0, np.int64),
                "weights": padded([example.weights for example in examples], 0, np.float32),
            },
            "labels": torch.tensor([int(example.label) for example in examples]),
            "ids": [example.id for example in examples],
            "tokens": sum(len(example.input_ids) for example in examples),
        }


def vectorizer(vocabulary: Mapping[str, int] | None = None) -> Any:
    """What counts and weighs, over a vocabulary that is known or yet to be found."""
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, vocabulary=vocabulary)
