"""The end of a SemanticCache. Owner references take most of it along; the rest is here.

A managed Redis' volume goes or stays by the StatefulSet's retention policy. What only the controller can delete are
keys in somebody's own Redis, for which there is a finalizer.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from redis.exceptions import RedisError

from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.conditions import ConditionType, Wanted
from cachedistill_operator.api.group import DATA_FINALIZER, Key
from cachedistill_operator.api.semantic_cache import KIND
from cachedistill_operator.reconcile import named_secrets, redis_external, redis_keyspace
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_status import Trouble

_PATIENCE = timedelta(minutes=10)
_AGAIN_SECONDS = 15.0
_WIPE_SECONDS = 300.0


async def keep_finalizer(cache: Cache, on: Ground) -> None:
    """Have the finalizer there exactly as long as there is something to delete. Raises ApiError."""
    if cache.finalized != cache.holds_data_outside:
        await _finalize(cache, cache.holds_data_outside, on)


async def remove(cache: Cache, on: Ground) -> float | None:
    """Delete what is to be deleted of a cache that goes; seconds until the next try, if there is to be one.

    After ten minutes without success it goes all the same, and an Event tells what is left. Raises ApiError.
    """
    if not cache.finalized:
        return None
    problem = await _wipe(cache, on) if cache.holds_data_outside else None
    if problem is not None:
        if on.now() - datetime.fromisoformat(str(cache.deleted_at)) < _PATIENCE:
            await _tell(cache, problem, on)
            return _AGAIN_SECONDS
        note = f"keys that begin with {cache.prefix} are still in Redis: {problem}"
        await on.client.event(cache.resource, "Warning", CacheReason.DATA_LEFT, note, "Delete")
    await _finalize(cache, False, on)
    return None


async def farewell(key: Key, on: Ground) -> None:
    """A cache is gone: close its connection, and take back what was granted and given for it. Raises ApiError."""
    await on.redis.forget(key)
    for namespace in sorted({key.namespace, *(route.namespace for route in on.watched.routes_using(key))}):
        if namespace in on.watched.namespaces:
            await named_secrets.ensure(on, namespace)


async def _wipe(cache: Cache, on: Ground) -> str | None:
    """Delete the keys; what stands in the way."""
    external = cache.spec.redis.external
    assert external is not None
    await named_secrets.ensure(on, cache.key.namespace)
    server = await redis_external.reach(cache, external, on)
    if isinstance(server, Trouble):
        return server.message
    try:
        connection = await on.redis.to(cache.key, server)
        async with asyncio.timeout(_WIPE_SECONDS):
            await redis_keyspace.wipe(connection.client, cache.prefix)
    except (RedisError, OSError, TimeoutError) as error:
        return f"{server.endpoint}: {error}"
    return None


async def _tell(cache: Cache, problem: str, on: Ground) -> None:
    told = [
        Wanted(ConditionType.READY, False, CacheReason.DELETING_DATA, problem),
        Wanted(ConditionType.RECONCILING, True, CacheReason.DELETING_DATA, problem),
        Wanted(ConditionType.STALLED, False, CacheReason.DELETING_DATA, problem),
    ]
    await on.statuses.write(cache.resource, told)


async def _finalize(cache: Cache, wanted: bool, on: Ground) -> None:
    """Write the list of finalizers with or without ours; refused, and so tried again, if somebody else was first."""
    others = [name for name in cache.finalizers if name != DATA_FINALIZER]
    meta = cache.resource["metadata"]
    finalizers = [*others, DATA_FINALIZER] if wanted else others
    body = {"metadata": {"finalizers": finalizers, "resourceVersion": meta["resourceVersion"]}}
    await on.client.patch(cache.resource["apiVersion"], KIND, cache.key.name, cache.key.namespace, body)
