"""Who is who, where a session ends, and what becomes a turn."""

from pathlib import Path

import pytest

from tests.data.test_kakaotalk import FIXTURES, load, written
from yuhee.data.corpora.kakaotalk import export
from yuhee.data.dialogue import Dialogue, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

PAIR = FIXTURES / "windows_ko.txt"


def at(time: str, name: str, text: str) -> str:
    return f"2022. 3. 30. {time}, {name} : {text}\n"


def group(folder: Path) -> Path:
    said = [
        ("김하늘", "안녕"),
        ("박산", "어서 와"),
        ("박산", "왔네"),
        ("이바다", "응"),
        ("최들", "ㅋㅋ"),
        ("이바다", "왜"),
    ]
    return written(folder, "".join(at(f"15:0{n}", *each) for n, each in enumerate(said)))


def spoken(each: Dialogue) -> list[tuple[str, str | None, str]]:
    return [(turn.role, turn.speaker, turn.text) for turn in each.turns]


@pytest.mark.parametrize("names", [{"friend": "이바다"}, {"me": "김하늘"}, {"me": "김하늘", "friend": "이바다"}])
def test_one_name_is_enough_for_two_people(names: dict[str, str]) -> None:
    found, _ = load(PAIR, **{"friend": None, **names})
    assert [turn.role for turn in found[0].turns] == ["user", "assistant", "user"]


def test_no_name_is_an_error_that_lists_the_speakers() -> None:
    with pytest.raises(UserError, match=r'--me "이름"이나 --friend "이름".*: 김하늘\(4개\), 이바다\(4개\)'):
        load(PAIR, friend=None)


@pytest.mark.parametrize("option", ["me", "friend"])
def test_an_unknown_name_is_an_error_that_lists_the_speakers(option: str) -> None:
    with pytest.raises(UserError, match=rf'--{option} "박산".*: 김하늘\(4개\), 이바다\(4개\)'):
        load(PAIR, **{"friend": None, option: "박산"})


def test_two_names_of_one_person_are_an_error() -> None:
    with pytest.raises(UserError, match="같은 사람"):
        load(PAIR, me="이바다")


def test_a_long_list_of_speakers_is_cut(tmp_path: Path) -> None:
    file = written(tmp_path, "".join(at("15:00", f"이{n}", "안녕") for n in range(25)))
    with pytest.raises(UserError, match=r"외 5명"):
        load(file, friend=None)


def test_a_typed_name_may_be_decomposed_and_padded(tmp_path: Path) -> None:
    file = written(tmp_path, at("15:00", "a\u0301", "안녕") + at("15:01", "이바다", "응"))
    assert len(load(file, friend=None, me=" \u00e1 ")[0]) == 1


@pytest.mark.parametrize("own", ["회원님", "you"])
@pytest.mark.parametrize("names", [{"friend": "이바다"}, {"me": "김하늘"}])
def test_the_exporter_by_another_name(tmp_path: Path, own: str, names: dict[str, str]) -> None:
    file = written(tmp_path, at("15:00", own, "안녕") + at("15:01", "이바다", "응"))
    [found], _ = load(file, **{"friend": None, **names})
    assert spoken(found) == [("user", own, "안녕"), ("assistant", "이바다", "응")]


def test_the_roles_swapped() -> None:
    roles = [[turn.role for turn in each.turns] for each in load(PAIR, bot_side="me")[0]]
    assert roles == [["assistant", "user", "assistant"], ["user", "assistant"]]


def test_both_sides_are_two_dialogues_that_no_split_tears() -> None:
    found, _ = load(PAIR, bot_side="both")
    assert [each.id for each in found] == ["kakaotalk:1:1", "kakaotalk:1:2", "kakaotalk:2:1", "kakaotalk:2:2"]
    first, second = found[:2]
    assert [turn.text for turn in first.turns] == [turn.text for turn in second.turns]
    assert [turn.role for turn in second.turns] == ["assistant", "user", "assistant"]
    assert first.group_keys == second.group_keys
    assert {*group_keys(first.turns), *group_keys(second.turns)} < set(first.group_keys)
    assert not set(first.group_keys) & set(found[2].group_keys)


def test_in_a_group_everybody_else_is_the_user_and_keeps_the_name(tmp_path: Path) -> None:
    [found], _ = load(group(tmp_path))
    assert spoken(found) == [
        ("user", "김하늘", "안녕"),
        ("user", "박산", "어서 와\n왔네"),
        ("assistant", "이바다", "응"),
        ("user", "최들", "ㅋㅋ"),
        ("assistant", "이바다", "왜"),
    ]


def test_in_a_group_the_bot_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'여럿이 있는 방이니 --friend "이름"'):
        load(group(tmp_path), friend=None, me="김하늘")
    with pytest.raises(UserError, match=r'여럿이 있는 방이니 --me "이름"'):
        load(group(tmp_path), bot_side="me")
    [found], _ = load(group(tmp_path), friend=None, me="김하늘", bot_side="me")
    assert [turn.role for turn in found.turns] == ["assistant", "user", "user", "user", "user"]


def test_a_bot_of_the_room_is_nobody_s_friend(tmp_path: Path) -> None:
    said = at("15:00", "김하늘", "안녕") + at("15:00", "방장봇", "환영합니다") + at("15:01", "이바다", "응")
    [found], _ = load(written(tmp_path, said), friend=None, me="김하늘")
    assert spoken(found)[-1] == ("assistant", "이바다", "응")
    assert found.meta["bot"] is True


@pytest.mark.parametrize(("gap", "sessions"), [(3.0, 1), (2.99, 2), (0.01, 2)])
def test_a_silence_longer_than_the_gap_ends_a_session(tmp_path: Path, gap: float, sessions: int) -> None:
    said = (
        at("09:00", "김하늘", "가")
        + at("09:00", "이바다", "나")
        + at("12:00", "김하늘", "다")
        + at("12:00", "이바다", "라")
    )
    assert len(load(written(tmp_path, said), session_gap=gap)[0]) == sessions


@pytest.mark.parametrize("options", [{"session_gap": 0}, {"session_gap": float("nan")}, {"bot_side": "him"}])
def test_a_wrong_option_is_a_user_error(options: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"--(session-gap|bot-side)"):
        load(PAIR, **options)


def test_media_calls_money_and_notices_break_no_burst_and_are_no_text(tmp_path: Path) -> None:
    between = [
        "사진",
        "이모티콘",
        "보이스톡 해요",
        "10,000원을 보냈어요",
        "삭제된 메시지입니다.",
        "",
        "파일: a.pdf",
        "동영상",
    ]
    said = at("15:00", "김하늘", "가") + "".join(at("15:01", "이바다", body) for body in between)
    said += (
        at("15:02", "김하늘", "나").replace(", 김하늘 :", ":")
        + at("15:02", "김하늘", "다")
        + at("15:03", "이바다", "응")
    )
    [found], report = load(written(tmp_path, said))
    assert spoken(found) == [("user", "김하늘", "가\n다"), ("assistant", "이바다", "응")]
    kinds = ["photo", "emoticon", "call", "money", "deleted", "empty", "file", "video", "notice"]
    assert report.kinds == {"text": 3, **dict.fromkeys(kinds, 1)}


def test_a_photo_is_no_silence(tmp_path: Path) -> None:
    said = at("09:00", "김하늘", "가") + at("11:00", "이바다", "사진") + at("13:00", "이바다", "응")
    assert len(load(written(tmp_path, said))[0]) == 1


def test_sessions_of_one_side_are_counted_and_left_out(tmp_path: Path) -> None:
    said = (
        at("01:00", "김하늘", "자?")
        + at("09:00", "김하늘", "가")
        + at("09:01", "이바다", "나")
        + at("15:00", "이바다", "끝")
    )
    [found], report = load(written(tmp_path, said))
    assert found.id == "kakaotalk:2"
    assert report.notes == ["한쪽만 말한 대화 2개는 배울 답이 없어 뺐습니다(전체 3개)."]


def test_a_session_that_the_bot_opens_begins_with_its_turn() -> None:
    found, _ = load(PAIR)
    assert [(t.role, t.speaker, t.time) for t in found[1].turns[:1]] == [("assistant", "이바다", "2022-03-31T00:10")]


def test_neither_ids_nor_the_report_hold_names_text_or_paths(tmp_path: Path) -> None:
    file = written(tmp_path, "김하늘 비밀\n" + at("15:00", "김하늘", "비밀") + at("15:01", "이바다", "응") + "\0비밀")
    [found], report = load(file)
    text = str(report.as_dict()) + found.id + str(found.meta)
    assert len(report.skipped) == 2
    assert not any(word in text for word in ("김하늘", "이바다", "비밀", str(tmp_path)))


def test_the_reader_streams(tmp_path: Path) -> None:
    said = "".join(f"2022-03-30 {h:02}:00, {who} : 안녕\n" for h in range(0, 24, 4) for who in ("김하늘", "이바다"))
    report = ReadReport("kakaotalk")
    stream = export.read(str(written(tmp_path, said)), report, me="김하늘")
    assert next(stream).id == "kakaotalk:1"
    assert report.kinds["text"] < 12
    assert len(list(stream)) == 5
