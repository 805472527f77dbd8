"""How often in an hour something may be asked that costs money: one count in Redis for all sidecars."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.learning.calls import patiently

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.store import Store

_HOUR_SECONDS = 3600


class Allowance:
    """So many times in each hour of the clock, for one rule of one route. Without Redis nobody knows, so: none."""

    def __init__(
        self, store: Store, route: str, rule: str, per_hour: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._name = f"{store.prefix}judge:{route}|{rule}"
        self._per_hour = per_hour
        self._clock = clock
        self._used_up = -1
        """The last hour that is known to be used up."""

    async def take(self) -> bool:
        """Whether it may be done once more; if so, it counts as done."""
        hour = int(self._clock()) // _HOUR_SECONDS
        if hour == self._used_up:
            return False
        try:
            taken = await self._count(f"{self._name}:{hour}")
        except StoreUnavailable:
            return False
        if taken >= self._per_hour:
            self._used_up = hour
        return taken <= self._per_hour

    async def _count(self, key: str) -> int:
        client = self._store.client
        # The client's own incr sends INCRBY, which is another permission.
        taken: Any = await patiently(
            self._store,
            lambda: client.execute_command("INCR", key),  # type: ignore[no-untyped-call]
        )
        await patiently(self._store, lambda: client.expire(key, 2 * _HOUR_SECONDS))
        return int(taken)
