"""SemanticCache: has a Redis with a complete vector index, tells those who may use it where it is, and how it does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from pydantic import ValidationError
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError

from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.group import API_VERSION, Key
from cachedistill_operator.api.semantic_cache import KIND
from cachedistill_operator.reconcile import (
    cache_keys,
    cache_removal,
    redis_external,
    redis_figures,
    redis_index,
    redis_managed,
)
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.named_secrets import ensure, patiently
from cachedistill_operator.reconcile.redis_connections import Server
from cachedistill_operator.reconcile.redis_managed import Reached
from cachedistill_operator.render import budget, cache_status, redis_clients
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_keys import CacheKeys
from cachedistill_operator.render.cache_status import Seen, Trouble

# Redis isn't watched, it is asked: soon again while something is under way, and without a write as long as it is the
# same.
_SOON_SECONDS, _LATER_SECONDS = 5.0, 15.0


async def reconcile(key: Key, on: Ground) -> float | None:
    """Look at one cache, and do what is to be done; seconds until the next look, None when drift checks will do.

    Raises ApiError.
    """
    resource = on.watched.caches.get(key)
    if resource is not None and "status" not in resource:
        # The watch may be behind, and then a first status would take the place of a better one.
        resource = await on.client.get(API_VERSION, KIND, key.name, key.namespace)
    if resource is None:
        await cache_removal.farewell(key, on)
        return None
    try:
        cache = Cache.of(resource)
    except ValidationError as error:
        await on.statuses.write(resource, cache_status.stalled(CacheReason.INVALID_SPEC, _first(error)))
        return None
    if cache.deleted_at is not None:
        return await cache_removal.remove(cache, on)
    # First of all writes: it names the version that it is for.
    await cache_removal.keep_finalizer(cache, on)
    if not cache.status:
        await on.statuses.write(resource, cache_status.first())
    seen = await _look(cache, on)
    await on.statuses.write(resource, cache_status.conditions(seen), **cache_status.figures(seen, cache.status))
    return _next_look(seen)


async def _look(cache: Cache, on: Ground) -> Seen:
    """Bring about what is wanted, and see what has become of it."""
    known = {route: on.watched.routes[route] for route in on.watched.routes_using(cache.key)}
    routes = redis_clients.using(cache, known, on.watched.namespaces)
    namespaces = {cache.key.namespace, *(route.namespace for route in routes)}
    await asyncio.gather(*(ensure(on, namespace) for namespace in namespaces | {route.namespace for route in known}))
    seen = Seen(
        cache.spec.embedding.model,
        routes=len(routes),
        rules=budget.budgeted(cache.key, {route: known[route] for route in routes}),
        at=on.now().timestamp(),
    )
    reached = await _reach(cache, namespaces, on)
    if isinstance(reached, Trouble):
        await on.redis.forget(cache.key)
        return replace(seen, trouble=reached)
    server = reached.server
    seen = replace(
        seen,
        endpoint=server.endpoint,
        storage_problem=reached.storage_problem,
        pod_problem=reached.pod_problem,
    )
    keys = await cache_keys.find(cache, reached.seal, on)
    if isinstance(keys, Trouble):
        return replace(seen, trouble=keys)
    await _share(cache, server, keys, routes, namespaces, on)
    if reached.starting:
        # Not asked: a name that the cluster's DNS doesn't know yet is remembered as unknown there for half a minute.
        message = f"{server.endpoint} has no ready pod yet"
        return replace(seen, trouble=Trouble(CacheReason.STARTING, message, passing=True))
    try:
        return await _ask(cache, seen, server, routes, on)
    except (RedisError, OSError, TimeoutError) as error:
        return replace(seen, trouble=_trouble(error, server))


async def _reach(cache: Cache, namespaces: set[str], on: Ground) -> Reached | Trouble:
    managed, external = cache.spec.redis.managed, cache.spec.redis.external
    if managed is not None:
        return await redis_managed.bring_about(cache, managed, namespaces, on)
    assert external is not None
    server = await redis_external.reach(cache, external, on)
    return server if isinstance(server, Trouble) else Reached(server)


async def _share(
    cache: Cache, server: Server, keys: CacheKeys, routes: Iterable[Key], namespaces: Iterable[str], on: Ground
) -> None:
    """Write the Secret with the URL and the keys into each namespace that uses the cache."""

    async def write(namespace: str) -> None:
        users = [on.watched.routes[route] for route in routes if route.namespace == namespace]
        manifest = redis_clients.client_secret(cache, namespace, users, server.url, server.ca, keys)
        await patiently(lambda: on.applied.ensure(manifest))

    await asyncio.gather(*map(write, namespaces))


async def _ask(cache: Cache, seen: Seen, server: Server, routes: list[Key], on: Ground) -> Seen:
    """Read Redis, and see to the index. Raises RedisError, OSError, TimeoutError, ApiError."""
    connection = await on.redis.to(cache.key, server)
    reading = await redis_figures.read(connection, cache.key)
    seen = replace(seen, figures=reading.figures)
    if reading.indexes is None:
        return seen
    tended = await redis_index.tend(
        cache, reading.indexes, connection.client, routes, with_ca=server.ca is not None, on=on
    )
    return replace(seen, plan=tended.plan, job=tended.job, pod_problem=tended.pod_problem)


def _trouble(error: Exception, server: Server) -> Trouble:
    message = f"{server.endpoint}: {error}"
    if isinstance(error, AuthenticationError | NoPermissionError):
        return Trouble(CacheReason.REFUSED, message, stuck=True)
    if isinstance(error, BusyLoadingError):
        return Trouble(CacheReason.STARTING, f"{server.endpoint} is loading what it has stored", passing=True)
    return Trouble(CacheReason.UNREACHABLE, message)


def _next_look(seen: Seen) -> float | None:
    if seen.trouble is not None:
        return _SOON_SECONDS if seen.trouble.passing else _LATER_SECONDS
    if seen.plan is not None and (seen.plan.build or seen.plan.waits):
        return _LATER_SECONDS
    return None


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"spec.{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
