"""Answers are compared off the path: by the ladder, and where it is undecided by a fallback, within its allowance."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.cache.semantic import Vector
from cachedistill_sidecar.edge.embedder import Embedder, Overloaded
from cachedistill_sidecar.learning import judge as module
from cachedistill_sidecar.learning.allowance import Allowance
from cachedistill_sidecar.learning.asker import Asker
from cachedistill_sidecar.learning.judge import Judge
from cachedistill_sidecar.policy.judgement import ladder
from cachedistill_sidecar.policy.judgement.opinion import Judgement, Opinion, Similarity, Step
from cachedistill_sidecar.policy.labels import Trial
from cachedistill_sidecar.route_document import Provider
from tests.component.judge_stage import ASKER, Oracle, chat_completion, judging, listening
from tests.component.learning_stage import ROUTE
from tests.component.sealed_stage import MadeUp, cached

ASKED = "Where do I find my invoices?"
ANSWER = "You find all of your invoices under Billing, in the menu on the left."
REWORDED = "Open the menu on the left and choose Billing; every invoice is listed there."
TEAM, OTHER_TEAM = b"t" * 16, b"o" * 16
TOO_LONG = orjson.dumps(chat_completion("SAME")) + b" " * (1 << 20)
EAST, NORTH = np.eye(2, dtype=np.float32)


@pytest.fixture
async def live(redis_url: str, cache_name: str) -> AsyncIterator[LiveCache]:
    async with cached(redis_url, cache_name) as cache:
        yield cache


@pytest.fixture
async def oracle() -> AsyncIterator[Oracle]:
    async with listening(Oracle()) as running:
        yield running


@pytest.fixture
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ladder that leaves everything open but equal answers."""

    def judge(question: str, known: str, fresh: str, similarity: Similarity) -> Judgement:
        if known == fresh:
            return Judgement(Opinion.SAME, Step.EQUAL)
        return Judgement(Opinion.UNDECIDED, Step.SENTENCES)

    monkeypatch.setattr(ladder, "judge", judge)


class Busy(MadeUp):
    async def embed(self, text: str) -> Vector:
        raise Overloaded("too many")


async def test_the_ladder_decides_without_a_fallback(live: LiveCache, oracle: Oracle) -> None:
    async with judging(live, oracle, embedder=Busy()) as judge:
        assert await judge.compare(ASKED, ANSWER, f" {ANSWER}", ASKER) == Judgement(Opinion.SAME, Step.EQUAL)
    assert oracle.asked == []


async def test_the_ladder_uses_the_caches_embedder(embedder_folder: Path) -> None:
    embedder = Embedder.load(embedder_folder)
    judge = Judge(embedder, None, random.Random(0))
    far = await judge.compare(ASKED, ANSWER, "The museum of natural history opens after lunch on most days.", ASKER)
    embedder.close()
    assert far == Judgement(Opinion.DIFFERENT, Step.COSINE)


async def test_a_busy_embedder_leaves_answers_undecided() -> None:
    judgement = await Judge(Busy(), None, random.Random(0)).compare(ASKED, ANSWER, REWORDED, ASKER)
    assert judgement.opinion is Opinion.UNDECIDED


async def test_too_many_comparisons_at_a_time_stay_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 5)
    judge = Judge(MadeUp(), None, random.Random(0))
    made = await asyncio.gather(*(judge.compare(ASKED, ANSWER, ANSWER, ASKER) for _ in range(8)))
    assert [each.opinion for each in made] == [Opinion.SAME] * 5 + [Opinion.UNDECIDED] * 3
    assert (await judge.compare(ASKED, ANSWER, ANSWER, ASKER)).opinion is Opinion.SAME


async def test_a_comparison_that_nobody_waits_for_ends_its_thread() -> None:
    waiting = asyncio.Event()

    class Slow(MadeUp):
        async def embed(self, text: str) -> Vector:
            waiting.set()
            await asyncio.Event().wait()
            raise AssertionError

    before = threading.active_count()
    task = asyncio.create_task(Judge(Slow(), None, random.Random(0)).compare(ASKED, ANSWER, REWORDED, ASKER))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(asyncio.get_running_loop().shutdown_default_executor(), 5.0)
    assert threading.active_count() <= before


@pytest.mark.usefixtures("undecided")
@pytest.mark.parametrize(
    ("word", "opinion"),
    [("SAME", Opinion.SAME), ("DIFFERENT", Opinion.DIFFERENT), ("Hard to tell.", Opinion.UNDECIDED)],
)
async def test_what_the_ladder_leaves_open_a_fallback_decides(
    live: LiveCache, oracle: Oracle, word: str, opinion: Opinion
) -> None:
    oracle.word = word
    async with judging(live, oracle) as judge:
        assert await judge.compare(ASKED, ANSWER, REWORDED, ASKER) == Judgement(opinion, Step.FALLBACK)
    [(path, headers, body)] = oracle.asked
    assert (path, headers["authorization"], body["model"]) == ("/v1/chat/completions", "Bearer app", "gpt-4o-mini")
    assert all(text in str(body["messages"]) for text in (ASKED, ANSWER, REWORDED))
    assert not {"idempotency-key", "x-team"} & headers.keys()


@pytest.mark.usefixtures("undecided")
async def test_an_anthropic_judge_is_asked_in_its_own_dialect(live: LiveCache, oracle: Oracle, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("operator")
    settings: dict[str, Any] = {
        "dialect": Provider.ANTHROPIC,
        "credentials_file": str(key),
        "model": "claude-haiku-4-5",
    }
    async with judging(live, oracle, **settings) as judge:
        assert (await judge.compare(ASKED, ANSWER, REWORDED, ASKER)).opinion is Opinion.SAME
    [(path, headers, body)] = oracle.asked
    assert (path, headers["x-api-key"], body["model"]) == ("/v1/messages", "operator", "claude-haiku-4-5")
    assert headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in headers
    assert body["max_tokens"] > 0
    assert isinstance(body["system"], str)


@pytest.mark.usefixtures("undecided")
async def test_an_apps_credential_never_goes_to_another_provider(live: LiveCache, oracle: Oracle) -> None:
    async with judging(live, oracle, dialect=Provider.ANTHROPIC) as judge:
        assert (await judge.compare(ASKED, ANSWER, REWORDED, ASKER)).opinion is Opinion.UNDECIDED
        mine = Asker({"x-api-key": "app", "anthropic-version": "2024-01-01"}, Provider.ANTHROPIC, "claude-haiku-4-5")
        assert (await judge.compare(ASKED, ANSWER, REWORDED, mine)).opinion is Opinion.SAME
    [(_, headers, _)] = oracle.asked
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("app", "2024-01-01")


@pytest.mark.usefixtures("undecided")
async def test_where_the_operators_credential_cannot_be_read_the_apps_does_not_go_instead(
    live: LiveCache, oracle: Oracle, tmp_path: Path
) -> None:
    async with judging(live, oracle, credentials_file=str(tmp_path / "absent")) as judge:
        await judge.compare(ASKED, ANSWER, REWORDED, ASKER)
    [(_, headers, _)] = oracle.asked
    assert "authorization" not in headers


@pytest.mark.usefixtures("undecided")
@pytest.mark.parametrize(
    "failure", [{"status": 500}, {"status": 302}, {"body": b"<html>"}, {"body": b"{}"}, {"body": TOO_LONG}]
)
async def test_a_judge_that_fails_leaves_answers_undecided(live: LiveCache, failure: dict[str, Any]) -> None:
    async with listening(Oracle(**failure)) as oracle, judging(live, oracle) as judge:
        assert (await judge.compare(ASKED, ANSWER, REWORDED, ASKER)).opinion is Opinion.UNDECIDED
    assert len(oracle.asked) == 1


@pytest.mark.usefixtures("undecided")
async def test_a_judge_that_cannot_be_reached_leaves_answers_undecided(live: LiveCache) -> None:
    oracle = Oracle()
    oracle.url = "http://127.0.0.1:1"
    async with judging(live, oracle) as judge:
        assert (await judge.compare(ASKED, ANSWER, REWORDED, ASKER)).opinion is Opinion.UNDECIDED


@pytest.mark.usefixtures("undecided")
async def test_the_judges_allowance_holds_for_all_sidecars_together(
    redis_url: str, cache_name: str, oracle: Oracle
) -> None:
    async with (
        cached(redis_url, cache_name) as here,
        cached(redis_url, cache_name) as there,
        judging(here, oracle, per_hour=3) as one,
        judging(there, oracle, per_hour=3) as other,
    ):
        for judge in (one, other, one, other, one, other):
            await judge.compare(ASKED, ANSWER, REWORDED, ASKER)
    assert len(oracle.asked) == 3


async def test_each_hour_has_its_own_allowance_and_so_has_each_rule(live: LiveCache) -> None:
    now = 1.7e9
    allowance = Allowance(live.store, ROUTE, "all", 2, lambda: now)
    assert [await allowance.take() for _ in range(3)] == [True, True, False]
    assert await Allowance(live.store, ROUTE, "few", 1, lambda: now).take()
    now += 3600
    assert await allowance.take()
    keys: Any = await live.store.client.keys(f"cachedistill:{live.document.name}:judge:*")
    assert len(keys) == 3
    assert all([0 < await live.store.client.ttl(key) <= 7200 for key in keys])


async def test_without_redis_a_judge_is_not_asked(live: LiveCache) -> None:
    live.store.available = False
    assert not await Allowance(live.store, ROUTE, "all", 10).take()


@pytest.mark.usefixtures("undecided")
async def test_what_a_judge_costs_is_taken_off_what_was_saved(live: LiveCache, oracle: Oracle) -> None:
    async with judging(live, oracle) as judge:
        await judge.compare(ASKED, ANSWER, REWORDED, ASKER)
        figures = live.report.figures.take()
    assert figures.pop("shop/support|cost.EUR") == pytest.approx(-(200 * 1000 + 2 * 5000) / 1e6)
    assert all(amount < 0 for amount in figures.values())
    assert not any("decision" in name for name in figures)


@pytest.mark.usefixtures("undecided")
async def test_two_fresh_answers_try_the_judge_on_what_is_the_same(live: LiveCache, oracle: Oracle) -> None:
    async with judging(live, oracle) as judge:
        for word, judged in (("SAME", True), ("DIFFERENT", False)):
            oracle.word = word
            trial = await judge.trial(ASKED, ANSWER, REWORDED, ASKER)
            assert trial == Trial(trial.at if trial else 0.0, same=True, judged_same=judged)
        oracle.word = "?"
        assert await judge.trial(ASKED, ANSWER, REWORDED, ASKER) is None


class Always(random.Random):
    def random(self) -> float:
        return 0.0


@pytest.mark.usefixtures("undecided")
async def test_an_answer_to_an_unrelated_question_tries_the_judge_on_what_is_not(
    live: LiveCache, oracle: Oracle
) -> None:
    async with judging(live, oracle, rng=Always()) as judge:
        assert await judge.plant(TEAM, ASKED, EAST, ANSWER, ASKER) is None
        trial = await judge.plant(TEAM, "When do you open?", NORTH, "At nine.", ASKER)
        assert trial == Trial(trial.at if trial else 0.0, same=False, judged_same=True)
        assert await judge.plant(TEAM, "When do you open?", NORTH, ANSWER, ASKER) is None


@pytest.mark.usefixtures("undecided")
async def test_no_answer_is_planted_beside_a_related_question_or_in_another_partition(
    live: LiveCache, oracle: Oracle
) -> None:
    async with judging(live, oracle, rng=Always()) as judge:
        await judge.plant(TEAM, ASKED, EAST, ANSWER, ASKER)
        assert await judge.plant(OTHER_TEAM, "When do you open?", NORTH, "At nine.", ASKER) is None
        assert await judge.plant(TEAM, "And my bills?", EAST, REWORDED, ASKER) is None
    assert oracle.asked == []


@pytest.mark.usefixtures("undecided")
async def test_one_fresh_answer_in_two_hundred_is_planted(live: LiveCache, oracle: Oracle) -> None:
    async with judging(live, oracle, rng=random.Random(5), per_hour=10_000) as judge:
        trials = [
            await judge.plant(TEAM, f"{number}?", (EAST, NORTH)[number % 2], f"Answer {number}.", ASKER)
            for number in range(4000)
        ]
    assert 10 <= sum(trial is not None for trial in trials) <= 32
