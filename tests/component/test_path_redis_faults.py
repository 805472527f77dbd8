"""Whatever happens to Redis, the call is answered by the fallback, says so, and the cache comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cache import store
from cachedistill_sidecar.cache.store import Store
from cachedistill_sidecar.local.redis import EmbeddedRedis
from tests.component.asking import App, connected, eventually, settled
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
# Without the near cache every lookup goes to Redis.
FAR = {"nearBytes": 0}
ATTEMPTS = count(1)
DEBUG = {"x-cachedistill-debug": "1"}


@pytest.fixture
def store_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough for a busy machine, short enough to meet a Redis that hangs."""
    monkeypatch.setattr(Store.call, "__defaults__", (0.5,))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    """A Redis of the test's own, to be mistreated."""
    server = EmbeddedRedis(tmp_path / "redis")
    yield server
    if server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
    await server.stop()


@pytest.fixture
async def redis(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = Redis.from_url(await server.start())
    yield client
    await client.aclose()


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar, redis: Redis) -> Sidecar:
    path = redis.connection_pool.connection_kwargs["path"]
    return await start_sidecar(redis_url=f"unix://{path}", cache_settings=FAR)


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


async def command(redis: Redis, *words: Any) -> Any:
    return await redis.execute_command(*words)  # type: ignore[no-untyped-call]


async def reason(app: App, text: str = ASKED) -> str:
    """The reason of an answer, which must be a good one."""
    reply = await app.chat(text)
    assert reply.status == 200
    assert len(reply.text.split()) == 30
    return reply.reason


async def is_similar(app: App) -> bool:
    """Whether a wording that was never asked before is answered by meaning."""
    return await reason(app, REWORDED + "!" * next(ATTEMPTS)) == "similar"


async def comes_back(app: App, sidecar: Sidecar) -> None:
    """Answers are stored and found again, exactly and by meaning, without anybody's help."""

    async def serves() -> bool:
        await app.chat(ASKED)
        await settled(sidecar)
        return await reason(app) == "stored" and await is_similar(app)

    await eventually(serves)
    [state] = sidecar.state()["caches"].values()
    assert state["available"] is True


async def test_a_redis_that_is_absent_at_the_start_is_used_once_it_is_there(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sidecar = await start_sidecar(redis_url=f"redis://127.0.0.1:{port}", cache_settings=FAR)
    app = App(http, sidecar.url)
    assert await reason(app) == "cache_unavailable"
    [state] = sidecar.state()["caches"].values()
    assert (state["available"], bool(state["problem"])) == (False, True)
    async with EmbeddedRedis(tmp_path / "redis", port=port):
        await comes_back(app, sidecar)


async def test_a_killed_redis_is_gone_round_and_found_again(app: App, sidecar: Sidecar, server: EmbeddedRedis) -> None:
    assert await reason(app) == "cold"
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await reason(app) == "cache_unavailable"
    await comes_back(app, sidecar)


async def test_a_hung_redis_is_gone_round_and_found_again(app: App, sidecar: Sidecar, server: EmbeddedRedis) -> None:
    assert await reason(app) == "cold"
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    replies = await asyncio.gather(*(reason(app, f"{ASKED} {number}") for number in range(20)))
    assert set(replies) == {"cache_unavailable"}
    await eventually(lambda: not sidecar.state()["caches"].popitem()[1]["available"])
    os.kill(server.pid, signal.SIGCONT)
    await comes_back(app, sidecar)


async def test_a_hung_redis_is_not_asked_once_it_is_known_to_hang(
    app: App, sidecar: Sidecar, server: EmbeddedRedis
) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    await app.chat(ASKED)
    await eventually(lambda: not sidecar.state()["caches"].popitem()[1]["available"])
    reply = await app.chat(f"{ASKED} again", headers=DEBUG)
    assert reply.reason == "cache_unavailable"
    assert reply.debug["steps_ms"]["recall.exact"] < 500 / 2


async def test_a_read_only_redis_still_serves_what_it_has(app: App, sidecar: Sidecar, redis: Redis) -> None:
    await app.chat(ASKED)
    await settled(sidecar)
    await command(redis, "CONFIG", "SET", "min-replicas-to-write", "3")
    assert await reason(app) == "stored"
    assert await reason(app, "Which trains go to Lisbon?") == "below_confidence"
    await settled(sidecar)
    # The answer alone, at once; then with its vector and its group.
    assert sum(next(iter(sidecar.parts.caches.values())).writer.drops.values()) == 2
    await command(redis, "CONFIG", "SET", "min-replicas-to-write", "0")
    await comes_back(app, sidecar)


async def test_an_undecodable_entry_is_a_miss_even_where_it_cant_be_deleted(
    app: App, sidecar: Sidecar, redis: Redis, cache_name: str
) -> None:
    await app.chat(ASKED)
    await settled(sidecar)
    [key] = [key async for key in redis.scan_iter(f"cachedistill:{cache_name}:e:*")]
    await redis.set(key, b"junk")
    await command(redis, "CONFIG", "SET", "min-replicas-to-write", "3")
    assert await reason(app) in ("similar", "cold")


async def test_a_redis_without_memory_still_serves_what_it_has(app: App, sidecar: Sidecar, redis: Redis) -> None:
    await app.chat(ASKED)
    await settled(sidecar)
    await command(redis, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    await command(redis, "CONFIG", "SET", "maxmemory", "1")
    assert await reason(app) == "stored"
    assert await reason(app, "Which trains go to Lisbon?") in ("below_confidence", "cache_unavailable")
    await command(redis, "CONFIG", "SET", "maxmemory", "0")
    await comes_back(app, sidecar)


async def test_an_index_that_was_dropped_is_made_anew_with_all_it_had(app: App, sidecar: Sidecar, redis: Redis) -> None:
    await app.chat(ASKED)
    await settled(sidecar)
    [index] = await command(redis, "FT._LIST")
    await command(redis, "FT.DROPINDEX", index)
    assert await reason(app, "Which trains go to Lisbon?") == "cache_unavailable"

    async def found() -> bool:
        return await is_similar(app)

    await eventually(found)
    assert await command(redis, "FT._LIST") == [index]


async def test_all_data_flushed_is_a_cold_cache(app: App, sidecar: Sidecar, redis: Redis) -> None:
    await app.chat(ASKED)
    await settled(sidecar)
    await command(redis, "FLUSHALL")
    assert await reason(app) in ("cold", "cache_unavailable")
    await comes_back(app, sidecar)


@pytest.fixture
def quick_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index is looked after so often that a test can wait for it."""
    monkeypatch.setattr(store, "_REPAIR_SECONDS", 0.05)


VECTOR = ["vector", "VECTOR", "HNSW", "6", "TYPE", "FLOAT32", "DIM", "384", "DISTANCE_METRIC", "COSINE"]
FOREIGN = {
    "other-fields": ("{prefix}", ["title", "TEXT"]),
    "other-dimensions": ("{prefix}", ["partition", "TAG", *VECTOR[:7], "3", *VECTOR[8:]]),
    "no-partition": ("{prefix}", VECTOR),
    "other-documents": ("elsewhere:", ["partition", "TAG", *VECTOR]),
}


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("meanwhile", [False, True], ids=["at-the-start", "meanwhile"])
async def test_a_foreign_index_under_our_name_is_replaced(
    start_sidecar: StartSidecar,
    quick_repair: None,
    app: App,
    sidecar: Sidecar,
    redis: Redis,
    foreign: str,
    meanwhile: bool,
) -> None:
    await connected(sidecar)
    [index] = await command(redis, "FT._LIST")
    await command(redis, "FT.DROPINDEX", index)
    prefix, fields = FOREIGN[foreign]
    created = ("FT.CREATE", index, "PREFIX", "1", prefix.format(prefix=index.decode()), "SCHEMA", *fields)
    await command(redis, *created)
    if not meanwhile:
        path = redis.connection_pool.connection_kwargs["path"]
        sidecar = await start_sidecar(redis_url=f"unix://{path}", cache_settings=FAR)
        app = App(app.http, sidecar.url)
    await comes_back(app, sidecar)


async def test_a_value_of_another_type_under_an_entrys_key_is_a_miss_and_replaced(
    app: App, sidecar: Sidecar, redis: Redis, upstream: Upstream, cache_name: str
) -> None:
    entry = (await app.chat(ASKED, headers=DEBUG)).debug["entry"]
    await settled(sidecar)
    key = f"cachedistill:{cache_name}:e:{entry}"
    await redis.delete(key)
    await redis.rpush(key, "a list")
    assert await reason(app) == "cold"
    await settled(sidecar)
    assert await reason(app) == "stored"
    assert len(upstream.calls) == 2


async def test_memory_serves_while_redis_is_away(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis: Redis, server: EmbeddedRedis
) -> None:
    path = redis.connection_pool.connection_kwargs["path"]
    app = App(http, (await start_sidecar(redis_url=f"unix://{path}")).url)
    await app.chat(ASKED)
    await server.stop()
    assert await reason(app) == "near"


async def test_an_entry_cant_be_removed_while_redis_is_away(app: App, sidecar: Sidecar, server: EmbeddedRedis) -> None:
    await server.stop()
    reply = await App(app.http, sidecar.admin_url).call("DELETE", "/cachedistill/entries/0123")
    assert reply.status == 503
    assert "unavailable" in reply.json["error"]


async def test_readiness_does_not_hang_on_redis(app: App, sidecar: Sidecar, server: EmbeddedRedis) -> None:
    await server.stop()
    await app.chat(ASKED)
    admin = App(app.http, sidecar.admin_url)
    assert (await admin.call("GET", "/readyz")).status == 200
    await eventually(lambda: not sidecar.state()["caches"].popitem()[1]["available"])
    [state] = (await admin.call("GET", "/readyz?verbose")).json["caches"].values()
    assert state["available"] is False
    assert state["problem"]
