"""AI Hub's Korean dialogue corpora: one reader for all of them, by content. The formats: docs/formats/aihub.md."""

from yuhee.data.corpora.aihub.reader import read

__all__ = ["read"]
