"""Writing behind: entries go to Redis after the client has its answer, through a bounded queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from redis import exceptions
from redis.exceptions import RedisError

from cachedistill_sidecar.cache.store import Store

log = logging.getLogger(__name__)

_QUEUE = 512
_BATCH = 128
# Waiting for company makes a write three times cheaper under load; the near cache answers meanwhile.
_LINGER_SECONDS = 0.01
# A write may take longer than a lookup, since nobody waits for it.
_DEADLINE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Write:
    """An entry's bytes, and the hash of its vector when it has one."""

    key: str
    data: bytes
    ttl_seconds: int
    vector_key: str | None = None
    vector: dict[str, str | bytes] | None = None


class Writer:
    """One worker that writes what is offered, in batches; what can't be written is counted and dropped."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: asyncio.Queue[Write] = asyncio.Queue(_QUEUE)
        self._worker: asyncio.Task[None] | None = None
        self.drops: Counter[str] = Counter()
        """Writes that were given up, by cause: queue_full, unavailable, refused, too_large."""

    def offer(self, write: Write) -> None:
        """Take a write, or drop it when too many wait."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            self._queue.put_nowait(write)
        except asyncio.QueueFull:
            self.drops["queue_full"] += 1

    async def drain(self, seconds: float) -> None:
        """Wait until all that was offered is written, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._queue.join()

    async def close(self) -> None:
        """Stop; what still waits is lost."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker

    async def _work(self) -> None:
        while True:
            batch = [await self._queue.get()]
            await asyncio.sleep(_LINGER_SECONDS)
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._write(batch)
            except Exception:
                log.exception("a batch of %d entries could not be written", len(batch))
                self.drops["refused"] += len(batch)
            finally:
                for _ in batch:
                    self._queue.task_done()

    async def _write(self, batch: list[Write]) -> None:
        if not self._store.available:
            self.drops["unavailable"] += len(batch)
            return
        pipeline = self._store.client.pipeline(transaction=False)
        for write in batch:
            pipeline.set(self._store.entry_key(write.key), write.data, ex=write.ttl_seconds)
            if write.vector_key is not None:
                pipeline.hset(write.vector_key, mapping=dict[Any, Any](write.vector or {}))
                pipeline.expire(write.vector_key, write.ttl_seconds)
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                replies = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            self._store.suspect(error)
            self.drops["unavailable"] += len(batch)
            return
        # Read-only or out of memory: lookups still work, so the store stays in use. Unless a Cluster's shard is away.
        errors = [reply for reply in replies if isinstance(reply, Exception)]
        away = [error for error in errors if isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError))]
        if away:
            self._store.suspect(away[0])
        self.drops["unavailable" if away else "refused"] += min(len(errors), len(batch))
