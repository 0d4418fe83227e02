"""What an encoder-decoder network reads and writes, token by token."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from tests.conftest import TEXTS, dialogue
from tests.data.test_markers import conversations, hostile_texts
from yuhee.data.dialogue import Dialogue, Turn, windows
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.encoder import encoder_class
from yuhee.data.encoding.seq2seq import Seq2SeqEncoder
from yuhee.data.encoding.seq2seq_example import Seq2SeqExample
from yuhee.data.encoding.tokenizer import parse_tokenizer
from yuhee.errors import UserError


@pytest.fixture
def reader(tiny_tokenizer: Tokenizer) -> Seq2SeqEncoder:
    return Seq2SeqEncoder(tiny_tokenizer, max_length=128)


@pytest.fixture
def kobart_like(kogpt2_like_json: str) -> Seq2SeqEncoder:
    return Seq2SeqEncoder(parse_tokenizer(kogpt2_like_json), max_length=100_000)


def spell(encoder: Seq2SeqEncoder, *tokens: str) -> list[int]:
    ids = [encoder.tokenizer.token_to_id(token) for token in tokens]
    assert None not in ids, tokens
    return ids


def only(encoder: Seq2SeqEncoder, *turns: Turn) -> Seq2SeqExample:
    [example] = encoder.encode([Dialogue("d", turns)])
    return example


def same(encoder: Seq2SeqEncoder, **changes: object) -> Seq2SeqEncoder:
    kept = {key: value for key, value in encoder.settings.items() if key != "kind"}
    return Seq2SeqEncoder(encoder.tokenizer, **{**kept, **changes})


def test_two_exchanges_token_by_token(reader: Seq2SeqEncoder) -> None:
    talk = dialogue("안녕", "시험을 망쳤어", "밥은 먹었어?\n뭐 먹었는데", "라면 먹었어 :)", emotion="2")
    first, second = reader.encode([talk])
    slot = ("<unused1>", "▁", "<0x32>")
    asked = spell(reader, "<s>", "<unused3>", "▁안", "녕", *slot)
    answered = spell(reader, "▁시험을", "▁망", "쳤", "어", "</s>")
    again = spell(reader, "<unused3>", "▁밥은", "▁먹었어?", "<unused0>", "▁뭐", "▁먹었는데", *slot)
    assert first.input_ids == [*asked, reader.end_id]
    assert first.reply_ids == answered
    assert (first.kinds, first.characters, first.lost) == ([0, 0, 1, 1, 0, 0, 0, 0], len("시험을 망쳤어") + 1, 0)
    assert second.input_ids == [*asked, *spell(reader, "<unused4>"), *answered, *again, reader.end_id]
    assert second.reply_ids == spell(reader, "▁라면", "▁먹었어", "▁:)", "</s>")
    assert (first.dropped, first.cut, first.cut_replies, first.id) == (0, 0, 0, "d:1")


def test_a_system_turn_an_opening_reply_and_one_that_is_only_read(reader: Seq2SeqEncoder) -> None:
    turns = (Turn("system", "유희야"), Turn("assistant", "안녕", weight=0), Turn("assistant", "고생했어"))
    read = spell(reader, "<s>", "<unused2>", "▁유희야", "<unused4>", "▁안", "녕", "</s>", "</s>")
    assert only(reader, *turns).input_ids == read
    assert only(reader, Turn("assistant", "안녕")).input_ids == spell(reader, "<s>", "</s>")
    assert reader.encode([Dialogue("d", turns[:2])]) == []


def test_history_makes_the_same_replies_with_less_before_them(reader: Seq2SeqEncoder) -> None:
    talk = dialogue("안녕", "고마워", "오늘", "고생했어")
    near = reader.encode(windows(talk, 0))
    assert [one.reply_ids for one in near] == [one.reply_ids for one in reader.encode([talk])]
    assert near[1].input_ids == only(reader, Turn("user", "오늘"), Turn("assistant", "고생했어")).input_ids


@pytest.mark.parametrize("options", [{}, {"emotion": "none"}, {"punctuation": "strip"}])
def test_training_reads_exactly_the_prompt(kobart_like: Seq2SeqEncoder, options: dict[str, str]) -> None:
    wide = same(kobart_like, **options)

    @settings(max_examples=50)
    @given(conversations(wide.markers))
    def check(turns: list[Turn]) -> None:
        examples = wide.encode([Dialogue("d", tuple(turns))])
        places = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
        for place, example in zip(places, examples, strict=True):
            assert example.input_ids == wide.prompt(turns[:place])
            ids = wide.tokenizer.encode(wide.render(turns[:place]), add_special_tokens=False).ids
            assert ids == example.input_ids
            assert example.reply_ids[:-1] == wide.reply_ids(turns[place].text)
            assert not wide.control_ids - {wide.newline_id} & set(example.reply_ids[:-1])

    check()


@given(st.data())
def test_a_reply_counts_and_loses_the_characters_that_the_causal_encoder_counts(
    encoder: CausalLMEncoder, reader: Seq2SeqEncoder, data: st.DataObject
) -> None:
    """So that bits per character mean the same in both."""
    text = data.draw(hostile_texts(reader.markers))
    assume(not re.search("[▁\u1100-\u11ff]", text) and text.strip())
    wide = CausalLMEncoder(encoder.tokenizer, max_length=100_000)
    [theirs] = wide.encode([Dialogue("d", (Turn("assistant", text),))])
    ours = only(same(reader, max_length=100_000), Turn("assistant", text))
    assert (ours.characters, ours.lost) == (theirs.characters, theirs.lost)
    assert ours.reply_ids == theirs.input_ids[1:]


def test_oldest_exchanges_go_first_and_a_reply_keeps_its_end(reader: Seq2SeqEncoder) -> None:
    talk = dialogue(*["안녕", "고생했어"] * 6)
    whole = reader.encode([talk])[-1].input_ids
    short = same(reader, max_length=16).encode([talk])[-1]
    assert short.input_ids == [whole[0], *whole[-12:]]
    assert (short.dropped, short.cut) == (4, 0)
    text = "고마워 " * 30 + "유희야"
    cut = only(same(reader, max_length=16), Turn("user", "오늘 " * 30), Turn("assistant", text))
    assert cut.reply_ids == [*spell(reader, *["▁고마워"] * 14), reader.end_id]
    assert len(cut.input_ids) == 16
    assert (cut.cut, cut.cut_replies, cut.characters) == (2, 1, len(text) + 1)
    assert cut.lost == len(text) - len(" ".join(["고마워"] * 14))


@settings(max_examples=40)
@given(data=st.data(), limit=st.integers(8, 40))
def test_nothing_exceeds_the_limit(reader: Seq2SeqEncoder, data: st.DataObject, limit: int) -> None:
    words = st.lists(st.sampled_from(["안녕", "오늘", "힘들었어ㅠㅠ", "뷁"]), min_size=1, max_size=30).map(" ".join)
    texts = data.draw(st.lists(words, min_size=2, max_size=7))
    short = same(reader, max_length=limit)
    for example in short.encode([dialogue(*texts, emotion="1")]):
        assert len(example.input_ids) == len(example.kinds) <= limit
        assert len(example.reply_ids) < limit
        assert (example.input_ids[0], example.input_ids[-1], example.reply_ids[-1]) == tuple(
            spell(reader, "<s>", "</s>", "</s>")
        )
    assert len(short.prompt(dialogue(*texts).turns)) <= limit


def test_a_batch_holds_both_sides(reader: Seq2SeqEncoder) -> None:
    examples = reader.encode([dialogue("안녕", "고마워"), dialogue("오늘 뭐 했어?", "라면 먹었어 :)")])
    batch = reader.collate()(examples)
    start, pad = reader.end_id, reader.markers["<pad>"]
    for row, example in enumerate(examples):
        length, reply = len(example.input_ids), len(example.reply_ids)
        assert batch["input_ids"][row, :length].tolist() == example.input_ids
        assert batch["attention_mask"][row].tolist() == [n < length for n in range(batch["input_ids"].shape[1])]
        assert batch["decoder_input_ids"][row, : reply + 1].tolist() == [start, *example.reply_ids]
        assert batch["labels"][row, : reply + 1].tolist() == [-100, *example.reply_ids]
        assert (batch["labels"][row, reply + 1 :] == -100).all()
        assert (batch["input_ids"][row, length:] == pad).all()
    assert batch["tokens"] == sum(len(one.input_ids) + len(one.reply_ids) for one in examples)
    with pytest.raises(UserError, match=r"data\.packing"):
        reader.collate(packing=True)


def test_settings_make_the_same_encoder_again(reader: Seq2SeqEncoder) -> None:
    strip = same(reader, punctuation="strip", emotion="none", max_length=33)
    again = encoder_class("seq2seq").restore(strip.vocabulary, strip.settings)
    talk = dialogue("헐, 뭐 했어?!", "고생했어..", emotion="1")
    assert again.encode([talk]) == strip.encode([talk])


def test_a_tokenizer_without_free_tokens_is_given_some_and_one_that_is_no_barts_is_refused() -> None:
    """The layout of `facebook/bart-base`: bytes as letters, five special tokens."""
    bytes_ = Tokenizer(models.BPE())
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bytes_.train_from_iterator(TEXTS, trainer)
    size = bytes_.get_vocab_size()
    encoder = Seq2SeqEncoder(bytes_, max_length=64)
    assert (encoder.added, encoder.special_ids()["vocab_size"]) == (5, size + 5)
    assert (bytes_.get_vocab_size(), same(encoder).added) == (size, 0)
    example = only(encoder, Turn("user", "응 <unused3>\n뷁😤", emotion="1"), Turn("assistant", "뷁 😤\nㅋㅋ <s>"))
    assert encoder.decode(example.reply_ids) == "뷁 😤\nㅋㅋ 〈s〉"
    assert example.input_ids.count(encoder.markers["<unused3>"]) == 1
    reply = encoder.reply_ids("뷁")
    assert encoder.decode(encoder.whole_characters(reply[:-1])) == ""
    assert encoder.whole_characters(reply) == reply
    without = json.loads(encoder.vocabulary.replace("</s>", "<end>"))
    with pytest.raises(UserError, match=r"</s>.*BART"):
        Seq2SeqEncoder(parse_tokenizer(json.dumps(without)), max_length=64)


@pytest.mark.parametrize("slot", ["label", "none"])
def test_plain_transformers_reads_the_same_ids_from_the_saved_folder(
    kobart_like: Seq2SeqEncoder, slot: str, tmp_path: Path
) -> None:
    encoder = same(kobart_like, emotion=slot)
    encoder.save(tmp_path, 512)
    saved = AutoTokenizer.from_pretrained(tmp_path)

    @settings(max_examples=25)
    @given(conversations(encoder.markers))
    def check(turns: list[Turn]) -> None:
        messages = [{"role": t.role, "content": t.text, "emotion": t.emotion} for t in turns]
        assert saved.apply_chat_template(messages, return_dict=False) == encoder.prompt(turns)

    check()
    assert (saved.bos_token, saved.eos_token, saved.pad_token) == ("<s>", "</s>", "<pad>")
