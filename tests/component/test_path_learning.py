"""What the path learns: from misses, from hits that are verified or asked for anew; and with whom it shares answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cache.entry import Entry
from cachedistill_sidecar.exchange import Answer, Exchange
from cachedistill_sidecar.learning.suspensions import Cause
from cachedistill_sidecar.parts import Parts
from cachedistill_sidecar.path.ask import ask_again
from cachedistill_sidecar.policy.calibrator import Prior
from cachedistill_sidecar.policy.labels import Source
from cachedistill_sidecar.policy.prior import PriorDamaged
from tests.component.asking import App, settled
from tests.component.learning_stage import ADA, ASKED, BOB, CAROL, DEBUG, GROUPS, OTHERWISE, REWORDED, THIRD
from tests.component.learning_stage import labels_learnt as labels
from tests.conftest import StartSidecar
from tests.taught import Always
from tests.upstream import Upstream
from tests.upstream.answers import normalise

REFRESH = {"cache-control": "no-cache"}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that has one answer to all but one of the wordings."""
    async with Upstream(GROUPS) as running:
        yield running


async def entry_of(sidecar: Sidecar, app: App, text: str) -> Entry:
    """What is stored for a text that was asked before."""
    await settled(sidecar)
    reply = await app.chat(text, headers={**ADA, **DEBUG})
    assert reply.decision == "exact_hit"
    [cache] = sidecar.parts.caches.values()
    found = await cache.get(reply.debug["entry"])
    assert found is not None
    return found


async def suspension_of(sidecar: Sidecar, entry: str) -> Cause | None:
    await settled(sidecar)
    [lesson] = sidecar.parts.lessons.values()
    suspension = lesson.suspensions.of(entry)
    return None if suspension is None else suspension.cause


async def stored(sidecar: Sidecar, app: App) -> str:
    """Ask for the first time; the entry's key."""
    key = (await app.chat(ASKED, headers={**ADA, **DEBUG})).debug["entry"]
    await settled(sidecar)
    return str(key)


@pytest.mark.parametrize(("text", "right"), [(REWORDED, True), (OTHERWISE, False)], ids=["same", "another"])
async def test_a_miss_tells_whether_the_stored_answer_would_have_been_right(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, text: str, right: bool
) -> None:
    sidecar = await start_sidecar(taught=False)
    app = App(http, sidecar.url)
    await stored(sidecar, app)
    assert (await app.chat(text, headers=ADA)).reason == "uncertified"
    [label] = await labels(sidecar)
    assert (label.source, label.served, label.share) == (Source.MISS, False, 1.0)
    assert (label.right, label.novel) == (right, not right)


async def test_a_new_wording_with_a_known_answer_joins_its_group_and_one_with_another_does_not(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(taught=False)
    app = App(http, sidecar.url)
    first = await stored(sidecar, app)
    for text in (REWORDED, OTHERWISE):
        await app.chat(text, headers=ADA)
        await settled(sidecar)
    assert (await entry_of(sidecar, app, REWORDED)).group == first
    other = await entry_of(sidecar, app, OTHERWISE)
    assert other.group == other.key


async def test_a_fresh_answer_that_says_something_else_leaves_the_group_to_those_that_agreed(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = await start_sidecar(taught=False)
    app = App(http, sidecar.url)
    first = await stored(sidecar, app)
    await app.chat(REWORDED, headers=ADA)
    await settled(sidecar)
    monkeypatch.setitem(upstream._meanings._groups, normalise(ASKED), "another answer")
    await app.chat(ASKED, headers={**ADA, **REFRESH})
    assert (await entry_of(sidecar, app, REWORDED)).group == first
    assert (await entry_of(sidecar, app, ASKED)).group != first


@pytest.mark.parametrize(("text", "right"), [(REWORDED, True), (OTHERWISE, False)], ids=["right", "wrong"])
async def test_a_verified_hit_is_labelled_and_suspended_if_it_was_wrong(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, text: str, right: bool
) -> None:
    sidecar = await start_sidecar(rng=Always())
    app = App(http, sidecar.url)
    first = await stored(sidecar, app)
    assert (await app.chat(text, headers=ADA)).reason == "similar"
    [label] = [each for each in await labels(sidecar) if each.source is Source.VERIFIED]
    assert (label.right, label.served) == (right, True)
    assert await suspension_of(sidecar, first) == (None if right else Cause.VERIFIED_WRONG)


async def test_what_is_verified_is_the_answer_that_was_served_though_it_is_gone_by_then(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = await start_sidecar(rng=Always())
    app = App(http, sidecar.url)
    first = await stored(sidecar, app)
    [cache] = sidecar.parts.caches.values()

    async def later(*what: object) -> object:
        await cache.remove(first)
        return await ask_again(*what)  # type: ignore[arg-type]

    monkeypatch.setattr("cachedistill_sidecar.path.verify.ask_again", later)
    assert (await app.chat(OTHERWISE, headers=ADA)).reason == "similar"
    [label] = [each for each in await labels(sidecar) if each.source is Source.VERIFIED]
    assert not label.right


@pytest.mark.parametrize("again", [True, False], ids=["taken_back", "told_twice"])
async def test_a_verdict_against_a_clear_forecast_must_be_told_of_a_second_answer_too(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    sidecar = await start_sidecar(rng=Always())
    app = App(http, sidecar.url)
    first = await stored(sidecar, app)

    async def mistaken(exchange: Exchange, parts: Parts) -> Answer | None:
        answer = await ask_again(exchange, parts)
        return None if answer is None else replace(answer, text="No, never.")

    monkeypatch.setattr("cachedistill_sidecar.policy.judge_noise.UNLIKELY", 0.9)
    monkeypatch.setattr("cachedistill_sidecar.path.verify.ask_again", mistaken)
    if not again:
        monkeypatch.setattr("cachedistill_sidecar.path.learn.ask_again", mistaken)
    assert (await app.chat(REWORDED, headers=ADA)).reason == "similar"
    [label] = [each for each in await labels(sidecar) if each.source is Source.VERIFIED]
    assert label.right is again
    assert await suspension_of(sidecar, first) == (None if again else Cause.VERIFIED_WRONG)


async def test_a_fallback_that_asked_to_be_left_alone_verifies_nothing(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    sidecar = await start_sidecar(rng=Always(), fallback_settings={"retry": {"attempts": 0}})
    app = App(http, sidecar.url)
    await stored(sidecar, app)
    upstream.fail("429:60")
    assert (await app.chat("What does a stamp cost?", headers=ADA)).status == 429
    asked = len(upstream.calls)
    assert (await app.chat(REWORDED, headers=ADA)).reason == "similar"
    await settled(sidecar)
    assert len(upstream.calls) == asked


async def test_a_verification_is_a_new_call_to_the_provider_whatever_the_client_called_its_own(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    sidecar = await start_sidecar(rng=Always())
    app = App(http, sidecar.url)
    await stored(sidecar, app)
    asked = len(upstream.calls)
    await app.chat(REWORDED, headers={**ADA, "Idempotency-Key": "1"})
    await settled(sidecar)
    [verification] = upstream.calls[asked:]
    assert "idempotency-key" not in verification.headers
    assert verification.headers["authorization"] == ADA["authorization"]


async def test_streamed_answers_are_stored_and_verified_where_entries_must_be_small(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    # A stream has some seven thousand bytes of chunks for these thirty words.
    sidecar = await start_sidecar(rng=Always(), cache_settings={"maxEntryBytes": 1024})
    app = App(http, sidecar.url)
    await app.chat(ASKED, headers=ADA, stream=True)
    await settled(sidecar)
    assert (await app.chat(REWORDED, headers=ADA, stream=True)).reason == "similar"
    assert [each.right for each in await labels(sidecar) if each.source is Source.VERIFIED] == [True]


@pytest.mark.parametrize(("text", "right"), [(REWORDED, True), (OTHERWISE, False)], ids=["same", "another"])
async def test_whoever_asks_again_for_a_fresh_answer_labels_the_one_that_was_served_once(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, text: str, right: bool
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    first = await stored(sidecar, app)
    assert (await app.chat(text, headers=ADA)).reason == "similar"
    for _ in range(3):
        assert (await app.chat(text, headers={**ADA, **REFRESH})).reason == "refresh"
        await settled(sidecar)
    [label] = await labels(sidecar)
    assert (label.source, label.right, label.served) == (Source.REGENERATED, right, True)
    assert await suspension_of(sidecar, first) == (None if right else Cause.FEEDBACK)


async def test_somebody_elses_wish_for_a_fresh_answer_says_nothing_about_what_was_served(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    await stored(sidecar, app)
    await app.chat(OTHERWISE, headers=ADA)
    await app.chat(OTHERWISE, headers={**BOB, **REFRESH})
    assert [each.source for each in await labels(sidecar)] == [Source.MISS]


async def test_an_answer_is_shared_when_enough_principals_have_got_it(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(cache_settings={"poisoning": {"minimumAgreeingPrincipals": 2}})
    app = App(http, sidecar.url)
    await stored(sidecar, app)
    assert (await app.chat(REWORDED, headers=BOB)).reason == "unshared"
    await settled(sidecar)
    assert (await app.chat(THIRD, headers=CAROL)).reason == "similar"


async def test_whoever_has_got_an_answer_needs_nobody_to_agree(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(cache_settings={"poisoning": {"minimumAgreeingPrincipals": 2}})
    app = App(http, sidecar.url)
    await stored(sidecar, app)
    assert (await app.chat(REWORDED, headers=ADA)).reason == "similar"


async def test_an_answer_that_is_removed_while_it_is_read_is_not_told_as_a_hit(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    first = await stored(sidecar, app)
    [lesson] = sidecar.parts.lessons.values()
    near = lesson.cache.get_near

    def removed_meanwhile(key: str) -> Entry | None:
        found = near(key)
        if key == first:
            lesson.suspensions.suspend(key, Cause.REMOVED)
        return found

    monkeypatch.setattr(lesson.cache, "get_near", removed_meanwhile)
    reply = await app.chat(REWORDED, headers=ADA)
    assert (reply.decision, reply.reason) == ("fallback", "suspended")


async def test_a_damaged_prior_costs_hits_by_meaning_and_nothing_else(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> Prior:
        raise PriorDamaged("prior.json differs from its digest")

    monkeypatch.setattr("cachedistill_sidecar.policy.error_budget.shipped", damaged)
    sidecar = await start_sidecar(taught=False)
    app = App(http, sidecar.url)
    await stored(sidecar, app)
    assert (await app.chat(ASKED, headers=ADA)).decision == "exact_hit"
    assert (await app.chat(REWORDED, headers=ADA)).decision == "fallback"
