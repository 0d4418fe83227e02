import itertools
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conftest import dialogue
from tests.data.test_markers import conversations, hostile_texts
from yuhee.data.corpora import songys
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.reply_example import Example, Kind
from yuhee.data.encoding.tokenizer import parse_tokenizer
from yuhee.data.report import ReadReport

CHAT = ("안녕", "시험을 망쳤어", "밥은 먹었어?\n뭐 먹었는데", "라면 먹었어 :)", "고마워", "고생했어 ^^")


def spell(encoder: CausalLMEncoder, *tokens: str) -> list[int]:
    ids = [encoder.tokenizer.token_to_id(token) for token in tokens]
    assert None not in ids, tokens
    return ids


def only(encoder: CausalLMEncoder, *turns: Turn) -> Example:
    return encoder.encode([Dialogue("d", turns)])[0]


def same(encoder: CausalLMEncoder, **changes: object) -> CausalLMEncoder:
    kept = {key: value for key, value in encoder.settings.items() if key != "kind"}
    return CausalLMEncoder(encoder.tokenizer, **{**kept, **changes})


def kinds(digits: str) -> list[int]:
    return [int(digit) for digit in digits]


def test_a_single_exchange_token_by_token(encoder: CausalLMEncoder) -> None:
    example = encoder.encode([dialogue("안녕! 오늘 뭐 했어?", "오늘 너무 힘들었어ㅠㅠ", emotion="1")])[0]
    question = spell(encoder, "<usr>", "▁안녕!", "▁오늘", "▁뭐", "▁했어?", "<unused1>", "▁", "<0x31>")
    reply = spell(encoder, "▁오늘", "▁너무", "▁힘들었어ㅠㅠ", "</s>")
    assert example.input_ids == [*question, *spell(encoder, "<sys>"), *reply]
    assert example.labels == [-100] * 9 + reply
    assert example.kinds == kinds("0111100002222")
    assert (example.id, example.characters, example.lost) == ("d:1", 13, 0)
    assert (example.dropped, example.cut, example.cut_replies) == (0, 0, 0)


def test_three_exchanges_token_by_token(encoder: CausalLMEncoder) -> None:
    example = encoder.encode([dialogue(*CHAT, emotion="2")])[0]
    slot = ("<unused1>", "▁", "<0x32>", "<sys>")
    first = spell(encoder, "▁시험을", "▁망", "쳤", "어", "</s>")
    second = spell(encoder, "▁라면", "▁먹었어", "▁:)", "</s>")
    third = spell(encoder, "▁고생했어", "▁^^", "</s>")
    asked = spell(encoder, "<usr>", "▁밥은", "▁먹었어?", "<unused0>", "▁뭐", "▁먹었는데", *slot)
    assert example.input_ids == [
        *spell(encoder, "<usr>", "▁안", "녕", *slot),
        *first,
        *asked,
        *second,
        *spell(encoder, "<usr>", "▁고마워", *slot),
        *third,
    ]
    assert example.labels == [*[-100] * 7, *first, *[-100] * 10, *second, *[-100] * 6, *third]
    assert example.kinds == kinds("0110000" + "22222" + "0111110000" + "2222" + "010000" + "222")
    assert example.characters == len("시험을 망쳤어") + len("라면 먹었어 :)") + len("고생했어 ^^") + 3


def test_without_a_label_the_slot_is_empty(encoder: CausalLMEncoder) -> None:
    for emotion in (None, "", "  "):
        example = encoder.encode([dialogue("안녕", "고생했어", emotion=emotion)])[0]
        assert example.input_ids == spell(encoder, "<usr>", "▁안", "녕", "<unused1>", "<sys>", "▁고생했어", "</s>")


def test_emotion_none_leaves_every_slot_empty(encoder: CausalLMEncoder) -> None:
    plain = encoder.encode([dialogue(*CHAT)])
    assert same(encoder, emotion="none").encode([dialogue(*CHAT, emotion="2")]) == plain
    assert encoder.encode([dialogue(*CHAT, emotion="2")]) != plain


def test_an_emotion_of_an_assistant_turn_is_not_written(encoder: CausalLMEncoder) -> None:
    with_label = only(encoder, Turn("user", "안녕"), Turn("assistant", "고생했어", emotion="1"))
    assert with_label == only(encoder, Turn("user", "안녕"), Turn("assistant", "고생했어"))


def test_a_reply_of_weight_zero_is_read_but_not_learned(encoder: CausalLMEncoder) -> None:
    turns = [
        Turn("user", "안녕"),
        Turn("assistant", "뷁", weight=0),
        Turn("user", "고마워"),
        Turn("assistant", "고생했어"),
    ]
    example = only(encoder, *turns)
    reply = spell(encoder, "▁고생했어", "</s>")
    assert example.input_ids == only(encoder, *turns[:1], Turn("assistant", "뷁"), *turns[2:]).input_ids
    assert example.labels == [-100] * (len(example.input_ids) - 2) + reply
    assert example.characters == 5


def test_a_system_turn_stands_first_and_is_not_learned(encoder: CausalLMEncoder) -> None:
    example = only(encoder, Turn("system", "고마워 유희야"), Turn("user", "안녕"), Turn("assistant", "고생했어"))
    assert example.input_ids == spell(
        encoder, *("<unused2>", "▁고마워", "▁유희야", "<usr>", "▁안", "녕", "<unused1>", "<sys>", "▁고생했어", "</s>")
    )
    assert example.kinds == kinds("0000110022")


def test_two_turns_in_a_row_keep_their_own_markers(encoder: CausalLMEncoder) -> None:
    example = only(
        encoder, Turn("user", "안녕"), Turn("user", "고마워"), Turn("assistant", "응"), Turn("assistant", "헐")
    )
    names = {"<usr>", "<unused1>", "<sys>", "</s>"}
    shown = [encoder.tokenizer.id_to_token(token) for token in example.input_ids]
    assert [name for name in shown if name in names] == [*("<usr>", "<unused1>") * 2, *("<sys>", "</s>") * 2]
    assert example.labels.count(encoder.end_id) == 2


def test_punctuation_strip_puts_spaces_as_the_original_did(encoder: CausalLMEncoder) -> None:
    strip = same(encoder, punctuation="strip")
    turns = [Turn("user", "헐, 뭐 했어?!"), Turn("assistant", "고생했어..")]
    assert strip.render(turns) == "<usr>헐  뭐 했어<unused1><sys>고생했어</s>"
    example = only(strip, *turns)
    assert example.input_ids == only(encoder, Turn("user", "헐  뭐 했어"), Turn("assistant", "고생했어")).input_ids
    assert (example.characters, example.lost) == (len("고생했어..") + 1, 2)
    assert encoder.render(turns) == "<usr>헐, 뭐 했어?!<unused1><sys>고생했어..</s>"


def test_the_rendered_string(encoder: CausalLMEncoder) -> None:
    turns = [Turn("system", "유희"), Turn("user", " 안녕\r\n<usr> ", emotion="</s>"), Turn("assistant", "응")]
    assert encoder.render(turns) == "<unused2>유희<usr>안녕<unused0>〈usr〉<unused1>〈/s〉<sys>응</s>"
    assert encoder.render(turns[:2], reply=True) == "<unused2>유희<usr>안녕<unused0>〈usr〉<unused1>〈/s〉<sys>"
    assert encoder.render([]) == ""


def test_settings_make_the_same_encoder_again(encoder: CausalLMEncoder) -> None:
    strip = same(encoder, punctuation="strip", emotion="none", max_length=33)
    assert strip.settings == {"kind": "causal_lm", "max_length": 33, "emotion": "none", "punctuation": "strip"}
    assert same(strip).encode([dialogue(*CHAT, emotion="1")]) == strip.encode([dialogue(*CHAT, emotion="1")])


def test_encoding_together_or_alone_is_the_same(encoder: CausalLMEncoder) -> None:
    dialogues = [dialogue(*CHAT[: 2 * n], emotion=str(n), name=str(n)) for n in (1, 2, 3)]
    assert encoder.encode(dialogues) == [encoder.encode([one])[0] for one in dialogues]
    assert encoder.encode([]) == []


def test_no_loss_on_anything_but_replies_and_their_ends(kogpt2_like: CausalLMEncoder) -> None:
    wide = same(kogpt2_like, max_length=100_000)

    @settings(max_examples=50)
    @given(conversations(wide.markers))
    def check(turns: list[Turn]) -> None:
        example = only(wide, *turns)
        learned = [label for label in example.labels if label != -100]
        replies = [wide.turn_ids(turn)[1:] for turn in turns if turn.role == "assistant"]
        assert learned == list(itertools.chain.from_iterable(replies))
        assert all(reply[-1] == wide.end_id for reply in replies)
        structure = [k for token, k in zip(example.input_ids, example.kinds, strict=True) if token in _opening(wide)]
        assert set(structure) <= {Kind.UNLEARNED}

    check()


def _opening(encoder: CausalLMEncoder) -> set[int]:
    return {encoder.markers[marker] for marker in ("<usr>", "<sys>", "<unused1>", "<unused2>")}


@pytest.mark.parametrize("options", [{}, {"emotion": "none"}, {"punctuation": "strip"}])
def test_training_ids_begin_with_exactly_the_prompt(kogpt2_like: CausalLMEncoder, options: dict[str, str]) -> None:
    wide = same(kogpt2_like, max_length=100_000, **options)

    @settings(max_examples=50)
    @given(conversations(wide.markers))
    def check(turns: list[Turn]) -> None:
        whole = only(wide, *turns)
        for place, turn in enumerate(turns):
            if turn.role == "assistant":
                prompt = wide.prompt(turns[:place])
                assert whole.input_ids[: len(prompt)] == prompt
                assert whole.kinds[len(prompt)] == Kind.REPLY

    check()


@given(st.data())
def test_any_reply_comes_back_through_bytes(encoder: CausalLMEncoder, data: st.DataObject) -> None:
    turn = Turn("assistant", data.draw(hostile_texts(encoder.markers)))
    assume(not re.search("[▁\u1100-\u11ff]", turn.text))  # the word sign reads as a space, lone jamo as typed ones
    example = only(same(encoder, max_length=100_000), turn)
    lines = encoder.markers.defuse(turn.text).split("<unused0>")
    assert encoder.decode(example.input_ids) == "\n".join(line.removeprefix(" ") for line in lines)
    assert 0 <= example.lost <= len(turn.text)
    assert example.characters == len(turn.text) + 1


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("뷁 쀍 쓩", 3),
        ("뷁", 1),
        ("응 뷁", 1),
        ("ㅋㅋㅋ", 0),
        ("힘들어ㅠㅠ", 0),
        ("응\n알겠어", 0),
        ("밥 ㅠ", 1),
        ("응😤", 1),
    ],
)
def test_lost_characters_are_counted_with_the_real_tokenizer(kogpt2_json: str, text: str, lost: int) -> None:
    encoder = CausalLMEncoder(parse_tokenizer(kogpt2_json), max_length=128)
    example = encoder.encode([dialogue("안녕", text)])[0]
    assert (example.lost, example.characters) == (lost, len(text) + 1)


def test_only_learned_replies_count_what_they_lose(kogpt2_json: str) -> None:
    encoder = CausalLMEncoder(parse_tokenizer(kogpt2_json), max_length=128)
    assert only(encoder, Turn("user", "뷁"), Turn("assistant", "쀍", weight=0), Turn("assistant", "응")).lost == 0


def test_the_real_format_token_by_token(kogpt2_json: str) -> None:
    encoder = CausalLMEncoder(parse_tokenizer(kogpt2_json), max_length=128)
    example = encoder.encode([dialogue("힘들어ㅠㅠ", "힘내 ^^\nㅋㅋ", emotion="1")])[0]
    asked = spell(encoder, "<usr>", "▁힘들어", "ㅠㅠ", "<unused1>", "▁1", "<sys>")
    reply = spell(encoder, "▁힘", "내", "▁", "^^", "<unused0>", "▁", "\u110f", "\u110f", "</s>")
    assert example.input_ids == asked + reply
    assert example.labels == [-100] * 6 + reply
    assert encoder.decode(reply) == "힘내 ^^\nㅋㅋ"


def test_songys_is_as_long_as_it_was_measured(songys_data: object, kogpt2_json: str) -> None:
    encoder = CausalLMEncoder(parse_tokenizer(kogpt2_json), max_length=128)
    report = ReadReport("songys")
    examples = encoder.encode(list(songys.read(f"{songys_data}/songys", report)))
    lengths = [len(example.input_ids) for example in examples]
    assert np.percentile(lengths, [5, 50, 95, 100]).tolist() == [13, 17, 26, 45]
    assert round(float(np.mean(lengths))) == 18
    assert 0 < sum(example.lost > 0 for example in examples) < 60


def test_decode_leaves_markers_out_and_brings_line_breaks_back(encoder: CausalLMEncoder) -> None:
    ids = spell(encoder, "<sys>", "▁라면", "<unused0>", "▁먹었어", "<pad>", "<unk>", "</s>", "<pad>")
    assert encoder.decode(ids) == "라면\n먹었어"
    assert encoder.decode([]) == ""
    assert encoder.decode(spell(encoder, "<unused0>", "<unused0>")) == "\n\n"


def test_whole_oldest_exchanges_go_first(encoder: CausalLMEncoder) -> None:
    whole = encoder.encode([dialogue(*["안녕", "고생했어"] * 6)])[0]
    assert len(whole.input_ids) == 42
    for limit, dropped in ((42, 0), (41, 1), (35, 1), (34, 2), (20, 4), (16, 4)):
        example = same(encoder, max_length=limit).encode([dialogue(*["안녕", "고생했어"] * 6)])[0]
        assert example.input_ids == whole.input_ids[7 * dropped :]
        assert example.kinds == whole.kinds[7 * dropped :]
        assert (example.dropped, example.cut, example.cut_replies) == (dropped, 0, 0)
        assert example.characters == 5 * (6 - dropped)


def test_the_system_turn_stays_when_exchanges_go(encoder: CausalLMEncoder) -> None:
    turns = dialogue(*["안녕", "고생했어"] * 6).turns
    example = only(same(encoder, max_length=20), Turn("system", "유희야"), *turns)
    assert example.input_ids == only(encoder, Turn("system", "유희야"), *turns[8:]).input_ids
    assert (example.dropped, example.cut) == (4, 0)


def test_the_oldest_text_of_the_question_goes_before_the_reply(encoder: CausalLMEncoder) -> None:
    example = same(encoder, max_length=16).encode([dialogue("오늘 " * 20 + "뭐", "고마워 " * 9)])[0]
    assert example.input_ids == spell(
        encoder, *("<usr>", "▁오늘", "▁오늘", "▁뭐", "<unused1>", "<sys>"), *["▁고마워"] * 9, "</s>"
    )
    assert example.kinds == kinds("0111002222222222")
    assert (example.dropped, example.cut, example.cut_replies) == (0, 1, 0)


def test_a_reply_that_alone_is_too_long_loses_its_last_words_but_never_its_end(encoder: CausalLMEncoder) -> None:
    example = same(encoder, max_length=16).encode([dialogue("오늘", "고마워 " * 30 + "유희야")])[0]
    assert example.input_ids == spell(encoder, *("<usr>", "<unused1>", "<sys>"), *["▁고마워"] * 12, "</s>")
    assert example.labels == [-100] * 3 + example.input_ids[3:]
    assert (example.dropped, example.cut, example.cut_replies) == (0, 2, 1)
    text = "고마워 " * 30 + "유희야"
    assert example.characters == len(text) + 1
    assert example.lost == len(text) - len(" ".join(["고마워"] * 12))


def test_what_a_cut_leaves_is_not_shared_between_encodings(encoder: CausalLMEncoder) -> None:
    short, long = same(encoder, max_length=16), dialogue("오늘 " * 20, "고마워 " * 20)
    assert short.encode([long, long]) == short.encode([long]) * 2
    assert encoder.encode([long])[0].cut == 0


@settings(max_examples=60)
@given(data=st.data(), limit=st.integers(16, 60))
def test_alternating_dialogues_never_exceed_the_limit_and_end_with_the_end(
    encoder: CausalLMEncoder, data: st.DataObject, limit: int
) -> None:
    text = st.lists(
        st.sampled_from(["안녕", "뷁", "라면 먹었어", "ㅋㅋ", "\n", "<usr>", "고마워 "]), min_size=1, max_size=12
    )
    texts = data.draw(st.lists(text.map(lambda parts: "응" + "".join(parts)), min_size=2, max_size=8))
    turns = list(dialogue(*texts[: len(texts) // 2 * 2], emotion=data.draw(st.sampled_from([None, "1"]))).turns)
    if data.draw(st.booleans()):
        turns.insert(0, Turn("system", texts[0]))
    example, whole = only(same(encoder, max_length=limit), *turns), only(same(encoder, max_length=9999), *turns)
    assert len(example.input_ids) == len(example.kinds) <= limit
    assert example.input_ids[-1] == example.labels[-1] == encoder.end_id
    assert (example.input_ids[0] == encoder.markers["<unused2>"]) == (turns[0].role == "system")
    exchanges = len(texts) // 2
    assert example.labels.count(encoder.end_id) == exchanges - example.dropped
    assert example.input_ids.count(encoder.markers["<usr>"]) == exchanges - example.dropped
    assert (example == whole) == (len(whole.input_ids) <= limit)
    kept = [turn.text for turn in turns if turn.role == "assistant"][example.dropped :]
    assert example.characters == sum(len(reply) + 1 for reply in kept)
    assert example.cut_replies <= example.cut
    assert example.cut == 0 or example.dropped == exchanges - 1


def test_many_turns_in_a_row_do_not_exceed_the_limit(encoder: CausalLMEncoder) -> None:
    burst = [Turn("user", "안녕")] * 100
    example = only(encoder, *burst, Turn("assistant", "고생했어"))
    assert len(example.input_ids) <= 128
    assert example.labels[-2:] == spell(encoder, "▁고생했어", "</s>")
    assert len(encoder.prompt(burst)) <= 128


def test_many_replies_in_a_row_do_not_exceed_the_limit(encoder: CausalLMEncoder) -> None:
    example = only(encoder, Turn("user", "안녕"), *[Turn("assistant", "고생했어")] * 100)
    assert len(example.input_ids) <= 128
    assert example.labels[-1] == encoder.end_id


def test_a_long_emotion_label_does_not_exceed_the_limit(encoder: CausalLMEncoder) -> None:
    turns = [Turn("user", "안녕", emotion="몹시 슬픔 " * 60), Turn("assistant", "고생했어")]
    assert len(only(encoder, *turns).input_ids) <= 128
    assert len(encoder.prompt(turns[:1])) <= 128


def test_a_label_that_is_not_unicode_is_refused_before_it_is_encoded() -> None:
    with pytest.raises(ValueError, match="서로게이트"):
        Turn("user", "안녕", emotion="슬픔\ud800")


def test_a_question_left_open_at_the_end_does_not_push_the_learned_reply_out(encoder: CausalLMEncoder) -> None:
    example = same(encoder, max_length=16).encode([dialogue("안녕 " * 8, "고생했어", "고마워 " * 8)])[0]
    assert encoder.end_id in example.labels
    assert len(example.input_ids) <= 16


@settings(max_examples=60)
@given(data=st.data(), limit=st.integers(16, 40))
def test_a_prompt_never_exceeds_its_limit_and_waits_for_a_reply(
    encoder: CausalLMEncoder, data: st.DataObject, limit: int
) -> None:
    count = data.draw(st.integers(0, 4))
    words = st.lists(st.sampled_from(["안녕", "오늘", "힘들었어ㅠㅠ", "뷁"]), min_size=1, max_size=30).map(" ".join)
    turns = list(dialogue(*[data.draw(words) for _ in range(2 * count + 1)], emotion="1").turns)
    if data.draw(st.booleans()):
        turns.insert(0, Turn("system", data.draw(words)))
    prompt = encoder.prompt(turns, limit)
    assert len(prompt) <= limit
    assert prompt[-1] == encoder.markers["<sys>"]
    assert (prompt[0] == encoder.markers["<unused2>"]) == (turns[0].role == "system")
    assert same(encoder, max_length=limit).prompt(turns) == prompt


def test_a_prompt_keeps_the_newest_exchange(encoder: CausalLMEncoder) -> None:
    turns = dialogue(*["안녕", "고생했어"] * 6, "고마워").turns
    newest = spell(encoder, "<usr>", "▁고마워", "<unused1>", "<sys>")
    assert encoder.prompt(turns, 16) == [*only(encoder, *turns[10:12]).input_ids, *newest]
    assert encoder.prompt(turns, 10) == newest
    assert encoder.prompt([]) == spell(encoder, "<sys>")
