"""yuhee (유희): turn Korean conversations into a companion that listens."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["load"]

if TYPE_CHECKING:
    from yuhee.chat.companion import load


def __getattr__(name: str) -> Any:
    # `import yuhee` must stay instant; torch and transformers load on the first `yuhee.load`.
    if name == "load":
        from yuhee.chat.companion import load

        return load
    raise AttributeError(f"module 'yuhee' has no attribute {name!r}")
