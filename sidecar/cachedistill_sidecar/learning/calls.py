"""Calls to Redis that no client waits for: they may take longer than a lookup, and a refusal is no outage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError, ResponseError

from cachedistill_sidecar.cache.store import Store, StoreUnavailable

T = TypeVar("T")

_DEADLINE_SECONDS = 2.0


async def patiently(store: Store, operation: Callable[[], Awaitable[T]]) -> T:
    """Run one operation. Raises StoreUnavailable, at once while the server is away.

    A command that Redis refuses (no permission, no memory, a key of another type) says nothing about lookups, so the
    store stays in use.
    """
    if not store.available:
        raise StoreUnavailable(store.problem)
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return await operation()
    except ResponseError as refused:
        raise StoreUnavailable(f"refused: {refused}") from refused
    except (RedisError, OSError) as error:
        store.suspect(error)
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


async def lastly(operation: Awaitable[None], seconds: float) -> None:
    """The last that is done at an end: in at most so long, and if Redis is there."""
    with contextlib.suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(seconds):
            await operation
