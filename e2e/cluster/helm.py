"""Helm against one cluster."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.binaries import tool

_SECONDS = 300


class HelmError(RuntimeError):
    """A command that failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """`helm("list")` gives what it prints."""

    kubeconfig: Path

    def __call__(self, *arguments: str) -> str:
        """Run it. Raises HelmError."""
        command: list[str | Path] = [tool("helm"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        if done.returncode:
            raise HelmError(f"helm {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout
