import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.conftest import TEXTS
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.tokenizer import CONTROL_MARKERS, parse_tokenizer, readable, train_tokenizer


def tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text, add_special_tokens=False).tokens


def any_text() -> st.SearchStrategy[str]:
    # ▁ is the tokenizer's own word sign and reads as a space; markers are the renderer's business.
    # A text that starts with a space is the renderer's business too: it strips.
    return st.text().map(lambda text: unicodedata.normalize("NFC", text).lstrip(" ")).filter(_has_no_signs)


def _has_no_signs(text: str) -> bool:
    return "▁" not in text and not any(marker in text for marker in CONTROL_MARKERS)


def test_training_is_deterministic() -> None:
    assert train_tokenizer(TEXTS, 500).to_str() == train_tokenizer(iter(TEXTS), 500).to_str()


def test_markers_stand_first_then_the_bytes(tiny_tokenizer: Tokenizer) -> None:
    assert [tiny_tokenizer.token_to_id(marker) for marker in CONTROL_MARKERS] == list(range(len(CONTROL_MARKERS)))
    assert tiny_tokenizer.token_to_id("<0x00>") == len(CONTROL_MARKERS)
    assert tiny_tokenizer.token_to_id("<0xFF>") == len(CONTROL_MARKERS) + 255
    added = {token["content"]: token for token in json.loads(tiny_tokenizer.to_str())["added_tokens"]}
    assert list(added) == list(CONTROL_MARKERS)
    assert all(token["special"] and not token["normalized"] for token in added.values())


@pytest.mark.parametrize("vocab_size", [300, 330, 400])
def test_the_vocabulary_is_as_large_as_asked(vocab_size: int) -> None:
    tokenizer = train_tokenizer(TEXTS * 5, vocab_size)
    assert tokenizer.get_vocab_size() == vocab_size
    assert sorted(tokenizer.get_vocab().values()) == list(range(vocab_size))


def test_the_smallest_vocabulary_is_markers_bytes_and_the_word_sign() -> None:
    tokenizer = train_tokenizer(TEXTS, len(CONTROL_MARKERS) + 256 + 1)
    assert tokenizer.get_vocab_size() == len(CONTROL_MARKERS) + 256 + 1
    assert tokenizer.token_to_id("▁") is not None
    assert tokenizer.decode(tokenizer.encode(TEXTS[0]).ids) == TEXTS[0]


@pytest.mark.parametrize("texts", [[], [""], ["\n\n"], ["가"]])
def test_next_to_no_text_gives_a_tokenizer_all_the_same(texts: list[str]) -> None:
    tokenizer = train_tokenizer(texts, 1000)
    assert 273 <= tokenizer.get_vocab_size() <= 276
    assert tokenizer.decode(tokenizer.encode("안녕 😊").ids) == "안녕 😊"


def test_markers_and_byte_names_in_the_corpus_do_not_disturb_the_ids() -> None:
    tokenizer = train_tokenizer(["<usr> <0x41> </s> 안녕 <0xEC>"] * 50, 400)
    assert [tokenizer.token_to_id(marker) for marker in CONTROL_MARKERS] == list(range(len(CONTROL_MARKERS)))
    assert sorted(tokenizer.get_vocab().values()) == list(range(tokenizer.get_vocab_size()))
    for text in ("<0x41>", "<0xEC> 안녕", "<0x41", "A"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_no_token_spans_a_line_break() -> None:
    tokenizer = train_tokenizer(["안녕\n안녕"] * 50, 400)
    assert not any("\n" in token for token in tokenizer.get_vocab())


@given(any_text())
def test_bytes_bring_every_unicode_text_back(tiny_tokenizer: Tokenizer, text: str) -> None:
    assert tiny_tokenizer.decode(tiny_tokenizer.encode(text, add_special_tokens=False).ids) == text


@given(any_text())
def test_bytes_in_text_are_never_markers(tiny_tokenizer: Tokenizer, text: str) -> None:
    ids = tiny_tokenizer.encode(text, add_special_tokens=False).ids
    assert all(index >= len(CONTROL_MARKERS) for index in ids)


def test_a_byte_name_that_is_typed_stays_text(tiny_tokenizer: Tokenizer) -> None:
    assert tiny_tokenizer.token_to_id("<0x41>") not in tiny_tokenizer.encode("<0x41>").ids
    assert tiny_tokenizer.decode(tiny_tokenizer.encode("<0x41>").ids) == "<0x41>"
    assert tokens(tiny_tokenizer, "A") == ["▁", "<0x41>"]


def test_a_trained_tokenizer_survives_its_file(tiny_tokenizer: Tokenizer) -> None:
    again = parse_tokenizer(tiny_tokenizer.to_str())
    assert again.get_vocab() == tiny_tokenizer.get_vocab()
    assert [tokens(again, text) for text in TEXTS] == [tokens(tiny_tokenizer, text) for text in TEXTS]


def test_parsing_makes_emoticons_ordinary_and_changes_no_id(kogpt2_like_json: str) -> None:
    raw, parsed = Tokenizer.from_str(kogpt2_like_json), parse_tokenizer(kogpt2_like_json)
    assert parsed.get_vocab() == raw.get_vocab()
    text = "<usr>힘들어ㅠㅠ :-)8< ^^ 😊<sys>"
    ids = parsed.encode(text, add_special_tokens=False).ids
    assert ids == raw.encode(text, add_special_tokens=False).ids
    assert "ㅠㅠ" not in raw.decode(ids, skip_special_tokens=True)
    shown = parsed.decode(ids, skip_special_tokens=True)
    assert all(emoticon in shown for emoticon in ("ㅠㅠ", ":-)8<", "^^", "😊"))
    assert "<usr>" not in shown


def test_in_the_real_file_only_control_markers_stay_special(kogpt2_json: str) -> None:
    raw, parsed = Tokenizer.from_str(kogpt2_json), parse_tokenizer(kogpt2_json)
    assert parsed.get_vocab() == raw.get_vocab()
    special = [token["content"] for token in json.loads(parsed.to_str())["added_tokens"] if token["special"]]
    assert len(special) == 107
    assert all(content.startswith("<") and content.endswith(">") for content in special)
    assert sum(token["special"] for token in json.loads(raw.to_str())["added_tokens"]) == 229


def test_the_real_tokenizer_spells_the_readmes_sentence(kogpt2_json: str) -> None:
    tokenizer = parse_tokenizer(kogpt2_json)
    encoding = tokenizer.encode("안녕하세요. 한국어 GPT-2 입니다.😤:)l^o", add_special_tokens=False)
    assert encoding.tokens == ["▁안녕하세요", ".", "▁한국어", "▁G", "PT", "-2", "▁입니다", ".", ":)", "l^o"]
    assert encoding.ids == [35993, 47440, 9844, 922, 44113, 6549, 22183, 47440, 50004, 50056]


def test_the_real_tokenizer_reads_structure_and_emoticons(kogpt2_json: str) -> None:
    tokenizer = parse_tokenizer(kogpt2_json)
    assert tokens(tokenizer, "<usr>힘들어ㅠㅠ<unused1>1<sys>힘내 ^^</s>") == [
        *("<usr>", "▁힘들어", "ㅠㅠ", "<unused1>", "▁1", "<sys>", "▁힘", "내", "▁", "^^", "</s>")
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "[]", "3", "{}", "<html>404</html>", "\x00\x01", "[" * 100_000),
        *('{"added_tokens": []}', '{"added_tokens": null}', '{"added_tokens": [{}]}', '{"added_tokens": [3]}'),
        '{"added_tokens": [{"content": 3}]}',
    ],
)
def test_garbage_is_not_a_tokenizer_file(text: str) -> None:
    with pytest.raises(ValueError, match="not a tokenizer file"):
        parse_tokenizer(text)


def test_half_a_file_is_not_a_tokenizer_file(kogpt2_like_json: str) -> None:
    for cut in (1, 100, len(kogpt2_like_json) // 2, len(kogpt2_like_json) - 1):
        with pytest.raises(ValueError, match="not a tokenizer file"):
            parse_tokenizer(kogpt2_like_json[:cut])


def test_truncation_and_padding_of_a_file_are_switched_off(tiny_tokenizer: Tokenizer) -> None:
    other = Tokenizer.from_str(tiny_tokenizer.to_str())
    other.enable_truncation(4)
    other.enable_padding(length=40)
    parsed = parse_tokenizer(other.to_str())
    assert parsed.truncation is None
    assert parsed.padding is None
    assert tokens(parsed, TEXTS[2]) == tokens(tiny_tokenizer, TEXTS[2])


def test_readable_gives_jamo_as_people_type_them() -> None:
    typed = "ㅋㅋㅋ ㅠㅠ ㅎㅎ ㅏㅣ ㄳ ㄲ"
    assert readable(unicodedata.normalize("NFKC", "ㅋㅋㅋ ㅠㅠ")) == "ㅋㅋㅋ ㅠㅠ"
    assert [readable(unicodedata.normalize("NFKC", letter)) for letter in typed] == list(typed)
    assert readable("안녕 abc 가각") == "안녕 abc 가각"


@pytest.mark.parametrize(
    "text",
    ["힘들어ㅠㅠ", "웃겨 ㅋㅋㅋ", "ㅇㅋㅠㅠ\nㅋㅋㅋ", "밥 먹었어? ^^", "응 :)", "응\n알겠어\n\nㅎㅎ 😊", "웃겨 :-"],
)
def test_chat_text_comes_back_from_the_real_tokenizer_exactly(kogpt2_json: str, text: str) -> None:
    encoder = CausalLMEncoder(parse_tokenizer(kogpt2_json), max_length=128)
    ids = encoder.tokenizer.encode(encoder.markers.defuse(text), add_special_tokens=False).ids
    assert encoder.decode(ids) == text


@pytest.mark.parametrize("text", ["웃겨 :-", ":-)8", "웃겨 :-)8\n응 :-)8"])
def test_the_space_behind_a_guard_is_not_shown(kogpt2_json: str, text: str) -> None:
    encoder = CausalLMEncoder(parse_tokenizer(kogpt2_json), max_length=128)
    shown = encoder.decode(encoder.turn_ids(Turn("assistant", text)))
    assert [line[-1] for line in shown.split("\n")] == [line[-1] for line in text.split("\n")]


def test_a_tokenizer_file_in_utf8_on_disk_is_the_same(kogpt2_like_json: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(kogpt2_like_json, encoding="utf-8")
    from_disk = parse_tokenizer((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert from_disk.to_str() == parse_tokenizer(kogpt2_like_json).to_str()
