"""What goes with a SemanticCache, and what stays."""

from __future__ import annotations

from datetime import timedelta

from redis.asyncio import Redis

from cachedistill_operator.api.group import API_VERSION, DATA_FINALIZER
from cachedistill_operator.cluster.client import Client
from tests.component.cache_fixtures import redis as redis
from tests.component.cache_fixtures import running as running
from tests.component.cache_fixtures import stage as stage
from tests.component.cache_stage import CacheStage, build_index, external
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_stage import eventually
from tests.model_routes import cache, route, rule
from tests.topologies import Server


async def stored(stage: CacheStage, redis: Redis, running: Server, policy: str) -> None:
    """A cache with an entry and an index, and a neighbour's entry beside it."""
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external(deletionPolicy=policy)))
    await stage.look()
    await build_index(redis, stage.prefix, "bge-small-en-v1.5", documents=3)
    await redis.set(f"{stage.prefix}e:1", "an answer")
    await redis.set("cachedistill:other.support:e:1", "somebody else's")
    await stage.look()


async def delete(stage: CacheStage) -> None:
    await stage.admin.delete(API_VERSION, "SemanticCache", "support", stage.namespace)


async def exists(stage: CacheStage) -> bool:
    return await stage.admin.get(API_VERSION, "SemanticCache", "support", stage.namespace) is not None


async def test_with_delete_the_caches_keys_go_and_no_others(stage: CacheStage, redis: Redis, running: Server) -> None:
    await stored(stage, redis, running, "Delete")
    await delete(stage)
    assert await exists(stage)
    await stage.look()
    assert not await exists(stage)
    assert await redis.keys("*") == [b"cachedistill:other.support:e:1"]
    assert await redis.execute_command("FT._LIST") == []  # type: ignore[no-untyped-call]


async def test_with_retain_it_goes_at_once_and_the_keys_stay(stage: CacheStage, redis: Redis, running: Server) -> None:
    await stored(stage, redis, running, "Retain")
    await delete(stage)
    assert not await exists(stage)
    await stage.look()
    assert await redis.exists(f"{stage.prefix}e:1")


async def test_a_changed_policy_changes_what_is_waited_for(stage: CacheStage, redis: Redis, running: Server) -> None:
    await stored(stage, redis, running, "Delete")
    assert (await stage.get("SemanticCache", "support", API_VERSION))["metadata"]["finalizers"] == [DATA_FINALIZER]
    await stage.put(cache(**external(deletionPolicy="Retain")))
    await stage.look()
    assert "finalizers" not in (await stage.get("SemanticCache", "support", API_VERSION))["metadata"]


async def test_a_redis_that_is_away_holds_it_up_for_ten_minutes_at_most(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await stored(stage, redis, running, "Delete")
    await running.kill()
    await delete(stage)
    for _ in range(2):  # The first finds a broken connection, the next ones that none can be had.
        assert await stage.look() is not None
    assert (await stage.conditions())["Ready"] == ("False", "DeletingData")
    stage.writes()
    await stage.look()
    assert stage.writes() == []
    stage.clock[0] = timedelta(minutes=11)
    await stage.look()
    assert not await exists(stage)
    assert ("Warning", "DataLeft") in await stage.events("support")


async def test_other_namespaces_get_their_secret_when_allowed_and_lose_it_with_the_permission(
    stage: CacheStage, admin: Client, redis: Redis, running: Server
) -> None:
    other = f"{stage.namespace}-b"
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other, "labels": {"team": "b"}}})
    there = f"{stage.namespace}.support-cachedistill"
    guest = route(rules=[rule(cache="support", namespace=stage.namespace)])
    guest["metadata"] = {"name": "guest", "namespace": other}
    await admin.apply(guest)
    selector = {"matchLabels": {"team": "b"}}
    await stored(stage, redis, running, "Retain")
    assert await stage.secret(there, other) is None
    assert (await stage.status())["routes"] == 0

    await stage.put(cache(**external(allowedNamespaces={"from": "Selector", "selector": selector})))
    await stage.look()
    url = f"redis://127.0.0.1:{running.port}"
    shared = await stage.secret(there, other)
    assert shared == await stage.secret("support-cachedistill")
    assert shared is not None
    assert shared["url"] == url
    assert (await stage.status())["routes"] == 1

    await stage.put(cache(**external(allowedNamespaces={"from": "Same"})))
    await stage.look()
    assert await stage.secret(there, other) is None
    await admin.delete("v1", "Namespace", other)


async def test_a_cache_that_goes_takes_the_secrets_of_other_namespaces_along(
    stage: CacheStage, admin: Client, redis: Redis, running: Server
) -> None:
    other = f"{stage.namespace}-b"
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    guest = route(rules=[rule(cache="support", namespace=stage.namespace)])
    guest["metadata"] = {"name": "guest", "namespace": other}
    await admin.apply(guest)
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external(allowedNamespaces={"from": "All"})))
    await stage.look()
    there = f"{stage.namespace}.support-cachedistill"
    assert await stage.secret(there, other) is not None
    await delete(stage)
    await stage.look()
    assert await stage.secret(there, other) is None

    async def own_secret_gone() -> bool:
        return await stage.secret("support-cachedistill") is None

    await eventually(own_secret_gone)
    await admin.delete("v1", "Namespace", other)
