"""Where a whole cluster lives: process, mount and network namespaces of its own.

Killing the first process of a PID namespace ends every process in it, and with the last one go the mounts, the
network and the routes to it. So a cluster leaves nothing behind, however it ended.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.process import Process, Processes, children_of, until
from e2e.machine import command

_NAME = "enclosure"
# What a kubelet wants to find, and otherwise sets for the whole machine.
_SYSCTLS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
_INSIDE = """
set -e
mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir -p /run/lock "$1/lib" "$1/lib-work" "$1/log"
mount -t overlay -o "lowerdir=/var/lib,upperdir=$1/lib,workdir=$1/lib-work" overlay /var/lib
mount --bind "$1/log" /var/log
for file in "$1"/sysctl/*; do
    mount --bind "$file" "/proc/sys/$(basename "$file" | tr . /)"
done
touch "$1/furnished"
# Whoever loses its parent in here becomes a child of this process: ignored, the kernel buries it.
trap '' CHLD
exec sleep infinity
"""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """The namespaces, and a folder for what is written in them to /var/lib and /var/log. /run is memory."""

    folder: Path
    tied: bool
    """Whether all of it ends with this process."""

    def open(self) -> None:
        """Make the namespaces."""
        sysctls = self.folder / "sysctl"
        sysctls.mkdir()
        for name, value in _SYSCTLS.items():
            (sysctls / name.replace("/", ".")).write_text(f"{value}\n")
        namespaces = ["--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
        outside = self._outside()
        outside.start(_NAME, [command("unshare"), *namespaces, "sh", "-c", _INSIDE, "sh", self.folder])
        until("enclosure", (self.folder / "furnished").exists, 10, lambda: outside.tail(_NAME))

    def close(self) -> None:
        """End all that runs inside; returns when it's gone."""
        if (first := self.first) is not None:
            first.kill()
        self._outside().stop(_NAME)

    @property
    def first(self) -> Process | None:
        """The process that is number 1 inside; None when the enclosure isn't open."""
        outer = self._outside().find(_NAME)
        return next(iter(children_of(outer.pid)), None) if outer is not None else None

    def processes(self) -> Processes:
        """Starts processes inside."""
        return Processes(self.folder, self.entrance())

    def entrance(self) -> list[str]:
        """What a command line begins with to run inside."""
        first = self.first
        assert first is not None, "the enclosure isn't open"
        return [command("nsenter"), f"--target={first.pid}", "--net", "--mount", "--pid", "--"]

    def run(self, *arguments: str | Path) -> str:
        """Run a command inside, and give what it prints. Raises CalledProcessError."""
        return run([*self.entrance(), *arguments])

    def _outside(self) -> Processes:
        return Processes(self.folder, tied=self.tied)


def run(arguments: Sequence[str | Path]) -> str:
    """Run a command, and give what it prints. Raises CalledProcessError, with what it said in a note."""
    try:
        return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr)
        raise
