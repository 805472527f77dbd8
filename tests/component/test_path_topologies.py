"""Sentinel and Cluster: the same hits as from one server, and a failover that costs hits for a while, and no call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio.cluster import RedisCluster

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import App, connected, eventually, settled
from tests.conftest import StartSidecar
from tests.topologies import Server, Sharded, Watched, free_port, sharded, watched

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
OTHER = "Which trains go to Lisbon on day"
NUMBERS = count()
DEBUG = {"x-cachedistill-debug": "1"}
FAR = {"nearBytes": 0}


@pytest.fixture
async def sentinels(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Sharded]:
    async with sharded(tmp_path / "redis") as running:
        yield running


async def served(app: App, text: str, reason: str) -> None:
    """Wait until a stored answer is served for that reason. Other calls are answered all the time."""

    async def asked() -> bool:
        assert (await app.chat(f"{OTHER} {next(NUMBERS)}?")).status == 200
        # Refused by the provider, it isn't stored anew: only what was there before can serve it.
        return (await app.chat(text, headers={"x-upstream-fail": "401"})).reason == reason

    await eventually(asked, seconds=30.0)


async def home(cluster: Sharded, cache: str) -> Server:
    """The primary with a cache's vectors."""
    async with RedisCluster(port=cluster.primaries[0].port, host="127.0.0.1") as client:
        node = client.get_node_from_key(f"cachedistill:{cache}:v:{{{cache}}}")
    return next(server for server in cluster.primaries if node is not None and server.port == node.port)


async def learnt(start_sidecar: StartSidecar, http: aiohttp.ClientSession, url: str) -> tuple[Sidecar, App]:
    """A sidecar without memory of its own that has stored the answer to a question."""
    sidecar = await start_sidecar(redis_url=url, semantic=500, cache_settings=FAR)
    await connected(sidecar)
    app = App(http, sidecar.url)
    assert (await app.chat(ASKED)).reason == "cold"
    await settled(sidecar)
    return sidecar, app


Servers = Callable[[Path], AbstractAsyncContextManager[Watched | Sharded]]


@pytest.mark.parametrize("servers", [watched, sharded])
async def test_hits_are_as_those_from_one_server(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path, servers: Servers
) -> None:
    async with servers(tmp_path / "redis") as running:
        sidecar, app = await learnt(start_sidecar, http, running.url)
        assert (await app.chat(ASKED)).reason == "stored"
        second = await start_sidecar(redis_url=running.url, semantic=500, cache_settings=FAR)
        await connected(second)
        similar = await App(http, second.url).chat(REWORDED, headers=DEBUG)
        assert similar.reason == "similar"
        state = sidecar.state()["caches"].popitem()[1]
        assert (state["available"], state["problem"]) == (True, None)
        removal = await App(http, sidecar.admin_url).call("DELETE", f"/cachedistill/entries/{similar.debug['entry']}")
        assert removal.status == 200
        assert (await app.chat(REWORDED)).reason == "cold"


async def test_a_clusters_entries_are_on_all_shards_and_its_vectors_on_one(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cluster: Sharded, cache_name: str
) -> None:
    sidecar, app = await learnt(start_sidecar, http, cluster.url)
    texts = [f"What does error E{number} mean?" for number in range(40)]
    for text in texts:
        await app.chat(text)
    await settled(sidecar)
    assert all((await cluster.keys(f"cachedistill:{cache_name}:e:*")).values())
    vectors = await cluster.keys(f"cachedistill:{cache_name}:v:*")
    assert {port for port, keys in vectors.items() if keys} == {(await home(cluster, cache_name)).port}
    replies = await asyncio.gather(*(app.chat(text) for text in texts))
    assert {reply.reason for reply in replies} == {"stored"}


async def test_a_cluster_without_the_query_engine_serves_exact_hits(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with sharded(tmp_path / "plain", search=False) as cluster:
        sidecar = await start_sidecar(redis_url=cluster.url, cache_settings=FAR)
        await connected(sidecar)
        app = App(http, sidecar.url)
        assert (await app.chat(ASKED)).reason == "cache_unavailable"
        await settled(sidecar)
        assert (await app.chat(ASKED)).reason == "stored"
        assert "unknown command" in sidecar.state()["caches"].popitem()[1]["problem"]


async def test_a_new_primary_serves_what_the_old_one_had(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, sentinels: Watched
) -> None:
    _, app = await learnt(start_sidecar, http, sentinels.url)
    assert await sentinels.primary.ask("WAIT", 1, 5000) == 1
    await sentinels.primary.kill()
    await served(app, ASKED, "stored")
    await served(app, REWORDED, "similar")


@pytest.mark.parametrize("hung", [False, True], ids=["killed", "hung"])
async def test_a_shards_replica_takes_over_entries_and_vectors(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path, cache_name: str, hung: bool
) -> None:
    async with sharded(tmp_path / "replicated", replicas=3) as cluster:
        _, app = await learnt(start_sidecar, http, cluster.url)
        lost = await home(cluster, cache_name)
        for primary in cluster.primaries:
            await primary.ask("WAIT", 1, 5000)
        if hung:
            lost.hang()
        else:
            await lost.kill()
        await served(app, REWORDED, "similar")
        await served(app, ASKED, "stored")


@pytest.mark.parametrize("url", ["redis+cluster://127.0.0.1:{port}", "redis+sentinel://127.0.0.1:{port}/entries"])
async def test_where_nobody_knows_a_server_calls_are_answered_all_the_same(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, url: str
) -> None:
    sidecar = await start_sidecar(redis_url=url.format(port=free_port()), cache_settings=FAR)
    reply = await App(http, sidecar.url).chat(ASKED)
    assert (reply.status, reply.reason) == (200, "cache_unavailable")


async def test_a_sentinel_that_hangs_is_passed_over(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, sentinels: Watched
) -> None:
    sentinels.sentinels[0].hang()
    sidecar = await start_sidecar(redis_url=sentinels.url, semantic=None, cache_settings=FAR)
    await connected(sidecar)
    app = App(http, sidecar.url)
    await app.chat(ASKED)
    await settled(sidecar)
    await served(app, ASKED, "stored")
