"""Identical requests at the same time share one call; nobody suffers from what happens to another one."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import CHAT, DIALECTS, App, Reply, eventually, serving
from tests.conftest import StartSidecar
from tests.routes import route_document
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
SLOWLY = {"x-upstream-pace": "100,10"}


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar) -> Sidecar:
    return await start_sidecar(semantic=None, fallback_settings={"retry": {"attempts": 0}})


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


async def after(first: asyncio.Task[Reply], upstream: Upstream) -> None:
    """Wait until the first request has reached the upstream."""
    await eventually(lambda: first.done() or bool(upstream.calls))


@pytest.mark.parametrize("streams", [[False] * 8, [True] * 8, [True, False] * 4, [False, True] * 4])
async def test_identical_misses_at_once_make_one_call_and_all_get_the_answer(
    app: App, upstream: Upstream, streams: list[bool]
) -> None:
    replies = await asyncio.gather(*(app.chat(ASKED, headers=SLOWLY, stream=stream) for stream in streams))
    assert len(upstream.calls) == 1
    assert Counter(reply.reason for reply in replies) == {"cold": 1, "coalesced": 7}
    assert Counter(reply.decision for reply in replies) == {"fallback": 1, "exact_hit": 7}
    assert len({reply.text for reply in replies}) == 1
    for reply, stream in zip(replies, streams, strict=True):
        assert reply.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
        assert reply.body.endswith(b"data: [DONE]\n\n" if stream else b"}")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_dialect_coalesces(app: App, upstream: Upstream, dialect: str) -> None:
    spoken = DIALECTS[dialect]
    bodies = [spoken.body(ASKED) | form for form in (spoken.streaming, spoken.whole, spoken.streaming)]
    replies = await asyncio.gather(*(app.post(spoken.path, body, SLOWLY) for body in bodies))
    assert len(upstream.calls) == 1
    assert len({reply.text for reply in replies}) == 1


async def test_a_follower_is_streamed_to_while_the_answer_comes(app: App, upstream: Upstream) -> None:
    first = asyncio.create_task(app.chat(ASKED, headers={"x-upstream-pace": "0,40"}, stream=True))
    await after(first, upstream)
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": ASKED}], "stream": True}
    async with app.http.post(app.url + CHAT, json=body) as response:
        await response.content.readany()
        assert not first.done()
        assert response.headers["x-cachedistill-reason"] == "coalesced"
    await first


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("follower_streams", [False, True], ids=["for-the-whole", "for-a-stream"])
async def test_a_leader_that_hangs_up_does_not_take_its_followers_along(
    app: App, upstream: Upstream, stream: bool, follower_streams: bool
) -> None:
    leader = asyncio.create_task(app.chat(ASKED, headers={"x-upstream-pace": "200,1"}, stream=stream))
    await after(leader, upstream)
    follower = asyncio.create_task(app.chat(ASKED, stream=follower_streams))
    await asyncio.sleep(0.05)
    leader.cancel()
    reply = await follower
    assert (reply.status, reply.reason) == (200, "coalesced")
    assert len(reply.text.split()) == 30
    assert len(upstream.calls) == 1
    assert not upstream.calls[0].cancelled


async def test_when_the_last_one_hangs_up_the_call_is_cancelled(app: App, upstream: Upstream) -> None:
    asking = [asyncio.create_task(app.chat(ASKED, headers={"x-upstream-fail": "hang"})) for _ in range(3)]
    await eventually(lambda: bool(upstream.calls))
    await asyncio.sleep(0.05)
    for task in asking:
        task.cancel()
    await eventually(lambda: upstream.calls[0].cancelled)


@pytest.mark.parametrize("status", [401, 429, 500, None])
@pytest.mark.parametrize("stream", [False, True], ids=["to-followers-alike", "to-followers-of-another-form"])
async def test_the_leaders_failure_is_not_shared(
    start_sidecar: StartSidecar,
    http: aiohttp.ClientSession,
    redis_url: str,
    cache_name: str,
    status: int | None,
    stream: bool,
) -> None:
    calls = 0

    async def answer(request: web.BaseRequest) -> web.Response:
        nonlocal calls
        calls += 1
        if calls > 1:
            return web.json_response({"good": True})
        await asyncio.sleep(0.2)
        if status is None and request.transport is not None:
            request.transport.abort()
        return web.json_response({"error": {"message": "no"}}, status=status or 500)

    async with serving(answer) as url:
        route = route_document(url, redis_url=redis_url, cache=cache_name, semantic=None)
        app = App(http, (await start_sidecar(route=route)).url)
        leader = asyncio.create_task(app.chat(ASKED))
        await eventually(lambda: calls == 1)
        followers = await asyncio.gather(*(app.chat(ASKED, stream=stream) for _ in range(3)))
        assert (await leader).status == (status or 502)
    assert [(reply.status, reply.decision, reply.reason) for reply in followers] == [(200, "fallback", "cold")] * 3
    assert calls == 4


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_those_who_wait_for_the_whole_of_a_stream_that_is_cut_ask_for_themselves(
    app: App, upstream: Upstream, stream: bool
) -> None:
    leader = asyncio.create_task(app.chat(ASKED, headers=SLOWLY | {"x-upstream-fail": "cut"}, stream=stream))
    await after(leader, upstream)
    follower = asyncio.create_task(app.chat(ASKED, stream=not stream))
    with pytest.raises(aiohttp.ClientError):
        await leader
    reply = await follower
    assert (reply.status, reply.decision, reply.reason) == (200, "fallback", "cold")
    assert len(reply.text.split()) == 30


async def test_those_who_were_streamed_a_part_of_a_cut_stream_are_cut_too(app: App, upstream: Upstream) -> None:
    fail = SLOWLY | {"x-upstream-fail": "cut"}
    replies = await asyncio.gather(
        *(app.chat(ASKED, headers=fail, stream=True) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(reply, aiohttp.ClientError) for reply in replies)
    assert len(upstream.calls) == 1


async def test_what_may_not_be_served_from_the_cache_is_not_coalesced(app: App, upstream: Upstream) -> None:
    for headers in ({"cache-control": "no-store"}, {"cache-control": "no-cache"}):
        upstream.reset()
        await asyncio.gather(*(app.chat(ASKED, headers=SLOWLY | headers) for _ in range(3)))
        assert len(upstream.calls) == 3


async def test_tenants_are_not_coalesced_with_each_other(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    scope = {"scope": "Tenant", "tenantHeader": "x-tenant-id"}
    app = App(http, (await start_sidecar(semantic=None, cache_settings=scope)).url)
    await asyncio.gather(*(app.chat(ASKED, headers=SLOWLY | {"x-tenant-id": name}) for name in ("red", "blue", "red")))
    assert len(upstream.calls) == 2


async def test_a_follower_is_not_sent_an_encoding_that_only_the_leader_takes(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    url = (await start_sidecar(semantic=None)).url
    plain_only: dict[str, Any] = {"skip_auto_headers": ["accept-encoding"], "auto_decompress": False}
    async with (
        aiohttp.ClientSession(headers={"accept-encoding": "gzip"}) as packing,
        aiohttp.ClientSession(**plain_only) as plain,
    ):
        leader = asyncio.create_task(App(packing, url).chat(ASKED, headers=SLOWLY | {"x-upstream-fail": "gzip"}))
        await after(leader, upstream)
        reply = await App(plain, url).chat(ASKED)
        assert "content-encoding" not in reply.headers
        assert reply.text == (await leader).text


async def test_the_leaders_cookies_are_not_the_followers(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis_url: str, cache_name: str
) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(0.1)
        return web.json_response({"choices": []}, headers={"set-cookie": "session=leader", "x-kept": "1"})

    async with serving(answer) as url:
        route = route_document(url, redis_url=redis_url, cache=cache_name, semantic=None)
        app = App(http, (await start_sidecar(route=route)).url)
        replies = await asyncio.gather(*(app.chat(ASKED) for _ in range(2)))
        cookies = {reply.reason: reply.headers.get("set-cookie") for reply in replies}
    assert cookies == {"cold": "session=leader", "coalesced": None}
    assert all(reply.headers["x-kept"] == "1" for reply in replies)
