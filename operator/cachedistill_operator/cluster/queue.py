"""What is to be looked at: each resource at most once at a time, again when it fails, and now and then anyway."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from cachedistill_operator.api.group import Key

log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 120.0


class Item(NamedTuple):
    """A resource to look at."""

    kind: str
    key: Key


Reconcile = Callable[[Item], Awaitable[float | None]]
"""Looks at a resource; seconds after which to look again, None when the drift period will do. May raise: then soon."""


class Queue:
    """Runs reconciles. What comes in while a resource is being looked at has it looked at once more after that.

    A resource that `exists` no more is looked at a last time, and then no more.
    """

    def __init__(
        self, reconcile: Reconcile, exists: Callable[[Item], bool], *, drift_seconds: float, workers: int = 4
    ) -> None:
        self._reconcile = reconcile
        self._exists = exists
        self._drift = drift_seconds
        self._workers = workers
        self._due: dict[Item, float] = {}
        self._heap: list[tuple[float, int, Item]] = []
        self._order = itertools.count()
        self._busy: set[Item] = set()
        self._again: set[Item] = set()
        self._failures: dict[Item, int] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """How many are due by now."""
        now = time.monotonic()
        return sum(due <= now for due in self._due.values()) + len(self._again)

    def add(self, item: Item, after: float = 0.0) -> None:
        """Look at a resource, after so many seconds; of two wishes, the earlier counts."""
        if item in self._busy and after <= 0:
            self._again.add(item)
            return
        due = time.monotonic() + after
        if item not in self._due or due < self._due[item]:
            self._due[item] = due
            heapq.heappush(self._heap, (due, next(self._order), item))
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            item = await self._next()
            self._busy.add(item)
            try:
                after = await self._look(item)
            finally:
                self._busy.discard(item)
            if item in self._again:
                self._again.discard(item)
                self.add(item)
            elif after is not None:
                self.add(item, after)
            # Woken: the item may have become due while it was busy.
            self._changed.set()

    async def _next(self) -> Item:
        while True:
            self._changed.clear()
            wait = None
            while self._heap:
                due, _, item = self._heap[0]
                if self._due.get(item) != due:
                    heapq.heappop(self._heap)  # Superseded.
                    continue
                wait = due - time.monotonic()
                if wait > 0 or item in self._busy:
                    break
                heapq.heappop(self._heap)
                del self._due[item]
                return item
            try:
                async with asyncio.timeout(None if wait is None else max(wait, 0.01)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _look(self, item: Item) -> float | None:
        try:
            after = await self._reconcile(item)
        except Exception as error:
            failures = self._failures[item] = self._failures.get(item, 0) + 1
            delay = min(_FIRST_RETRY_SECONDS * 2.0 ** (failures - 1), _LAST_RETRY_SECONDS) * random.uniform(0.8, 1.2)
            log.warning("%s %s: %s; again in %.1f s", item.kind, item.key, error, delay, exc_info=_unexpected(error))
            return delay
        self._failures.pop(item, None)
        if not self._exists(item):
            return None
        # Spread, so that hundreds of resources aren't looked at in one go.
        return self._drift * random.uniform(0.8, 1.2) if after is None else after


def _unexpected(error: Exception) -> Exception | None:
    """What a log reader needs the stack of: not the API server's or the network's refusals."""
    from cachedistill_operator.cluster.client import ApiError

    return None if isinstance(error, ApiError | OSError | TimeoutError) else error
