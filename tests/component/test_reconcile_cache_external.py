"""A SemanticCache in front of somebody's own Redis, against a real API server and a real Redis."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from cachedistill_operator.certificates.authority import issue, make_authority
from cachedistill_operator.reconcile import redis_figures, semantic_cache
from cachedistill_operator.reconcile.redis_figures import RedisAway
from cachedistill_operator.render.redis_quantity import to_bytes
from tests.component.cache_fixtures import redis as redis
from tests.component.cache_fixtures import running as running
from tests.component.cache_fixtures import stage as stage
from tests.component.cache_stage import CacheStage, build_index, external
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.model_routes import cache, key, route, rule
from tests.topologies import Server, free_port, server, sharded, watched

MODEL = "bge-small-en-v1.5"


async def ready(stage: CacheStage, redis: Redis, running: Server) -> None:
    """Bring a cache to where there is nothing to do."""
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external()))
    await stage.look()
    await build_index(redis, stage.prefix, MODEL)
    await stage.look()


async def test_a_cache_is_ready_when_redis_answers_and_the_index_is_complete(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await ready(stage, redis, running)
    assert await stage.conditions() == {
        "Certified": ("True", "NothingToCertify"),
        "IndexReady": ("True", "IndexComplete"),
        "Ready": ("True", "Ready"),
        "Reconciling": ("False", "NothingToDo"),
        "RedisReady": ("True", "Connected"),
        "Stalled": ("False", "NothingToDo"),
    }
    status = await stage.status()
    assert status["endpoint"] == f"127.0.0.1:{running.port}"
    assert status["embedding"]["model"] == MODEL
    assert status["entries"] == 0
    assert status["observedGeneration"] == 1


async def test_the_first_look_has_the_index_built(stage: CacheStage, running: Server) -> None:
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external()))
    assert await stage.look() is not None
    assert (await stage.conditions())["Ready"] == ("False", "Building")
    (job,) = await stage.admin.list("batch/v1", "Job", stage.namespace)
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][:2] == ["index", "build"]
    assert job["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"] == "support-cachedistill"


async def test_when_nothing_changes_nothing_is_written(stage: CacheStage, redis: Redis, running: Server) -> None:
    await ready(stage, redis, running)
    stage.writes()
    for _ in range(3):
        assert await stage.look() is None
    assert stage.writes() == []


async def test_a_watch_that_is_behind_does_not_take_a_status_back(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await ready(stage, redis, running)
    await stage.see()
    support = key(cache(namespace=stage.namespace))
    del stage.on.watched.caches[support]["status"]
    stage.writes()
    await semantic_cache.reconcile(support, stage.on)
    assert stage.writes() == []


async def test_figures_come_from_redis(stage: CacheStage, redis: Redis, running: Server) -> None:
    await stage.put(route(rules=[rule(cache="support")]))
    for number in range(3):
        await redis.set(f"{stage.prefix}e:{number}", "an answer")
    ledger: dict[Any, Any] = {
        f"{stage.namespace}/chat|decision.exact_hit": 3,
        f"{stage.namespace}/chat|decision.fallback": 1,
    }
    await redis.hset(f"{stage.prefix}ledger", mapping=ledger)
    await ready(stage, redis, running)
    status = await stage.status()
    assert (status["entries"], status["hitPermille"], status["routes"]) == (3, 750, 1)
    assert to_bytes(status["bytes"]) > 500_000


async def test_a_routes_reconcile_reads_the_same_ledger(stage: CacheStage, redis: Redis, running: Server) -> None:
    await redis.hset(f"{stage.prefix}ledger", mapping={"shop/chat|joules": "1.5"})
    support = key(cache(namespace=stage.namespace))
    with pytest.raises(RedisAway):
        await redis_figures.ledger(stage.on, support)
    await ready(stage, redis, running)
    assert await redis_figures.ledger(stage.on, support) == {"shop/chat|joules": 1.5}


async def test_a_missing_secret_is_named_and_waited_for(stage: CacheStage, redis: Redis, running: Server) -> None:
    await stage.put(cache(**external()))
    assert await stage.look() is not None
    assert (await stage.conditions())["RedisReady"] == ("False", "SecretNotFound")
    assert await stage.message("RedisReady") == f"Secret {stage.namespace}/redis isn't there"
    await stage.give_secret("redis", adress="redis://redis")
    await stage.look()
    assert "has no key url" in await stage.message("Ready")
    await ready(stage, redis, running)
    assert (await stage.conditions())["Ready"] == ("True", "Ready")


async def test_a_bad_url_is_told_without_its_password(stage: CacheStage) -> None:
    await stage.give_secret("redis", url="http://me:hush@redis")
    await stage.put(cache(**external()))
    await stage.look()
    assert (await stage.conditions())["RedisReady"] == ("False", "InvalidUrl")
    assert (await stage.conditions())["Stalled"] == ("True", "InvalidUrl")
    assert "hush" not in str(await stage.status())


async def test_a_redis_that_is_away_is_told_once(stage: CacheStage, redis: Redis, running: Server) -> None:
    await ready(stage, redis, running)
    before = await stage.status()
    await running.kill()
    for _ in range(3):
        assert await stage.look() is not None
    assert (await stage.conditions())["Ready"] == ("False", "Unreachable")
    assert (await stage.events("support")).count(("Warning", "Unreachable")) == 1
    after = await stage.status()
    assert {name: after[name] for name in ("entries", "bytes", "embedding")} == {
        name: before[name] for name in ("entries", "bytes", "embedding")
    }
    stage.writes()
    await stage.look()
    assert stage.writes() == []


async def test_a_wrong_password_is_no_outage(stage: CacheStage, running: Server) -> None:
    await running.ask("CONFIG", "SET", "requirepass", "right")
    await stage.give_secret("redis", url=f"redis://:wrong@127.0.0.1:{running.port}")
    await stage.put(cache(**external()))
    await stage.look()
    assert (await stage.conditions())["RedisReady"] == ("False", "Refused")
    assert "wrong" not in (await stage.message("RedisReady")).replace("wrong number", "")


async def test_without_a_query_engine_there_are_exact_hits_only_and_no_job(stage: CacheStage, tmp_path: Path) -> None:
    async with server(tmp_path / "plain", search=False) as plain:
        await stage.give_secret("redis", url=f"redis://127.0.0.1:{plain.port}")
        await stage.put(cache(**external()))
        await stage.look()
    assert (await stage.conditions())["RedisReady"] == ("True", "Connected")
    assert (await stage.conditions())["IndexReady"] == ("False", "NoQueryEngine")
    assert await stage.admin.list("batch/v1", "Job", stage.namespace) == []


async def test_a_spec_of_another_version_is_told(stage: CacheStage) -> None:
    made = await stage.put(cache(**external()))
    await stage.see()
    stage.on.watched.caches[key(made)] |= {"spec": made["spec"] | {"colour": "red"}, "status": {}}
    await semantic_cache.reconcile(key(made), stage.on)
    assert (await stage.conditions())["Stalled"] == ("True", "InvalidSpec")
    assert "spec.colour" in await stage.message("Ready")


async def test_a_status_is_written_before_redis_is_asked(stage: CacheStage) -> None:
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{free_port()}")
    await stage.put(cache(**external()))
    await stage.look()
    assert stage.writes()[0].endswith("/semanticcaches/support/status")


async def test_behind_sentinels_and_in_a_cluster_it_is_the_same(stage: CacheStage, tmp_path: Path) -> None:
    await stage.put(cache(**external()))
    async with watched(tmp_path / "watched") as sentinels:
        await stage.give_secret("redis", url=sentinels.url)
        await sentinels.primary.ask("SET", f"{stage.prefix}e:1", "an answer")
        async with sentinels.primary.client as client:
            await build_index(client, stage.prefix, MODEL)
        await stage.look()
        assert (await stage.conditions())["Ready"] == ("True", "Ready")
        assert (await stage.status())["entries"] == 1
    async with sharded(tmp_path / "sharded") as cluster:
        await stage.give_secret("redis", url=cluster.url)
        assert await stage.look() is not None
        assert (await stage.conditions())["Ready"] == ("False", "Building")
        assert (await stage.status())["entries"] == 0


@pytest.fixture
async def behind_tls(running: Server, tmp_path: Path) -> AsyncIterator[tuple[int, str]]:
    """A port that carries what it gets to Redis, out of TLS, and the PEM of who signed its certificate."""
    authority = make_authority("test", datetime.now(UTC))
    shown = issue(authority, ["127.0.0.1"], datetime.now(UTC))
    (tmp_path / "shown.pem").write_text(shown.certificate + shown.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "shown.pem")

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", running.port)
        await asyncio.gather(carry(reader, back), carry(there, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1], authority.certificate


async def test_a_tls_server_is_trusted_by_the_ca_that_is_named_and_no_other(
    stage: CacheStage, behind_tls: tuple[int, str]
) -> None:
    port, authority = behind_tls
    other = make_authority("other", datetime.now(UTC)).certificate
    await stage.give_secret("redis", url=f"rediss://127.0.0.1:{port}", right=authority, wrong=other)
    spec = external()
    spec["redis"]["external"]["caSecretRef"] = {"name": "redis", "key": "wrong"}
    await stage.put(cache(**spec))
    await stage.look()
    assert (await stage.conditions())["RedisReady"] == ("False", "Unreachable")
    spec["redis"]["external"]["caSecretRef"]["key"] = "right"
    await stage.put(cache(**spec))
    await stage.look()
    assert (await stage.conditions())["RedisReady"] == ("True", "Connected")
    client = await stage.secret("support-cachedistill")
    assert client is not None
    assert client["ca.crt"] == authority.strip()
    (job,) = await stage.admin.list("batch/v1", "Job", stage.namespace)
    assert "--redis-ca-file" in job["spec"]["template"]["spec"]["containers"][0]["args"]
