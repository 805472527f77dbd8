"""A SemanticCache tells whether its routes keep their budgets, against a real API server and a real Redis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from cachedistill_operator.reconcile.status import Statuses
from tests.budget_summaries import AT_RISK, summary
from tests.component.cache_fixtures import redis as redis
from tests.component.cache_fixtures import running as running
from tests.component.cache_fixtures import stage as stage
from tests.component.cache_stage import CacheStage, build_index, external
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.model_routes import cache, route, rule
from tests.topologies import Server, free_port

MODEL = "bge-small-en-v1.5"
LEARNING = {"certified": False, "missing": 212, "labels": 30, "measuredPermille": None, "upperPermille": None}


async def start(stage: CacheStage, redis: Redis, running: Server, *, semantic: Any) -> None:
    """A cache that is ready, and a route that uses it."""
    made = rule(cache="support")
    if semantic is not None:
        made["cache"]["semantic"] = semantic
    await stage.put(route(rules=[made]))
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external()))
    await stage.look()
    await build_index(redis, stage.prefix, MODEL)
    await stage.look()


async def tell(stage: CacheStage, redis: Redis, **changes: Any) -> None:
    """Sum up the route's budget as its sidecars do."""
    made = summary(at=changes.pop("at", stage.on.now().timestamp()), **changes)
    await redis.hset(f"{stage.prefix}budget", f"{stage.namespace}/chat|all", made)
    await stage.look()


async def certified(stage: CacheStage) -> tuple[str, str]:
    return (await stage.conditions())["Certified"]


async def test_without_a_rule_by_meaning_there_is_nothing_to_certify(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await start(stage, redis, running, semantic=None)
    assert await certified(stage) == ("True", "NothingToCertify")
    assert "wrongHitPermille" not in await stage.status()


async def test_a_new_route_has_exact_hits_only_and_is_ready(stage: CacheStage, redis: Redis, running: Server) -> None:
    await start(stage, redis, running, semantic={"maxErrorPermille": 10})
    assert await certified(stage) == ("False", "NotEnoughLabels")
    await tell(stage, redis, **LEARNING)
    assert await stage.message("Certified") == (
        f"route {stage.namespace}/chat, rule all: 212 more labels are needed before answers are served by meaning "
        "within 10 permille"
    )
    conditions = await stage.conditions()
    assert (conditions["Ready"], conditions["Stalled"]) == (("True", "Ready"), ("False", "NothingToDo"))
    assert (await stage.status())["wrongHitPermille"] == {"budget": 10, "labels": 30, "since": "2026-01-01T00:00:00Z"}


async def test_what_comes_to_be_is_one_event_each(stage: CacheStage, redis: Redis, running: Server) -> None:
    await start(stage, redis, running, semantic={})
    steps: tuple[dict[str, Any], ...] = (LEARNING, {}, AT_RISK, {"drift": True}, LEARNING, {})
    for changes in steps:
        await tell(stage, redis, **changes)
        await stage.look()
    told = [event for event in await stage.events("support") if event[1] in ("Certified", "BudgetAtRisk", "Drifting")]
    assert told == [
        ("Normal", "Certified"),
        ("Warning", "BudgetAtRisk"),
        ("Warning", "Drifting"),
        ("Normal", "Certified"),
    ]
    assert "NotEnoughLabels" not in [reason for _, reason in await stage.events("support")]


async def test_a_cache_that_is_older_than_its_route_tells_of_the_first_certificate(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await start(stage, redis, running, semantic=None)
    made = rule(cache="support")
    made["cache"]["semantic"] = {}
    await stage.put(route(rules=[made]))
    for changes in (LEARNING, {}):
        await tell(stage, redis, **changes)
    assert (await stage.events("support")).count(("Normal", "Certified")) == 1


async def test_a_new_controller_repeats_no_event(stage: CacheStage, redis: Redis, running: Server) -> None:
    await start(stage, redis, running, semantic={})
    await tell(stage, redis, **AT_RISK)
    before = await stage.events("support")
    stage.on = replace(stage.on, statuses=Statuses(stage.on.client, stage.on.now))
    await stage.look()
    assert await stage.events("support") == before


@pytest.mark.parametrize("changes", [{}, AT_RISK], ids=["certified", "at risk"])
async def test_an_outage_of_redis_repeats_no_event(
    stage: CacheStage, redis: Redis, running: Server, changes: dict[str, Any]
) -> None:
    await start(stage, redis, running, semantic={})
    await tell(stage, redis, **changes)
    before = await certified(stage)
    for port in (free_port(), running.port):
        await stage.give_secret("redis", url=f"redis://127.0.0.1:{port}")
        await stage.look()
    assert await certified(stage) == before
    told = [reason for _, reason in await stage.events("support")]
    assert (told.count(before[1]), "Unreachable" in told) == (1, True)


async def test_the_measured_share_comes_with_its_bound_and_goes_with_its_rule(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await start(stage, redis, running, semantic={})
    await tell(stage, redis)
    shown = (await stage.status())["wrongHitPermille"]
    assert shown == {"measured": 6, "upper": 9, "budget": 10, "labels": 5120, "since": "2026-01-01T00:00:00Z"}
    await stage.put(route(rules=[rule(cache="support")]))
    await stage.look()
    assert "wrongHitPermille" not in await stage.status()
    assert await certified(stage) == ("True", "NothingToCertify")


async def test_a_summary_of_yesterday_does_not_count(stage: CacheStage, redis: Redis, running: Server) -> None:
    await start(stage, redis, running, semantic={})
    await tell(stage, redis, at=stage.on.now().timestamp() - 25 * 3600, **AT_RISK)
    assert await certified(stage) == ("False", "NotEnoughLabels")
    assert "nothing was heard of its labels for a day" in await stage.message("Certified")


async def test_when_labels_hardly_change_nothing_is_written(stage: CacheStage, redis: Redis, running: Server) -> None:
    await start(stage, redis, running, semantic={})
    await tell(stage, redis)
    stage.writes()
    await tell(stage, redis, labels=5150, served=10500)
    assert stage.writes() == []


async def test_while_redis_is_away_the_figures_stay_and_the_condition_is_unknown(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await start(stage, redis, running, semantic={})
    await tell(stage, redis)
    shown = (await stage.status())["wrongHitPermille"]
    await running.kill()
    await stage.look()
    assert await certified(stage) == ("Unknown", "WaitingForRedis")
    assert (await stage.status())["wrongHitPermille"] == shown
