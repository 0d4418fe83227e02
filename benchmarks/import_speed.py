"""Reading, and importing (read, segment, mask, write) a synthetic export: seconds, lines a second, peak memory.

    python benchmarks/import_speed.py 1000000

Each stage runs in a process of its own, so that its peak memory is its own.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

READ = """
from yuhee.data.corpora.kakaotalk.export import read
from yuhee.data.report import ReadReport
for _ in read({path!r}, ReadReport("kakaotalk"), friend="이바다"): pass
"""
IMPORT = """
from pathlib import Path
from yuhee.data.import_command import import_files
import_files([Path({path!r})], Path({out!r}), options={{"friend": "이바다"}}, accept=True)
"""


def measure(name: str, code: str, lines: int) -> None:
    """Run code in a fresh interpreter and print what it took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # of the largest child so far
    print(f"{name:8} {seconds:7.1f} s  {lines / seconds:10,.0f} lines/s  peak {peak:6.0f} MB")


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path, out = str(Path(folder) / "export.txt"), str(Path(folder) / "out.jsonl")
        with Path(path).open("w") as file:
            generator = Path(__file__).with_name("synthetic_export.py")
            subprocess.run([sys.executable, str(generator), str(messages)], check=True, stdout=file)
        with Path(path).open("rb") as lines:
            count = sum(1 for _ in lines)
        measure("read", READ.format(path=path), count)
        measure("import", IMPORT.format(path=path, out=out), count)


if __name__ == "__main__":
    main()
