"""Memory that was freed is used again."""

import platform
import subprocess
import sys

import pytest

from yuhee.training import memory

PROBE = """
import resource, runpy, sys
if "keep" in sys.argv:
    runpy.run_path(sys.argv[1])["keep_freed_memory"]()
bytearray(2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    block = bytearray(2**26)
    block[::4096] = b"x" * 2**14
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_large_blocks_are_not_asked_of_the_system_again() -> None:
    faults = [
        int(subprocess.check_output([sys.executable, "-c", PROBE, memory.__file__, mode])) for mode in ("plain", "keep")
    ]
    assert faults[0] > 4 * 2**14 * 0.9
    assert faults[1] < faults[0] / 2
