"""What a cache's Redis tells of itself: figures for statuses, and which indexes there are."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import orjson
from redis.exceptions import NoPermissionError, RedisError

from cachedistill_operator.api.group import Key, cache_name
from cachedistill_operator.reconcile import redis_keyspace
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.redis_connections import Client, Connection, Remembered
from cachedistill_operator.render.cache_status import Figures
from cachedistill_operator.render.redis_index import Indexes

_LEDGER_SECONDS = 30.0
_LEDGER_DEADLINE_SECONDS = 2.0
# Counting goes through all keys: it may take Redis one part in a hundred of its time.
_COUNT_SECONDS, _COUNT_PAUSE = 30.0, 100


class RedisAway(Exception):
    """A cache's Redis is not known yet, or does not answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is read at one look; `indexes` is None without a query engine."""

    figures: Figures
    indexes: Indexes | None


async def ledger(on: Ground, cache: Key) -> dict[str, float]:
    """A cache's ledger, summed up by its sidecars: fields `<namespace>/<route>|<figure>`, at most 30 s old.

    Raises RedisAway: what is known of old is then the best there is.
    """
    connection = on.redis.known(cache)
    if connection is None:
        raise RedisAway(f"the Redis of {cache} was not reached yet")
    async with connection.reading:
        if connection.ledger is None or time.monotonic() >= connection.ledger.until:
            connection.ledger = await _remember(connection.client, cache)
    remembered = connection.ledger
    if remembered.problem is not None:
        raise RedisAway(remembered.problem)
    sums: dict[str, float] = remembered.value
    return sums


async def read(connection: Connection, cache: Key) -> Reading:
    """One look at Redis. Raises RedisError, OSError or TimeoutError."""
    client, prefix = connection.client, f"cachedistill:{cache_name(cache)}:"
    used = await redis_keyspace.used_bytes(client)
    sums = await _ledger(client, cache)
    connection.ledger = Remembered(time.monotonic() + _LEDGER_SECONDS, sums)
    figures = Figures(used, await _entries(connection, prefix), sums, await _summaries(client, prefix))
    return Reading(figures, await _indexes(client, prefix))


async def _remember(client: Client, cache: Key) -> Remembered:
    # The failure is remembered, too: hundreds of routes ask for the same ledger.
    until = time.monotonic() + _LEDGER_SECONDS
    try:
        async with asyncio.timeout(_LEDGER_DEADLINE_SECONDS):
            return Remembered(until, await _ledger(client, cache))
    except (RedisError, OSError, TimeoutError) as error:
        return Remembered(until, problem=f"the Redis of {cache} does not answer: {error}")


async def _ledger(client: Client, cache: Key) -> dict[str, float]:
    told = await client.hgetall(f"cachedistill:{cache_name(cache)}:ledger")
    return {str(name): float(amount) for name, amount in told.items()}


async def _summaries(client: Client, prefix: str) -> dict[str, str]:
    told = await client.hgetall(f"{prefix}budget")
    return {str(rule): str(summary) for rule, summary in told.items()}


async def _entries(connection: Connection, prefix: str) -> int | None:
    """How many answers are stored: by counting, since an entry without a vector is in no index."""
    known, begun = connection.entries, time.monotonic()
    if known is None or begun >= known.until:
        found = await redis_keyspace.count(connection.client, f"{prefix}e:*")
        took = time.monotonic() - begun
        connection.entries = known = Remembered(begun + max(_COUNT_SECONDS, _COUNT_PAUSE * took), found)
    counted: int = known.value
    return counted


async def _indexes(client: Client, prefix: str) -> Indexes | None:
    told = await client.hgetall(f"{prefix}indexes")
    registered = {str(model): str(orjson.loads(entry)["index"]) for model, entry in told.items()}
    try:
        there = await redis_keyspace.indexes(client, prefix)
    except NoPermissionError:
        there = frozenset(registered.values())
    if there is None:
        return None
    # A registered index that isn't there is none: somebody has dropped it.
    registered = {model: index for model, index in registered.items() if index in there}
    retired = await client.hgetall(f"{prefix}retired")
    return Indexes(registered, there, {str(name): float(since) for name, since in retired.items()})
