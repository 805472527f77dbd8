"""A call to a fallback: byte for byte there and back, within its timeouts, and ended when nobody wants it any more."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import CHAT, DIALECTS, App, eventually, http_request, raw, serving, settled
from tests.conftest import StartSidecar
from tests.routes import route_document
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": ASKED}]}
QUICK = {"timeouts": {"connectSeconds": 1, "firstByteSeconds": 1, "chunkSeconds": 1}, "retry": {"attempts": 0}}
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar) -> Sidecar:
    return await start_sidecar(semantic=None)


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


@pytest.fixture
async def quick(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> App:
    return App(http, (await start_sidecar(semantic=None, fallback_settings=QUICK)).url)


async def test_the_body_goes_out_as_the_very_bytes_that_came(app: App, upstream: Upstream) -> None:
    body = b'\n {"messages" : [{"content":"\\u00e4 \xc3\xa4","role":"user"}],\t"model":"gpt-4o", "x": 1.0e2}'
    await app.post(CHAT, body)
    assert upstream.calls[-1].body == body


async def test_headers_go_out_in_their_order_with_duplicates_but_without_those_of_the_connection(
    sidecar: Sidecar, upstream: Upstream
) -> None:
    lines = [b"X-One: 1", b"x-two: a", b"x-two: b", b"Keep-Alive: timeout=5", b"X-Named: gone", b"TE: trailers"]
    lines += [b"Proxy-Authorization: secret", b"x-cachedistill-debug: 1", b"Content-Type: application/json"]
    request = http_request(CHAT, orjson.dumps(BODY), *lines)
    await raw(sidecar.url, request.replace(b"Connection: close", b"Connection: close, x-named"))
    sent = [(name.lower(), value) for name, value in upstream.calls[-1].raw_headers]
    assert [pair for pair in sent if pair[0].startswith(b"x-")] == [
        (b"x-one", b"1"),
        (b"x-two", b"a"),
        (b"x-two", b"b"),
    ]
    names = {name for name, _ in sent}
    assert names == {b"host", b"content-length", b"content-type", b"x-one", b"x-two"}
    assert dict(sent)[b"host"] == upstream.url.removeprefix("http://").encode()


async def test_no_header_is_made_up(sidecar: Sidecar, upstream: Upstream) -> None:
    await raw(sidecar.url, http_request(CHAT, orjson.dumps(BODY)))
    assert {name.lower() for name, _ in upstream.calls[-1].raw_headers} == {b"host", b"content-length"}


async def test_the_answers_headers_come_back_with_duplicates(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis_url: str, cache_name: str
) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        response = web.json_response({"answer": 1})
        response.headers.extend([("x-limit", "1"), ("x-limit", "2"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
        return response

    async with serving(answer) as url:
        sidecar = await start_sidecar(route=route_document(url, redis_url=redis_url, cache=cache_name))
        async with http.post(sidecar.url + CHAT, json=BODY) as response:
            assert response.headers.getall("x-limit") == ["1", "2"]
            assert response.headers.getall("set-cookie") == ["a=1", "b=2"]
            assert await response.json() == {"answer": 1}


async def test_the_providers_request_id_comes_back(app: App) -> None:
    assert (await app.chat(ASKED)).headers["x-request-id"] == "req_upstream_000001"


@each_dialect
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_packed_answer_comes_back_packed_and_is_stored_all_the_same(
    sidecar: Sidecar, upstream: Upstream, dialect: str, stream: bool
) -> None:
    async with aiohttp.ClientSession(headers={"accept-encoding": "br, gzip"}) as http:
        app = App(http, sidecar.url)
        upstream.fail("gzip")
        first = await app.ask(dialect, ASKED, stream=stream)
        assert first.headers["content-encoding"] == "gzip"
        assert len(first.text.split()) == 30
        again = await app.ask(dialect, ASKED, stream=not stream)
        assert (again.reason, again.text) == ("near", first.text)
        assert "content-encoding" not in again.headers


async def test_an_app_that_takes_no_packed_answer_gets_none(sidecar: Sidecar, upstream: Upstream) -> None:
    upstream.fail("gzip")
    answer = await raw(sidecar.url, http_request(CHAT, orjson.dumps(BODY), b"accept-encoding: identity"))
    assert b"content-encoding" not in answer.lower()
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["choices"]


async def test_an_app_that_waits_to_be_told_to_go_on_is_told(sidecar: Sidecar, upstream: Upstream) -> None:
    host, _, port = sidecar.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = orjson.dumps(BODY)
    head = http_request(CHAT, body, b"Expect: 100-continue").removesuffix(body)
    writer.write(head)
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        writer.write(body)
        rest = await reader.read()
    writer.close()
    assert b"HTTP/1.1 200" in rest
    assert upstream.calls[-1].body == body


@each_dialect
async def test_silence_before_the_first_byte_is_a_timeout_in_the_dialects_shape(
    quick: App, upstream: Upstream, dialect: str
) -> None:
    upstream.fail("hang")
    reply = await quick.ask(dialect, ASKED)
    assert (reply.status, reply.decision, reply.reason) == (504, "error", "timeout")
    assert "error" in reply.json
    await eventually(lambda: upstream.calls[0].cancelled)


async def test_silence_within_an_answer_ends_it(quick: App, upstream: Upstream, http: aiohttp.ClientSession) -> None:
    upstream.fail("hang-in-stream")
    async with http.post(quick.url + CHAT, json=BODY | {"stream": True}) as response:
        assert response.status == 200
        assert await response.content.readany()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    await eventually(lambda: upstream.calls[0].cancelled)


async def test_headers_that_come_slowly_are_waited_for(app: App, upstream: Upstream) -> None:
    upstream.fail("slow-headers")
    assert (await app.chat(ASKED)).status == 200


async def test_an_answer_of_20_mb_comes_whole_and_is_not_stored(app: App, sidecar: Sidecar, upstream: Upstream) -> None:
    for stream in (False, True):
        upstream.fail("huge")
        assert len((await app.chat(ASKED, stream=stream)).text) == 20_000_000
        await settled(sidecar)
    assert len(upstream.calls) == 2


async def gone(app: App, upstream: Upstream, **headers: str) -> None:
    """Ask, and hang up when the upstream is at work."""
    asking = asyncio.create_task(app.chat(ASKED, headers=headers, stream=True))
    await eventually(lambda: bool(upstream.calls))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("mode", ["hang", "hang-in-stream"])
async def test_when_the_client_is_gone_the_call_is_cancelled(app: App, upstream: Upstream, mode: str) -> None:
    await gone(app, upstream, **{"x-upstream-fail": mode})
    await eventually(lambda: upstream.calls[0].cancelled)
    assert (await app.chat(ASKED)).reason == "cold"


async def test_when_the_client_is_gone_the_decision_says_so(app: App, sidecar: Sidecar, upstream: Upstream) -> None:
    await gone(app, upstream, **{"x-upstream-fail": "hang"})
    admin = App(app.http, sidecar.admin_url)

    async def told() -> bool:
        last: Any = (await admin.call("GET", "/cachedistill/decisions?count=1")).json
        return bool(last) and (last[0]["decision"], last[0]["reason"]) == ("error", "client_gone")

    await eventually(told)


async def test_a_route_may_let_the_call_finish_for_the_cache(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    sidecar = await start_sidecar(semantic=None, use={"onDisconnect": "Finish"})
    app = App(http, sidecar.url)
    await gone(app, upstream, **{"x-upstream-pace": "100,2"})
    await settled(sidecar)
    reply = await app.chat(ASKED)
    assert (reply.reason, len(upstream.calls), upstream.calls[0].cancelled) == ("near", 1, False)
    assert len(reply.text.split()) == 30


async def test_a_call_that_may_not_be_stored_is_cancelled_even_then(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    app = App(http, (await start_sidecar(semantic=None, use={"onDisconnect": "Finish"})).url)
    await gone(app, upstream, **{"x-upstream-fail": "hang", "cache-control": "no-store"})
    await eventually(lambda: upstream.calls[0].cancelled)
