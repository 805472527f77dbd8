"""`cachedistill run` leaves the cores to the app: numerical packages compute in one thread, unless the user says so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_SCRIPT = """
import os, sys
from cachedistill_sidecar.cli import serving
from cachedistill_sidecar.cli.run import run

async def serve(*_):
    told = [os.environ.get(name, "-") for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")]
    print(*told, "late" if LOADED else "in time")

LOADED = "numpy" in sys.modules
serving.serve = serve
run(["--port", "0", "--admin-port", "0"])
"""


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ({}, "1 1 in time"),
        ({"OMP_NUM_THREADS": "4"}, "- 4 in time"),
        ({"OPENBLAS_NUM_THREADS": "2"}, "2 - in time"),
    ],
    ids=["nobody says", "OpenMP's", "OpenBLAS's"],
)
def test_numerical_packages_take_one_thread_unless_the_user_wants_more(wanted: dict[str, str], taken: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    told = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=inherited | wanted, check=True, capture_output=True, text=True, timeout=60
    )
    assert told.stdout.strip() == taken
