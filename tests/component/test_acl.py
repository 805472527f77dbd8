"""The user that the operator gives to sidecars can do all that a sidecar does, on its own cache's keys, and no more."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from cachedistill_operator.render.redis_users import SIDECAR_RULES
from cachedistill_sidecar.cache.building import Builder
from cachedistill_sidecar.cache.indexes import Indexes
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.learning.allowance import Allowance
from cachedistill_sidecar.learning.suspensions import Cause, Suspensions
from cachedistill_sidecar.local.models import MINILM, prepare_embedder
from tests.component.asking import App, connected, settled
from tests.component.learning_stage import ROUTE, label, labels_of, learning
from tests.component.sealed_stage import cached
from tests.conftest import StartSidecar
from tests.topologies import sharded, watched

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
FAR = {"nearBytes": 0}


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        await client.acl_log_reset()
        yield client


async def user_of(admin: Redis, cache: str, redis_url: str) -> tuple[str, str]:
    """A user for a cache's sidecars, and the URL with it."""
    name = f"sidecar-{uuid.uuid4().hex[:8]}"
    rules = SIDECAR_RULES.format(prefix=f"cachedistill:{cache}:").split()
    await admin.execute_command("ACL", "SETUSER", name, "on", ">secret", *rules)  # type: ignore[no-untyped-call]
    return name, f"unix://{name}:secret@{urlsplit(redis_url).path}"


@pytest.fixture
async def limited(admin: Redis, cache_name: str, redis_url: str) -> tuple[str, str]:
    return await user_of(admin, cache_name, redis_url)


async def refused(admin: Redis, user: str) -> list[Any]:
    """What Redis has refused to a user."""
    return [each["object"] for each in await admin.acl_log(100) if each["username"] == user]


async def test_nothing_of_the_path_is_refused(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, admin: Redis, limited: tuple[str, str]
) -> None:
    user, url = limited
    sidecar = await start_sidecar(redis_url=url, semantic=500, cache_settings=FAR)
    app = App(http, sidecar.url)
    assert (await app.chat(ASKED)).reason == "cold"
    await settled(sidecar)
    assert (await app.chat(ASKED)).reason == "stored"
    similar = await app.chat(REWORDED, headers={"x-cachedistill-debug": "1"})
    assert similar.reason == "similar"
    [cache] = sidecar.parts.caches.values()
    assert cache.index is not None
    await cache.index._count(bytes(16))
    await cache.report.send()
    assert cache.report.figures.take() == {}
    entry = similar.debug["entry"]
    assert (await App(http, sidecar.admin_url).call("DELETE", f"/cachedistill/entries/{entry}")).status == 200
    assert await refused(admin, user) == []


async def test_an_index_of_another_shape_can_be_replaced(
    start_sidecar: StartSidecar, admin: Redis, limited: tuple[str, str], embedder_folder: Path, cache_name: str
) -> None:
    user, url = limited
    digest = Embedder.load(embedder_folder).digest[:12]
    name = f"cachedistill:{cache_name}:v:{{{cache_name}}}:{digest}"
    made = "FT.CREATE", name, "PREFIX", 1, name, "SCHEMA", "partition", "TEXT"
    await admin.execute_command(*made)  # type: ignore[no-untyped-call]
    sidecar = await start_sidecar(redis_url=url, semantic=500)
    assert sidecar.state()["caches"].popitem()[1]["problem"] is None
    assert await refused(admin, user) == []


async def test_nothing_of_an_index_build_is_refused(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, admin: Redis, limited: tuple[str, str]
) -> None:
    user, url = limited
    sidecar = await start_sidecar(redis_url=url, semantic=500)
    await App(http, sidecar.url).chat(ASKED)
    await settled(sidecar)
    [cache] = sidecar.parts.caches.values()
    embedder = Embedder.load(prepare_embedder(MINILM))
    built = await Builder(cache.store, embedder, cache.seal, lambda _: None).build(MINILM)
    embedder.close()
    assert built.embedded == 1
    assert list(await Indexes(cache.store).registered()) == [MINILM]
    assert await refused(admin, user) == []


async def test_nothing_of_learning_is_refused(admin: Redis, limited: tuple[str, str], cache_name: str) -> None:
    user, url = limited
    async with learning(url, cache_name) as learner, cached(url, cache_name) as live:
        learner.record(label())
        assert await labels_of(learner) == 1
        learner.adopt({"other": 10})
        learner._summary._next = 0.0
        await learner.turn()
        suspensions = Suspensions(live.store, live.seal, 3600)
        suspensions.suspend("0" * 32, Cause.FEEDBACK)
        await suspensions.turn()
        suspensions.clear("0" * 32)
        await suspensions.turn()
        assert await Allowance(live.store, ROUTE, "all", 1).take()
    assert await refused(admin, user) == []


def with_user(url: str) -> str:
    return url.replace("://", "://sidecar:secret@")


async def works(start_sidecar: StartSidecar, http: aiohttp.ClientSession, url: str) -> None:
    """Exact and semantic hits, and a report of the ledger."""
    sidecar = await start_sidecar(redis_url=url, semantic=500, cache_settings=FAR)
    await connected(sidecar)
    app = App(http, sidecar.url)
    await app.chat(ASKED)
    await settled(sidecar)
    assert [(await app.chat(text)).reason for text in (ASKED, REWORDED)] == ["stored", "similar"]
    [cache] = sidecar.parts.caches.values()
    await cache.report.send()
    assert cache.report.figures.take() == {}


async def test_in_a_cluster_the_user_needs_three_commands_more(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache_name: str, tmp_path: Path
) -> None:
    rules = f"{SIDECAR_RULES.format(prefix=f'cachedistill:{cache_name}:')} +command +cluster|slots +asking"
    async with sharded(tmp_path / "redis") as cluster:
        for server in cluster.primaries:
            await server.add_user("sidecar", "secret", rules)
        await works(start_sidecar, http, with_user(cluster.url))
        for server in cluster.primaries:
            assert await server.client.acl_log() == []


async def test_at_sentinels_the_user_needs_one_command(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache_name: str, tmp_path: Path
) -> None:
    async with watched(tmp_path / "redis") as servers:
        for sentinel in servers.sentinels:
            await sentinel.add_user("asker", "other", "-@all +hello +auth +ping +client|setinfo +sentinel|masters")
        rules = SIDECAR_RULES.format(prefix=f"cachedistill:{cache_name}:")
        await servers.primary.add_user("sidecar", "secret", rules)
        url = f"{with_user(servers.url)}?sentinel_username=asker&sentinel_password=other"
        await works(start_sidecar, http, url)
        assert await servers.primary.client.acl_log() == []


FORBIDDEN = (
    "GET {other}e:0",
    "MGET {other}e:0",
    "SET {other}e:0 x",
    "DEL {other}e:0",
    "HGETALL {other}ledger",
    "HINCRBY {other}ledger x 1",
    "SET elsewhere x",
    "FT.SEARCH {index} *",
    "FT.AGGREGATE {index} *",
    "FT.INFO {index}",
    "FT.DROPINDEX {index} DD",
    "KEYS *",
    "SCAN 0",
    "XADD {other}labels:x/y * event x",
    "XRANGE {other}labels:x/y - +",
    "HDEL {other}suspended x",
    "INCR {other}suspended:changes",
    "DEL {other}labels:x/y",
    "RENAME {own}e:0 {other}e:0",
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET *",
    "ACL LIST",
    "CLIENT LIST",
    "EVAL x 0",
    "INFO",
    "SELECT 1",
    "SHUTDOWN",
)


@pytest.mark.parametrize("command", FORBIDDEN)
async def test_what_a_sidecar_does_not_need_is_refused(
    admin: Redis, limited: tuple[str, str], cache_name: str, command: str
) -> None:
    other = f"cachedistill:{cache_name}-of-others:"
    index = f"{other}v:x"
    await admin.execute_command("FT.CREATE", index, "PREFIX", 1, index, "SCHEMA", "partition", "TAG")  # type: ignore[no-untyped-call]
    words = command.format(other=other, own=f"cachedistill:{cache_name}:", index=index).split()
    async with Redis.from_url(limited[1]) as client:
        with pytest.raises(NoPermissionError):
            await client.execute_command(*words)  # type: ignore[no-untyped-call]
    assert index.encode() in await admin.execute_command("FT._LIST")  # type: ignore[no-untyped-call]
