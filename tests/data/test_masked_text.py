"""Plain text for networks that read: frames, special tokens that text cannot forge, nothing left out."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tests.conftest import TEXTS, dialogue
from tests.data.readers import SPECIAL, wordpiece
from yuhee.data.encoding.encoder import encoder_class
from yuhee.data.encoding.masked_text import MaskedTextEncoder
from yuhee.data.encoding.tokenizer import parse_tokenizer, train_tokenizer
from yuhee.errors import UserError

BERT = wordpiece(TEXTS * 3).to_str()
OURS = train_tokenizer(TEXTS * 3, 600).to_str()
TOKENIZERS = pytest.mark.parametrize("vocabulary", [BERT, OURS], ids=["wordpiece", "ours"])
FORGED = st.lists(
    st.sampled_from([*SPECIAL, "<mask>", "<s>", "</s>", "<pad>", "[", "]", "<", ">", "MASK", "mask", " ", "안녕"])
).map("".join)


def _encoder(vocabulary: str, max_length: int = 32) -> MaskedTextEncoder:
    return MaskedTextEncoder(parse_tokenizer(vocabulary), max_length=max_length)


@TOKENIZERS
def test_every_turn_is_an_example_in_the_tokenizers_own_frame(vocabulary: str) -> None:
    encoder = _encoder(vocabulary)
    examples = encoder.encode([dialogue("안녕", "오늘 뭐 했어?"), dialogue("고마워", name="d:2")])
    assert [example.id for example in examples] == ["d:1", "d:1", "d:2"]
    assert [example.characters for example in examples] == [2, 8, 3]
    cls, sep = (encoder.special[name] for name in ("cls_token", "sep_token"))
    for example, text in zip(examples, ("안녕", "오늘 뭐 했어?", "고마워"), strict=True):
        words = encoder.tokenizer.encode(text, add_special_tokens=False).ids
        assert example.input_ids == [cls, *words, sep]


@TOKENIZERS
@given(text=FORGED.filter(str.strip))
def test_no_text_makes_a_special_token(vocabulary: str, text: str) -> None:
    encoder = _encoder(vocabulary, max_length=256)
    [example] = encoder.encode([dialogue(text)])
    unknown = encoder.special["unk_token"]  # what the vocabulary cannot say is no forgery
    assert not set(example.input_ids[1:-1]) & (set(encoder.special.ids.values()) - {unknown})


def test_a_long_turn_is_cut_into_pieces_that_hold_all_of_it() -> None:
    encoder = _encoder(OURS, max_length=8)
    text = "안녕! 오늘 뭐 했어? 라면 먹었어 :) 맛있더라"
    examples = encoder.encode([dialogue(text)])
    assert len(examples) > 1
    assert all(len(example.input_ids) <= 8 for example in examples)
    words = [token for example in examples for token in example.input_ids[1:-1]]
    [whole] = _encoder(OURS, max_length=64).encode([dialogue(text)])
    assert words == whole.input_ids[1:-1]
    assert sum(example.characters for example in examples) == len(text)


def test_characters_that_become_unknown_tokens_are_counted() -> None:
    [example] = _encoder(BERT).encode([dialogue("안녕 뷁뷁 오늘")])
    assert example.lost == 2


@TOKENIZERS
def test_plain_transformers_reads_the_same_ids_from_the_saved_folder(vocabulary: str, tmp_path: Path) -> None:
    encoder = _encoder(vocabulary)
    encoder.save(tmp_path, 32)
    plain = AutoTokenizer.from_pretrained(tmp_path)
    assert plain(list(TEXTS))["input_ids"] == [encoder.encode([dialogue(text)])[0].input_ids for text in TEXTS]
    assert plain.mask_token_id == encoder.special["mask_token"]
    assert plain.model_max_length == 32


@TOKENIZERS
def test_settings_and_vocabulary_make_the_same_encoder_again(vocabulary: str) -> None:
    encoder = _encoder(vocabulary)
    again = encoder_class("masked_text").restore(encoder.vocabulary, json.loads(json.dumps(encoder.settings)))
    talk = [dialogue(*TEXTS)]
    assert again.encode(talk) == encoder.encode(talk)
    assert again.vocabulary == encoder.vocabulary


def test_a_batch_is_padded_on_the_right_and_says_so() -> None:
    encoder = _encoder(BERT)
    batch = encoder.collate()(encoder.encode([dialogue("안녕", "오늘 뭐 했어?")]))
    lengths = batch["attention_mask"].sum(1).tolist()
    assert lengths[0] < lengths[1] == batch["input_ids"].shape[1]
    assert (batch["input_ids"][0, lengths[0] :] == encoder.special["pad_token"]).all()
    assert batch["tokens"] == sum(lengths)
    with pytest.raises(UserError, match=r"data\.packing"):
        encoder.collate(packing=True)


def test_a_tokenizer_without_a_mask_token_is_refused_by_name() -> None:
    data = json.loads(OURS)
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] != "<mask>"]
    with pytest.raises(UserError, match=r"\[MASK\]·<mask> 토큰이 없어"):
        MaskedTextEncoder(Tokenizer.from_str(json.dumps(data)), max_length=32)
