"""An entry that turned out wrong is suspended in every sidecar, until it is cleared or its time is over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.learning import suspensions
from cachedistill_sidecar.learning.suspensions import Cause, Suspensions
from cachedistill_sidecar.local.redis import EmbeddedRedis
from tests.component.asking import eventually
from tests.component.sealed_stage import cached, new_key, partition_of, put, write_keys
from tests.topologies import sharded

WRONG, OTHER = "a" * 32, "b" * 32


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@asynccontextmanager
async def suspending(redis_url: str, cache: str, ttl: float = 3600.0, **settings: Any) -> AsyncIterator[Suspensions]:
    """Suspensions that take their turns when they are told to."""
    async with cached(redis_url, cache, **settings) as live:
        made = Suspensions(live.store, live.seal, ttl, live.near.discard)
        yield made
        await made.close()


async def test_what_one_sidecar_suspends_no_other_serves(redis_url: str, cache_name: str) -> None:
    async with suspending(redis_url, cache_name) as one, suspending(redis_url, cache_name) as other:
        one.suspend(WRONG, Cause.VERIFIED_WRONG)
        assert (one.suspended, other.suspended) == (frozenset({WRONG}), frozenset())
        await one.turn()
        await other.turn()
        assert one.suspended == other.suspended == {WRONG}
        assert one.of(WRONG) == other.of(WRONG)
        assert other.of(OTHER) is None
        other.suspend(OTHER, Cause.FEEDBACK)
        other.clear(WRONG)
        assert other.suspended == {OTHER}
        await other.turn()
        await one.turn()
        assert one.suspended == {OTHER}


async def test_they_keep_up_with_each_other_by_themselves(redis_url: str, cache_name: str) -> None:
    async with suspending(redis_url, cache_name) as one, suspending(redis_url, cache_name) as other:
        await one.start()
        await other.start()
        one.suspend(WRONG, Cause.VERIFIED_WRONG)
        await eventually(lambda: other.suspended == {WRONG})
        other.clear(WRONG)
        await eventually(lambda: one.suspended == frozenset())


async def test_suspensions_survive_a_restart(redis_url: str, cache_name: str) -> None:
    async with suspending(redis_url, cache_name) as before:
        before.suspend(WRONG, Cause.FEEDBACK)
        known = before.of(WRONG)
    async with suspending(redis_url, cache_name) as after:
        await after.turn()
        assert after.of(WRONG) == known


async def test_while_redis_is_away_they_hold_here_and_are_told_when_it_is_back(tmp_path: Path, cache_name: str) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    async with (
        server as url,
        suspending(url, cache_name) as one,
        suspending(url, cache_name) as other,
    ):
        await one.turn()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        one.suspend(WRONG, Cause.VERIFIED_WRONG)
        with pytest.raises(StoreUnavailable):
            await one.turn()
        assert one.suspended == {WRONG}
        await one.start()
        await other.start()
        await eventually(lambda: other.suspended == {WRONG}, 20.0)


async def test_a_suspension_ends_with_its_entrys_time_to_live(
    redis_url: str, cache_name: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with suspending(redis_url, cache_name) as one, suspending(redis_url, cache_name, ttl=0.0) as other:
        one.suspend(WRONG, Cause.VERIFIED_WRONG)
        await one.turn()
        [key] = [key async for key in redis.scan_iter(f"cachedistill:{cache_name}:suspended")]
        assert 3000 < await redis.ttl(key) <= 3601
        await other.turn()
        assert other.suspended == frozenset()
        assert not await redis.exists(key)
        monkeypatch.setattr(suspensions, "_RELOAD_SECONDS", 0.0)
        one._reload_at = 0.0
        await one.turn()
        assert one.suspended == frozenset()


async def test_unchanged_they_are_not_read_again(redis_url: str, cache_name: str, redis: Redis) -> None:
    async with suspending(redis_url, cache_name) as one:
        one.suspend(WRONG, Cause.VERIFIED_WRONG)
        await one.turn()
        # As nobody does who doesn't count it as a change.
        await redis.delete(f"cachedistill:{cache_name}:suspended")
        await one.turn()
        assert one.suspended == {WRONG}


async def test_forged_suspensions_suspend_nothing(
    redis_url: str, cache_name: str, redis: Redis, tmp_path: Path
) -> None:
    seal: dict[str, Any] = {"seal_file": write_keys(tmp_path / "keys", new_key())}
    async with suspending(redis_url, cache_name, **seal) as one, suspending(redis_url, cache_name, **seal) as other:
        one.suspend(WRONG, Cause.VERIFIED_WRONG)
        await one.turn()
        where = f"cachedistill:{cache_name}:suspended"
        moved: Any = await redis.hget(where, WRONG)
        await redis.hset(where, OTHER, moved)
        await redis.hset(where, "c" * 32, orjson.dumps({"since": 1e12, "cause": "removed"}))
        await other.turn()
        assert other.suspended == {WRONG}


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"since":1e12}', b'{"since":1e12,"cause":"mood"}'])
async def test_what_is_no_suspension_is_passed_over(
    redis_url: str, cache_name: str, redis: Redis, written: bytes
) -> None:
    await redis.hset(f"cachedistill:{cache_name}:suspended", OTHER, written)
    async with suspending(redis_url, cache_name) as one:
        one.suspend(WRONG, Cause.REMOVED)
        await one.turn()
        assert one.suspended == {WRONG}


async def test_a_removed_answer_leaves_every_near_cache_but_a_later_one_may_be_served(
    redis_url: str, cache_name: str
) -> None:
    near = {"near_bytes": 1 << 20}
    async with cached(redis_url, cache_name, **near) as live, suspending(redis_url, cache_name) as other:
        mine = Suspensions(live.store, live.seal, 3600.0, live.near.discard)
        entry = await put(live, "How do I reset my password?", "With the red button.", partition_of("a"))
        assert live.get_near(entry.key) == entry
        other.suspend(entry.key, Cause.REMOVED)
        await other.turn()
        await mine.turn()
        assert live.get_near(entry.key) is None
        assert mine.removed(entry)
        later = await put(live, "How do I reset my password?", "With the green button.", partition_of("a"))
        assert not mine.removed(later)
        mine.suspend(OTHER, Cause.FEEDBACK)
        await mine.turn()
        assert live.get_near(later.key) == later


async def test_a_wrong_answer_that_nobody_removed_is_still_an_exact_one(redis_url: str, cache_name: str) -> None:
    async with cached(redis_url, cache_name) as live:
        mine = Suspensions(live.store, live.seal, 3600.0)
        entry = await put(live, "How do I reset my password?", "With the red button.", partition_of("a"))
        mine.suspend(entry.key, Cause.FEEDBACK)
        assert not mine.removed(entry)


async def test_closing_ends_them_at_any_time(redis_url: str, cache_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspensions, "_PAUSE_SECONDS", 0.001)
    async with cached(redis_url, cache_name) as live:
        for number in range(100):
            made = Suspensions(live.store, live.seal, 3600.0)
            await made.start()
            made.suspend(WRONG, Cause.FEEDBACK)
            await asyncio.sleep(number / 20_000)
            await asyncio.wait_for(made.close(), 10.0)


async def test_in_a_cluster_suspensions_are_shared(cache_name: str, tmp_path: Path) -> None:
    async with (
        sharded(tmp_path / "redis") as cluster,
        suspending(cluster.url, cache_name) as one,
        suspending(cluster.url, cache_name) as other,
    ):
        one.suspend(WRONG, Cause.VERIFIED_WRONG)
        await one.turn()
        await other.turn()
        assert other.suspended == {WRONG}
