"""Texts in patterns, and labels as words of one token or several that fit the gap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import TEXTS
from tests.data.readers import SPECIAL, wordpiece
from tests.data.test_classification import encoder
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.classification import ClassificationEncoder
from yuhee.data.encoding.cloze import Cloze, check_pattern
from yuhee.data.encoding.distillation import DistillationEncoder
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.errors import UserError

WORDS = {"0": "일상", "1": "이별", "2": "사랑"}
CORPUS = [*TEXTS, *WORDS.values(), "한마디로 이야기 :", "사랑 이별 일상"] * 3
BERT, OURS = wordpiece(CORPUS, 400), train_tokenizer(CORPUS, 600)
LABELS = ("0", "1", "2")
PATTERNS = ("{text} 한마디로 {mask}", "{mask} : {text}", "{text}{mask}이야기")


def _cloze(pattern: str = PATTERNS[0], tokenizer: object = BERT, max_length: int = 32, **words: str) -> Cloze:
    return Cloze(tokenizer, pattern, words or WORDS, LABELS, max_length)  # type: ignore[arg-type]


def _ids(text: str, tokenizer: object = BERT) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids  # type: ignore[attr-defined, no-any-return]


def test_a_text_stands_in_the_pattern_with_as_many_masks_as_asked_for() -> None:
    cloze = _cloze("{text} 한마디로 {mask} 이야기")
    mask = cloze.special["mask_token"]
    [gap] = cloze.fill(["오늘 너무 힘들었어ㅠㅠ"], 2)
    left = _ids("오늘 너무 힘들었어ㅠㅠ 한마디로")
    assert gap.input_ids == [2, *left, mask, mask, *_ids("이야기"), 3]
    assert gap.start == len(left) + 1


@pytest.mark.parametrize(
    ("pattern", "tokenizer"),
    [(PATTERNS[0], BERT), (PATTERNS[0], OURS), (PATTERNS[1], OURS), ("{text} 너무{mask}", OURS)],
)
def test_the_word_in_place_of_its_masks_is_the_text_as_the_tokenizer_reads_it(pattern: str, tokenizer: object) -> None:
    """So the gap asks for what stands there in real text: a word's beginning, or its continuation."""
    cloze = _cloze(pattern, tokenizer)
    for label, answer in zip(LABELS, cloze.answers, strict=True):
        [gap] = cloze.fill(["고마워"], len(answer))
        end = gap.start + len(answer)
        filled = [*gap.input_ids[1 : gap.start], *answer, *gap.input_ids[end:-1]]
        whole = _ids(pattern.replace("{text}", "고마워").replace("{mask}", WORDS[label]), tokenizer)
        assert filled[: end - 1] == whole[: end - 1]
        assert filled == whole or label != "0"  # what follows the gap is as behind the first label's word


def test_words_of_several_tokens_get_gaps_of_that_length() -> None:
    cloze = _cloze(**{"0": "사랑", "1": "시험을 망쳤어", "2": "이별"})
    assert [len(answer) for answer in cloze.answers] == [1, len(_ids("시험을 망쳤어")), 1]
    assert cloze.gaps == [1, len(_ids("시험을 망쳤어"))]


@given(
    parts=st.lists(st.sampled_from([*SPECIAL, "<mask>", "{mask}", "{text}", "안녕", " "])),
    pattern=st.sampled_from(PATTERNS),
)
def test_no_text_forges_a_mask_or_a_gap(parts: list[str], pattern: str) -> None:
    cloze = _cloze(pattern, max_length=256)
    special = {index for token, index in cloze.special.ids.items() if token != "[UNK]"}
    [gap] = cloze.fill(["".join(parts)], 2)
    found = [place for place, token in enumerate(gap.input_ids) if token in special]
    assert found == [0, gap.start, gap.start + 1, len(gap.input_ids) - 1]


@given(text=st.text(alphabet="안녕오늘라면 ", min_size=1, max_size=60), pattern=st.sampled_from(PATTERNS))
def test_a_long_text_loses_its_beginning_and_never_the_pattern(text: str, pattern: str) -> None:
    cloze = _cloze(pattern, max_length=16)
    [empty], [gap] = cloze.fill([""], 1), cloze.fill([text], 1)
    assert len(empty.input_ids) <= len(gap.input_ids) <= 16
    whole = _cloze(pattern, max_length=256).fill([text], 1)[0]
    if len(whole.input_ids) <= 16:
        assert gap == whole
    elif pattern == PATTERNS[0]:
        assert gap.input_ids[-6:] == whole.input_ids[-6:]


def test_a_pattern_that_does_not_fit_is_told() -> None:
    with pytest.raises(UserError, match=r"data\.max_length=4: 틀"):
        _cloze(max_length=4).fill(["안녕"], 2)
    with pytest.raises(UserError, match=r"data\.max_length=2: 틀"):
        _cloze(max_length=2)  # before anything is read


@pytest.mark.parametrize("pattern", ["{text} 기분", "{mask} 기분", "{text} {mask} {mask}", "{text} {text} {mask}", ""])
def test_a_pattern_without_one_text_and_one_gap_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="꼭 한 번"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ({"0": "일상", "1": "이별"}, "감정 2을"),
        ({"0": "일상", "1": "뷁", "2": "사랑"}, "verbalizers.1=뷁: 이 토크나이저가 모르는"),
        ({"0": "일상", "1": "", "2": "사랑"}, "verbalizers.1=: 빈 낱말입니다"),
        ({"0": "일상", "1": "사랑", "2": "사랑"}, "verbalizers.2=사랑: 감정 1의 낱말과"),
    ],
)
def test_words_that_cannot_tell_the_labels_are_refused(words: dict[str, str], part: str) -> None:
    with pytest.raises(UserError, match="model") as caught:
        _cloze(**words)
    assert part in str(caught.value)


def test_distillation_encodes_every_message_of_the_users_and_the_same_ids() -> None:
    plain = encoder()
    distilling = DistillationEncoder(plain.tokenizer, labels=plain.labels, max_length=16)
    turns = (Turn("user", "나 오늘", emotion="1"), Turn("assistant", "기뻐"), Turn("user", "나 는"))
    talk = [Dialogue("d", turns)]
    examples = distilling.encode(talk)
    assert [(example.id, example.label) for example in examples] == [("d#0", 1), ("d#2", -100)]
    assert examples[0] == plain.encode(talk)[0]
    assert distilling.settings != plain.settings
    assert ClassificationEncoder.restore(distilling.vocabulary, distilling.settings).settings == plain.settings
