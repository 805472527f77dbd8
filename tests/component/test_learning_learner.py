"""What a sidecar's learner does by itself: it fits, counts what was served, tells it, and ends."""

from __future__ import annotations

import asyncio

import pytest

from cachedistill_sidecar.learning import learner
from cachedistill_sidecar.learning.learner import Learner
from cachedistill_sidecar.policy.error_budget import Model
from cachedistill_sidecar.policy.labels import Traffic
from tests.component.asking import eventually
from tests.component.learning_stage import ROUTE, RULES, label, learning, turn
from tests.component.sealed_stage import cached


async def test_what_was_served_is_booked_on_its_own_budget(redis_url: str, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as one:
        assert one.account(20).affords(0.5)
        for _ in range(10):
            one.served("all", "semantic", 0.5, 20)
        assert not one.account(20).affords(0.5)
        assert one.account(50).affords(0.5)


async def test_before_anything_is_read_nothing_is_certified(redis_url: str, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as fresh:
        standing = fresh.standings()["all"]
        assert (standing.certified, standing.cutoff, standing.labels) == (False, None, 0)


async def test_traffic_is_gathered_and_told_at_intervals(
    redis_url: str, cache_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with learning(redis_url, cache_name, rules={"all": 20, "few": 10}) as one:
        for probability in (0.9, 0.8):
            one.served("all", "semantic", probability, 20)
        one.served("few", "student", 1.0, 20)
        await one.turn()
        assert (await one.events.read()).events == ()
        monkeypatch.setattr(learner, "_REPORT_SECONDS", 0.0)
        one._report()
        await one.events.send()
        told = (await one.events.read()).events
        assert [(each.rule, each.tier, each.served) for each in told if isinstance(each, Traffic)] == [
            ("all", "semantic", 2),
            ("few", "student", 1),
        ]
        assert isinstance(told[0], Traffic)
        assert told[0].expected_wrong == pytest.approx(0.3)


async def test_while_redis_is_away_traffic_takes_no_labels_place(
    redis_url: str, cache_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "_REPORT_SECONDS", 0.0)
    async with cached(redis_url, cache_name) as live:
        one = Learner(live.store, live.seal, ROUTE, RULES)
        live.store.available = False
        one.record(label(0))
        for _ in range(3):
            one.served("all", "semantic", 0.9, 20)
            await one.turn()
        assert one.events.waiting == 1
        live.store.available = True
        await one.turn()
        await turn(one)
        assert (one.standings()["all"].labels, one.standings()["all"].served) == (1, 3)


async def test_other_budgets_for_the_same_route_keep_what_was_learnt(redis_url: str, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as one:
        for number in range(50):
            one.record(label(number))
        await turn(one)
        one.adopt({"all": 50, "new": 10})
        await turn(one)
        assert {rule: standing.labels for rule, standing in one.standings().items()} == {"all": 50, "new": 50}


async def test_it_learns_by_itself(redis_url: str, cache_name: str) -> None:
    async with learning(redis_url, cache_name) as one, learning(redis_url, cache_name) as other:
        await one.start()
        await other.start()
        for number in range(25):
            one.record(label(number))
        await eventually(lambda: [each.standings()["all"].labels for each in (one, other)] == [25, 25])


async def test_what_cannot_be_fitted_leaves_the_model_as_it_was(
    redis_url: str, cache_name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Model:
        raise ArithmeticError("singular")

    monkeypatch.setattr(learner, "_PAUSE_SECONDS", 0.01)
    async with learning(redis_url, cache_name) as one:
        before = one.model
        with monkeypatch.context() as broken:
            broken.setattr(learner, "learn", fail)
            await one.start()
            one.record(label(0))
            await eventually(lambda: "singular" in caplog.text)
            assert one.model is before
        for number in range(1, 25):
            one.record(label(number))
        await eventually(lambda: one.standings()["all"].labels == 25)
    assert caplog.text.count("ArithmeticError: singular") == 1


async def test_closing_ends_it_at_any_time(redis_url: str, cache_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "_PAUSE_SECONDS", 0.001)
    async with cached(redis_url, cache_name) as live:
        for number in range(100):
            made = Learner(live.store, live.seal, ROUTE, RULES)
            await made.start()
            await asyncio.sleep(number / 20_000)
            await asyncio.wait_for(made.close(), 10.0)
