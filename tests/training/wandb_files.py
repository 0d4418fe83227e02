"""What W&B wrote offline: a log of protobuf records in LevelDB's format, after a header of seven bytes."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
WHOLE, LAST = 1, 4


def records(folder: Path) -> list[tuple[str, Any]]:
    """Kind and content of every record of the newest offline run in a run folder, once W&B has written its end."""
    file = max(folder.glob("wandb/offline-run-*/*.wandb"))  # named after the second of its start
    for _ in range(100):
        found = list(_records(file.read_bytes()))
        if found and found[-1][0] == "exit":
            return found
        time.sleep(0.1)
    raise AssertionError(f"{file} has no end: {[kind for kind, _ in found]}")


def _records(data: bytes) -> Iterator[tuple[str, Any]]:
    assert data[:4] == b":W&B"
    place, payload = 7, b""
    while place < len(data):
        if (left := BLOCK - place % BLOCK) < 7:
            place += left
            continue
        _, size, part = struct.unpack_from("<IHB", data, place)
        payload += data[place + 7 : place + 7 + size]
        place += 7 + size
        if part in (WHOLE, LAST):
            record = Record.FromString(payload)
            payload = b""
            kind = record.WhichOneof("record_type")
            yield kind, getattr(record, kind)


def values(items: Any) -> dict[str, Any]:
    """Key → value of a record's items; nested keys are joined by dots."""
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def history(folder: Path) -> list[dict[str, Any]]:
    return [values(record.item) for kind, record in records(folder) if kind == "history"]


def summary(folder: Path) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for kind, record in records(folder):
        if kind == "summary":
            merged |= values(record.update)
    return merged


def tables(folder: Path) -> list[dict[str, Any]]:
    """The tables that were logged, as W&B keeps them beside its log, in order."""
    found = folder.glob("wandb/offline-run-*/files/media/table/*.table.json")
    steps = sorted(found, key=lambda file: (file.parts[-5], int(file.name.split("_")[1])))
    return [json.loads(file.read_text(encoding="utf-8")) for file in steps]


def service(parent: int) -> int:
    """Process id of the W&B service that a process started and that still runs; it may take a while to start."""
    for _ in range(100):
        if (found := _service(parent)) is not None:
            return found
        time.sleep(0.1)
    raise AssertionError("no W&B service runs")


def _service(parent: int) -> int | None:
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
            state, ppid = (place / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if b"wandb-core" in command and int(ppid) == parent and state not in "TZ":
            return int(place.name)
    return None
