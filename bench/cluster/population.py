"""A cluster's worth of ModelRoutes and injected pods."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass

from bench.cluster.api import Admin, Resource, until
from cachedistill_operator.api.group import API_VERSION, INJECT_LABEL, ROUTE_LABEL, Key, cache_name
from cachedistill_operator.api.semantic_cache import CacheEmbedding
from cachedistill_sidecar.cache.indexes import Indexes, Registered
from cachedistill_sidecar.cache.semantic import SemanticIndex
from cachedistill_sidecar.cache.store import Store
from cachedistill_sidecar.route_document import Redis

CACHE = "support"
_AT_ONCE = 16
_DIGEST, _DIMENSIONS = "0" * 16, 384


@dataclass(frozen=True, slots=True)
class Population:
    """So many namespaces, with a SemanticCache each; so many ModelRoutes and pods, spread over them."""

    namespaces: int
    routes: int
    pods: int

    @property
    def names(self) -> list[str]:
        """The namespaces."""
        return [f"team-{number}" for number in range(self.namespaces)]

    def route(self, number: int) -> Resource:
        """The ModelRoute of that number."""
        return route(f"route-{number}", f"team-{number % self.namespaces}")

    def pod(self, number: int) -> Resource:
        """A pod of the route that is its turn."""
        of = self.route(number % self.routes)["metadata"]
        return pod(f"pod-{number}", of["namespace"], of["name"])


def route(name: str, namespace: str, cache: str | None = CACHE) -> Resource:
    """A ModelRoute for pods with the label app=NAME."""
    rule: Resource = {"name": "all", "fallbacks": ["cloud"]} | ({"cache": {"ref": {"name": cache}}} if cache else {})
    fallback = {"name": "cloud", "endpoint": {"url": "https://api.openai.com", "dialect": "OpenAI"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": name}}, "rules": [rule], "fallbacks": [fallback]},
    }


def pod(name: str, namespace: str, route: str) -> Resource:
    """A pod that asks for a sidecar."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": route, INJECT_LABEL: "enabled"}},
        "spec": {"containers": [{"name": "app", "image": "registry.example/chat:3"}]},
    }


async def settle(population: Population, admin: Admin, redis_url: str) -> None:
    """Make all of it, and wait until the controller has told of each route and of all its pods.

    Raises ApiError and TimeoutError.
    """
    await _gather(_namespace(admin, name, redis_url) for name in population.names)
    async with admin.watching(f"/apis/{API_VERSION}/modelroutes") as routes:
        await _gather(admin.create(population.route(number)) for number in range(population.routes))
        await routes.until(lambda known: sum(map(_is_ready, known.values())) == population.routes)
        made = await _gather(admin.create(population.pod(number)) for number in range(population.pods))
        bare = sum(ROUTE_LABEL not in each["metadata"]["labels"] for each in made)
        if bare:
            raise RuntimeError(f"{bare} of {population.pods} pods were made without a sidecar")
        await routes.until(lambda known: _injected(known) == population.pods)


async def _namespace(admin: Admin, name: str, redis_url: str) -> None:
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await _index(Key(name, CACHE), redis_url)
    place = {"namespace": name}
    await admin.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "redis"} | place, "stringData": {"url": redis_url}}
    )
    external = {"urlSecretRef": {"name": "redis", "key": "url"}}
    await admin.create(
        {
            "apiVersion": API_VERSION,
            "kind": "SemanticCache",
            "metadata": {"name": CACHE} | place,
            "spec": {"redis": {"external": external}},
        }
    )
    await until(lambda: has_account(admin, name))


async def has_account(admin: Admin, namespace: str) -> bool:
    """Whether pods can be made in a new namespace."""
    return await admin.get("v1", "ServiceAccount", "default", namespace) is not None


async def _index(cache: Key, redis_url: str) -> None:
    """What a Job would leave that builds a cache's index: there is no node for one here."""
    name = cache_name(cache)
    store = Store(Redis(url=redis_url), f"cachedistill:{name}:")
    try:
        index = SemanticIndex(store, _DIGEST, _DIMENSIONS)
        await index.ensure()
        await Indexes(store).register(CacheEmbedding().model, Registered(index.prefix, _DIGEST, _DIMENSIONS, 0))
    finally:
        await store.close()


def _is_ready(route: Resource) -> bool:
    conditions = (route.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _injected(routes: dict[str, Resource]) -> int:
    return sum(((each.get("status") or {}).get("pods") or {}).get("injected", 0) for each in routes.values())


async def _gather(calls: Iterable[Awaitable[Resource | None]]) -> list[Resource]:
    """A few at once: the API server is not what is measured."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Awaitable[Resource | None]) -> Resource:
        async with places:
            return await call or {}

    return await asyncio.gather(*map(one, calls))
