"""KETI dialogues (AI Hub, 한국어 대화 데이터셋): office and everyday talk, emergency calls.

Three releases, told apart by their content: numbered text (`1<TAB>question`, `2<TAB>answer`, 1 again begins the next
dialogue), JSON exchanges (`index`, `domain`, `user_utterance`, `system_utterance`) and the older CSV with the same
columns. No specification is published; the grammar follows what public loaders accept.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yuhee.data.corpora.json_stream import find_encoding, read_lines, read_records, too_long
from yuhee.data.corpora.table import read_rows
from yuhee.data.corpora.text_file import find_file
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

SIDES = (("user_utterance", "user"), ("system_utterance", "assistant"))
COLUMNS = ("index", "user_utterance", "system_utterance")
NOTHING = ("", "null", "nan")

# Compared without spaces: one release spells `output_ daily_1st.json`.
_OFFICIAL = re.compile(
    r"(?P<copy>modified_)?(?P<name>keti_대화데이터_(일상_?오피스|응급상황)\.txt"
    r"|output_(daily_(1st|2nd|3rd)|task)\.jsonl?|일상_오피스_\d\.csv)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"[\s\ufeff]*(\d{1,6})[\s\ufeff]*")
_INDEX = re.compile(r"\s*(\d{1,9})(?:\.0)?\s*")


@dataclass
class _Open:
    """A dialogue that is being read."""

    id: str
    domain: str = ""
    turns: list[Turn] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    def close(self) -> Dialogue:
        meta = {**({"domain": self.domain} if self.domain else {}), **self.meta}
        return Dialogue(self.id, tuple(self.turns), group_keys(self.turns), "keti", meta)


def read(path: str | None, report: ReadReport, *, domain: str | None = None) -> Iterator[Dialogue]:
    """Yield the dialogues of a folder (every file with a KETI name in it) or of one file under any name.

    Args:
        path: the folder or the file.
        report: gets the files that were taken as a note, and every line or record that cannot be used. A reason
            names the file where there are several.
        domain: keep only the dialogues of this domain (`daily`, `email`, `schedule`, `meeting`), in any case. The
            text release knows no domains.

    Raises:
        UserError: nothing was named or found, a file is undecodable, or no dialogue is of this domain.
    """
    if path is None:
        raise UserError("data.path에 KETI 폴더나 파일을 지정해 주세요.")
    files = _find_files(Path(path).expanduser(), report)
    wanted = None if domain is None else domain.strip().lower()
    found: Counter[str] = Counter()
    encodings: dict[str, None] = {}
    for file in files:
        name = _plain(file.name) if _official(file.name) else "file"  # a name of the user's own tells about the user
        where = f"{name}: " if len(files) > 1 else ""
        for dialogue in _dialogues(file, name.rpartition(".")[0] or name, where, report):
            found[dialogue.meta.get("domain", "")] += 1
            if wanted in (None, dialogue.meta.get("domain", "")):
                yield dialogue
        encodings[report.encoding] = None
    report.encoding = ", ".join(encodings)
    if wanted is not None:
        _tell_filter(wanted, found, report)


def _tell_filter(wanted: str, found: Counter[str], report: ReadReport) -> None:
    if not found[wanted] or not wanted:
        names = ", ".join(sorted(name[:20] for name in found if name)) or "없음, txt에는 domain이 없습니다"
        raise UserError(
            f"data.reader.domain={wanted}: 이 domain의 대화가 없습니다(있는 domain: {names}). 있는 것 가운데 골라 주세요."
        )
    if others := found.total() - found[wanted]:
        report.notes.append(f"domain이 다르거나 없는 대화 {others}개를 뺐습니다.")


def _find_files(path: Path, report: ReadReport) -> list[Path]:
    if not path.is_dir():
        return [find_file(path)]
    candidates: dict[str, list[tuple[bool, int, Path]]] = {}
    for file in path.rglob("*"):
        if (match := _official(file.name)) and file.is_file():
            candidates.setdefault(match["name"].lower(), []).append((bool(match["copy"]), len(file.parts), file))
    if not candidates:
        raise UserError(
            f"{path}: KETI 파일이 없습니다. KETI_대화데이터_일상_오피스.txt나 output_daily_1st.json이 든 폴더, "
            "또는 파일 하나를 data.path에 지정해 주세요."
        )
    files = [min(candidates[name])[-1] for name in sorted(candidates)]  # the original before a copy
    report.notes.append(f"KETI 파일 {len(files)}개를 읽었습니다: {', '.join(_plain(file.name) for file in files)}.")
    if left_out := sum(map(len, candidates.values())) - len(files):
        report.notes.append(f"같은 파일의 다른 사본 {left_out}개는 읽지 않았습니다.")
    return files


def _plain(name: str) -> str:
    """A file name in NFC, without spaces."""
    return unicodedata.normalize("NFC", name).replace(" ", "")


def _official(name: str) -> re.Match[str] | None:
    return _OFFICIAL.fullmatch(_plain(name))


def _dialogues(file: Path, name: str, where: str, report: ReadReport) -> Iterator[Dialogue]:
    """The dialogues of one file, by its content; the extension helps only where the content does not tell."""
    with file.open(encoding=find_encoding(file)) as stream:
        first = next((line for line in read_lines(stream) if line is None or line.strip()), None) or ""
    suffix = file.suffix.lower()
    if _NUMBERED.fullmatch(first.partition("\t")[0]) and "\t" in first:
        return _numbered(file, name, where, report)
    if first.lstrip()[:1] in ("[", "{") or suffix in (".json", ".jsonl"):
        return _exchanges(read_records(file, report, where), name, where, report)
    if "user_utterance" in first or suffix == ".csv":
        remedy = f"첫 줄을 '{','.join(COLUMNS)}' 로 고쳐 주세요."
        return _exchanges(read_rows(file, report, COLUMNS, remedy, where), name, where, report)
    return _numbered(file, name, where, report)


def _numbered(file: Path, name: str, where: str, report: ReadReport) -> Iterator[Dialogue]:
    """Numbered lines: odd numbers are the user's, whatever stands between; a number that does not rise begins anew."""
    report.encoding = find_encoding(file)
    current = _Open("")
    last = jumps = 0
    with file.open(encoding=report.encoding) as stream:
        for line_number, line in enumerate(read_lines(stream), start=1):
            report.lines += 1
            if line is not None and not line.strip("\ufeff \t"):
                report.kinds["blank"] += 1
                continue
            try:
                number, text = _parse(line)
            except ValueError as error:
                report.skip(line_number, f"{where}{error}")
                continue
            if number <= last or not current.id:
                if current.turns:
                    yield current.close()
                current, last = _Open(f"keti:{name}:{line_number}"), 0
            jumps += number != last + 1
            last = number
            if not text:
                report.skip(line_number, f"{where}번호 뒤에 글이 없습니다")
                continue
            report.kinds["text"] += 1
            current.turns.append(Turn("user" if number % 2 else "assistant", text))
    if current.turns:
        yield current.close()
    if jumps:
        report.notes.append(f"{where}번호가 건너뛴 곳이 {jumps}군데 있습니다. 앞뒤를 이어 읽었습니다.")


def _parse(line: str | None) -> tuple[int, str]:
    if line is None:
        raise ValueError(too_long())
    head, tab, text = line.partition("\t")
    if not tab:
        raise ValueError("TAB이 없습니다('번호<TAB>글'이어야 합니다)")
    match = _NUMBERED.fullmatch(head)
    if not match or int(match[1]) < 1:
        raise ValueError("TAB 앞이 1 이상의 번호가 아닙니다")
    return int(match[1]), text.strip()


def _exchanges(records: Iterator[tuple[int, Any]], name: str, where: str, report: ReadReport) -> Iterator[Dialogue]:
    """Exchanges grouped by index, which counts within one file; the order is the file's."""
    grouped: dict[int, _Open] = {}
    odd: Counter[str] = Counter()
    last = None
    for number, record in records:
        try:
            index, domain, turns = _exchange(record)
            rest = _rest(record)
        except ValueError as error:
            report.skip(number, f"{where}{error}")
            continue
        report.kinds["text"] += 1
        odd["one side"] += len(turns) < len(SIDES)
        known = grouped.setdefault(index, _Open(f"keti:{name}:{index}", domain))
        odd["torn"] += bool(known.turns) and index != last
        odd["domain"] += domain != known.domain
        known.turns += turns
        known.meta |= rest
        last = index
    for dialogue in grouped.values():
        yield dialogue.close()
    for kind, said in (
        ("one side", "한쪽 말만 있는 기록이 {}건 있습니다. 있는 쪽만 읽었습니다."),
        ("torn", "같은 index가 떨어져서 다시 나온 곳이 {}군데 있습니다. 한 대화로 이었습니다."),
        ("domain", "같은 index인데 domain이 다른 기록이 {}건 있습니다. 처음 domain을 따랐습니다."),
    ):
        if odd[kind]:
            report.notes.append(where + said.format(odd[kind]))


def _exchange(record: Any) -> tuple[int, str, list[Turn]]:
    if not isinstance(record, dict):
        raise ValueError("기록이 객체가 아닙니다")
    index = record.get("index")
    match = _INDEX.fullmatch(str(index)) if isinstance(index, str | int | float) else None
    if not match:
        raise ValueError("'index'가 숫자가 아닙니다")
    turns = []
    for key, role in SIDES:
        said = record.get(key)
        if _is_missing(said):
            continue
        if not isinstance(said, str):
            raise ValueError(f"'{key}'가 문자열이 아닙니다")
        try:
            turns.append(Turn("user" if role == "user" else "assistant", said.strip()))
        except ValueError:
            raise ValueError(f"'{key}'에 글자 반쪽(짝 없는 서로게이트)이 들어 있습니다") from None
    if not turns:
        raise ValueError("'user_utterance'와 'system_utterance'가 모두 비어 있습니다")
    domain = record.get("domain")
    return int(match[1]), domain.strip().lower() if isinstance(domain, str) and not _is_missing(domain) else "", turns


def _is_missing(value: Any) -> bool:
    """JSON null, NaN, blanks, and the words that tables write for them."""
    return value is None or (isinstance(value, str | float) and str(value).strip().lower() in NOTHING)


def _rest(record: dict[str, Any]) -> dict[str, Any]:
    """Whatever else the record says.

    Raises:
        ValueError: it could not be written to a file.
    """
    rest = {key: value for key, value in record.items() if key not in (*COLUMNS, "domain")}
    try:
        json.dumps([rest, record.get("domain")], ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise ValueError("글자 반쪽(짝 없는 서로게이트)이나 너무 깊이 겹친 값이 들어 있습니다") from None
    return rest
