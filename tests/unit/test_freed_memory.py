"""`cachedistill run` leaves memory to the app: what is freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_SCRIPT = """
from cachedistill_sidecar.cli import serving
from cachedistill_sidecar.cli.run import run

async def serve(*_):
    large = bytearray(b"x") * (16 << 20)
    del large  # after this, glibc by itself takes all that is smaller from its heap
    before = used()
    pairs = [(bytearray(b"x") * (1 << 20), bytearray(b"x") * 100_000) for _ in range(40)]
    kept = [small for _, small in pairs]  # the heap can't shrink below these
    del pairs
    print(used() - before)

def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

serving.serve = serve
run(["--port", "0", "--admin-port", "0"])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other habits")
def test_what_is_freed_goes_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True, timeout=60)
    assert int(told.stdout) < 10
