"""A rule's budget as operators see it: complete, renewed when it changes, and not written for nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.learning import summary
from cachedistill_sidecar.learning.summary import Summary
from cachedistill_sidecar.policy.error_budget import Standing
from tests.component.learning_stage import ROUTE, label, learning, turn
from tests.component.sealed_stage import cached

STANDING = Standing(
    cutoff=0.97123456,
    certified=True,
    missing=0,
    measured=0.0062,
    upper=0.00871,
    labels=5120,
    served=10233,
    at_risk=False,
    drifting=False,
)
SINCE = 1767225600.5


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
async def teller(redis_url: str, cache_name: str) -> AsyncIterator[Summary]:
    async with cached(redis_url, cache_name) as live:
        yield Summary(live.store, ROUTE)


async def told(redis: Redis, cache: str) -> dict[str, Any]:
    found = await redis.hgetall(f"cachedistill:{cache}:budget")
    return {str(name): orjson.loads(value) for name, value in found.items()}


async def test_a_summary_says_all_that_the_operator_asks_for(teller: Summary, redis: Redis, cache_name: str) -> None:
    young = Standing(None, False, 212, None, None, 0, 0, False, True)
    await teller.tell({"all": 10, "few": 5}, {"all": STANDING, "few": young}, SINCE)
    found = await told(redis, cache_name)
    assert found["shop/support|all"].pop("at") == pytest.approx(found["shop/support|few"].pop("at"), abs=1)
    assert found == {
        "shop/support|all": {
            "maxErrorPermille": 10,
            "certified": True,
            "cutoff": 0.9712,
            "measuredPermille": 6.2,
            "upperPermille": 8.8,
            "labels": 5120,
            "missing": 0,
            "served": 10233,
            "since": "2026-01-01T00:00:00Z",
            "atRisk": False,
            "drift": False,
        },
        "shop/support|few": {
            "maxErrorPermille": 5,
            "certified": False,
            "cutoff": None,
            "measuredPermille": None,
            "upperPermille": None,
            "labels": 0,
            "missing": 212,
            "served": 0,
            "since": "2026-01-01T00:00:00Z",
            "atRisk": False,
            "drift": True,
        },
    }


async def test_a_bound_that_meets_the_budget_is_not_rounded_above_it(
    teller: Summary, redis: Redis, cache_name: str
) -> None:
    await teller.tell({"all": 20}, {"all": replace(STANDING, upper=0.1 * 0.2)}, SINCE)
    assert (await told(redis, cache_name))["shop/support|all"]["upperPermille"] == 20.0


async def test_rules_that_are_gone_leave_no_summary_and_other_routes_keep_theirs(
    teller: Summary, redis: Redis, cache_name: str
) -> None:
    where = f"cachedistill:{cache_name}:budget"
    await redis.hset(where, "shop/support-two|all", "{}")
    await teller.tell({"all": 10, "few": 5}, {"all": STANDING, "few": STANDING}, SINCE)
    teller._next = 0.0
    await teller.tell({"all": 10}, {"all": STANDING}, SINCE)
    assert set(await told(redis, cache_name)) == {"shop/support|all", "shop/support-two|all"}


async def test_a_certificate_that_comes_or_goes_is_told_at_once_all_else_at_intervals(
    teller: Summary, redis: Redis, cache_name: str
) -> None:
    async def labels() -> tuple[int, bool, bool]:
        found = (await told(redis, cache_name))["shop/support|all"]
        return found["labels"], found["certified"], found["atRisk"]

    await teller.tell({"all": 10}, {"all": replace(STANDING, labels=1)}, SINCE)
    await teller.tell({"all": 10}, {"all": replace(STANDING, labels=2)}, SINCE)
    assert await labels() == (1, True, False)
    await teller.tell({"all": 10}, {"all": replace(STANDING, labels=3, at_risk=True)}, SINCE)
    assert await labels() == (3, True, True)
    await teller.tell({"all": 10}, {"all": replace(STANDING, labels=4, certified=False)}, SINCE)
    assert await labels() == (4, False, False)
    teller._next = 0.0
    await teller.tell({"all": 10}, {"all": replace(STANDING, labels=5, certified=False)}, SINCE)
    assert await labels() == (5, False, False)


async def test_what_another_sidecar_has_told_is_not_told_again_within_the_hour(
    redis_url: str, teller: Summary, redis: Redis, cache_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await teller.tell({"all": 10}, {"all": STANDING}, SINCE)
    first = await told(redis, cache_name)
    async with cached(redis_url, cache_name) as live:
        # It knows the stream since another time, which makes no difference.
        await Summary(live.store, ROUTE).tell({"all": 10}, {"all": STANDING}, SINCE + 60)
        assert await told(redis, cache_name) == first
        monkeypatch.setattr(summary, "_RENEWED_SECONDS", 0.0)
        await Summary(live.store, ROUTE).tell({"all": 10}, {"all": STANDING}, SINCE + 60)
        assert (await told(redis, cache_name))["shop/support|all"]["at"] > first["shop/support|all"]["at"]


@pytest.mark.parametrize("written", ["", "{", "[]", "{}", '{"at":"soon"}'])
async def test_what_is_no_summary_is_replaced(teller: Summary, redis: Redis, cache_name: str, written: str) -> None:
    await redis.hset(f"cachedistill:{cache_name}:budget", "shop/support|all", written)
    await teller.tell({"all": 10}, {"all": STANDING}, None)
    assert (await told(redis, cache_name))["shop/support|all"]["since"] is None


async def test_a_learner_sums_up_what_it_has_read_and_not_before(redis_url: str, redis: Redis, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as one:
        await redis.set(one.events.stream, "something else")
        await turn(one)
        assert await told(redis, cache_name) == {}
        await redis.delete(one.events.stream)
        for number in range(30):
            one.record(label(number))
        await turn(one)
        found = (await told(redis, cache_name))["shop/support|all"]
        assert (found["labels"], found["maxErrorPermille"]) == (30, 20)
        assert abs(found["at"] - time.time()) < 60
