"""How Redis is to search a partition: over all of its vectors, or through the index's graph.

Left alone, the query engine compares with every vector of the partition, at any size: 1.9 ms for 20,000, and ten times
that for 200,000, longer than a lookup may take. Through the graph (`HYBRID_POLICY BATCHES`) it is 0.1 ms, but only
where the partition is a good part of the index: among 20,000 vectors, a partition of 50 takes 4.6 ms, one of 5 takes
14. The two cross at about 4,000, a fifth of the index (Redis 8.2, 384 dimensions).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

_MANY = 4000
_SHARE = 0.2
_PARTITIONS = 1024
# Sizes change slowly; half of them again before it matters.
_SECONDS = 60.0

Count = Callable[[bytes], Awaitable[tuple[int, int]]]
"""From a partition to its size and that of the index. Raises RedisError."""


class Policies:
    """Remembers what suits each partition; counts in the background, never on the way of a request."""

    def __init__(self, count: Count, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[str | None, float]] = OrderedDict()
        self._counting: set[asyncio.Task[None]] = set()

    def of(self, partition: bytes) -> str | None:
        """The policy to ask for; None leaves it to the query engine."""
        policy, counted = self._known.get(partition, (None, float("-inf")))
        if self._clock() - counted >= _SECONDS:
            # Noted first, so that a burst counts once.
            self._note(partition, policy)
            task = asyncio.create_task(self._learn(partition))
            self._counting.add(task)
            task.add_done_callback(self._counting.discard)
        return policy

    async def _learn(self, partition: bytes) -> None:
        try:
            within, whole = await self._count(partition)
        except (RedisError, OSError):
            return
        self._note(partition, "BATCHES" if within >= max(_MANY, _SHARE * whole) else None)

    def _note(self, partition: bytes, policy: str | None) -> None:
        self._known[partition] = (policy, self._clock())
        self._known.move_to_end(partition)
        if len(self._known) > _PARTITIONS:
            self._known.popitem(last=False)
