"""What sidecars saved, and how they decided, is added up in Redis: whole, once, and also after Redis was away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cache import report
from cachedistill_sidecar.local.redis import EmbeddedRedis
from cachedistill_sidecar.route_parsing import parse
from tests.component.asking import App, eventually, settled
from tests.conftest import StartSidecar
from tests.routes import route_document
from tests.topologies import free_port, sharded
from tests.upstream import Upstream

ASKED = "How do I reset my password?"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


async def figures(redis: Redis, cache: str) -> dict[str, float]:
    found = await redis.hgetall(f"cachedistill:{cache}:ledger")
    return {str(field): float(value) for field, value in found.items()}


async def send(sidecar: Sidecar) -> None:
    for cache in sidecar.parts.caches.values():
        await cache.report.send()


def decisions(of: dict[str, float]) -> dict[str, float]:
    return {name.partition("decision.")[2]: count for name, count in of.items() if "decision." in name}


async def test_two_sidecars_add_up_what_they_saved(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis: Redis, cache_name: str
) -> None:
    for _ in range(2):
        sidecar = await start_sidecar(semantic=None)
        app = App(http, sidecar.url)
        answers = [await app.chat(ASKED), await app.chat(ASKED)]
        assert answers[1].decision == "exact_hit"
        await settled(sidecar)
        await send(sidecar)
        await send(sidecar)
    total = await figures(redis, cache_name)
    assert decisions(total) == {"fallback": 1, "exact_hit": 3}
    usage = answers[1].json["usage"]
    one = (usage["prompt_tokens"] * 2.5 + usage["completion_tokens"] * 10) / 1e6
    assert total["default/test|cost.USD"] == pytest.approx(3 * one)
    assert total["default/test|joules"] > 0
    assert total["default/test|grams"] == pytest.approx(total["default/test|joules"] * 475 / 3.6e6)


async def test_a_rule_without_a_cache_is_told_by_the_first_cache(
    upstream: Upstream, redis_url: str, http: aiohttp.ClientSession, redis: Redis, cache_name: str
) -> None:
    document = orjson.loads(
        route_document(upstream.url, redis_url=redis_url, cache=f"{cache_name}-2", semantic=None).model_dump_json(
            by_alias=True, exclude_none=True
        )
    )
    [cache], [rule] = document["caches"], document["rules"]
    plain = {"name": "plain", "match": {"models": ["gpt-3*"]}, "fallbacks": rule["fallbacks"]}
    route = orjson.dumps(document | {"caches": [cache | {"name": f"{cache_name}-1"}, cache], "rules": [plain, rule]})
    async with Sidecar(parse(route), find_model=Path) as sidecar:
        app = App(http, sidecar.url)
        await app.chat(ASKED, model="gpt-3.5-turbo")
        await app.call("GET", "/v1/models")
        await app.chat(ASKED)
    assert decisions(await figures(redis, f"{cache_name}-1")) == {"fallback": 1, "passthrough": 1}
    assert decisions(await figures(redis, f"{cache_name}-2")) == {"fallback": 1}


async def test_a_sidecar_reports_every_few_seconds_by_itself(
    start_sidecar: StartSidecar,
    http: aiohttp.ClientSession,
    redis: Redis,
    cache_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "_SECONDS", 0.05)
    await App(http, (await start_sidecar(semantic=None)).url).chat(ASKED)

    async def told() -> bool:
        return decisions(await figures(redis, cache_name)) == {"fallback": 1}

    await eventually(told)


async def test_a_sidecar_that_ends_has_told_everything(
    upstream: Upstream, redis_url: str, http: aiohttp.ClientSession, redis: Redis, cache_name: str
) -> None:
    document = route_document(upstream.url, redis_url=redis_url, cache=cache_name, semantic=None)
    async with Sidecar(document, find_model=Path) as sidecar:
        await App(http, sidecar.url).chat(ASKED)
    assert decisions(await figures(redis, cache_name)) == {"fallback": 1}


async def test_what_happened_while_redis_was_away_is_told_later_and_once(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path, cache_name: str
) -> None:
    server = EmbeddedRedis(tmp_path / "redis", port=free_port())
    url = await server.start()
    sidecar = await start_sidecar(redis_url=url, semantic=None)
    app = App(http, sidecar.url)
    await app.chat(ASKED)
    await send(sidecar)
    await server.stop()
    await app.chat(f"{ASKED} Quickly.")
    await send(sidecar)
    await send(sidecar)
    await server.start()
    await eventually(lambda: all(cache.store.available for cache in sidecar.parts.caches.values()))
    await send(sidecar)
    async with Redis.from_url(url, decode_responses=True) as client:
        assert decisions(await figures(client, cache_name)) == {"fallback": 2}
    await server.stop()


async def test_a_redis_that_refuses_keeps_the_sums_in_the_sidecar(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis: Redis, cache_name: str
) -> None:
    sidecar = await start_sidecar(semantic=None)
    await App(http, sidecar.url).chat(ASKED)
    key = f"cachedistill:{cache_name}:ledger"
    await redis.set(key, "no hash")
    await send(sidecar)
    await redis.delete(key)
    await send(sidecar)
    assert decisions(await figures(redis, cache_name)) == {"fallback": 1}


async def test_a_cluster_takes_reports_whole_or_not_at_all(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path, cache_name: str
) -> None:
    async with sharded(tmp_path / "redis") as cluster:
        sidecar = await start_sidecar(redis_url=cluster.url, semantic=None)
        await App(http, sidecar.url).chat(ASKED)
        key = f"cachedistill:{cache_name}:ledger"
        [cache] = sidecar.parts.caches.values()
        await cache.store.client.set(key, "no hash")
        await send(sidecar)
        await cache.store.client.delete(key)
        await send(sidecar)
        found = await cache.store.client.hgetall(key)
    assert found[b"default/test|decision.fallback"] == b"1"
    assert b"default/test|joules" in found
