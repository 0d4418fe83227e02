"""yuhee (유희): turn Korean conversations into a companion that listens."""

import logging
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["load"]

# Batches have many lengths, and oneDNN keeps a prepared kernel with its buffers for each of up to 1,024 shapes: on a CPU
# that is gigabytes. It reads this once, when torch loads.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
# Where it is installed, transformers imports it early, and on a CPU it misses a kernel that nothing here needs.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

if TYPE_CHECKING:
    from yuhee.chat.companion import load


def __getattr__(name: str) -> Any:
    # `import yuhee` must stay instant; torch and transformers load on the first `yuhee.load`.
    if name == "load":
        from yuhee.chat.companion import load

        return load
    raise AttributeError(f"module 'yuhee' has no attribute {name!r}")
