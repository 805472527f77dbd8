"""kubectl against one cluster, for people and tests."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.binaries import tool

_SECONDS = 120


class KubectlError(RuntimeError):
    """A command that failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """`kubectl("get", "pods")` gives what it prints."""

    kubeconfig: Path
    namespace: str | None = None

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it. Raises KubectlError."""
        command: list[str | Path] = [tool("kubectl"), f"--kubeconfig={self.kubeconfig}"]
        if self.namespace is not None:
            command.append(f"--namespace={self.namespace}")
        done = subprocess.run(
            [*command, *arguments], input=stdin, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def within(self, namespace: str) -> Kubectl:
        """The same, in a namespace."""
        return Kubectl(self.kubeconfig, namespace)

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Server-side apply of plain manifests."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(bundle))

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get ... -o json`, decoded."""
        found: dict[str, Any] = json.loads(self("get", *arguments, "-o", "json"))
        return found
