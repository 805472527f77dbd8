"""The figures in a ModelRoute's status, from a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from cachedistill_operator.api.group import Key, cache_name
from cachedistill_operator.reconcile.model_route import FIGURES_SECONDS, NEW
from cachedistill_operator.reconcile.redis_connections import Server
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_fixtures import stage as stage
from tests.component.route_stage import Stage
from tests.model_routes import cache, pod, route, rule


@pytest.fixture
async def ledger(stage: Stage, redis_url: str) -> AsyncIterator[Redis]:
    """Redis, known to the controller as that of the cache `support`, which the route `chat` uses."""
    await stage.put(cache("support"))
    made = await stage.put(route("chat", rules=[rule(cache="support")]))
    await stage.run(stage.injected(pod(f"chat-{uuid.uuid4().hex[:6]}"), made))
    await stage.on.redis.to(Key(stage.namespace, "support"), Server(redis_url, redis_url, None, "redis"))
    async with Redis.from_url(redis_url) as redis:
        yield redis


async def count(stage: Stage, redis: Redis, **figures: float) -> None:
    name = f"cachedistill:{cache_name(Key(stage.namespace, 'support'))}:ledger"
    owner = f"{stage.namespace}/chat"
    fields = {f"{owner}|{figure.replace('__', '.')}": amount for figure, amount in figures.items()}
    for field, amount in fields.items():
        await redis.hincrbyfloat(name, field, amount)
    # What was read of it is remembered for a while.
    known = stage.on.redis.known(Key(stage.namespace, "support"))
    assert known is not None
    known.ledger = None


async def test_what_the_sidecars_counted_is_in_the_status(stage: Stage, ledger: Redis) -> None:
    await count(stage, ledger, decision__exact_hit=1, decision__fallback=3, cost__USD=1.5, joules=7200, grams=0.5)
    await stage.settle()
    status = await stage.status()
    assert status["requests"] == 4
    assert status["decisionsPermille"] == {"exact": 250, "semantic": 0, "fallback": 750, "other": 0}
    assert status["localPermille"] == 250
    assert status["saved"] == {"cost": "1.5", "currency": "USD", "energyWattHours": "2", "carbonGrams": "0.5"}


async def test_figures_are_looked_at_again_soon_while_they_change_and_are_written_only_then(
    stage: Stage, ledger: Redis
) -> None:
    await stage.settle()
    stage.clock[0] = NEW + timedelta(minutes=1)
    await count(stage, ledger, decision__fallback=1)
    assert await stage.look() == FIGURES_SECONDS
    stage.writes()
    assert await stage.look() is None
    assert stage.writes() == []
    await count(stage, ledger, decision__fallback=1)
    assert await stage.look() == FIGURES_SECONDS
    assert len(stage.writes()) == 1


async def test_a_new_route_is_looked_at_soon_even_before_its_first_request(stage: Stage, ledger: Redis) -> None:
    await stage.settle()
    assert await stage.look() == FIGURES_SECONDS
    stage.clock[0] = NEW + timedelta(minutes=1)
    assert await stage.look() is None


async def test_figures_stay_while_redis_is_away(stage: Stage, ledger: Redis) -> None:
    await count(stage, ledger, decision__exact_hit=5)
    await stage.settle()
    await stage.on.redis.forget(Key(stage.namespace, "support"))
    await stage.look()
    assert (await stage.status())["requests"] == 5


async def test_a_route_without_caches_has_no_figures(stage: Stage) -> None:
    await stage.put(route("chat"))
    await stage.settle()
    assert "requests" not in await stage.status()
