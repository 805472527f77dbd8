"""The very same request again: answered from memory or from Redis, in the client's dialect, as JSON or as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import orjson
import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import CHAT, DIALECTS, App, eventually, settled
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)
each_form = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar) -> Sidecar:
    return await start_sidecar(semantic=None)


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@each_dialect
@pytest.mark.parametrize("stored_from_a_stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer_is_replayed_in_either_form_whatever_form_it_came_in(
    app: App, upstream: Upstream, dialect: str, stored_from_a_stream: bool
) -> None:
    first = await app.ask(dialect, ASKED, stream=stored_from_a_stream)
    assert (first.status, first.decision) == (200, "fallback")
    for stream in (False, True):
        again = await app.ask(dialect, ASKED, stream=stream)
        assert (again.status, again.decision, again.reason) == (200, "exact_hit", "near")
        assert again.text == first.text
        kind = {"ollama_chat": "application/x-ndjson", "ollama_generate": "application/x-ndjson"}
        expected = kind.get(dialect, "text/event-stream") if stream else "application/json"
        assert again.headers["content-type"].startswith(expected)
    assert len(upstream.calls) == 1


@each_dialect
async def test_the_same_form_is_replayed_field_by_field(app: App, dialect: str) -> None:
    assert (await app.ask(dialect, ASKED)).json == (await app.ask(dialect, ASKED)).json


@each_dialect
async def test_a_second_sidecar_finds_in_redis_what_the_first_stored(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, sidecar: Sidecar, app: App, dialect: str
) -> None:
    first = await app.ask(dialect, ASKED)
    await settled(sidecar)
    second = App(http, (await start_sidecar(semantic=None)).url)
    replies = [await second.ask(dialect, ASKED) for _ in range(2)]
    assert [reply.reason for reply in replies] == ["stored", "near"]
    assert [reply.json for reply in replies] == [first.json] * 2


async def test_a_stream_ends_as_each_provider_ends_it(app: App) -> None:
    ends = {"openai_chat": b"data: [DONE]\n\n", "azure_chat": b"data: [DONE]\n\n"}
    for dialect in DIALECTS:
        for reason in ("cold", "near"):
            reply = await app.ask(dialect, ASKED, stream=True)
            assert reply.reason == reason
            if dialect in ends:
                assert reply.body.endswith(ends[dialect])
            else:
                last = reply.events[-1]
                assert last.get("type") in ("response.completed", "message_stop") or last["done"] is True


async def test_usage_is_streamed_only_when_asked_for(app: App) -> None:
    await app.chat(ASKED)
    silent = await app.chat(ASKED, stream=True)
    assert all("usage" not in event for event in silent.events)
    told = await app.chat(ASKED, stream=True, stream_options={"include_usage": True})
    assert told.reason == "near"
    usages = [event["usage"] for event in told.events]
    assert usages[:-1] == [None] * (len(usages) - 1)
    assert usages[-1]["completion_tokens"] > 0
    assert told.events[-1]["choices"] == []


async def test_usage_survives_a_stream_that_told_none(app: App) -> None:
    await app.chat(ASKED, stream=True)
    whole = await app.chat(ASKED)
    assert whole.reason == "near"
    assert whole.json["usage"]["completion_tokens"] > 0


async def test_a_hit_tells_its_age(app: App, sidecar: Sidecar) -> None:
    fresh = await app.chat(ASKED)
    assert "age" not in fresh.headers
    assert (await app.chat(ASKED)).headers["age"] == "0"
    cache = next(iter(sidecar.parts.caches.values()))
    key = next(iter(cache.near._entries))
    entry = cache.get_near(key)
    assert entry is not None
    cache.near.put(key, replace(entry, stored_at=entry.stored_at - 100).encode())
    assert 100 <= int((await app.chat(ASKED)).headers["age"]) < 200


async def test_every_answer_names_decision_reason_and_trace(app: App) -> None:
    replies = [await app.chat(ASKED), await app.chat(ASKED), await app.call("GET", "/v1/models")]
    assert [(reply.decision, reply.reason) for reply in replies] == [
        ("fallback", "cold"),
        ("exact_hit", "near"),
        ("passthrough", "not_llm"),
    ]
    traces = {reply.headers["x-cachedistill-trace"] for reply in replies}
    assert len(traces) == 3
    assert all(len(bytes.fromhex(trace)) == 16 for trace in traces)


async def test_the_debug_header_holds_the_decision_and_comes_only_when_asked_for(app: App) -> None:
    plain = await app.chat(ASKED)
    assert "x-cachedistill-debug" not in plain.headers
    told = (await app.chat(ASKED, headers={"x-cachedistill-debug": "1"})).debug
    assert (told["decision"], told["reason"], told["rule"]) == ("exact_hit", "near", "all")
    assert told["entry"]


async def test_the_debug_header_is_json_whatever_the_model_is_called(app: App) -> None:
    reply = await app.chat(ASKED, model="modèle\n✓", headers={"x-cachedistill-debug": "1"})
    assert reply.debug["model"] == "modèle\n✓"


async def test_a_removed_entry_is_not_served_again(app: App, sidecar: Sidecar, upstream: Upstream) -> None:
    first = await app.chat(ASKED, headers={"x-cachedistill-debug": "1"})
    await settled(sidecar)
    admin = App(app.http, sidecar.admin_url)
    path = f"/cachedistill/entries/{first.debug['entry']}"
    removed = await admin.call("DELETE", path)
    assert (removed.status, removed.json["removed"]) == (200, True)
    assert (await app.chat(ASKED)).reason == "cold"
    assert len(upstream.calls) == 2


async def test_removing_what_isnt_there_is_not_found(sidecar: Sidecar, http: aiohttp.ClientSession) -> None:
    reply = await App(http, sidecar.admin_url).call("DELETE", "/cachedistill/entries/0123456789abcdef")
    assert (reply.status, reply.json["removed"]) == (404, False)


async def test_an_entry_and_its_vector_expire_with_the_ttl(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis: Redis, cache_name: str
) -> None:
    sidecar = await start_sidecar(cache_settings={"ttlSeconds": 1})
    app = App(http, sidecar.url)
    await app.chat(ASKED)
    await settled(sidecar)
    keys = [key for kind in "ev" async for key in redis.scan_iter(f"cachedistill:{cache_name}:{kind}:*")]
    assert len(keys) == 2
    assert all([0 < await redis.pttl(key) <= 1000 for key in keys])


async def test_memory_keeps_an_entry_no_longer_than_redis(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    writer = await start_sidecar(semantic=None, cache_settings={"ttlSeconds": 1})
    await App(http, writer.url).chat(ASKED)
    await settled(writer)
    reader = App(http, (await start_sidecar(semantic=None, cache_settings={"ttlSeconds": 1})).url)
    assert (await reader.chat(ASKED)).reason == "stored"
    await asyncio.sleep(1.1)
    assert (await reader.chat(ASKED)).reason == "cold"


async def test_an_answer_larger_than_an_entry_may_be_is_passed_on_and_not_stored(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=None, cache_settings={"maxEntryBytes": 1024})
    app = App(http, sidecar.url)
    for _ in range(2):
        assert (await app.chat("x " * 2000, model="m" * 900)).reason == "cold"
    await settled(sidecar)
    assert sum(next(iter(sidecar.parts.caches.values())).writer.drops.values()) == 2


async def test_an_undecodable_entry_is_a_miss_and_deleted(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, app: App, redis: Redis, cache_name: str
) -> None:
    entry = (await app.chat(ASKED, headers={"x-cachedistill-debug": "1"})).debug["entry"]
    key = f"cachedistill:{cache_name}:e:{entry}"
    await eventually(lambda: _exists(redis, key))
    for junk in (b"\xff\x00", b"[]", b'{"format":0}', orjson.dumps({"format": 1, "stored_at": 1, "answer": {}})):
        await redis.set(key, junk)
        second = await start_sidecar(semantic=None)
        reply = await App(http, second.url).chat(
            ASKED, headers={"cache-control": "max-age=9", "x-upstream-fail": "500"}
        )
        assert (reply.decision, reply.reason, reply.status) == ("fallback", "cold", 500)
        assert not await redis.exists(key)


async def test_a_stored_stream_is_cut_into_chunks_as_the_cache_says(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    replay = {"streamReplay": {"chunkTokens": 10, "delayMilliseconds": 1}}
    app = App(http, (await start_sidecar(semantic=None, cache_settings=replay)).url)
    first = await app.chat(ASKED)
    again = await app.chat(ASKED, stream=True)
    pieces = [event["choices"][0]["delta"].get("content") for event in again.events]
    words = [len(piece.split()) for piece in pieces if piece]
    assert words == [10, 10, 10]
    assert again.text == first.text


@each_form
async def test_a_request_may_be_spelled_in_any_order_of_fields(app: App, stream: bool) -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": ASKED}], "temperature": 0.2, "stream": stream}
    await app.post(CHAT, body)
    backwards = orjson.dumps(dict(reversed(body.items())), option=orjson.OPT_INDENT_2)
    assert (await app.post(CHAT, backwards)).reason == "near"


async def _exists(redis: Redis, key: str) -> bool:
    return bool(await redis.exists(key))
