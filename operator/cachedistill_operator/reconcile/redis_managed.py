"""Brings a managed Redis about: its Secret, its StatefulSet, and what goes with it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

from cachedistill_operator.api.group import redis_of
from cachedistill_operator.api.semantic_cache import DeletionPolicy, ManagedRedis
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.named_secrets import patiently
from cachedistill_operator.reconcile.redis_connections import Server
from cachedistill_operator.render import redis_network, redis_pod, redis_storage, redis_tls, redis_users
from cachedistill_operator.render.cache import REDIS, Cache
from cachedistill_operator.render.cache_keys import SEAL_KEY, complete
from cachedistill_operator.render.redis_secret import secret, values
from cachedistill_operator.render.redis_server import PORT, stateful_set
from cachedistill_operator.render.redis_storage import VOLUME

_PASSWORD_BYTES = 24


@dataclass(frozen=True, slots=True)
class Reached:
    """How to reach a Redis. A managed one may be `starting`, and have a problem with its storage or its pod.

    `seal` is the sealing key that is kept beside its data.
    """

    server: Server
    seal: str | None = field(default=None, repr=False)
    starting: bool = False
    storage_problem: str | None = None
    pod_problem: str | None = None


async def bring_about(cache: Cache, managed: ManagedRedis, namespaces: set[str], on: Ground) -> Reached:
    """Apply what differs; `namespaces` are those that use the cache. Raises ApiError."""
    name, place = redis_of(cache.key.name), cache.key.namespace
    kept, there = await asyncio.gather(
        patiently(lambda: on.client.get("v1", "Secret", name, place)),
        on.client.get("apps/v1", "StatefulSet", name, place),
    )
    seal = complete(values(kept), SEAL_KEY, secrets.token_bytes)
    users, files, ca = await _secret(cache, managed, values(kept) | {SEAL_KEY: seal}, on)
    storage = redis_storage.settle(redis_storage.wanted(managed), there)
    manifests = [
        stateful_set(cache, managed, storage.claim, files, on.settings),
        redis_network.service(cache),
        redis_network.disruption_budget(cache),
        redis_network.policy(cache, namespaces, on.settings),
    ]
    live = (await asyncio.gather(*map(on.applied.ensure, manifests)))[0]
    endpoint = f"{redis_network.host(cache, on.settings)}:{PORT}"
    server = Server(
        url=redis_users.url(redis_users.SIDECAR, users.sidecar, endpoint, tls=managed.tls),
        own_url=redis_users.url(redis_users.ADMIN, users.admin, endpoint, tls=managed.tls),
        ca=ca,
        endpoint=endpoint,
    )
    starting = not (live.get("status") or {}).get("readyReplicas")
    return Reached(
        server,
        seal,
        starting=starting,
        storage_problem=storage.problem or await _grow(storage.grow, f"{VOLUME}-{name}-0", place, on),
        pod_problem=await _pod_problem(f"{name}-0", place, on) if starting else None,
    )


async def _secret(
    cache: Cache, managed: ManagedRedis, known: dict[str, str], on: Ground
) -> tuple[redis_users.Users, dict[str, str], str | None]:
    """The Secret with all that must outlive the controller: users, files that Redis reads, the CA, the sealing key."""
    users = redis_users.complete(known, lambda: secrets.token_urlsafe(_PASSWORD_BYTES))
    files = {redis_users.ACL_KEY: redis_users.acl_file(cache, users)}
    data = {redis_users.ADMIN_KEY: users.admin, redis_users.SIDECAR_KEY: users.sidecar, SEAL_KEY: known[SEAL_KEY]}
    ca = None
    if managed.tls:
        now = on.now()
        tls = redis_tls.renew(known, redis_network.names(cache, on.settings), now)
        files, data, ca = files | tls.files(), data | tls.kept(now), tls.trust(now)
    # Data that stays is of no use without the passwords: what is kept of the one is kept of the other.
    stays = cache.spec.deletion_policy is DeletionPolicy.RETAIN and managed.storage is not None
    metadata = cache.metadata(redis_of(cache.key.name), REDIS, owned=not stays)
    manifest = secret(metadata, files | data)
    await patiently(lambda: on.applied.ensure(manifest))
    return users, files, ca


async def _grow(size: str | None, volume: str, namespace: str, on: Ground) -> str | None:
    """Have the volume grow, if it isn't that large yet; what stands in the way."""
    if size is None:
        return None
    live = await on.client.get("v1", "PersistentVolumeClaim", volume, namespace)
    name = (live or {"spec": {}})["spec"].get("storageClassName")
    storage_class = await on.client.get("storage.k8s.io/v1", "StorageClass", name) if name else None
    ask, problem = redis_storage.growth(size, live, storage_class)
    if ask:
        body: dict[str, Any] = {"spec": {"resources": {"requests": {"storage": size}}}}
        await on.client.patch("v1", "PersistentVolumeClaim", volume, namespace, body)
    return problem


async def _pod_problem(name: str, namespace: str, on: Ground) -> str | None:
    pod = await on.client.get("v1", "Pod", name, namespace)
    return redis_pod.trouble([pod]) if pod is not None else None
