"""One cache's Redis. Every call has a deadline; a Redis that doesn't answer is left alone until it does again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis.exceptions import RedisError

from cachedistill_sidecar.cache.connection import connect, disconnect, patience
from cachedistill_sidecar.cache.lookups import Lookups
from cachedistill_sidecar.redis_url import RedisUrl
from cachedistill_sidecar.route_document import Redis as RedisDocument

log = logging.getLogger(__name__)
T = TypeVar("T")

# A lookup that takes longer than this costs more than it can save; together with the hop itself it stays under the
# 50 ms that a broken Redis may cost a call.
DEADLINE_SECONDS = 0.025
# Making an index on a loaded server takes longer than an answer to PING.
_REPAIR_DEADLINE_SECONDS = 1.0
_PROBE_PAUSE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_REPAIR_SECONDS = 30.0


class StoreUnavailable(Exception):
    """Redis did not answer, or not in time, or not with what was asked for."""


class Store:
    """A Redis client that knows whether its server is there.

    `repair` is awaited before a server counts as back: it makes what must exist there (the vector index).
    """

    def __init__(self, document: RedisDocument, prefix: str) -> None:
        self.prefix = prefix
        # In a Cluster, what is between braces decides on the shard: all vectors of the cache are to be on one.
        self.vectors = f"{prefix}v:{{{prefix.split(':')[1]}}}"
        url = RedisUrl.parse(document.resolve())
        self.client = connect(url, document.ca_file, home=self.vectors)
        self._patience = patience(url)
        self.available = True
        self.problem: str | None = None
        self.repair: Callable[[], Awaitable[None]] | None = None
        self._lookups = Lookups(self._fetch)
        self._probe: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def call(
        self, operation: Callable[[], Awaitable[T]], deadline: float = DEADLINE_SECONDS, *, again: bool = False
    ) -> T:
        """Run one operation, which may be run twice. Raises StoreUnavailable, at once while the server is away.

        That it is away is decided by the probe, which is more patient than an operation.
        """
        if not self.available:
            raise StoreUnavailable(self.problem)
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(deadline):
                return await operation()
        except TimeoutError as error:
            if time.perf_counter() - begun > 1.2 * deadline and not again:
                # The time limit itself came late: this process was busy, and Redis may well have answered.
                return await self.call(operation, deadline, again=True)
            self.suspect(error)
            raise StoreUnavailable(f"no answer in {deadline * 1000:.0f} ms") from error
        except (RedisError, OSError, ValueError) as error:
            self.suspect(error)
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    async def get(self, key: str) -> bytes | None:
        """The bytes of an entry, or None."""
        return await self._lookups.get(self.entry_key(key))

    async def _fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        found: Any = await self.call(lambda: self.client.mget(keys))
        values: list[bytes | None] = found
        return values

    async def delete(self, *keys: str) -> int:
        """Delete Redis keys; how many were there. Raises StoreUnavailable."""
        deleted: int = await self.call(lambda: self.client.delete(*keys))
        return deleted

    def entry_key(self, key: str) -> str:
        """Where an entry is in Redis."""
        return f"{self.prefix}e:{key}"

    def suspect(self, error: Exception) -> None:
        """Find out whether the server is there, if nobody does already."""
        self.problem = f"{type(error).__name__}: {error}"
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._until_back())

    async def start(self) -> None:
        """Prepare the server; one that is absent is waited for in the background."""
        try:
            await self._check()
        except (RedisError, OSError, ValueError) as error:
            self.available = False
            self.suspect(error)
            log.warning("cache %s is unavailable: %s", self.prefix, self.problem)
        if self.repair is not None:
            self._watch = asyncio.create_task(self._keep_repaired(self.repair))

    async def close(self) -> None:
        """Drop all connections."""
        for task in (self._watch, self._probe):
            # Once isn't enough: until Python 3.12, asyncio.wait_for, by which redis-py sends, loses a cancellation that
            # comes just as its work is done (https://github.com/python/cpython/issues/81839).
            while task is not None and not task.done():
                task.cancel()
                await asyncio.wait((task,), timeout=0.1)
        await disconnect(self.client)

    async def _check(self) -> None:
        async with asyncio.timeout(self._patience):
            await self.client.ping()
        if self.repair is not None:
            async with asyncio.timeout(_REPAIR_DEADLINE_SECONDS):
                await self.repair()

    async def _keep_repaired(self, repair: Callable[[], Awaitable[None]]) -> None:
        """Look after what somebody else may have replaced: an index of another shape finds nothing, without error."""
        while True:
            await asyncio.sleep(_REPAIR_SECONDS)
            if self.available:
                with contextlib.suppress(RedisError, OSError, ValueError):
                    async with asyncio.timeout(_REPAIR_DEADLINE_SECONDS):
                        await repair()

    async def _until_back(self) -> None:
        tries = 0
        while True:
            try:
                await self._check()
                break
            except (RedisError, OSError, ValueError) as error:
                self.problem = f"{type(error).__name__}: {error}"
                if self.available:
                    log.warning("cache %s is unavailable: %s", self.prefix, self.problem)
                self.available = False
            await asyncio.sleep(_PROBE_PAUSE_SECONDS[min(tries, len(_PROBE_PAUSE_SECONDS) - 1)])
            tries += 1
        if not self.available:
            log.warning("cache %s is back", self.prefix)
        self.available = True
        self.problem = None
