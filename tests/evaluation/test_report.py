"""The report of an evaluation: what stands on the page, and that no text of a user becomes anything but text."""

import base64
import gzip
import hashlib
import json
import math
import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import need
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.report import ReadReport
from yuhee.evaluation import selection
from yuhee.evaluation.metrics import METRICS
from yuhee.evaluation.report import headline, number, report_page, write_report
from yuhee.evaluation.result import Answer, Evaluation, Interval, Question, System
from yuhee.evaluation.selection import ShownTurn, pack, pick, reply_scores, whole_dialogues
from yuhee.evaluation.visible import visible

NOT_COMPUTED = "글의 확률을 내지 않는 시스템입니다"
HOSTILE = (
    "<script>alert(1)</script>",
    "</style><h1>가짜</h1>",
    "</script><img src=x onerror=alert(1)>",
    "뒤집힌 \u202egnp.exe",
    "줄\u2028바꿈 \x00\x1b[31m\ufeff",
    "반쪽 \ud83d 글자",
    '"},{{ 7*7 }}{% raw %}',
    "긴 " * 2500,
)


def question(name: str, *said: str, reference: str = "그래") -> Question:
    roles = ("user", "assistant")
    context = tuple((roles[place % 2], text) for place, text in enumerate(said))
    return Question(name, context, None, reference, len(said) // 2)


def evaluation_of(questions: Sequence[Question], replies: Sequence[str], **values: object) -> Evaluation:
    answers = tuple(Answer(text, bits=12.0) for text in replies)
    model = System("model", "모델", answers, {"bpc": Interval(2.5, 2.25, 2.75), "chrf": Interval(30.0, 28.0, 32.0)})
    nearest = System(
        "nearest_question",
        "가장 가까운 질문의 답",
        tuple(Answer("응") for _ in questions),
        {"bpc": Interval(math.nan, math.nan, math.nan, NOT_COMPUTED), "chrf": Interval(31.5, 31.5, 31.5)},
    )
    return Evaluation(
        **{
            "run": "/home/kim/outputs/2026-01-02/03-04-05",
            "setting": {"corpus": "mine", "split": {"by": "group"}, "on": "test"},
            "questions": tuple(questions),
            "systems": (model, nearest),
            "nearest": tuple(("가까운 물음", "가까운 답") for _ in questions),
            "verdict": "모델이 기준선에 못 미칩니다.",
            **values,
        }
    )


@pytest.fixture
def talk() -> Evaluation:
    """A dialogue of two exchanges and two single ones."""
    return evaluation_of(
        [
            question("d#0", "안녕", reference="안녕!"),
            question("d#1", "안녕", "안녕!", "뭐 해?", reference="놀아"),
            question("e#0", "밥 먹었어?", reference="라면 먹었어"),
            question("f#0", "잘 자", reference="너도 잘 자"),
        ],
        ["안녕!", "몰라", "라면 먹을래", "응"],
    )


class Page(HTMLParser):
    """Texts, tags and scripts of a page, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style" and data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @property
    def rows(self) -> list[list[object]]:
        return json.loads(gzip.decompress(base64.b64decode(self.scripts[0])))


def test_the_verdict_comes_first_and_every_metric_is_explained(talk: Evaluation, tmp_path: Path) -> None:
    page = Page(report_page(talk, tmp_path))
    body = page.texts[1:]  # after the title
    assert body[0] == "모델이 기준선에 못 미칩니다."
    assert "2026-01-02/03-04-05" in body[1]
    assert "/home/kim" not in page.text
    assert "말뭉치 mine · 분할 group · 시험한 부분 test" in body[1]
    for name in ("bpc", "chrf"):
        assert METRICS[name].definition in page.text
        assert METRICS[name].source in page.text
    assert "낮을수록 좋음" in page.text
    assert f": 1 {NOT_COMPUTED}" in page.text  # a footnote


def test_the_best_value_follows_the_direction(talk: Evaluation) -> None:
    rows = {row.metric.name: row for row in headline(talk)}
    assert list(rows) == ["bpc", "chrf"]  # in the order of the registry
    assert rows["bpc"].best == set()  # the model alone has it: nothing to be better than
    assert rows["chrf"].best == {"nearest_question"}
    assert (rows["bpc"].arrow, rows["chrf"].arrow) == ("↓", "↑")


def test_a_metric_of_another_version_is_shown_by_its_key(talk: Evaluation, tmp_path: Path) -> None:
    model = replace(talk.systems[0], figures={"novel<b>": Interval(1.0, 1.0, 1.0)})
    page = Page(report_page(replace(talk, systems=(model, *talk.systems[1:])), tmp_path))
    assert "novel<b>" in page.texts


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.14159, "3.142"), (26.84, "26.8"), (8353792.0, "8.35M"), (12345.6, "12,346"), (0.0, "0.000"), (math.nan, "–")],
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_hostile_text_stays_text_everywhere(tmp_path: Path) -> None:
    questions = [question(f"{text}#0", text, reference=text) for text in HOSTILE]
    evil = evaluation_of(
        questions, HOSTILE, nearest=tuple((text, text) for text in HOSTILE), verdict=HOSTILE[0], run=f"a/{HOSTILE[2]}"
    )
    evil = replace(evil, setting={text[:40]: text for text in HOSTILE})
    slices = {HOSTILE[1]: {HOSTILE[2]: {"bpc": Interval(1.0, 1.0, 1.0, HOSTILE[0])}}}
    evil = replace(evil, systems=(replace(evil.systems[0], title=HOSTILE[0], slices=slices), *evil.systems[1:]))
    report = ReadReport(HOSTILE[2], private=False)
    report.labels[HOSTILE[0]] = 3
    (tmp_path / "read_report.json").write_text(json.dumps(report.as_dict()), encoding="utf-8")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(
        json.dumps({"model": {HOSTILE[0]: HOSTILE[1]}, "path": HOSTILE[2]}), encoding="utf-8"
    )
    target = tmp_path / "report.html"
    write_report(evil, tmp_path, target)
    html = target.read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.scripts) == 2  # the packed replies and our own, no third
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "iframe", "link", "object"})
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\ufeff]", html) is None
    assert "뒤집힌 ⟨U+202E⟩gnp.exe" in page.texts
    assert "반쪽 ⟨U+D83D⟩ 글자" in page.texts
    assert ("긴 " * 500 + "…") in page.texts
    packed = page.rows
    assert [row[2] for row in packed[:7]] == [visible(text) for text in HOSTILE[:7]]
    assert packed[7][2] == HOSTILE[7][:300] + "…"
    assert target.stat().st_mode & 0o777 == 0o600


def test_the_page_needs_no_network_and_runs_one_script(talk: Evaluation, tmp_path: Path) -> None:
    html = report_page(talk, tmp_path)
    page = Page(html)
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        if tag == "a":
            assert (attributes["href"] or "").startswith("#")
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    anchors = {a["href"] for t, a in page.tags if t == "a"}
    ids = [a["id"] for _, a in page.tags if "id" in a and not str(a["id"]).startswith(("m", "p"))]
    assert len(ids) == len(set(ids))
    assert {f"#{name}" for name in ids} >= {a for a in anchors if not str(a).startswith("#metric")}


def test_whole_dialogues_with_the_reply_beside_each_reference(talk: Evaluation) -> None:
    assert whole_dialogues(talk, 1) == [
        [
            ShownTurn("user", "안녕"),
            ShownTurn("assistant", "안녕!", "안녕!"),
            ShownTurn("user", "뭐 해?"),
            ShownTurn("assistant", "놀아", "몰라"),
        ]
    ]
    assert len(whole_dialogues(talk, 10)) == 3


def test_a_page_of_long_texts_stays_small(tmp_path: Path) -> None:
    draw = random.Random(0)
    long = ["".join(chr(draw.randint(0xAC00, 0xD7A3)) for _ in range(5000)) for _ in range(60)]
    said = [text for reply in long for text in (reply, reply)]
    first = [question("d#0", said[0]), question("d#59", *said[:-1], reference=long[0])]
    talk = evaluation_of([*first, *(question(f"{n}#0", text) for n, text in enumerate(long))], [*long[:2], *long])
    assert len(whole_dialogues(talk, 1)[0]) == 40
    assert len(report_page(talk, tmp_path).encode()) < 2_000_000


def test_the_best_the_middle_and_the_worst(talk: Evaluation) -> None:
    scores = reply_scores(talk)
    assert scores[0] == 100.0
    assert scores[1] == 0.0
    assert 20 < scores[2] < 80
    assert pick([5.0, 1.0, 9.0, 3.0], [None, 4.0, None, 1.0], 2) == {
        "가장 좋은 답": [2],
        "중간": [0],
        "가장 나쁜 답": [1],
    }
    assert pick([1.0, 1.0, 1.0], [2.0, 3.0, 1.0], 1)["가장 나쁜 답"] == [1]  # of equal ones the most surprising
    assert pick([1.0, 2.0], [None, None], 8) == {"모든 답": [1, 0]}


@given(st.lists(st.floats(0, 100), max_size=40), st.integers(1, 9))
def test_no_reply_is_picked_twice(scores: list[float], count: int) -> None:
    picked = [place for places in pick(scores, [None] * len(scores), count).values() for place in places]
    assert len(picked) == len(set(picked)) <= max(3 * count, 2)


def many(count: int) -> tuple[Evaluation, list[float], list[float | None]]:
    """Replies of five words like those of songys, their scores, their bits per character."""
    draw = random.Random(0)
    words = ["".join(chr(draw.randint(0xAC00, 0xAC00 + 900)) for _ in range(draw.randint(1, 4))) for _ in range(6000)]
    said = [" ".join(draw.choices(words, k=4)) for _ in range(3 * count)]
    questions = [question(f"{n}#0", said[3 * n], reference=said[3 * n + 1]) for n in range(count)]
    evaluation = evaluation_of(questions, said[2::3])
    return evaluation, [draw.uniform(0, 100) for _ in questions], [3.0] * count


def test_a_hundred_thousand_replies_fit_into_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation, scores, _ = many(100_000)
    monkeypatch.setattr(
        "yuhee.evaluation.report.reply_scores", lambda _: scores
    )  # twenty seconds of chrF that make no difference
    html = report_page(evaluation, tmp_path)
    assert len(html.encode()) < 10_000_000
    assert len(Page(html).rows) == 100_000


def test_what_does_not_fit_is_thinned_out_evenly_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, talk: Evaluation
) -> None:
    evaluation, scores, bits = many(400)
    monkeypatch.setattr(selection, "PACKED_LIMIT", 8_000)
    packed, shown = pack(evaluation, scores, bits)
    assert len(packed) <= 8_000
    assert 50 < shown < 400
    rows = json.loads(gzip.decompress(base64.b64decode(packed)))
    kept = sorted(row[4] for row in rows)
    assert kept[0] == round(min(scores), 1)
    assert kept[-1] == round(max(scores), 1)
    assert abs(kept[len(kept) // 2] - 50) < 8
    replies = [answer.text for answer in evaluation.systems[0].answers]
    places = [replies.index(row[2]) for row in rows]
    assert places == sorted(places)  # in the order of the corpus
    page = Page(report_page(evaluation, tmp_path))
    assert f"답 400개 가운데 점수 순으로 고르게 고른 {len(page.rows)}개를 실었습니다." in page.text
    assert "replies.jsonl" in page.text
    monkeypatch.setattr(selection, "_UNPACKED_LIMIT", 20)
    assert pack(talk, [1.0, 2.0, 3.0, 4.0], [None] * 4)[1] < 4  # also what a browser would have to unpack


def test_curves_config_and_corpus_of_the_run(talk: Evaluation, tmp_path: Path) -> None:
    empty = Page(report_page(talk, tmp_path))
    assert "학습 곡선" not in empty.text
    assert "(.hydra/config.yaml)이 없습니다" in empty.text
    (tmp_path / "metrics.csv").write_text(
        "step,train/bpc,train/lr,val/bpc\n10,5.0,0.1,\n20,4.0,0.2,4.5\n30,3.", encoding="utf-8"
    )  # the last line is being written
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(
        "seed: 1\ndata:\n  path: /home/kim/하늘이랑 톡.txt\nmodel:\n  lr: 0.001\n  tokenizer: /home/kim/models/kogpt2\n",
        encoding="utf-8",
    )
    report = ReadReport("mine", privacy="masked")
    list(report.count([Dialogue("a", (Turn("user", "안녕", emotion="1"), Turn("assistant", "그래")))]))
    (tmp_path / "read_report.json").write_text(json.dumps(report.as_dict()), encoding="utf-8")
    page = Page(report_page(talk, tmp_path))
    assert "글자당 비트 (train · val)" in page.texts
    assert "model.lr 0.001" in page.text
    assert "…/kogpt2" in page.text
    assert "하늘이랑" not in page.text
    assert "/home/kim" not in page.text
    assert "감정 표지 1 1" in page.text  # the corpus report's own rows
    assert "개인정보를 가린 대화가 그대로 들어 있습니다" in page.text


@pytest.mark.parametrize("content", ["{", "[]", '{"turns": {}, "labels": 3}', '{"privacy": "other", "turns": 1}'])
def test_a_broken_corpus_report_does_not_stop_the_page(talk: Evaluation, tmp_path: Path, content: str) -> None:
    (tmp_path / "read_report.json").write_text(content, encoding="utf-8")
    assert "말뭉치 보고서(read_report.json)가 없거나 읽을 수 없습니다" in report_page(talk, tmp_path)


@pytest.mark.parametrize(
    ("values", "notice"),
    [({"private": False}, False), ({"privacy": "public"}, False), ({"privacy": "unmasked"}, True), ({}, True)],
)
def test_private_text_is_announced(talk: Evaluation, tmp_path: Path, values: dict[str, object], notice: bool) -> None:
    (tmp_path / "read_report.json").write_text(json.dumps({"source": "x", **values}), encoding="utf-8")
    assert ("가리지 않은 대화가 그대로" in report_page(talk, tmp_path)) is notice


def test_a_part_of_the_questions_is_called_one(talk: Evaluation, tmp_path: Path) -> None:
    some = replace(talk, setting={**talk.setting, "questions_in_split": 1234})
    assert f"답 {len(talk.questions)}개 (모두 1,234개 가운데)" in Page(report_page(some, tmp_path)).text
    whole = replace(talk, setting={**talk.setting, "questions_in_split": len(talk.questions)})
    assert "가운데)" not in Page(report_page(whole, tmp_path)).text


def test_another_run_that_it_was_compared_with(talk: Evaluation, tmp_path: Path) -> None:
    found = {"bpc": {"value": -0.25, "low": -0.5, "high": -0.125, "p": 0.004, "replies": 7}, "ppl": {"reason": "다름"}}
    page = Page(report_page(replace(talk, against={"run": "outputs/day/<b>", "differences": found}), tmp_path))
    assert "day/<b>와 견주어" in page.text
    assert "−0.250" in page.text.replace("-0.250", "−0.250")
    assert "p = 0.004" in page.text
    assert "혼란도: 다름" in page.text
    assert "와 견주어" not in Page(report_page(talk, tmp_path)).text.replace("기준선과 견주어", "")


def test_the_leaky_split_stands_apart(talk: Evaluation, tmp_path: Path) -> None:
    systems = {"nearest_question": {"title": "가장 가까운 질문의 답", "figures": {"chrf": 26.84, "exact": None}}}
    other = {**talk.setting, "other_split": {"by": "row", "systems": systems}}
    text = Page(report_page(replace(talk, setting=other), tmp_path)).text
    assert "행 단위로 나누었다면" in text
    assert "26.8" in text
    assert "other_split" not in text


def test_a_corpus_report_survives_the_disk() -> None:
    report = ReadReport("mine", privacy="masked")
    turns = (Turn("user", "안녕", emotion="3", time="2022-04-01T23:59"), Turn("assistant", "그래"))
    list(report.count([Dialogue("a", turns)]))
    report.skip(3, "빈 줄")
    back = ReadReport.from_dict(json.loads(json.dumps(report.as_dict())))
    assert (back.labels, back.hours, back.dialogue_turns) == ({"3": 1}, {23: 1}, {2: 1})
    assert back.turns == 2
    assert [tuple(line) for line in back.skipped] == [(3, "빈 줄")]


def shown_by_a_browser(page: Path) -> str:
    """The document as HTML after its scripts ran."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        need("browser", "there is no Chromium")
    assert browser is not None
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom")
    profile = f"--user-data-dir={page.parent / 'chrome'}"
    command = [browser, *quiet, "--virtual-time-budget=3000", "--window-size=1280,900", profile, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_browser_shows_every_reply_in_pages(tmp_path: Path) -> None:
    replies = [f"{number}번 답" for number in range(119)] + ["<b>굵게</b>"]
    evaluation = evaluation_of([question(f"{n}#0", f"{n}번 물음") for n in range(120)], replies)
    write_report(evaluation, tmp_path, tmp_path / "report.html")
    shown = shown_by_a_browser(tmp_path / "report.html")
    assert "1 / 3쪽 · 120개" in shown
    page = Page(shown)
    assert page.texts.count("49번 답") >= 1  # the page has 50 rows once the script ran, 20 without
    assert not any(tag == "b" and not attributes for tag, attributes in page.tags)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_a_phone_or_a_desk(width: int, tmp_path: Path) -> None:
    """Wide tables scroll in a box of their own; a word without a gap is broken."""
    replies = ["가" * 2000, "https://" + "a" * 500, "응"]
    evaluation = evaluation_of([question(f"{n}#0", "나" * 900) for n in range(3)], replies)
    html = report_page(evaluation, tmp_path)
    (tmp_path / "frame.html").write_text(
        f"""<!doctype html><meta charset="utf-8"><p></p>
<iframe width="{width}" height="800" style="border:0" srcdoc="{escape(html)}"></iframe>
<script>addEventListener("load", () => {{
  const root = document.querySelector("iframe").contentDocument.documentElement;
  document.querySelector("p").textContent = `${{root.clientWidth}} of ${{root.scrollWidth}}, ${{root.scrollHeight}} high`;
}})</script>""",
        encoding="utf-8",
    )
    measured = re.search(r"<p>(\d+) of (\d+), (\d+) high</p>", shown_by_a_browser(tmp_path / "frame.html"))
    assert measured
    seen, whole, height = map(int, measured.groups())
    assert width - 20 <= seen <= width  # less what a scroll bar takes
    assert whole == seen
    assert height > 800
