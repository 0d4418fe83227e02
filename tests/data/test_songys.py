import hashlib
import os
import random
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.corpora import songys
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

PUBLISHED = 'Q,A,label\r\n12시 땡!,하루가 또 가네요.,0\r\n"응, 헤어졌어",힘내세요.,1\r\n좋아해,"네, 저도요.",2'.encode()


@dataclass
class Server:
    """What the loopback server answers, and how often it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = PUBLISHED
    announced: int | None = None
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A loopback server that stands for GitHub and publishes a corpus of three rows."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.body) if state.announced is None else state.announced))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/ChatbotData.csv"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(songys, "URL", state.url)
    monkeypatch.setattr(songys, "SHA256", hashlib.sha256(PUBLISHED).hexdigest())
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


def read(path: Path | str | None) -> tuple[list[Dialogue], ReadReport]:
    report = ReadReport("songys")
    return list(songys.read(None if path is None else str(path), report)), report


def written(folder: Path, text: str, name: str = "mine.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


def rows(folder: Path, *lines: str, header: str = "Q,A,label") -> tuple[list[tuple[str, ...]], ReadReport]:
    """(Q, A, label) of the dialogues read from a file with these lines."""
    dialogues, report = read(written(folder, "\r\n".join([header, *lines])))
    return [(d.turns[0].text, d.turns[1].text, str(d.turns[0].emotion)) for d in dialogues], report


def cached() -> Path:
    return Path(os.environ["YUHEE_CACHE_DIR"]) / "songys" / "ChatbotData.csv"


def leftovers() -> list[Path]:
    return [path for path in Path(os.environ["YUHEE_CACHE_DIR"]).rglob("*") if path.is_file()]


def test_a_row_is_a_dialogue_of_two_turns(tmp_path: Path) -> None:
    dialogues, report = read(written(tmp_path, PUBLISHED.decode()))
    first = dialogues[0]
    assert [(t.role, t.text, t.emotion, t.weight) for t in first.turns] == [
        ("user", "12시 땡!", "0", 1),
        ("assistant", "하루가 또 가네요.", None, 1),
    ]
    assert (first.id, first.source, first.group_keys) == ("songys:2", "songys", ("q:12시땡", "a:하루가 또 가네요."))
    assert first.meta == {"labels": [0], "name": "일상"}
    assert [d.meta["name"] for d in dialogues] == ["일상", "이별", "사랑"]
    assert (report.skipped, report.notes, report.encoding) == ([], [], "utf-8-sig")


def test_a_comma_in_a_quoted_field_is_text(tmp_path: Path) -> None:
    assert rows(tmp_path, '"어, 왔어?","응, 왔어, 방금",0')[0] == [("어, 왔어?", "응, 왔어, 방금", "0")]


def test_a_doubled_quote_is_a_quote(tmp_path: Path) -> None:
    assert rows(tmp_path, '"그가 ""안녕"" 했어",정말요?,0')[0] == [('그가 "안녕" 했어', "정말요?", "0")]


def test_spaces_around_fields_are_not_content(tmp_path: Path) -> None:
    assert rows(tmp_path, "  안녕 , 반가워요 ,2   ")[0] == [("안녕", "반가워요", "2")]


@pytest.mark.parametrize("inside", ["\u2028", "\x0b", "\x85"])
def test_an_odd_separator_inside_a_field_breaks_no_row(tmp_path: Path, inside: str) -> None:
    found, report = rows(tmp_path, f"밥{inside}먹자,좋아요,0", "잘자,네,0")
    assert found == [(f"밥{inside}먹자", "좋아요", "0"), ("잘자", "네", "0")]
    assert report.skipped == []


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    assert rows(tmp_path, "1,힘내세요,헤어졌어", header="label,A,Q")[0] == [("헤어졌어", "힘내세요", "1")]


def test_a_further_column_is_ignored(tmp_path: Path) -> None:
    found, report = rows(tmp_path, "0,안녕,반가워요,0", '1,"어, 왔어?",네,2', header=",Q,A,label")
    assert report.skipped == []
    assert found == [("안녕", "반가워요", "0"), ("어, 왔어?", "네", "2")]


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("Q,A", "label"),
        ("질문,답,감정", "Q, A, label"),
        ("q,a,label", "Q, A"),
        ("", "Q, A, label"),
        ("Q;A;label", "Q,"),
    ],
)
def test_missing_columns_are_named_with_the_file_and_the_line(tmp_path: Path, header: str, missing: str) -> None:
    with pytest.raises(UserError, match=rf"mine\.csv, 1번째 줄: 열 {missing}") as caught:
        rows(tmp_path, "안녕,반가워요,0", header=header)
    assert "\n" not in str(caught.value)


def test_a_first_line_without_end_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1번째 줄"):
        read(written(tmp_path, "가나다라" * 40_000))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("안녕,반가워요", "열이 2개뿐입니다"),
        ("안녕", "열이 1개뿐입니다"),
        ("어, 왔어?,네,0", "열이 4개입니다"),
        (",네,0", "Q나 A가 비어 있습니다"),
        ("안녕,  ,0", "Q나 A가 비어 있습니다"),
        ("안녕,네,슬픔", "label이 정수가 아닙니다"),
        ("안녕,네,", "label이 정수가 아닙니다"),
        ("안녕,네,1.5", "label이 정수가 아닙니다"),
        ("안녕,네," + "9" * 5000, "label이 정수가 아닙니다"),
        ('"안녕,네,0', "따옴표가 닫히지 않았습니다"),
        ('안녕,"네,0', "따옴표가 닫히지 않았습니다"),
    ],
)
def test_a_bad_row_is_reported_with_its_line_and_spoils_no_other(tmp_path: Path, line: str, reason: str) -> None:
    found, report = rows(tmp_path, "하나,일,0", line, "둘,이,1", "", "셋,삼,2")
    assert found == [("하나", "일", "0"), ("둘", "이", "1"), ("셋", "삼", "2")]
    [(number, said)] = report.skipped
    assert number == 3
    assert said.startswith(reason)
    assert report.notes == []


def test_the_report_holds_no_text_of_the_rows(tmp_path: Path) -> None:
    _, report = rows(tmp_path, "비밀이야,비밀", "비밀, 비밀,비밀,0", '"비밀,비밀,0', "비밀,비밀,비밀", "안녕,네,0")
    assert len(report.skipped) == 4
    assert "비밀" not in str(report.as_dict())
    assert str(tmp_path) not in str(report.as_dict())


def test_a_pair_with_two_labels_is_one_dialogue_with_the_smaller(tmp_path: Path) -> None:
    dialogues, report = read(written(tmp_path, "Q,A,label\n그래,네,2\n안녕,네,1\n그래,네,0\n그래,아니요,1\n"))
    assert [(d.id, d.turns[0].emotion, d.meta["labels"]) for d in dialogues] == [
        ("songys:2", "0", [0, 2]),
        ("songys:3", "1", [1]),
        ("songys:5", "1", [1]),
    ]
    assert report.notes == ["같은 질문과 답이 되풀이된 1줄을 하나로 합쳤습니다."]


def test_the_same_pair_in_another_unicode_form_is_the_same_pair(tmp_path: Path) -> None:
    found, _ = rows(tmp_path, "헤어졌어,힘내세요,0", unicodedata.normalize("NFD", "헤어졌어,힘내세요") + ",1")
    assert found == [("헤어졌어", "힘내세요", "0")]


@pytest.mark.parametrize("blank", ["", "   ", "\t", "\u3000"])
def test_blank_lines_are_neither_rows_nor_repetitions(tmp_path: Path, blank: str) -> None:
    found, report = rows(tmp_path, "안녕,네,0", blank, "잘자,네,0", blank)
    assert len(found) == 2
    assert (report.skipped, report.notes) == ([], [])


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")).map(str.strip).filter(bool)


@given(st.dictionaries(st.tuples(FIELD, FIELD), st.integers(0, 2), min_size=1, max_size=8))
def test_any_properly_quoted_file_comes_back(tmp_path: Path, table: dict[tuple[str, str], int]) -> None:
    table = {
        (unicodedata.normalize("NFC", q), unicodedata.normalize("NFC", a)): label for (q, a), label in table.items()
    }
    lines = [
        '"{}","{}",{}'.format(q.replace('"', '""'), a.replace('"', '""'), label) for (q, a), label in table.items()
    ]
    found, report = rows(tmp_path, *lines)
    assert found == [(q, a, str(label)) for (q, a), label in table.items()]
    assert report.skipped == []


@given(st.lists(st.text(st.sampled_from('안녕,"012 \t\u2028가')), max_size=12))
def test_no_row_vanishes_whatever_the_lines_hold(tmp_path: Path, lines: list[str]) -> None:
    dialogues, report = read(written(tmp_path, "\n".join(["Q,A,label", "처음,시작,0", *lines])))
    merged = sum(int(note.split("되풀이된 ")[1].split("줄")[0]) for note in report.notes)
    assert len(dialogues) + len(report.skipped) + merged == 1 + sum(bool(line.strip()) for line in lines)


def test_a_resaved_cp949_file_reads_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(PUBLISHED.decode().encode("cp949"))
    dialogues, report = read(file)
    assert [d.turns for d in dialogues] == [d.turns for d in read(written(tmp_path, PUBLISHED.decode(), "u.csv"))[0]]
    assert report.encoding == "cp949"


def test_a_file_with_a_header_alone_holds_no_dialogue(tmp_path: Path) -> None:
    assert rows(tmp_path)[0] == []


@pytest.mark.usefixtures("server")
def test_only_the_published_bytes_are_not_private(tmp_path: Path) -> None:
    assert not read(written(tmp_path, PUBLISHED.decode()))[1].private
    assert read(written(tmp_path, PUBLISHED.decode() + "\r\n"))[1].private


def test_data_path_comes_before_every_other_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    given_file = written(tmp_path, "Q,A,label\n내 질문,내 답,0", "ChatbotData.csv")
    monkeypatch.setenv("YUHEE_DATA_DIR", str(tmp_path / "data"))
    for place in (tmp_path / "data" / "songys" / "ChatbotData.csv", cached()):
        place.parent.mkdir(parents=True)
        place.write_bytes(PUBLISHED)
    assert songys.locate(str(given_file)) == given_file
    assert songys.locate(str(tmp_path)) == given_file
    assert songys.locate("ChatbotData.csv").resolve() == given_file
    assert server.requests == []


def test_the_data_folder_comes_before_the_cache_and_the_cache_before_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    in_data = tmp_path / "data" / "songys" / "ChatbotData.csv"
    for place in (in_data, cached()):
        place.parent.mkdir(parents=True)
        place.write_bytes(PUBLISHED)
    monkeypatch.setenv("YUHEE_DATA_DIR", str(tmp_path / "data"))
    assert songys.locate(None) == in_data
    in_data.unlink()
    assert songys.locate(None) == cached()
    monkeypatch.delenv("YUHEE_DATA_DIR")
    assert songys.locate(None) == cached()
    assert server.requests == []


def test_a_download_is_kept_in_the_cache_and_made_once(server: Server) -> None:
    dialogues, report = read(None)
    assert [d.turns[0].text for d in dialogues] == ["12시 땡!", "응, 헤어졌어", "좋아해"]
    assert not report.private
    assert leftovers() == [cached()]
    assert cached().read_bytes() == PUBLISHED
    read(None)
    assert server.requests == ["/ChatbotData.csv"]


@pytest.mark.parametrize("path", ["없는.csv", "빈 폴더"])
def test_a_given_path_without_the_file_never_downloads(tmp_path: Path, server: Server, path: str) -> None:
    (tmp_path / "빈 폴더").mkdir()
    with pytest.raises(UserError, match=r"파일이 없습니다"):
        songys.locate(str(tmp_path / path))
    assert server.requests == []


def test_a_changed_file_in_the_data_folder_is_refused_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    file = tmp_path / "songys" / "ChatbotData.csv"
    file.parent.mkdir()
    file.write_bytes(PUBLISHED[:-5])
    monkeypatch.setenv("YUHEE_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match="SHA-256") as caught:
        songys.locate(None)
    assert f"data.path={file}" in str(caught.value)
    assert file.read_bytes() == PUBLISHED[:-5]
    assert server.requests == []
    assert songys.locate(str(file)) == file


def refuse_to_download(server: Server) -> str:
    """The one sentence a failed download says, having left nothing behind."""
    with pytest.raises(UserError) as caught:
        read(None)
    assert leftovers() == []
    message = str(caught.value)
    assert "\n" not in message
    assert server.url in message
    assert "data.path" in message
    return message


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", PUBLISHED + b"\n", PUBLISHED[:-3]])
def test_wrong_bytes_are_not_kept(server: Server, body: bytes) -> None:
    server.body = body
    assert "SHA-256이 다릅니다" in refuse_to_download(server)


def test_a_download_that_breaks_off_is_not_kept(server: Server) -> None:
    server.body, server.announced = PUBLISHED[:40], len(PUBLISHED)
    refuse_to_download(server)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_says_no_is_one_sentence(server: Server, status: int) -> None:
    server.status = status
    refuse_to_download(server)


def test_no_server_is_one_sentence(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.url = "http://127.0.0.1:9/ChatbotData.csv"
    monkeypatch.setattr(songys, "URL", server.url)
    assert "네트워크" in refuse_to_download(server)


def test_a_failed_download_does_not_stand_in_the_way_of_the_next(server: Server) -> None:
    server.status = 503
    refuse_to_download(server)
    server.status = 200
    assert len(read(None)[0]) == 3


@pytest.mark.parametrize("damage", [b"", PUBLISHED[:-1], PUBLISHED + b"x"])
def test_a_damaged_cached_file_is_fetched_again(server: Server, damage: bytes) -> None:
    cached().parent.mkdir(parents=True)
    cached().write_bytes(damage)
    assert len(read(None)[0]) == 3
    assert cached().read_bytes() == PUBLISHED
    assert leftovers() == [cached()]
    assert len(server.requests) == 1


def test_a_damaged_cached_file_is_never_used_without_a_server(server: Server) -> None:
    server.status = 404
    cached().parent.mkdir(parents=True)
    cached().write_bytes(PUBLISHED[:-1])
    refuse_to_download(server)


@pytest.mark.usefixtures("server")
def test_a_cache_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"저장할 수 없습니다 \(.+\)\. YUHEE_CACHE_DIR"):
        songys.locate(None)


@pytest.mark.usefixtures("server")
def test_a_cache_that_may_not_be_written_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("pooch.utils.os.makedirs", refuse)
    with pytest.raises(UserError, match="YUHEE_CACHE_DIR") as caught:
        songys.locate(None)
    assert "(None)" not in str(caught.value)


def test_the_published_file_has_11750_dialogues(songys_data: Path) -> None:
    dialogues, report = read(None)
    assert (len(dialogues), report.skipped, report.private, report.encoding) == (11_750, [], False, "utf-8-sig")
    assert report.notes == ["같은 질문과 답이 되풀이된 73줄을 하나로 합쳤습니다."]
    assert Counter(d.turns[0].emotion for d in dialogues) == {"0": 5_290, "1": 3_498, "2": 2_962}
    assert len({(d.turns[0].text, d.turns[1].text) for d in dialogues}) == len({d.id for d in dialogues}) == 11_750
    assert sum(len(d.meta["labels"]) == 2 for d in dialogues) == 73
    assert {d.id: d.turns[0].emotion for d in dialogues}["songys:10678"] == "2"
    assert sum("," in d.turns[0].text for d in dialogues) == 39
    assert read(songys_data / "songys")[0] == dialogues


def test_any_other_bytes_are_private(songys_data: Path, tmp_path: Path) -> None:
    lines = (songys_data / "songys" / "ChatbotData.csv").read_bytes().split(b"\r\n")
    shuffled = lines[1:]
    random.Random(0).shuffle(shuffled)
    changed = tmp_path / "shuffled.csv"
    changed.write_bytes(b"\r\n".join([lines[0], *shuffled]))
    dialogues, report = read(changed)
    assert (len(dialogues), report.skipped, report.private) == (11_750, [], True)
