"""Events about pods that asked for a sidecar and get none: on their owner, which a person looks at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from cachedistill_operator.cluster.client import Client
from cachedistill_operator.inject import SkipReason

_QUIET_SECONDS = 600.0
_REMEMBERED = 4096


class Notices:
    """Written in the background; the same about the same owner only once in ten minutes."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._said: dict[tuple[str, ...], float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def skipped(self, pod: dict[str, Any], namespace: str, reason: SkipReason, message: str) -> None:
        """Tell of a pod without sidecar."""
        about = _regarding(pod, namespace)
        key = (namespace, about["kind"], about["metadata"]["name"], reason)
        now = self._clock()
        if now - self._said.get(key, float("-inf")) < _QUIET_SECONDS:
            return
        if len(self._said) >= _REMEMBERED:
            self._said = {each: at for each, at in self._said.items() if now - at < _QUIET_SECONDS}
        if len(self._said) >= _REMEMBERED:
            return  # So many owners in trouble have one cause, and that has been said often enough.
        self._said[key] = now
        note = f"Pod starts without a CacheDistill sidecar: {message}"
        writing = asyncio.create_task(self._client.event(about, "Warning", reason, note, "Inject"))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._writing, return_exceptions=True)


def _regarding(pod: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Its controller; else the pod itself, which has no uid yet, and maybe not all of its name."""
    meta = pod["metadata"]
    for owner in meta.get("ownerReferences") or []:
        if owner.get("controller"):
            named = {"name": owner["name"], "namespace": namespace, "uid": owner.get("uid")}
            return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": named}
    name = meta.get("name") or meta.get("generateName", "pod").rstrip("-.")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}}
