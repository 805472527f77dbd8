"""What makes a cluster leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.enclosure import Enclosure
from e2e.cluster.process import Process, until
from e2e.machine import is_root

pytestmark = pytest.mark.skipif(not is_root(), reason="namespaces take root")

OWNER = """
import sys, time
from pathlib import Path
from e2e.cluster.enclosure import Enclosure
enclosure = Enclosure(Path(sys.argv[1]), tied=True)
enclosure.open()
enclosure.processes().start("sleep", ["sleep", "1000"])
print("open", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def enclosure(tmp_path: Path) -> Iterator[Enclosure]:
    enclosure = Enclosure(tmp_path, tied=True)
    enclosure.open()
    yield enclosure
    enclosure.close()


def test_what_is_written_inside_isnt_seen_outside(enclosure: Enclosure) -> None:
    enclosure.run(
        "sh", "-c", "echo 1 > /run/here; mkdir /var/lib/here; echo 2 > /var/lib/here/file; echo 3 > /var/log/x"
    )
    assert enclosure.run("cat", "/run/here", "/var/lib/here/file", "/var/log/x").split() == ["1", "2", "3"]
    assert not any(Path(path).exists() for path in ("/run/here", "/var/lib/here", "/var/log/x"))


def test_a_kubelet_finds_its_sysctls_and_the_machine_keeps_its_own(enclosure: Enclosure) -> None:
    outside = Path("/proc/sys/kernel/panic").read_text()
    assert enclosure.run("cat", "/proc/sys/kernel/panic", "/proc/sys/vm/overcommit_memory").split() == ["10", "1"]
    enclosure.run("sh", "-c", "echo 77 > /proc/sys/kernel/panic")
    assert Path("/proc/sys/kernel/panic").read_text() == outside


def test_closing_ends_all_that_runs_inside(enclosure: Enclosure) -> None:
    inside = enclosure.processes().start("sleep", ["sleep", "1000"])
    enclosure.close()
    assert not inside.alive
    assert enclosure.first is None


def test_an_enclosure_ends_with_its_owner_even_one_that_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "open\n"
    first = Enclosure(tmp_path, tied=True).first
    assert first is not None
    owner.kill()
    owner.communicate()
    until("end of the enclosure", lambda: not first.alive, 10)


def test_a_later_process_of_the_same_number_is_another_one() -> None:
    myself = Process.of(os.getpid())
    assert myself is not None
    assert myself.alive
    assert not Process(myself.pid, "1").alive


def test_a_process_that_ignores_requests_is_killed(enclosure: Enclosure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e.cluster.process._STOP_SECONDS", 0.1)
    processes = enclosure.processes()
    deaf = processes.start("deaf", ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"])
    until("deaf process", lambda: processes.log("deaf").read_text() == "deaf\n", 10)
    processes.stop("deaf", signal.SIGTERM)
    assert not deaf.alive
