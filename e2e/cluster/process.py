"""The long-running parts of a cluster as processes: each leaves NAME.pid and NAME.log in one folder."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STOP_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told apart from a later one with the same id by the moment of its start."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process with this id; None when there's none or only a zombie."""
        try:
            state, fields = _stat(pid)
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state == "Z" else cls(pid, fields[19])  # starttime in ticks, proc(5)

    @property
    def alive(self) -> bool:
        """Whether this very process runs."""
        return Process.of(self.pid) == self

    def kill(self) -> None:
        """Kill it, and wait until it's gone."""
        self.end(signal.SIGKILL)

    def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Signal it, wait, and kill it when it won't go."""
        deadline = time.monotonic() + _STOP_SECONDS
        while self.alive:
            os.kill(self.pid, by)
            pause = time.monotonic() + 1.0
            while self.alive and time.monotonic() < pause:
                time.sleep(0.02)
            if time.monotonic() > deadline:
                by = signal.SIGKILL
        self._buried()

    def _buried(self) -> None:
        """Wait for its last thread: as long as one is on its way out, the process' ports are taken."""
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:  # somebody else's child; if that one doesn't care, it's not for us to wait for ever
            deadline = time.monotonic() + 2.0
            while Path(f"/proc/{self.pid}").exists() and time.monotonic() < deadline:
                time.sleep(0.005)


@dataclass(slots=True)
class Processes:
    """Starts, finds and ends the processes of one cluster."""

    folder: Path
    prefix: Sequence[str] = ()
    """What each command line begins with: how to enter the cluster's namespaces."""
    tied: bool = False
    """Whether they die with this process, however it ends."""
    _names: list[str] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str | Path]) -> Process:
        """Start a process. It outlives this one unless `tied`, and hears none of its terminal's signals."""
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                [*self.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent() if self.tied else None,
            )
        process = self._entered(child.pid) if self.prefix else Process.of(child.pid)
        if process is None:
            raise RuntimeError(f"{name} ended at once:\n{self.tail(name)}")
        (self.folder / f"{name}.pid").write_text(f"{process.pid} {process.started}")
        self._names.append(name)
        return process

    def _entered(self, pid: int) -> Process | None:
        """Behind a prefix the process is its only child: nsenter stays as a parent, and ends with it."""
        while (entering := Process.of(pid)) is not None:
            if children := children_of(entering.pid):
                return children[0]
            time.sleep(0.005)
        return None

    def find(self, name: str) -> Process | None:
        """The running process of this name, started by whomever."""
        try:
            pid, started = (self.folder / f"{name}.pid").read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        process = Process(int(pid), started)
        return process if process.alive else None

    def stop(self, name: str, by: signal.Signals = signal.SIGTERM) -> None:
        """End the process of this name, if it runs."""
        if (process := self.find(name)) is not None:
            process.end(by)
        (self.folder / f"{name}.pid").unlink(missing_ok=True)

    def stop_all(self) -> None:
        """End what this object started, the newest first."""
        while self._names:
            self.stop(self._names.pop())

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.log"

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.log(name).read_text("utf8", "replace").splitlines()[-lines:])


def children_of(pid: int) -> list[Process]:
    """The children of a process."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    found = [Process.of(int(child)) for child in path.read_text().split()] if path.exists() else []
    return [child for child in found if child is not None]


def until(what: str, holds: Callable[[], bool], seconds: float = 120.0, explain: Callable[[], str] = str) -> None:
    """Wait until something holds; exceptions count as no. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    last = ""
    while True:
        try:
            if holds():
                return
        except Exception as error:
            last = f": {error}"
        if time.monotonic() > deadline:
            raise TimeoutError(f"No {what} after {seconds:.0f} s{last}\n{explain()}")
        time.sleep(0.05)


def _stat(pid: int) -> tuple[str, list[str]]:
    # The command's name may hold blanks and brackets; what follows the last bracket has none.
    state, *_ = fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return state, fields


def _end_with_parent() -> Callable[[], None]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork, where little is safe
    parent = os.getpid()

    def request() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return request
