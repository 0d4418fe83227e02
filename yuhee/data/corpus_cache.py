"""Public corpora as they were read, in the user's cache, so that the next run need not parse them again.

Never those of somebody's own, and never stale: an entry counts only while the bytes it was made from, the reader and
its options, and the code of this package are the same.
"""

import contextlib
import hashlib
import inspect
import json
import mmap
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from yuhee.data.dialogue_store import DialogueStore, digest
from yuhee.data.report import ReadReport
from yuhee.paths import cache_dir, private_partial


class Source(NamedTuple):
    """Where a corpus is remembered, and what must still be the same.

    Attributes:
        place: one file per corpus, reader, options and path; what is read of a changed source replaces it.
        fingerprint: of the source's bytes and the code that reads them.
    """

    place: Path
    fingerprint: str


def source_of(name: str, reader: Callable[..., Any], path: str | None, *, public: bool) -> Source | None:
    """The source of a corpus that may be remembered; None for one that is private, or is not made of files here.

    A corpus may be remembered if the user says that it is public (`data.privacy=public`), or if its reader's module
    has a function `locate(path)` that gives the published file.

    Raises:
        UserError: as `locate` does.
    """
    whole = reader if isinstance(reader, partial) else partial(reader)
    locate = getattr(inspect.getmodule(whole.func), "locate", None)
    if locate is not None:
        place = Path(locate(path))
    elif public and path is not None:
        place = Path(path).expanduser()
    else:
        return None
    files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
    try:
        content = [(str(file.relative_to(place)), _hash_of(file)) for file in files]
    except OSError:
        return None  # the reader says what is wrong
    if not content:
        return None
    function = f"{whole.func.__module__}.{whole.func.__qualname__}"
    identity = digest(repr([name, function, whole.keywords, path, os.path.realpath(place), public])).hex()
    return Source(cache_dir() / "corpora" / f"{identity}.arrow", digest(repr([content, _code()])).hex())


def recall(source: Source) -> tuple[DialogueStore, ReadReport] | None:
    """The dialogues and the report of a source that has not changed; None if there are none, or the file is damaged."""
    store = _opened(source.place)
    if store is None or store.metadata.get(b"fingerprint") != source.fingerprint.encode():
        return None
    return store, _parsed(store.metadata[b"report"].decode())


def remember(source: Source, store: DialogueStore, report: ReadReport) -> None:
    """Keep a public corpus, for its owner alone. Where that cannot be, the next run reads it again."""
    if report.private:
        raise ValueError("a private corpus is not kept outside its run")
    metadata = {"fingerprint": source.fingerprint, "report": _written(report)}
    with contextlib.suppress(OSError):
        source.place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, partial_file = private_partial(source.place)
        try:
            with os.fdopen(handle, "wb") as file:
                store.write(file, metadata)
            partial_file.replace(source.place)
        finally:
            partial_file.unlink(missing_ok=True)


def remembered(origins: set[str]) -> list[Path]:
    """The files that keep a corpus which was read from one of these places (see `ReadReport.origins`)."""
    found = []
    for place in sorted((cache_dir() / "corpora").glob("*.arrow")):
        store = _opened(place)
        report = json.loads(store.metadata.get(b"report", b"{}")) if store else {}
        if origins & set(report.get("origins", ())):
            found.append(place)
    return found


def _opened(place: Path) -> DialogueStore | None:
    """The store in a file; None if there is none, or it is damaged."""
    try:
        with place.open("rb") as file:
            return DialogueStore(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # Arrow's errors are ValueErrors
        return None


def _hash_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()


@cache
def _code() -> list[str]:
    """What makes dialogues of bytes: this package's code, and Python's tables of Unicode."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return [*map(_hash_of, files), sys.version, unicodedata.unidata_version]


def _written(report: ReadReport) -> str:
    """The report as JSON that gives it back, numbers as keys included."""
    values = vars(report).items()
    return json.dumps({key: list(value.items()) if isinstance(value, Counter) else value for key, value in values})


def _parsed(text: str) -> ReadReport:
    values = json.loads(text)
    blank = vars(ReadReport(""))
    counters = {key: Counter(dict(values[key])) for key in values if isinstance(blank[key], Counter)}
    return ReadReport(**{**values, **counters, "skipped": [tuple(each) for each in values["skipped"]]})
