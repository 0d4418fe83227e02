"""Each shape of AI Hub record: the fixture's exact turns, and every quirk of the format."""

import csv
import io
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.corpora import aihub
from yuhee.data.dialogue import Dialogue, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "aihub"

Said = list[tuple[str, str]]


def read(path: Path, **options: Any) -> tuple[list[Dialogue], ReadReport]:
    report = ReadReport("aihub")
    dialogues = list(aihub.read(str(path), report, **options))
    assert report.lines == report.kinds.total() + len(report.skipped)
    return dialogues, report


def read_json(folder: Path, *records: Any, name: str = "a.json", **options: Any) -> tuple[list[Dialogue], ReadReport]:
    file = folder / name
    file.write_text(json.dumps(list(records), ensure_ascii=False), encoding="utf-8")
    return read(file, **options)


def read_csv(folder: Path, *rows: Sequence[object], encoding: str = "utf-8") -> tuple[list[Dialogue], ReadReport]:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    (folder / "a.csv").write_bytes(out.getvalue().encode(encoding))
    return read(folder / "a.csv")


def said(dialogue: Dialogue) -> Said:
    return [(turn.role[0], turn.text) for turn in dialogue.turns]


# 감성대화


def talk(content: dict[str, Any], *, kind: str = "E21", number: int = 1) -> dict[str, Any]:
    return {
        "profile": {"emotion": {"emotion-id": f"S05_D02_{kind}", "type": kind}},
        "talk": {"id": {"talk-id": f"t{number}"}, "content": content},
    }


def test_emotion_json() -> None:
    dialogues, report = read(FIXTURES / "emotion_Training.json")
    assert [said(d) for d in dialogues] == [
        [
            ("u", "화분에 물 주는 걸 잊어서 다 말라 버렸어."),
            ("a", "아끼던 화분이라 속상하셨겠어요."),
            ("u", "삼 년이나 키운 건데."),
            ("a", "그만큼 정이 들었겠네요."),
        ],
        [
            ("u", "드디어 자전거를 배웠어!"),
            ("a", "와, 축하드려요! 어디를 달려 보고 싶으세요?"),
            ("u", "강가를 달릴 거야."),
        ],
        [
            ("u", "발표가 내일이야."),
            ("a", "많이 떨리시겠어요."),
            ("u", "응."),
            ("a", "연습을 한 번 더 해 볼까요?"),
            ("u", "좋아."),
            ("a", "제가 들어 드릴게요."),
            ("u", "고마워."),
            ("a", "언제든지요."),
        ],
    ]
    assert [[turn.emotion for turn in d.turns] for d in dialogues] == [
        ["슬픔", None, "슬픔", None],
        ["기쁨", None, "기쁨"],
        [None] * 8,
    ]
    assert dialogues[0].id == "aihub:emotion:Pro_90001_00001"
    assert dialogues[0].source == "aihub"
    assert dialogues[0].group_keys == (*group_keys(dialogues[0].turns), dialogues[0].id)
    assert dialogues[0].meta == {
        "shape": "emotion",
        "emotion_type": "E21",
        "emotion_id": "S05_D02_E21",
        "split": "Training",
    }
    assert (report.lines, dict(report.kinds), report.skipped, report.notes) == (15, {"text": 15}, [], [])
    assert (report.encoding, report.private) == ("utf-8-sig", True)


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        *(("E10", "분노"), ("E29", "슬픔"), ("E35", "불안"), ("E40", "상처"), ("E59", "당황"), ("E69", "기쁨")),
        *((kind, None) for kind in ("E70", "E09", "E1", "E210", "", None, ["E21"])),
    ],
)
def test_the_tens_of_an_emotion_type_are_its_group(tmp_path: Path, kind: Any, group: str | None) -> None:
    record = talk({"HS01": "응", "SS01": "네"})
    record["profile"]["emotion"]["type"] = kind
    assert read_json(tmp_path, record)[0][0].turns[0].emotion == group


@given(st.permutations(["HS01", "SS01", "HS02", "SS02", "HS03", "SS03", "HS10", "SS10"]))
def test_the_order_of_the_keys_says_nothing(tmp_path: Path, keys: list[str]) -> None:
    content = {key: key for key in keys if key[2:] != "10"} | {"HS04": "HS04", "SS04": "SS04"}
    [found], _ = read_json(tmp_path, talk(content))
    assert [turn.text for turn in found.turns] == ["HS01", "SS01", "HS02", "SS02", "HS03", "SS03", "HS04", "SS04"]


def test_a_missing_answer_joins_the_persons_sentences(tmp_path: Path) -> None:
    [found], _ = read_json(tmp_path, talk({"HS01": "하나", "SS01": "", "HS02": "둘", "SS02": "네"}))
    assert said(found) == [("u", "하나\n둘"), ("a", "네")]


def test_what_stands_behind_a_missing_sentence_of_the_person_is_reported(tmp_path: Path) -> None:
    content = {"HS01": "하나", "SS01": "네", "HS02": " ", "SS02": "셋", "HS03": "넷", "SS03": "다섯"}
    [found], report = read_json(tmp_path, talk(content))
    assert said(found) == [("u", "하나"), ("a", "네")]
    reason = "번째 발화: 사람 문장이 빠진 뒤의 문장입니다"
    assert report.skipped == [(1, f"a.json: {number}{reason}") for number in (3, 4, 5)]
    assert report.lines == 5


def test_emotion_workbook() -> None:
    dialogues, report = read(FIXTURES / "emotion.xlsx")
    assert [said(d) for d in dialogues] == [
        [
            ("u", "도서관에서 보고 싶던 책을 찾았어."),
            ("a", "반가운 책이었나 봐요."),
            ("u", "응, 품절이었거든."),
            ("a", "이제 천천히 읽을 수 있겠어요."),
        ],
        [("u", "손주가 전화를 안 받아."), ("a", "걱정되시겠어요."), ("u", "수업 중인가?")],
    ]
    assert [d.turns[0].emotion for d in dialogues] == ["기쁨", "불안"]  # "기쁨 " in the file
    assert [d.id for d in dialogues] == ["aihub:emotion:emotion.xlsx:2", "aihub:emotion:emotion.xlsx:3"]
    assert dialogues[0].meta == {"shape": "emotion", "emotion_detail": "신이 난", "situation": "학업"}
    assert (report.encoding, report.lines, report.skipped) == ("xlsx", 7, [])


def test_emotion_csv_of_the_older_release_in_cp949() -> None:
    [found], report = read(FIXTURES / "emotion_cp949.csv")
    assert said(found) == [
        ("u", "윗집이 밤마다 쿵쿵거려, 정말."),
        ("a", "참기 힘드셨겠어요."),
        ("u", "벌써 한 달째야."),
        ("a", "관리실에 말해 보셨어요?"),
    ]
    assert found.turns[0].emotion == "분노"
    assert report.encoding == "cp949"


@pytest.mark.parametrize("missing", ["", "NaN", "nan", "  "])
def test_nan_is_a_missing_sentence(tmp_path: Path, missing: str) -> None:
    header = ["사람문장1", "시스템문장1", "사람문장2", "시스템문장2", "감정_대분류"]
    [found], _ = read_csv(tmp_path, header, ["하나", "네", missing, missing, "슬픔"])
    assert said(found) == [("u", "하나"), ("a", "네")]


def test_nan_in_json_is_a_missing_sentence(tmp_path: Path) -> None:
    content = {"HS01": "하나", "SS01": "네", "HS02": float("nan"), "SS02": None}
    [found], report = read_json(tmp_path, talk(content))
    assert said(found) == [("u", "하나"), ("a", "네")]
    assert report.skipped == []


def test_the_same_dialogue_as_json_and_as_table_is_one(tmp_path: Path) -> None:
    content = {"HS01": "하나 ", "SS01": "네", "HS02": "둘", "SS02": ""}
    (tmp_path / "b.csv").write_text("사람문장1,시스템문장1,사람문장2\n하나,네, 둘\n셋,네,\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps([talk(content)]), encoding="utf-8")
    dialogues, report = read(tmp_path)
    assert [d.id for d in dialogues] == ["aihub:emotion:t1", "aihub:emotion:b.csv:3"]
    assert dict(report.kinds) == {"text": 5, "duplicate": 3}
    assert report.notes == ["같은 대화가 되풀이된 1건은 한 번만 읽었습니다."]


# 한국어 SNS, 대화 요약


def chat(*utterances: Any, number: str | int | None = "d-1", body: bool = False) -> dict[str, Any]:
    """An SNS record of `(participant, text)` or `(participant, text, date, time)`, or of whatever else is given."""
    names = ("participantID", "utterance", "date", "time")
    spoken = [dict(zip(names, each, strict=False)) if isinstance(each, tuple) else each for each in utterances]
    return {
        "header": {"dialogueInfo": {"dialogueID": number, "topic": "행사"}},
        "body": {"dialogue": spoken, "summary": "요약"} if body else spoken,
    }


def test_sns() -> None:
    dialogues, report = read(FIXTURES / "sns.json")
    assert [said(d) for d in dialogues] == [
        [("u", "#@이름# 저녁에 떡볶이 어때\n여기 새로 생겼대 키키"), ("a", "완전 좋아\n몇 시에 볼까")],
        [("u", "주말에 등산 갈 사람"), ("a", "나 갈래"), ("u", "나도"), ("a", "김밥은 내가 쌀게")],
    ]
    assert [turn.time for turn in dialogues[0].turns] == ["2020-11-11T14:18", None]  # 30 February
    assert [turn.speaker for d in dialogues for turn in d.turns] == [None, None, "P01", "P02", "P03", "P02"]
    assert dialogues[0].meta == {"shape": "sns", "topic": "식음료", "type": "일상 대화"}
    assert dialogues[0].group_keys == (*group_keys(dialogues[0].turns), "aihub:sns:sns-1")
    assert dict(report.kinds) == {"text": 8, "photo": 1, "emoticon": 1, "notice": 1}
    assert (report.lines, report.skipped, report.notes) == (11, [], [])


def test_summary() -> None:
    [found], report = read(FIXTURES / "summary.json")
    assert said(found) == [("u", "이사 언제야?"), ("a", "다음 주 토요일"), ("u", "도와주러 갈게")]
    assert (found.id, found.meta["shape"], report.lines) == ("aihub:sns:sum-1", "sns", 3)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("#@시스템#사진#", "photo"),
        ("#@시스템#동영상#", "video"),
        ("#@시스템#파일#", "file"),
        ("#@시스템#지도#", "location"),
        ("#@시스템#검색#", "search"),
        ("#@시스템#송금#", "money"),
        (" #@시스템#삭제# ", "deleted"),
        ("#@시스템#기타#", "notice"),
        ("#@시스템#", "notice"),
        ("#@이모티콘#", "emoticon"),
        ("#@이모티콘#하하#", "emoticon"),
        ("#@이모티콘##@이모티콘#하트# #@이모티콘#", "emoticon"),
        ("  ", "blank"),
        ("#@이모티콘# 안녕 #@이모티콘#", "text"),
        ("#@이름#", "text"),
        ("사진 #@시스템#사진#", "text"),
        ("#@시스템#사진# 봤어?", "text"),
        ("#@이름#아 #@이모티콘#하하#", "text"),
    ],
)
def test_tokens_are_a_kind_only_as_a_whole_utterance(tmp_path: Path, text: str, kind: str) -> None:
    [found], report = read_json(tmp_path, chat(("P01", "안녕"), ("P02", "응"), ("P02", text)))
    assert report.kinds == ({"text": 3} if kind == "text" else {"text": 2, kind: 1})
    assert found.turns[1].text == (f"응\n{text.strip()}" if kind == "text" else "응")


@pytest.mark.parametrize(
    ("date", "clock", "time"),
    [
        ("2020-11-11", "14:18:00", "2020-11-11T14:18"),
        ("2020-11-11", "14:18", "2020-11-11T14:18"),
        ("20201111", " 9:05 ", "2020-11-11T09:05"),
        ("2020.11.1", "00:00:59", "2020-11-01T00:00"),
        ("2020-13-01", "14:18", None),
        ("2020-11-11", "24:00", None),
        ("2020-11-11", "", None),
        ("", "14:18", None),
        (None, "14:18", None),
        ("2020-11-11", 1418, None),
        ("2020-11-11", "14:18" * 99, None),
    ],
)
def test_a_bad_date_loses_the_time_and_not_the_utterance(tmp_path: Path, date: Any, clock: Any, time: Any) -> None:
    [found], report = read_json(tmp_path, chat(("P01", "안녕", date, clock), ("P02", "응")))
    assert [turn.time for turn in found.turns] == [time, None]
    assert report.kinds == {"text": 2}


@pytest.mark.parametrize(
    ("utterance", "reason"),
    [
        ({"participantID": "P01"}, "글이 없습니다"),
        ("안녕", "글이 없습니다"),
        (("P01", None), "글이 없습니다"),
        (("P01", ["안녕"]), "글이 없습니다"),
        ({"utterance": "비밀"}, "말한 사람이 없습니다"),
        ((None, "비밀"), "말한 사람이 없습니다"),
        (({"이름": "비밀"}, "비밀"), "말한 사람이 없습니다"),
    ],
)
def test_a_bad_utterance_is_reported_and_spoils_no_other(tmp_path: Path, utterance: Any, reason: str) -> None:
    good = chat(("P01", "안녕"), utterance, ("P02", "응"))
    [_, found], report = read_json(tmp_path, chat(("P01", "안녕"), ("P02", "네"), number="d-0"), good)
    assert said(found) == [("u", "안녕"), ("a", "응")]
    assert report.skipped == [(2, f"a.json: 2번째 발화: {reason}")]
    assert "비밀" not in str(report.as_dict())


def test_half_a_character_is_reported(tmp_path: Path) -> None:
    record = json.dumps([chat(("P01", "안녕"), ("P02", "\ud83d"), ("P02", "응"))])
    (tmp_path / "a.json").write_text(record, encoding="utf-8")
    [found], report = read(tmp_path)
    assert said(found) == [("u", "안녕"), ("a", "응")]
    assert report.skipped == [(1, "a.json: 2번째 발화: 글자가 반쪽만 있습니다")]


def test_a_medium_does_not_break_a_burst_and_its_sender_is_no_speaker(tmp_path: Path) -> None:
    record = chat(("P03", "#@시스템#사진#"), ("P01", "하나"), ("P01", "#@시스템#사진#"), ("P01", "둘"), ("P02", "셋"))
    [found], _ = read_json(tmp_path, record)
    assert said(found) == [("u", "하나\n둘"), ("a", "셋")]
    assert found.turns[0].speaker is None


@pytest.mark.parametrize(("side", "roles"), [("first", ["auau"]), ("second", ["uauu"]), ("both", ["auau", "uauu"])])
def test_bot_speaker_chooses_the_assistant_by_order_of_speaking(tmp_path: Path, side: str, roles: list[str]) -> None:
    record = chat(("P02", "하나"), ("P01", "둘"), ("P02", "셋"), ("P03", "넷"))
    dialogues, report = read_json(tmp_path, record, bot_speaker=side)
    assert ["".join(role for role, _ in said(d)) for d in dialogues] == roles
    assert report.kinds == {"text": 4}


def test_both_sides_of_a_dialogue_share_a_group_and_not_an_id(tmp_path: Path) -> None:
    one, other = read_json(tmp_path, chat(("P01", "하나"), ("P02", "둘")), bot_speaker="both")[0]
    assert (one.id, other.id) == ("aihub:sns:d-1:P01", "aihub:sns:d-1:P02")
    assert one.group_keys[-1] == other.group_keys[-1] == "aihub:sns:d-1"
    assert (said(one), said(other)) == ([("a", "하나"), ("u", "둘")], [("u", "하나"), ("a", "둘")])


@pytest.mark.parametrize("utterances", [[("P01", "하나"), ("P01", "둘")], [("P01", "하나"), ("P02", "#@시스템#사진#")]])
def test_a_dialogue_without_a_reply_is_counted_and_noted(tmp_path: Path, utterances: list[Any]) -> None:
    dialogues, report = read_json(tmp_path, chat(*utterances), chat(("P01", "안녕"), ("P02", "응"), number="d-2"))
    assert [d.id for d in dialogues] == ["aihub:sns:d-2"]
    assert report.kinds["unanswered"] == sum(text[0] != "#" for _, text in utterances)
    assert report.notes == ["답하는 사람이 없는 대화 1건은 뺐습니다."]


def test_dialogues_without_an_id_are_all_kept(tmp_path: Path) -> None:
    record = chat(("P01", "안녕"), ("P02", "응"), number=None)
    assert [d.id for d in read_json(tmp_path, record, record)[0]] == ["aihub:sns:a.json:1", "aihub:sns:a.json:2"]


@pytest.mark.parametrize("body", [[], None, "안녕", {"dialogue": None}, {}])
def test_a_dialogue_without_utterances_is_reported(tmp_path: Path, body: Any) -> None:
    dialogues, report = read_json(tmp_path, {**chat(), "body": body})
    assert dialogues == []
    assert report.skipped == [(1, "a.json: 발화가 없습니다")]


ENTRY = st.one_of(
    st.tuples(
        st.sampled_from(["P01", "P02", "P03", "", None]), st.sampled_from(["응", " ", "#@시스템#사진#", None, 3])
    ),
    st.none() | st.integers() | st.text(max_size=2),
)


@given(
    st.lists(st.lists(ENTRY, min_size=1, max_size=6), min_size=1, max_size=4),
    st.sampled_from(["first", "second", "both"]),
)
def test_every_utterance_is_accounted_for(tmp_path: Path, bodies: list[list[Any]], side: str) -> None:
    records = [chat(*entries, number=None) for entries in bodies]
    dialogues, report = read_json(tmp_path, *records, bot_speaker=side)
    assert report.lines == sum(map(len, bodies))
    texts = sum(turn.text.count("응") for d in dialogues for turn in d.turns) // (2 if side == "both" else 1)
    assert texts == report.kinds["text"]
    assert all({turn.role for turn in d.turns} == {"user", "assistant"} for d in dialogues)


# SNS 멀티턴


def test_multiturn_json() -> None:
    [found], report = read(FIXTURES / "multiturn.json")
    assert said(found) == [("u", "밖에 눈 온다\n펑펑"), ("a", "헐 대박")]
    assert found.id == "aihub:multiturn:900001"
    assert found.meta == {"shape": "multiturn", "topic": "날씨", "category": "일상", "keyword": "눈"}
    assert report.kinds == {"text": 3}


def test_multiturn_csv_fills_the_ids_forward() -> None:
    dialogues, report = read(FIXTURES / "multiturn.csv")
    assert [(d.id, said(d)) for d in dialogues] == [
        ("aihub:multiturn:900002", [("u", "표, 예매했어?"), ("a", "어제 했지\n맨 뒷자리야")]),
        ("aihub:multiturn:900003", [("u", "수영 갈래?"), ("a", "오늘은 쉴래")]),
    ]
    assert [d.meta["topic"] for d in dialogues] == ["영화", "운동"]
    assert (report.lines, report.skipped, report.encoding) == (5, [], "utf-8-sig")


def test_a_csv_that_repeats_its_ids_and_a_row_cut_short(tmp_path: Path) -> None:
    rows = [
        ["대화ID", "발화자", "발화"],
        ["1", "A", "하나"],
        ["1", "B", "둘"],
        ["1", "A"],
        ["2", "A", "셋"],
        ["", "B", "넷"],
    ]
    dialogues, report = read_csv(tmp_path, *rows)
    assert [[text for _, text in said(d)] for d in dialogues] == [["하나", "둘"], ["셋", "넷"]]
    assert report.skipped == [(2, "a.csv: 3번째 발화: 글이 없습니다")]


def test_three_people_keep_their_names(tmp_path: Path) -> None:
    spoken = [{"speaker": f"speaker{who}", "text": text} for who, text in zip("ABCB", "가나다라", strict=True)]
    [found], _ = read_json(tmp_path, {"info": {"id": 7}, "utterances": spoken})
    assert [(turn.role[0], turn.speaker) for turn in found.turns] == [
        ("u", "speakerA"),
        ("a", "speakerB"),
        ("u", "speakerC"),
        ("a", "speakerB"),
    ]
    assert found.id == "aihub:multiturn:7"


# 주제별 일상 대화, 용도별 목적대화


def lines(*entries: dict[str, Any], name: str | None = "KAKAO_1_02") -> dict[str, Any]:
    return {"info": [{"filename": name, "id": "1", "annotations": {"lines": list(entries)}}]}


def test_daily() -> None:
    [found], report = read(FIXTURES / "KAKAO_1_01.json")
    assert said(found) == [
        ("u", "고양이가 또 화분을 엎었어.\n흙이 다 쏟아졌다"),  # no norm_text: text without its prefix
        ("a", "우리 집도 그래.\n높은 데 올려 둬."),
        ("u", "그래야겠다."),
    ]
    assert found.id == "aihub:daily:KAKAO_1_01"
    assert found.meta == {"shape": "daily", "topic": "반려동물", "category": "1.일상", "speaker_type": "1:1"}
    assert report.lines == 5


def test_in_a_conversation_for_a_purpose_the_agent_is_the_assistant() -> None:
    [found], _ = read(FIXTURES / "HOSPITAL_7.json", bot_speaker="first")
    assert [role for role, _ in said(found)] == ["u", "a", "u", "a"]
    assert found.turns[2].text == "금요일이요. 전화는 ***예요."


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("1 : 점심 뭐 먹어?", "점심 뭐 먹어?"),
        ("12: 점심", "점심"),
        ("A. 네", "네"),
        ("B：네 : 아니오", "네 : 아니오"),
        ("  1 : 점심", "점심"),
        ("그래 : 응", "그래 : 응"),
    ],
)
def test_a_line_without_norm_text_loses_its_prefix(tmp_path: Path, raw: str, text: str) -> None:
    entries = [{"text": raw, "speaker": {"id": "2번"}}, {"norm_text": "응", "speaker": {"id": "3번"}}]
    assert read_json(tmp_path, lines(*entries))[0][0].turns[0].text == text


def test_a_prefix_names_the_speaker_where_nothing_else_does(tmp_path: Path) -> None:
    entries = [
        {"text": "1 : 하나"},
        {"text": "2 : 둘", "speaker": {"id": None}},
        {"text": "셋", "speaker": {"id": "1번"}},
    ]
    [found], _ = read_json(tmp_path, lines(*entries))
    assert said(found) == [("u", "하나"), ("a", "둘"), ("u", "셋")]


# 공감형 대화


def test_empathy_is_sorted_by_number_and_follows_the_emotion() -> None:
    [found], report = read(FIXTURES / "Empathy_슬픔_친구_1.json", bot_speaker="first")
    assert said(found) == [
        ("u", "할머니가 주신 우산을 버스에 두고 내렸어."),
        ("a", "소중한 건데 속상하겠다."),
        ("u", "방금 기사님이 찾아 주셨대!"),
        ("a", "그럼 이번엔 이름표를 달자!"),
    ]
    assert [turn.emotion for turn in found.turns] == ["슬픔", None, "기쁨", None]
    assert found.id == "aihub:empathy:BE90000001"
    assert found.meta == {
        "shape": "empathy",
        "relation": "친구",
        "situation": "우산을 잃어버렸다.",
        "speaker_relation": "친구",
    }
    assert report.kinds == {"text": 4}


def test_empathy_without_numbers_keeps_its_order_and_a_third_role_is_reported(tmp_path: Path) -> None:
    spoken = [("listener", "BE.2", "뭐 해?"), ("speaker", "BE.x", "그냥 있어"), ("narrator", "BE.1", "비밀")]
    record = {
        "info": {"id": "BE"},
        "utterances": [{"role": role, "utterance_id": number, "text": text} for role, number, text in spoken],
    }
    [found], report = read_json(tmp_path, record)
    assert said(found) == [("a", "뭐 해?"), ("u", "그냥 있어")]
    assert report.skipped == [(1, "a.json: 3번째 발화: role이 speaker도 listener도 아닙니다")]


def test_the_emotion_of_a_burst_is_its_last(tmp_path: Path) -> None:
    spoken = [("speaker", "깜짝이야", None), ("speaker", "선물이었네", "기쁨"), ("listener", "축하해", None)]
    record = {
        "info": {"speaker_emotion": "당황"},
        "utterances": [{"role": role, "text": text, "speaker_changeEmotion": new} for role, text, new in spoken],
    }
    [found], _ = read_json(tmp_path, record)
    assert (found.turns[0].text, found.turns[0].emotion) == ("깜짝이야\n선물이었네", "기쁨")


# 멀티세션


def test_multisession_is_one_group_with_one_assistant() -> None:
    dialogues, report = read(FIXTURES / "K2-00001-CL1-CP2-S2.json")
    assert [said(d) for d in dialogues] == [
        [("u", "토마토가 드디어 열렸어요."), ("a", "직접 키우신 거예요?")],
        [("a", "토마토는 다 익었어요?"), ("u", "네, 소스를 만들었어요.")],  # speaker2 opens it
    ]
    assert [d.id for d in dialogues] == [f"aihub:multisession:K2-00001-CL1-CP2-S2:{n}" for n in (1, 2)]
    assert {d.group_keys[-1] for d in dialogues} == {"aihub:multisession:K2-00001-CL1-CP2-S2"}
    assert [d.meta["session"] for d in dialogues] == ["1", "2"]
    assert dialogues[0].turns[0].time == "2022-03-30T15:04"
    assert report.lines == 4


def test_wizard_sessions_have_timestamps_in_milliseconds() -> None:
    [found], _ = read(FIXTURES / "wizard_011.json")
    assert said(found) == [("u", "제주도에서 뭘 먹으면 좋을까요?"), ("a", "고기국수가 유명해요.")]
    assert [turn.time for turn in found.turns] == ["2022-03-30T15:04", "2022-03-30T15:05"]


def test_sessions_of_a_file_without_a_name_are_one_group(tmp_path: Path) -> None:
    dialog = [{"speaker": "speaker1", "utterance": "안녕"}, {"speaker": "speaker2", "utterance": "응"}]
    dialogues, _ = read_json(tmp_path, {"sessionInfo": [{"dialog": dialog}, {"dialog": dialog}]})
    assert [d.group_keys[-1] for d in dialogues] == ["aihub:multisession:a.json:1"] * 2


def test_a_session_in_which_one_is_silent_has_no_reply(tmp_path: Path) -> None:
    one, other = {"speaker": "speaker1", "utterance": "안녕"}, {"speaker": "speaker2", "utterance": "응"}
    dialogues, report = read_json(tmp_path, {"sessionInfo": [{"dialog": [one, other]}, {"dialog": [one]}]})
    assert [said(d) for d in dialogues] == [[("u", "안녕"), ("a", "응")]]
    assert report.kinds == {"text": 2, "unanswered": 1}


def test_a_file_without_sessions_is_reported(tmp_path: Path) -> None:
    assert read_json(tmp_path, {"sessionInfo": []})[1].skipped == [(1, "a.json: 대화가 없습니다")]


# The others


def test_persona() -> None:
    [found], _ = read(FIXTURES / "persona.json")
    assert said(found) == [("u", "저는 피아노를 쳐요."), ("a", "오래 치셨어요?"), ("u", "올해로 오 년째예요.")]
    assert found.id == "aihub:persona:PS-1"


def test_counselling() -> None:
    [found], _ = read(FIXTURES / "counselling.json")
    assert said(found) == [("a", "오늘은 어떻게 지내셨어요?"), ("u", "잠을 조금 잤어요."), ("a", "조금 나아지셨네요.")]
    assert found.id == "aihub:counselling:C-1"


def test_wellness_answers_belong_to_the_category() -> None:
    dialogues, report = read(FIXTURES / "wellness.xlsx")
    assert [[text for _, text in said(d)] for d in dialogues] == [
        ["잠이 안 와요.", "따뜻한 물로 씻어 보는 건 어때요?"],
        ["밤새 뒤척였어요.", "따뜻한 물로 씻어 보는 건 어때요?"],
        ["밥맛이 없어요.", "그래도 조금은 드셔야 해요."],
        ["밥맛이 없어요.", "죽은 어떠세요?"],
    ]
    assert [d.group_keys[-1] for d in dialogues] == ["aihub:wellness:수면/불면"] * 2 + ["aihub:wellness:식사/거름"] * 2
    assert report.kinds == {"text": 6, "unanswered": 1}  # each cell once, though answers are paired twice


def test_wellness_rows_without_category_or_text_are_reported(tmp_path: Path) -> None:
    rows = [["구분", "유저", "챗봇"], ["", "안녕", "네"], ["잠", "", ""], ["잠", "졸려", "자요"]]
    [found], report = read_csv(tmp_path, *rows)
    assert said(found) == [("u", "졸려"), ("a", "자요")]
    assert report.skipped == [(number, "a.csv: 구분이나 글이 비어 있습니다") for number in (2, 3)]


def test_tweeter_rows_are_dialogues_up_to_the_first_empty_cell() -> None:
    dialogues, report = read(FIXTURES / "tweeter_dialog_dataset.xlsx")
    assert [said(d) for d in dialogues] == [
        [("u", "오늘 야근이야"), ("a", "저런, 밥은 먹었어?"), ("u", "아직")],
        [("u", "비 온다"), ("a", "우산 챙겨")],
    ]
    assert report.skipped == [(2, "tweeter_dialog_dataset.xlsx: 3번째 발화: 빈 칸 뒤의 글입니다")]


def test_a_headless_table_of_another_name_needs_its_shape(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("안녕,응\n뭐 해,그냥\n", encoding="utf-8")
    assert read(tmp_path)[1].skipped == [(1, "a.csv: 첫 줄의 열 이름이 AI Hub의 어느 말뭉치와도 다릅니다")]
    assert len(read(tmp_path, shape="tweeter")[0]) == 2


# All of them


def test_the_folder_of_all_fixtures_is_read_by_content() -> None:
    dialogues, report = read(FIXTURES)
    shapes = [d.meta["shape"] for d in dialogues]
    assert {shape: shapes.count(shape) for shape in sorted(set(shapes))} == {
        "counselling": 1,
        "daily": 2,
        "emotion": 6,
        "empathy": 1,
        "multisession": 3,
        "multiturn": 3,
        "persona": 1,
        "sns": 3,
        "tweeter": 2,
        "wellness": 4,
    }
    assert (report.lines, len(report.skipped), report.encoding) == (86, 1, "utf-8-sig, xlsx, cp949")
    assert len({d.id for d in dialogues}) == len(dialogues)


def test_a_forced_shape_reads_no_other(tmp_path: Path) -> None:
    empathy = json.loads((FIXTURES / "Empathy_슬픔_친구_1.json").read_text(encoding="utf-8"))
    dialogues, report = read_json(tmp_path, chat(("P01", "하나"), ("P02", "둘")), empathy, shape="sns")
    assert [d.meta["shape"] for d in dialogues] == ["sns"]
    assert report.skipped == [(2, "a.json: sns 형식이 아닙니다")]


@pytest.mark.parametrize("record", [{}, {"비밀": 1}, [], ["비밀"], "비밀", 3, None, {"messages": []}])
def test_a_record_of_no_shape_is_reported(tmp_path: Path, record: Any) -> None:
    dialogues, report = read_json(tmp_path, record, chat(("P01", "하나"), ("P02", "둘")))
    assert len(dialogues) == 1
    assert report.skipped == [(1, "a.json: 아는 AI Hub 형식이 아닙니다")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "kakao"}, r"shape=kakao.*emotion, sns"),
        ({"bot_speaker": "me"}, r"bot_speaker=me.*first, second, both"),
    ],
)
def test_an_unknown_option_names_the_known_ones(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(FIXTURES, **options)


def test_text_and_labels_are_nfc(tmp_path: Path) -> None:
    nfd = unicodedata.normalize("NFD", json.dumps([chat(("화자1", "안녕"), ("화자2", "응"))], ensure_ascii=False))
    (tmp_path / "a.json").write_text(nfd, encoding="utf-8")
    [found], _ = read(tmp_path)
    assert said(found) == [("u", "안녕"), ("a", "응")]
    assert found.meta["topic"] == "행사"
