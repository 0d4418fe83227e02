"""Labelled messages as examples: exact ids, truncation, and text that forges nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

from tests.conftest import TEXTS, dialogue
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.classification import ClassificationEncoder
from yuhee.data.encoding.tokenizer import parse_tokenizer, train_tokenizer
from yuhee.errors import UserError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["나", "는", "오늘", "슬퍼", "기뻐", "[", "]", "MASK", "SEP", "〔", "〕"]


def wordpiece() -> Tokenizer:
    """A tokenizer laid out as klue/roberta-small's: WordPiece, NFKC, `[CLS] … [SEP]`."""
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate([*SPECIAL, *WORDS])}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(SPECIAL)
    return parse_tokenizer(tokenizer.to_str())


def encoder(max_length: int = 16) -> ClassificationEncoder:
    return ClassificationEncoder(wordpiece(), labels=["0", "1", "2"], max_length=max_length)


def test_each_labelled_message_is_an_example_of_its_own() -> None:
    turns = (
        Turn("user", "나 오늘 슬퍼", emotion="1"),
        Turn("assistant", "기뻐"),
        Turn("user", "나 는"),
        Turn("user", "기뻐", emotion="2"),
    )
    first, second = encoder().encode([Dialogue("d", turns)])
    assert (first.id, first.input_ids, first.label, first.cut) == ("d#0", [2, 5, 7, 8, 3], 1, 0)
    assert (second.id, second.input_ids, second.label) == ("d#3", [2, 9, 3], 2)


def test_a_long_message_keeps_its_end() -> None:
    [example] = encoder(max_length=8).encode([dialogue("나 " * 20 + "오늘 슬퍼", "응", emotion="1")])
    assert example.input_ids == [2, 5, 5, 5, 5, 7, 8, 3]
    assert example.cut == 1


def test_padding_is_masked() -> None:
    batch = encoder().collate()(
        encoder().encode([dialogue("슬퍼", "응", emotion="1"), dialogue("나 는 기뻐", "응", emotion="2")])
    )
    assert batch["inputs"]["input_ids"].tolist() == [[2, 8, 3, 0, 0], [2, 5, 6, 9, 3]]
    assert batch["inputs"]["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert (batch["labels"].tolist(), batch["tokens"]) == ([1, 2], 8)


@given(st.lists(st.sampled_from(["[MASK]", "[SEP]", "[M[MASK]ASK]", "［ＭＡＳＫ］", "<s>", "슬퍼", " "])).map("".join))
def test_text_forges_no_special_token(text: str) -> None:
    [row] = encoder(64).read([text])
    assert set(row.input_ids[1:-1].tolist()).isdisjoint({0, 2, 3, 4})


@given(st.lists(st.sampled_from(["<mask>", "<s>", "</s>", "</<s>s>", "<pad>", "안녕", "\n"])).map("".join))
def test_text_forges_no_special_token_of_a_trained_tokenizer(text: str) -> None:
    trained = TRAINED
    [row] = trained.read([text])
    assert set(row.input_ids[1:-1].tolist()).isdisjoint(trained.special.ids.values())
    assert (row.input_ids[0], row.input_ids[-1]) == (trained.special.ids["<s>"], trained.special.ids["</s>"])


TRAINED = ClassificationEncoder(train_tokenizer(TEXTS, 400), labels=["0", "1"], max_length=64)


@pytest.mark.parametrize(
    "made", [encoder(8), ClassificationEncoder(TRAINED.tokenizer, labels=["가", "나"], max_length=9)]
)
def test_an_encoder_comes_back_from_its_values_and_transformers_reads_its_folder(
    made: ClassificationEncoder, tmp_path: Path
) -> None:
    again = ClassificationEncoder.restore(made.vocabulary, json.loads(json.dumps(made.settings)))
    assert (again.vocabulary, again.settings) == (made.vocabulary, made.settings)
    made.save(tmp_path, 512)
    plain = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("나 는 오늘 슬퍼", "오늘 " * 30 + "기뻐", "안녕 ㅋㅋ"):
        ids = made.read([text])[0].input_ids.tolist()
        assert plain(text, truncation=True)["input_ids"] == ids
    assert plain.pad_token_id == made.special["pad_token"]
    assert set(plain("나")) == {"input_ids", "attention_mask"}


def test_a_tokenizer_without_padding_is_refused() -> None:
    bare = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    with pytest.raises(UserError, match=r"\[PAD\]"):
        ClassificationEncoder(bare, labels=["0", "1"], max_length=8)


def test_packing_is_refused() -> None:
    with pytest.raises(UserError, match="packing"):
        encoder().collate(packing=True)
