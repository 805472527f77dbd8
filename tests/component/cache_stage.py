"""A namespace on a real API server in which SemanticCaches are reconciled by hand, and Redis servers of their own."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from redis.asyncio import Redis

from cachedistill_operator.api.group import API_VERSION, Key, cache_name
from cachedistill_operator.cluster.watched import key_of
from cachedistill_operator.reconcile import semantic_cache
from cachedistill_operator.render.redis_secret import secret, values
from tests.component.route_stage import Resource, Stage

# As RedisVL makes it for a sidecar, with fewer dimensions.
_SCHEMA = "SCHEMA partition TAG CASESENSITIVE vector VECTOR HNSW 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC COSINE".split()


class CacheStage(Stage):
    """`look` reconciles a cache; what other namespaces hold is seen, too."""

    async def see(self) -> None:
        await super().see()
        for kind, known in (("ModelRoute", self.on.watched.routes), ("SemanticCache", self.on.watched.caches)):
            known |= {key_of(each): each for each in await self.admin.list(API_VERSION, kind)}

    async def look(self, name: str = "support") -> float | None:
        await self.see()
        return await semantic_cache.reconcile(Key(self.namespace, name), self.on)

    async def status(self, name: str = "support") -> Resource:
        found: Resource = (await self.get("SemanticCache", name, API_VERSION)).get("status") or {}
        return found

    async def conditions(self, name: str = "support") -> dict[str, tuple[str, str]]:
        return await super().conditions(name)

    async def message(self, kind: str, name: str = "support") -> str:
        return await super().message(kind, name)

    async def give_secret(self, name: str, **data: str) -> None:
        """Write a Secret into the stage's namespace, as a user would."""
        await self.admin.apply(secret({"name": name, "namespace": self.namespace}, data))

    async def secret(self, name: str, namespace: str | None = None) -> dict[str, str] | None:
        """What a Secret holds; None when it isn't there."""
        live = await self.admin.get("v1", "Secret", name, namespace or self.namespace)
        return values(live) if live is not None else None

    @property
    def prefix(self) -> str:
        """What the cache's keys in Redis begin with."""
        return f"cachedistill:{cache_name(Key(self.namespace, 'support'))}:"


def external(**more: Any) -> dict[str, Any]:
    """A spec with somebody's own Redis, by the Secret `redis`."""
    return {"redis": {"external": {"urlSecretRef": {"name": "redis", "key": "url"}}}, **more}


async def build_index(redis: Redis, prefix: str, model: str, documents: int = 1) -> str:
    """Do what the Job does: an index with vectors, and its entry in the registry. The index's name."""
    digest = hashlib.sha256(model.encode()).hexdigest()[:12]
    name = f"{prefix}v:{{{prefix.split(':')[1]}}}:{digest}"
    if name.encode() not in await redis.execute_command("FT._LIST"):  # type: ignore[no-untyped-call]
        await redis.execute_command("FT.CREATE", name, "PREFIX", 1, f"{name}:", *_SCHEMA)  # type: ignore[no-untyped-call]
    for number in range(documents):
        await redis.hset(f"{name}:{number}", mapping={"partition": "p", "text": str(number), "vector": bytes(16)})
    entry = {"index": name, "digest": digest, "dimensions": 4, "documents": documents}
    await redis.hset(f"{prefix}indexes", model, orjson.dumps(entry).decode())
    return name
