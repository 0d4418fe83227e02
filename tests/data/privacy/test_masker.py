"""What the masker finds, what it leaves, and what stands in its place."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.kr import rrn

from yuhee.data.privacy.checks import business
from yuhee.data.privacy.masker import Masker

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "privacy"
PLANTED: list[dict[str, Any]] = [
    json.loads(line) for line in (FIXTURES / "planted.jsonl").read_text(encoding="utf-8").splitlines()
]
CLEAN = (FIXTURES / "clean.txt").read_text(encoding="utf-8").splitlines()
MEMBERS = ("김하늘", "이바다", "박민준", "최서연")


def mask(text: str, *members: str) -> str:
    return Masker(members).mask(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("010-1948-5021이야", "010-0000-0001이야"),
        ("０１０ １９４８ ５０２１로", "010 0000 0001로"),
        ("공일공 일구사팔 오공이일이야", "010 0000 0001이야"),
        ("공일공에 일구사팔에 오공이일", "010에 0000에 0001"),
        ("010 다시 1948 다시 5021", "010 다시 0000 다시 0001"),
        ("+82 10 1948 5021", "+82 10 0000 0001"),
        ("(02)312-4567", "(02)000-0001"),
        ("050-7482-33061로", "050-7000-00001로"),
        ("주민번호900412-1083583이야", "주민번호000000-0000002이야"),
        ("900412–5083175", "000000-0000002"),
        ("신한 110-482-736159이요", "신한 000-000-000001이요"),
        ("4092-1837-5506-2143", "0000-0000-0000-0001"),
        ("128-34-50176", "000-00-00001"),
        ("여권 M123A4567이야", "여권 M000A0001이야"),
        ("11-04-482736-15", "00-00-000000-01"),
        ("서울 12-348205-90", "서울 00-000000-01"),
        ("대구15-730194-25", "서울 00-000000-01"),
        ("내메일haneul@example.kr이야", "내메일friend1@example.com이야"),
        ("haneul 골뱅이 네이버 닷컴", "friend1@example.com"),
        ("https://open.kakao.com/o/gXq7vTzb이야", "https://open.kakao.com/o/token1이야"),
        ("https://a:b@example.com/x?page=2&key=zQ8", "https://token1@example.com/x?page=2&key=token2"),
        ("서울 마포구 다올로 417 103동 1204호야", "서울시 어느구 어느로 1 0동 0호야"),
        ("봉천동 1632-418에 살아", "어느동 1에 살아"),
        ("103동 1204호로 와", "0동 1호로 와"),
    ],
)
def test_a_find_becomes_a_dummy_of_its_shape(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "1588-1234로 전화해",
        "080-123-4567은 무료야",
        "주문번호 739105528461",
        "송장번호 5209-3716-4483",
        "ISBN 978-89-01-23456-7",
        "2024-08-17 10:30에 봐",
        "12,000원이야",
        "버스로 20분, 운동 30-40분",
        "공고 제2024-137호",
        "101호 강의실",
        "https://www.naver.com/news 봐",
        "https://ko.wikipedia.org/wiki/한글",
        "골뱅이 무침 먹자",
        "국민은행 카드값 1,284,300원",
    ],
)
def test_what_leads_to_nobody_stays(text: str) -> None:
    assert mask(text, *MEMBERS) is text or mask(text, *MEMBERS) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("하늘아 어디야", "지우야 어디야"),
        ("하늘이가 그랬어", "지우가 그랬어"),
        ("하늘이는 자", "지우는 자"),
        ("하늘이한테 줘", "지우한테 줘"),
        ("하늘이랑 갈게", "지우랑 갈게"),
        ("하늘님 안녕", "지우님 안녕"),
        ("하늘씨, 하늘 언니", "지우씨, 지우 언니"),
        ("김하늘을 추천", "지우를 추천"),
        ("김 하늘 고객님", "지우 고객님"),
        ("야김하늘ㅋㅋ", "야지우ㅋㅋ"),
        ("고마워하늘아", "고마워지우야"),
        ("바다야 오늘 뭐해", "서우야 오늘 뭐해"),
        ("바다가 늦는대", "서우가 늦는대"),
        ("민준이형 안녕", "민서형 안녕"),
        ("민준이었어", "민서였어"),
        ("민준이에요", "민서예요"),
        ("민준과 서연은", "민서와 지호는"),
        ("민준으로 저장", "민서로 저장"),
        ("서연언니", "지호언니"),
        ("Minjun, Haneul Kim", "민서, 지우"),
        ("Ｈａｎｅｕｌ", "지우"),
    ],
)
def test_names_become_pseudonyms_with_the_particle_that_fits(text: str, masked: str) -> None:
    assert mask(text, *MEMBERS) == masked


@pytest.mark.parametrize(
    "text",
    ["하늘이 맑다", "밤하늘아래", "바다가 잔잔해", "바다에 갈래", "최선을 다했어", "국민준칙", "하늘색 옷", "바닷가야"],
)
def test_names_that_are_words_stay_where_nobody_is_meant(text: str) -> None:
    assert mask(text, *MEMBERS) == text


@pytest.mark.parametrize(
    ("label", "text", "masked"),
    [
        ("하늘❤", "하늘❤ 왔어, 하늘아", "지우 왔어, 지우야"),
        ("★준호★", "준호는?", "지우는?"),
        ("이도윤 (회사)", "도윤씨, 이도윤 대리님", "지우씨, 지우 대리님"),
        ("준서맘", "준서맘 준서랑", "지우 지우랑"),
        ("sora_choi", "@sora_choi Sora 왔다", "@지우 지우 왔다"),
        ("바다고래", "바다고래 고래님", "지우 지우님"),
        ("남궁민서", "남궁 민서, 민서야, 남궁이", "지우, 지우야, 지우"),
        ("김솔", "솔아, 솔직히 솔이가", "지우야, 솔직히 지우가"),
        ("엄마", "엄마 어디야", "엄마 어디야"),
        ("팀장님", "팀장님 오셨어", "팀장님 오셨어"),
        ("유희", "유희야 안녕", "유희야 안녕"),
    ],
)
def test_names_are_learned_from_labels_of_every_fashion(label: str, text: str, masked: str) -> None:
    assert Masker([label], keep=["유희", "유희지희"]).mask(text) == masked


def test_a_pseudonym_is_nobody_in_the_room() -> None:
    masker = Masker(["김지우", "서우", "민서아빠", "지호_77"])
    masked = masker.mask("지우야, 서우야, 민서야, 지호_77")
    assert not re.search("지우|서우|민서|지호", masked)
    assert len(set(masked.replace("야", "").split(", "))) == 4


def test_hundreds_of_members_have_a_pseudonym_each() -> None:
    labels = [f"{a}{b}{c}" for a in "김이박최정" for b in "빛꽃샘솔봄별들" for c in "찬결혁율섭한빈웅휘곤헌석"]
    masker = Masker(labels)
    assert len({masker.mask(label) for label in labels}) == len(labels)


def test_the_same_original_is_the_same_dummy_whatever_its_notation() -> None:
    masker = Masker(["김하늘"])
    texts = [
        "010-1948-5021",
        "０１０.１９４８.５０２１",
        "010-1948-5022",
        "공일공 일구사팔 오공이일",
        "하늘아",
        "김하늘",
    ]
    assert [masker.mask(text) for text in texts] == [
        "010-0000-0001", "010.0000.0001", "010-0000-0002", "010 0000 0001", "지우야", "지우",
    ]  # fmt: skip
    assert masker.counts == {"phone": 4, "name": 2}
    assert masker.mapping["010-1948-5022"] == "010-0000-0002"


def test_two_thousand_numbers_have_a_dummy_each() -> None:
    masker = Masker()
    assert len({masker.mask(f"010-{n + 1234}-5678") for n in range(2000)}) == 2000


def test_dummies_never_validate() -> None:
    masker = Masker()
    for n in range(300):
        card = luhn.calc_check_digit(body := f"41{n:03}2345678901"[:15])
        person = f"9004121{n:05}"
        masked = masker.mask(
            f"카드 {body}{card}, 주민번호 {person}{rrn.calc_check_digit(person)}, 사업자 128-34-{n:05}"
        )
        numbers = re.findall("[0-9]{10,}", masked.replace("-", ""))
        assert [len(number) for number in numbers] == [16, 13, 10]
        assert not luhn.is_valid(numbers[0])
        assert not rrn.is_valid(numbers[1])
        assert numbers[1][12] != rrn.calc_check_digit(numbers[1][:12])
        assert not business(numbers[2])


@pytest.mark.parametrize("text", ["안녕", "오늘 3시에 봐", "", "ㅋㅋㅋㅋ", "하나 둘 셋", "…!?"])
def test_text_without_personal_data_is_returned_as_it_is(text: str) -> None:
    masker = Masker(MEMBERS)
    assert masker.mask(text) is text
    assert (masker.counts, masker.mapping) == ({}, {})


def test_changes_tell_where_and_what() -> None:
    (name, phone) = Masker(["김하늘"]).changes("😀 하늘아 ０１０-1948-5021!")
    assert (name.start, name.end, name.kind, name.dummy) == (2, 5, "name", "지우야")
    assert (phone.start, phone.end, phone.kind) == (6, 19, "phone")


@given(
    st.lists(st.sampled_from(PLANTED), min_size=1, max_size=3), st.sampled_from(["", " ", "\n", ", ", "-"]), st.data()
)
def test_masking_masked_text_changes_nothing(planted: list[dict[str, Any]], glue: str, data: st.DataObject) -> None:
    text = glue.join(line["text"] for line in planted)
    start = data.draw(st.integers(0, len(text)))
    masker = Masker([name for line in planted for name in line.get("members", ())])
    masked = masker.mask(text[: start // 2] + text[start:])
    assert masker.mask(masked) == masked
    assert Masker().mask(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "은평구 새솔로 82a@b.kr",
        "공일공 구사칠팔 육육칠공@b.kr",
        "막곡리 482번지@b.kr",
        "a 골뱅이 다음 닷넷https://a.b/",
    ],
)
def test_dummies_do_not_grow_together_with_what_stands_beside_them(text: str) -> None:
    masked = mask(text)
    assert masked != text
    assert mask(masked) == masked


@given(
    st.lists(
        st.sampled_from(["가", "로", "동", "1", "010", "-", " ", ".", "@", "a", "하늘", "아", "://", "호", "공", "일"])
    )
)
def test_any_text_is_masked_once_and_for_all(pieces: list[str]) -> None:
    masker = Masker(MEMBERS)
    masked = masker.mask("".join(pieces))
    assert masker.mask(masked) == masked


@pytest.mark.parametrize(
    "piece",
    ["1", "1-", "로1", "가동1호", "a", "a@", "a.", "http://a.b/c ", "하늘아", "공일공", "0 ", "빌라", "010-", "국민1-"],
)
def test_a_hostile_line_ends(piece: str) -> None:
    line = piece * (200_000 // len(piece.encode()))
    assert len(Masker(MEMBERS).mask(line)) > 0


def test_ordinary_sentences_stay() -> None:
    masker = Masker()
    assert sum(masker.mask(text) != text for text in CLEAN) < 0.005 * len(CLEAN)
