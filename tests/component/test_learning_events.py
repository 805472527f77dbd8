"""What one sidecar learns all of them know, in the same order: after a restart, an outage, and a loss of the data."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.learning import events
from cachedistill_sidecar.learning.learner import Learner
from cachedistill_sidecar.local.redis import EmbeddedRedis
from cachedistill_sidecar.policy.labels import Trial, encode
from tests.component.asking import eventually
from tests.component.learning_stage import ROUTE, features, label, labels_of, learning, turn
from tests.component.sealed_stage import new_key, write_keys
from tests.topologies import sharded


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    """A Redis of the test's own, to be mistreated."""
    server = EmbeddedRedis(tmp_path / "redis")
    yield server
    if server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
    await server.stop()


def model(of: Learner) -> object:
    """All that can be seen of a model."""
    return of.standings(), [of.model.explain(features(number)) for number in range(5)]


async def records(redis: Redis, of: Learner) -> list[tuple[bytes, Any]]:
    """The stream as it is."""
    found: Any = await redis.xrange(of.events.stream)
    return list(found)


async def test_two_sidecars_come_to_the_same_model(redis_url: str, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as one, learning(redis_url, cache_name) as other:
        for number in range(300):
            (one, other)[number % 2].record(label(number))
            if number % 70 == 0:
                await one.turn()
                await other.turn()
        one.served("all", "semantic", 0.9, 20)
        one.record(Trial(1.7e9, same=True, judged_same=False))
        one._report()
        for each in (one, other, one):
            await turn(each)
        assert one.standings()["all"].labels == 300
        assert one.standings()["all"].served == 1
        assert model(one) == model(other)


async def test_a_restart_forgets_nothing(redis_url: str, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as before:
        for number in range(450):
            before.record(label(number))
        await turn(before)
        known = model(before)
        before.record(label(450))
        before.served("all", "semantic", 0.75, 20)
    async with learning(redis_url, cache_name) as after:
        assert after.standings()["all"].labels == 0
        assert await labels_of(after) == 451
        assert after.standings()["all"].served == 1
        assert model(after) != known


async def test_of_what_two_write_at_the_same_time_nothing_is_lost(redis_url: str, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as one, learning(redis_url, cache_name) as other:

        async def write(to: Learner, first: int) -> None:
            for number in range(first, first + 500):
                to.record(label(number))
                if number % 50 == 0:
                    await to.turn()
            await to.turn()

        await asyncio.gather(write(one, 0), write(other, 500))
        assert [await labels_of(one), await labels_of(other)] == [1000, 1000]
        assert model(one) == model(other)


async def test_what_is_learnt_while_redis_is_away_is_told_when_it_is_back(
    server: EmbeddedRedis, cache_name: str
) -> None:
    url = await server.start()
    async with learning(url, cache_name) as one, learning(url, cache_name) as other:
        for number in range(30):
            one.record(label(number))
        assert await labels_of(one) == 30
        # As a restart with storage would find it.
        async with Redis.from_url(url) as client:
            await client.save()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        known = model(one)
        for number in range(30, 40):
            one.record(label(number))
        await turn(one)
        assert model(one) == known
        assert one.events.waiting == 10

        async def told() -> bool:
            return await labels_of(one) == 40 and await labels_of(other) == 40

        await eventually(told, 20.0)


async def test_what_a_hung_redis_took_after_all_counts_once(
    server: EmbeddedRedis, cache_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cachedistill_sidecar.learning.calls._DEADLINE_SECONDS", 0.2)
    url = await server.start()
    async with learning(url, cache_name) as one:
        one.record(label(0))
        assert await labels_of(one) == 1
        one.record(label(1))
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            await one.events.send()
        os.kill(server.pid, signal.SIGCONT)

        async def told() -> bool:
            return await labels_of(one) == 2 and not one.events.waiting

        await eventually(told)
        async with Redis.from_url(url) as client:
            assert await client.xlen(one.events.stream) == 3
        assert await labels_of(one) == 2


@pytest.mark.parametrize("written_meanwhile", [False, True], ids=["empty", "begun anew by another"])
async def test_when_redis_has_lost_its_data_everybody_begins_anew(
    redis_url: str, cache_name: str, redis: Redis, written_meanwhile: bool
) -> None:
    async with learning(redis_url, cache_name) as one, learning(redis_url, cache_name) as other:
        for number in range(100):
            one.record(label(number))
        assert [await labels_of(one), await labels_of(other)] == [100, 100]
        await redis.delete(one.events.stream)
        if written_meanwhile:
            other.record(label(7))
            await other.events.send()
        left = int(written_meanwhile)
        assert [await labels_of(one), await labels_of(other)] == [left, left]
        one.record(label(8))
        assert [await labels_of(one), await labels_of(other)] == [left + 1, left + 1]
        assert model(one) == model(other)


async def test_the_stream_is_bounded_and_the_last_events_stay(
    redis_url: str, cache_name: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LENGTH", 500)
    async with learning(redis_url, cache_name) as one, learning(redis_url, cache_name) as late:
        for number in range(1200):
            one.record(label(number))
        await turn(one)
        length = await redis.xlen(one.events.stream)
        assert 500 <= length < 700
        assert await labels_of(late) == length


async def test_too_many_events_during_an_outage_cost_the_oldest(
    redis_url: str, cache_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_WAITING", 100)
    async with learning(redis_url, cache_name) as one:
        for number in range(130):
            one.record(label(number))
        assert (one.events.waiting, one.events.dropped) == (100, 30)
        assert await labels_of(one) == 100


async def test_forged_events_teach_nothing(redis_url: str, cache_name: str, redis: Redis, tmp_path: Path) -> None:
    seal: dict[str, Any] = {"seal_file": write_keys(tmp_path / "keys", new_key())}
    async with learning(redis_url, cache_name, **seal) as one, learning(redis_url, "elsewhere", **seal) as elsewhere:
        one.record(label(0))
        elsewhere.record(label(1))
        await one.turn()
        await elsewhere.turn()
        record = {"writer": "somebody", "number": 1, "event": encode(label(2))}
        await redis.xadd(one.events.stream, {"event": orjson.dumps(record)})
        [(_, moved)] = await records(redis, elsewhere)
        await redis.xadd(one.events.stream, moved)
        (_, again), *_ = await records(redis, one)
        await redis.xadd(one.events.stream, again)
        assert await labels_of(one) == 1
        assert one.events.unreadable == 2
        await redis.delete(elsewhere.events.stream)


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"writer":"x","number":1,"event":{"kind":"label"}}'])
async def test_what_is_no_event_is_passed_over(redis_url: str, cache_name: str, redis: Redis, record: bytes) -> None:
    async with learning(redis_url, cache_name) as one:
        await redis.xadd(one.events.stream, {"event": record})
        await redis.xadd(one.events.stream, {"other": record})
        await turn(one)
        await turn(one)
        one.record(label(0))
        assert await labels_of(one) == 1
        assert one.events.unreadable == 2


async def test_in_a_cluster_it_is_the_same(cache_name: str, tmp_path: Path) -> None:
    async with (
        sharded(tmp_path / "redis") as cluster,
        learning(cluster.url, cache_name) as one,
        learning(cluster.url, cache_name) as other,
    ):
        for number in range(300):
            one.record(label(number))
        assert [await labels_of(one), await labels_of(other)] == [300, 300]
        assert one.events.stream.endswith(ROUTE)
