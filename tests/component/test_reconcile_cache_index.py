"""A cache's vector index is built by a Job, changes with the embedding, and comes back when Redis has lost it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from cachedistill_operator.api.group import API_VERSION, DOCUMENT_ANNOTATION, ROUTE_LABEL
from cachedistill_operator.cluster.client import ApiError, Client
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.index_job import name_of
from tests.component.cache_fixtures import redis as redis
from tests.component.cache_fixtures import running as running
from tests.component.cache_fixtures import stage as stage
from tests.component.cache_stage import CacheStage, build_index, external
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_stage import eventually
from tests.model_routes import cache, pod, route, rule
from tests.topologies import Server

OLD, NEW = "bge-small-en-v1.5", "all-MiniLM-L6-v2"


async def indexes(redis: Redis) -> set[str]:
    listed = await redis.execute_command("FT._LIST")  # type: ignore[no-untyped-call]
    return {name.decode() for name in listed}


async def jobs(stage: CacheStage) -> list[str]:
    """The Jobs that aren't being deleted, by the model that they build for."""
    listed = await stage.admin.list("batch/v1", "Job", stage.namespace)
    arguments = [each["spec"]["template"]["spec"]["containers"][0]["args"] for each in listed]
    return sorted(words[words.index("--model") + 1] for words in arguments)


async def end_job(stage: CacheStage, type_: str, **more: str) -> None:
    """Have the only Job say that it has ended, as Kubernetes' controller would once its pods have."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = {"Failed": "FailureTarget", "Complete": "SuccessCriteriaMet"}[type_]
    conditions = [
        {"type": each, "status": "True", "lastTransitionTime": now, "lastProbeTime": now, **more}
        for each in (before, type_)
    ]
    counts: dict[str, Any] = {"active": None, "ready": 0, "uncountedTerminatedPods": {}}

    async def ended() -> bool:
        (job,) = await stage.admin.list("batch/v1", "Job", stage.namespace)
        began = (job.get("status") or {}).get("startTime")
        if began is None:
            return False  # Kubernetes' own controller hasn't seen it yet, and would take over what it doesn't know.
        times = {"completionTime": now} if type_ == "Complete" else {}
        body: dict[str, Any] = {"status": {"conditions": conditions, **counts, **times}}
        with contextlib.suppress(ApiError):
            name = job["metadata"]["name"]
            return bool(await stage.admin.patch("batch/v1", "Job", name, stage.namespace, body, subresource="status"))
        return False

    await eventually(ended)


async def migrating(stage: CacheStage, redis: Redis, running: Server) -> str:
    """A cache with entries under the old embedding whose resource wants the new one; the old index."""
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    old = await build_index(redis, stage.prefix, OLD, documents=5)
    await stage.put(cache(**external()))
    await stage.look()
    assert (await stage.status())["embedding"] == {"model": OLD, "index": old}
    await stage.put(cache(**external(embedding={"model": NEW})))
    return old


async def test_the_old_embedding_serves_until_the_new_index_is_complete(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    old = await migrating(stage, redis, running)
    await stage.look()
    assert (await stage.status())["embedding"] == {"model": OLD, "index": old}
    assert await jobs(stage) == [NEW]
    told = await stage.conditions()
    assert (told["Ready"], told["IndexReady"]) == (("True", "Ready"), ("False", "Migrating"))


async def test_the_switch_keeps_the_old_index_for_a_while_and_then_drops_it_with_its_vectors(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    old = await migrating(stage, redis, running)
    await stage.look()
    new = await build_index(redis, stage.prefix, NEW, documents=5)
    assert await stage.look() is not None
    assert (await stage.status())["embedding"] == {"model": NEW, "index": new}
    assert await indexes(redis) == {old, new}
    stage.clock[0] = timedelta(seconds=61)
    assert await stage.look() is None
    assert await indexes(redis) == {new}
    assert await redis.keys(f"{old}:*") == []
    assert len(await redis.keys(f"{new}:*")) == 5
    assert await redis.hkeys(f"{stage.prefix}indexes") == [NEW.encode()]
    assert await redis.exists(f"{stage.prefix}retired") == 0


async def test_the_grace_goes_on_where_it_was_when_the_controller_starts_anew(
    stage: CacheStage, admin: Client, redis: Redis, running: Server
) -> None:
    old = await migrating(stage, redis, running)
    await build_index(redis, stage.prefix, NEW)
    await stage.look()
    another = CacheStage.of(admin, stage.on.client, stage.namespace)
    another.clock[0] = timedelta(seconds=61)
    await another.look()
    await another.on.redis.close()
    assert old not in await indexes(redis)


async def test_a_sidecar_with_an_old_document_keeps_the_old_index(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    made = await stage.put(route(rules=[rule(cache="support")]))
    status = {"status": {"routeDocument": {"configMap": "c", "digest": "sha256:new"}}}
    await stage.admin.patch(API_VERSION, "ModelRoute", "chat", stage.namespace, status, subresource="status")
    labels, old_document = {ROUTE_LABEL: made["metadata"]["name"]}, {DOCUMENT_ANNOTATION: "sha256:old"}
    await stage.run(pod(labels=labels, annotations=old_document))
    old = await migrating(stage, redis, running)
    await build_index(redis, stage.prefix, NEW)
    await stage.look()
    stage.clock[0] = timedelta(hours=1)
    await stage.look()
    assert old in await indexes(redis)
    fresh = {"metadata": {"annotations": {DOCUMENT_ANNOTATION: "sha256:new"}}}
    await stage.admin.patch("v1", "Pod", "chat-1", stage.namespace, fresh)
    await stage.look()
    assert old not in await indexes(redis)


async def test_a_redis_that_has_lost_everything_gets_its_index_again(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external()))
    await stage.look()
    await build_index(redis, stage.prefix, OLD)
    await end_job(stage, "Complete")
    await stage.look()
    assert (await stage.conditions())["Ready"] == ("True", "Ready")
    await redis.flushall()
    await stage.look()
    assert (await stage.conditions())["IndexReady"] == ("False", "Building")
    # The Job that is done is no help; it is made anew, though not in a loop.
    assert await jobs(stage) == [OLD]
    stage.clock[0] = timedelta(seconds=31)
    await stage.look()
    assert await jobs(stage) == []
    await stage.look()
    assert await jobs(stage) == [OLD]


async def test_a_failed_job_says_why_and_is_run_again_minutes_later(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external(embedding={"model": "no-such-model"})))
    await stage.look()
    await end_job(stage, "Failed", reason="BackoffLimitExceeded", message="gave up")
    await stage.look()
    assert (await stage.conditions())["IndexReady"] == ("False", "BuildFailed")
    assert "gave up" in await stage.message("Ready")
    assert (await stage.events("support")).count(("Warning", "BuildFailed")) == 1
    stage.writes()
    await stage.look()
    assert stage.writes() == []
    stage.clock[0] = timedelta(minutes=6)
    await stage.look()
    await stage.look()
    (job,) = await stage.admin.list("batch/v1", "Job", stage.namespace)
    assert "conditions" not in job.get("status", {})


async def test_the_job_is_the_caches_child(stage: CacheStage, running: Server) -> None:
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external()))
    await stage.look()
    await stage.admin.delete(API_VERSION, "SemanticCache", "support", stage.namespace)

    async def gone() -> bool:
        return not await jobs(stage)

    await eventually(gone)


def test_a_job_has_a_name_of_its_own_for_each_model() -> None:
    support = Cache.of(cache())
    assert name_of(support, OLD) != name_of(support, NEW)
    assert len(name_of(Cache.of(cache("x" * 46)), OLD)) <= 63
