"""Every figure of the report of an invented corpus, in the terminal, as JSON and as a page."""

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from tests.data.test_importing import imported, mode, plain_masker, yuhee
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.report import LONG_TURN, MANY_TURNS, ReadReport, origin_of
from yuhee.data.report_view import SKIPPED_SHOWN, report_page, report_table, save_page, skipped_table

__all__ = ["plain_masker"]  # a fixture for every test here too

# a Friday and a Saturday; 하늘 asks and is sad twice, 바다 answers
TALKS = [
    Dialogue(
        "a",
        (
            Turn("system", "친구다"),
            Turn("user", "오늘 너무 힘들었어", emotion="슬픔", speaker="김하늘", time="2022-04-01T23:59"),
            Turn("assistant", "무슨 일 있었어?ㅠㅠ", speaker="이바다", time="2022-04-02T00:00:05"),
            Turn("user", "시험 망쳤어", emotion="슬픔", speaker="김하늘", time="2022-04-02T00:01"),
            Turn("assistant", "고생했어요", speaker="이바다", time="언젠가"),
        ),
    ),
    Dialogue("b", (Turn("user", "합격!", emotion="기쁨"), Turn("assistant", "축하드립니다.", emotion="기쁨"))),
    Dialogue("c", (Turn("user", "뭐 해?"), Turn("assistant", "ㅋㅋㅋ"), Turn("assistant", "집에 있었어"))),
]


def report_of(*dialogues: Dialogue, **values: object) -> ReadReport:
    report = ReadReport("내것", **values)  # type: ignore[arg-type]
    assert list(report.count(dialogues)) == list(dialogues)
    return report


@pytest.fixture
def report() -> ReadReport:
    report = report_of(*TALKS, encoding="cp949", privacy="masked", masked=Counter({"name": 1234, "phone": 2}))
    report.lines, report.continuations = 1500, 7
    report.kinds.update({"text": 1470, "photo": 12, "scribble": 9})
    report.skip(3, "열이 2개뿐입니다")
    report.skip(1400, "<b>답</b>이 없습니다 & 끝")
    report.notes.append("한쪽만 말한 대화 <4>개는 뺐습니다.")
    return report


@pytest.fixture
def hashes(report: ReadReport) -> tuple[str, str]:
    """How 김하늘 and 이바다 are called in the report."""
    named = [name.split(" ")[1] for name in report.speakers if " " in name]
    assert len(named) == 2
    assert all(len(name) == 6 and int(name, 16) >= 0 for name in named)
    return named[0], named[1]


def test_every_figure(report: ReadReport, hashes: tuple[str, str]) -> None:
    values = json.loads(json.dumps(report.as_dict()))
    assert values == {
        "source": "내것",
        "encoding": "cp949",
        "private": True,
        "privacy": "masked",
        "masked": {"name": 1234, "phone": 2},
        "origins": [],
        "dialogues": 3,
        "turns": 10,
        "labels": {"기쁨": 1, "슬픔": 2},  # of user turns alone
        "speakers": {
            "assistant": 3,
            f"assistant {hashes[1]}": 2,
            "system": 1,
            "user": 2,
            f"user {hashes[0]}": 2,
        },
        "dialogue_turns": {"2": 1, "3": 1, "5": 1},
        "turn_characters": {"3": 3, "4": 1, "5": 1, "6": 2, "7": 1, "10": 1, "11": 1},
        "hours": {"0": 2, "23": 1},
        "weekdays": {"4": 1, "5": 2},
        "registers": {"기타": 1, "반말": 2, "합니다": 1, "해요": 1},
        "endings": {},  # none is common enough
        "lines": 1500,
        "kinds": {"photo": 12, "scribble": 9, "text": 1470},
        "continuations": 7,
        "skipped": [[3, "열이 2개뿐입니다"], [1400, "<b>답</b>이 없습니다 & 끝"]],
        "notes": ["한쪽만 말한 대화 <4>개는 뺐습니다."],
    }


def test_counting_passes_on_one_dialogue_at_a_time() -> None:
    report = ReadReport("x")
    stream = report.count(iter(TALKS))
    assert next(stream) is TALKS[0]
    assert (report.dialogues, report.turns) == (1, 5)


def test_long_dialogues_and_turns_are_counted_as_the_longest_shown() -> None:
    turns = [Turn("user", "가" * length) for length in (LONG_TURN - 1, LONG_TURN, LONG_TURN + 1, 10 * LONG_TURN)]
    report = report_of(Dialogue("a", (*turns,)), Dialogue("b", (turns[0],) * (MANY_TURNS + 5)))
    assert report.turn_characters == {LONG_TURN - 1: 1 + MANY_TURNS + 5, LONG_TURN: 3}
    assert report.dialogue_turns == {4: 1, MANY_TURNS: 1}


def test_the_ten_most_frequent_endings_of_each_register() -> None:
    syllables = "가나다라마바사아자차카타"
    replies = [Turn("assistant", f"나{last}") for last in syllables for _ in range(4 if last in "카타" else 3)]
    rare = [Turn("assistant", "하늘"), Turn("assistant", "하늘")]  # said twice, it may be a name
    report = report_of(Dialogue("a", (*replies, *rare, *[Turn("assistant", "네요")] * 3)))
    assert list(report.top_endings().items()) == [
        ("반말 나카", 4),
        ("반말 나타", 4),
        *((f"반말 나{last}", 3) for last in "가나다라마바사아"),
        ("해요 네요", 3),
    ]


def test_one_speaker_in_two_roles_has_one_hash() -> None:
    report = report_of(Dialogue("a", (Turn("user", "나", speaker="이바다"), Turn("assistant", "너", speaker="이바다"))))
    assert len({name.split(" ")[1] for name in report.speakers}) == 1


def test_an_origin_is_a_hash_of_the_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    same = {origin_of(path) for path in (Path("이바다.txt"), tmp_path / "이바다.txt", Path("~/이바다.txt"))}
    assert len(same) == 1
    [origin] = same
    assert len(origin) == 32
    assert int(origin, 16)
    assert origin != origin_of(tmp_path / "sub" / "이바다.txt")


# In the terminal


def printed(table: Table, width: int = 200) -> list[list[str]]:
    console = Console(width=width, file=None, record=True, quiet=False)
    with console.capture() as capture:
        console.print(table)
    rows = [line.strip("│ ") for line in capture.get().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.split("│")] for row in rows]


def test_the_table_holds_every_figure(report: ReadReport, hashes: tuple[str, str]) -> None:
    assert str(report_table(report).title) == "내것: 읽은 것"
    assert printed(report_table(report)) == [
        ["대화", "3"],
        ["차례", "10"],
        ["차례 · assistant", "3"],
        [f"차례 · user {hashes[0]}", "2"],
        [f"차례 · assistant {hashes[1]}", "2"],
        ["차례 · user", "2"],
        ["차례 · system", "1"],
        ["줄·기록", "1,500 (이어지는 줄 7)"],
        ["종류", "글 1,470, 사진 12, scribble 9"],
        ["감정 표지", "기쁨 1, 슬픔 2"],
        ["말투", "반말 2, 해요 1, 합니다 1, 기타 1"],
        ["개인정보", "개인정보를 가리고 읽음: name 1,234, phone 2"],
        ["글자 부호", "cp949"],
        ["읽지 못한 것", "2"],
    ]


def test_rows_without_a_figure_are_left_out() -> None:
    rows = printed(report_table(report_of(Dialogue("a", (Turn("assistant", "응"),)))))
    assert [name for name, _ in rows] == ["대화", "차례", "차례 · assistant", "말투", "개인정보", "읽지 못한 것"]
    assert ["개인정보", "공개된 말뭉치"] in rows


def test_an_unmasked_corpus_says_so_in_the_table_and_on_the_page() -> None:
    report = report_of(*TALKS, privacy="unmasked")
    assert any("남에게 주지 마세요" in value for _, value in printed(report_table(report)))
    assert "남에게 주지 마세요" in report_page(report)


def test_the_terminal_shows_the_first_lines_that_were_not_understood() -> None:
    report = ReadReport("x")
    for line in range(1, SKIPPED_SHOWN + 1):
        report.skip(line, f"이유 {line}")
    assert printed(skipped_table(report)) == [[f"{n}번째", f"이유 {n}"] for n in range(1, SKIPPED_SHOWN + 1)]
    for line in range(1, 1001):
        report.skip(line, "또")
    assert printed(skipped_table(report))[-1] == ["…", "그 밖에 1,000개 (모두 보고서에 있습니다)"]


# The page


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order, nothing is loaded from anywhere."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.rows: list[tuple[str, str]] = []
        self.bars: list[tuple[str, str, str]] = []
        self.headings: list[str] = []
        self.items: list[str] = []
        self.words: dict[str, str] = {}
        self.style = ""
        assert text.startswith("<!doctype html>")
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        assert not {"src", "href", "srcset", "action", "data", "poster", "background"} & set(names)
        assert not any(name.startswith("on") for name in names)
        if tag == "i":
            self.style = dict(attrs)["style"] or ""
        if tag not in self.VOID:
            self.open.append(tag)
            self.words[tag] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "tr":
            self.rows.append((self.words["th"], self.words["td"]))
        elif tag == "b" and "span" in self.words:
            self.bars.append((self.words["span"], self.style, self.words["b"]))
        elif tag in ("h1", "h2"):
            self.headings.append(self.words[tag])
        elif tag == "li":
            self.items.append(self.words[tag])

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.words[tag] = self.words.get(tag, "") + data


def test_the_page_holds_every_figure_and_plot(report: ReadReport, hashes: tuple[str, str]) -> None:
    page = Page(report_page(report))
    figures = printed(report_table(report))
    assert [list(row) for row in page.rows[: len(figures)]] == figures
    assert page.headings == [
        "내것: 무엇을 읽었나",
        "한 대화의 차례 수",
        "한 차례의 글자 수",
        "시간대",
        "요일",
        "감정 표지",
        "대답의 말투",
        "읽지 못한 줄 2",
        "알아 둘 것",
    ]
    counts = [(label, int(count)) for label, _, count in page.bars]
    assert counts[:5] == [("2–3", 2), ("4–5", 1), ("0–9", 8), ("10–19", 2), ("0시", 2)]
    assert counts[4:28] == [(f"{hour}시", {0: 2, 23: 1}.get(hour, 0)) for hour in range(24)]
    assert counts[28:35] == [(day, {"금": 1, "토": 2}.get(day, 0)) for day in "월화수목금토일"]
    assert counts[35:41] == [("기쁨", 1), ("슬픔", 2), ("반말", 2), ("해요", 1), ("합니다", 1), ("기타", 1)]
    assert counts[41:] == []
    assert [style for _, style, _ in page.bars[:4]] == [
        "width: 100.0%",
        "width: 50.0%",
        "width: 100.0%",
        "width: 25.0%",
    ]


def test_the_page_shows_every_line_and_note_as_it_was_written(report: ReadReport) -> None:
    for line in range(2000, 2300):
        report.skip(line, f"이유 {line}")
    page = Page(report_page(report))
    expected = [(f"{line}번째", reason) for line, reason in report.skipped]
    assert page.rows[-len(expected) :] == expected
    assert page.items == report.notes
    assert "읽지 못한 줄 302" in page.headings


def test_a_page_without_anything_to_plot_or_to_complain_of() -> None:
    page = Page(report_page(ReadReport("x")))
    assert page.bars == []
    assert page.items == []
    assert page.headings == ["x: 무엇을 읽었나", "읽지 못한 줄 0"]
    assert "없습니다." in page.words["p"]


def test_lengths_beyond_the_last_bin_have_one_of_their_own() -> None:
    turns = (Turn("user", "가" * 500), Turn("assistant", "가" * 185))
    bars = Page(report_page(report_of(Dialogue("a", turns * MANY_TURNS)))).bars
    assert [(label, count) for label, _, count in bars[:4]] == [
        ("100+", "1"),
        ("180–189", "100"),
        ("190–199", "0"),
        ("200+", "100"),
    ]


def test_the_page_needs_no_network_and_no_script(report: ReadReport) -> None:
    text = report_page(report)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert not any(word in text.casefold() for word in ("http:", "https:", "//", "@import", "url(", "javascript:"))
    assert '<meta charset="utf-8">' in text
    assert '<html lang="ko">' in text
    assert "Noto Sans KR" in text


HOSTILE = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</td></table>",
        '" onload="x',
        "{{ 7 * 7 }}",
        "&lt;",
        "[b]",
        "<!--",
        "하늘",
        "'",
        "\\",
    ]
)
LABEL = st.lists(HOSTILE, min_size=1, max_size=3).map("".join)


@given(label=LABEL, source=LABEL, reason=LABEL, note=LABEL, kind=LABEL, encoding=LABEL)
def test_whatever_labels_notes_and_reasons_hold_it_is_text(
    label: str, source: str, reason: str, note: str, kind: str, encoding: str
) -> None:
    report = ReadReport(source, encoding=encoding, notes=[note], skipped=[(1, reason)])
    report.kinds[kind] = report.labels[label] = report.masked[kind] = 1
    page = Page(report_page(report))
    assert set(page.tags) == {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "table", "tr", "th", "td", "div", "section"),
        *("span", "i", "b", "ul", "li"),
    }
    assert page.items == [note]
    assert page.rows[-1] == ("1번째", reason)
    assert page.bars == [(label, "width: 100.0%", "1")]
    assert page.headings[0] == f"{source}: 무엇을 읽었나"
    assert ("종류", f"{kind} 1") in page.rows


WORDS = st.text("가나다라마바사 .?!ㅋ", max_size=12).map(lambda text: f"◇{text}했어")  # ◇ is found nowhere else
SPEAKER = st.text("김이박하늘바다솔", min_size=2, max_size=4).map(lambda text: f"◆{text}◆")
TURNS = st.lists(
    st.builds(Turn, role=st.sampled_from(["user", "assistant"]), text=WORDS, speaker=SPEAKER), min_size=1, max_size=6
)


@given(TURNS)
def test_no_message_and_no_speaker_stands_in_the_report(turns: list[Turn]) -> None:
    report = report_of(Dialogue("a", tuple(turns)))
    for text in (json.dumps(report.as_dict(), ensure_ascii=False), report_page(report)):
        assert "◇" not in text
        assert "◆" not in text
        assert not any(turn.speaker and turn.speaker.strip("◆") in text for turn in turns)


def test_a_saved_page_is_whole_and_its_owners_alone(tmp_path: Path, report: ReadReport) -> None:
    file = tmp_path / "보고서.html"
    save_page(report, file)
    save_page(report, file)
    assert file.read_text(encoding="utf-8") == report_page(report)
    assert mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_the_import_prints_and_saves_the_same_report(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    messages = [{"role": "user", "content": "안녕", "emotion": "기쁨"}, {"role": "assistant", "content": "반가워요"}]
    lines = [json.dumps({"messages": messages}), "{oops", json.dumps({"messages": messages})]
    source.write_text("\n".join(lines), encoding="utf-8")
    result = yuhee("import", source, "--out", "mine.jsonl", "--accept")
    saved = json.loads(Path("mine.jsonl.report.json").read_text(encoding="utf-8"))["report"]
    page = Page(Path("mine.jsonl.report.html").read_text(encoding="utf-8"))
    assert (saved["dialogues"], saved["turns"], saved["labels"]) == (2, 4, {"기쁨": 2})
    [[line, reason]] = saved["skipped"]
    assert line == 2
    assert ("2번째", reason) in page.rows
    assert reason in result.output
    for name, value in page.rows[:4]:
        assert any(name in row and value in row for row in result.output.splitlines())


def test_the_report_of_a_chat_holds_no_word_of_it(tmp_path: Path) -> None:
    out = imported()
    said = [
        message["content"]
        for line in out.read_text(encoding="utf-8").splitlines()
        for message in json.loads(line)["messages"]
    ]
    for file in ("mine.jsonl.report.json", "mine.jsonl.report.html"):
        text = Path(file).read_text(encoding="utf-8")
        words = {word for each in said for word in each.split() if len(word) > 2}
        assert len(words) > 5
        assert not any(word in text for word in words)
        assert not any(name in text for name in ("김하늘", "이바다", "최들", "친구0", "친구1"))
