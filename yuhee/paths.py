"""Folders outside the project."""

import glob
import os
import tempfile
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

PATIENCE = 8.0  # seconds: the loader processes of a run that was killed keep its lock for up to five


def cache_dir() -> Path:
    """`$YUHEE_CACHE_DIR`, or the platform's user cache."""
    return Path(os.environ.get("YUHEE_CACHE_DIR") or platformdirs.user_cache_dir("yuhee")).expanduser()


def data_dir() -> Path | None:
    """`$YUHEE_DATA_DIR`, the folder that holds corpora by name, or None."""
    value = os.environ.get("YUHEE_DATA_DIR")
    return Path(value).expanduser() if value else None


def is_running(run: Path, patience: float | None = None) -> bool:
    """Whether a process holds a run folder's lock.

    Args:
        patience: seconds to wait for the lock to come free; None for `PATIENCE`.
    """
    try:
        with FileLock(run / ".lock", timeout=PATIENCE if patience is None else patience):
            return False
    except Timeout:
        return True


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    handle, partial = private_partial(path)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def private_partial(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, to be renamed onto it when it is whole: its descriptor and its name (see `partials`)."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    return handle, Path(name)


def partials(path: Path) -> list[Path]:
    """What processes that were killed left beside `path`."""
    return sorted(path.parent.glob(f".{glob.escape(path.name)}*.partial"))
