"""Folders outside the project."""

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """`$YUHEE_CACHE_DIR`, or the platform's user cache."""
    return Path(os.environ.get("YUHEE_CACHE_DIR") or platformdirs.user_cache_dir("yuhee")).expanduser()


def data_dir() -> Path | None:
    """`$YUHEE_DATA_DIR`, the folder that holds corpora by name, or None."""
    value = os.environ.get("YUHEE_DATA_DIR")
    return Path(value).expanduser() if value else None
