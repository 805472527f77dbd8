"""What the path works with: the route as it is now, its caches and lessons, the fallbacks' client, telemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.fallback.client import FallbackClient
from cachedistill_sidecar.learning.lesson import Lesson
from cachedistill_sidecar.learning.verifier import Verifier
from cachedistill_sidecar.ledger.cpu import CpuMeter
from cachedistill_sidecar.route import Route
from cachedistill_sidecar.telemetry.metrics import Metrics
from cachedistill_sidecar.telemetry.records import Records
from cachedistill_sidecar.telemetry.spans import Tracing


class Background:
    """Tasks that outlive the request that began them: flights, late writes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task, and hold on to it until it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Wait for all tasks, at most so long; then cancel them."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()


@dataclass(frozen=True, slots=True)
class Parts:
    """One generation of the sidecar's parts; a new route document makes a new one."""

    route: Route
    caches: Mapping[str, LiveCache]
    lessons: Mapping[str, Lesson]
    """By cache, as those are."""
    verifier: Verifier
    fallbacks: FallbackClient
    tracing: Tracing
    metrics: Metrics
    records: Records
    cpu: CpuMeter
    background: Background
    intercepted: frozenset[str] = frozenset()
    """The hosts whose calls are redirected to this sidecar."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that outlives its request."""
        return self.background.spawn(work)
