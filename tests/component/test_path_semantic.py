"""Another wording of the same question is answered by what is stored; a look-alike that asks something else is not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.edge.embedder import Embedder, Overloaded
from tests.component.asking import DIALECTS, App, Reply, settled
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
DEBUG = {"x-cachedistill-debug": "1"}


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar) -> Sidecar:
    return await start_sidecar(semantic=500)


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def second_of(sidecar: Sidecar, app: App, first: str, second: str) -> Reply:
    """The reply to a text after another one was answered and stored."""
    await app.chat(first)
    await settled(sidecar)
    return await app.chat(second, headers=DEBUG)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_paraphrase_is_served_in_every_dialect(
    sidecar: Sidecar, app: App, upstream: Upstream, dialect: str, stream: bool
) -> None:
    first = await app.ask(dialect, ASKED, stream=not stream)
    await settled(sidecar)
    again = await app.ask(dialect, REWORDED, stream=stream)
    assert (again.status, again.decision, again.reason) == (200, "semantic_hit", "similar")
    assert again.text == first.text
    assert 0.6 <= float(again.headers["x-cachedistill-similarity"]) <= 1.0
    assert "age" in again.headers
    assert len(upstream.calls) == 1


async def test_a_paraphrase_is_served_by_a_second_sidecar(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, sidecar: Sidecar, app: App
) -> None:
    await app.chat(ASKED)
    await settled(sidecar)
    second = await start_sidecar(semantic=500)
    assert (await App(http, second.url).chat(REWORDED)).reason == "similar"


async def test_only_a_semantic_hit_names_a_similarity(sidecar: Sidecar, app: App) -> None:
    missed = await second_of(sidecar, app, ASKED, "Which trains go to Lisbon?")
    assert "x-cachedistill-similarity" not in missed.headers
    assert "x-cachedistill-similarity" not in (await app.chat(ASKED)).headers


GUARDED = [
    ("guard_number", "What is 15 percent of 200?", "What is 25 percent of 200?"),
    ("guard_number", "Which events happened in 1914?", "Which events happened in 1941?"),
    ("guard_identifier", "What does error E4021 mean?", "What does error E4022 mean?"),
    ("guard_negation", "How do I turn on dark mode?", "How do I turn off dark mode?"),
    ("guard_negation", "Which mushrooms are safe to eat?", "Which mushrooms are not safe to eat?"),
]


@pytest.mark.parametrize(("reason", "stored", "asked"), GUARDED)
async def test_a_look_alike_is_not_served_and_told_why(
    sidecar: Sidecar, app: App, reason: str, stored: str, asked: str
) -> None:
    reply = await second_of(sidecar, app, stored, asked)
    assert (reply.decision, reply.reason) == ("fallback", reason)
    [candidate] = reply.debug["candidates"]
    assert candidate["similarity"] >= 0.6
    assert candidate["blocked_by"] == reason


async def test_what_is_not_similar_enough_is_below_confidence(sidecar: Sidecar, app: App) -> None:
    reply = await second_of(sidecar, app, ASKED, "Which trains go to Lisbon?")
    assert (reply.decision, reply.reason) == ("fallback", "below_confidence")
    assert reply.debug["probability"] < reply.debug["cutoff"]


async def test_a_budget_of_zero_asks_no_embedder(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    sidecar = await start_sidecar(semantic=0)
    reply = await second_of(sidecar, App(http, sidecar.url), ASKED, REWORDED)
    assert reply.reason == "cold"
    assert set(reply.debug["steps_ms"]) == {"recall.exact", "escalate"}


@pytest.mark.parametrize(
    ("wish", "budget"), [("100", 100), ("900", 500), ("-1", 500), ("1.5", 500), ("", 500), ("0", 0)]
)
async def test_a_request_may_only_tighten_the_budget(app: App, wish: str, budget: int) -> None:
    reply = await app.chat(ASKED, headers={"x-cachedistill-max-error-permille": wish, **DEBUG})
    assert reply.debug["budget"] == budget


async def test_a_text_beyond_the_embedders_window_is_served_exactly_alone(sidecar: Sidecar, app: App) -> None:
    long = "tell me about the house and the garden " * 60
    assert (await app.chat(long)).reason == "too_long"
    assert (await app.chat(long)).reason == "near"
    assert (await app.chat(f"{long} please")).reason == "too_long"


async def test_a_busy_embedder_is_not_waited_for_and_its_answer_is_stored_exactly(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_self: Embedder, _text: str) -> None:
        raise Overloaded("too many texts wait")

    monkeypatch.setattr(Embedder, "embed", refuse)
    assert (await app.chat(ASKED)).reason == "embedder_busy"
    assert (await app.chat(ASKED)).reason == "near"


async def test_a_vector_whose_entry_is_gone_is_a_miss_and_deleted(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, app: App, sidecar: Sidecar, redis: Redis, cache_name: str
) -> None:
    await app.chat(ASKED)
    await settled(sidecar)
    [entry] = [key async for key in redis.scan_iter(f"cachedistill:{cache_name}:e:*")]
    await redis.delete(entry)
    other = App(http, (await start_sidecar(semantic=500)).url)
    assert (await other.chat(REWORDED, headers={"x-upstream-fail": "401"})).reason == "cold"
    kinds = ("e", "v")
    assert [key for kind in kinds async for key in redis.scan_iter(f"cachedistill:{cache_name}:{kind}:*")] == []


async def test_a_removed_entry_takes_its_vector_along(app: App, sidecar: Sidecar) -> None:
    entry = (await app.chat(ASKED, headers=DEBUG)).debug["entry"]
    await settled(sidecar)
    await App(app.http, sidecar.admin_url).call("DELETE", f"/cachedistill/entries/{entry}")
    assert (await app.chat(REWORDED)).reason == "cold"


async def test_a_rule_without_semantic_asks_no_embedder(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=None)
    reply = await second_of(sidecar, App(http, sidecar.url), ASKED, REWORDED)
    assert reply.reason == "cold"
    assert set(reply.debug["steps_ms"]) == {"recall.exact", "escalate"}


async def test_a_paraphrase_in_another_partition_is_not_even_a_candidate(sidecar: Sidecar, app: App) -> None:
    await app.chat(ASKED, seed=1)
    await settled(sidecar)
    reply = await app.chat(REWORDED, headers=DEBUG, seed=2)
    assert (reply.reason, reply.debug["candidates"]) == ("cold", [])
