"""Bad input: the provider's own answer where it can judge, else an error that SDKs can read. Nothing breaks."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from cachedistill_sidecar import server
from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.path import guard, receive
from tests.component.asking import CHAT, DIALECTS, App, http_request, raw
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
BODY = orjson.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": ASKED}]})
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar) -> Sidecar:
    return await start_sidecar(semantic=None)


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


BAD_BODIES = {
    "empty": b"",
    "no-json": b"{nonsense",
    "no-object": b'["model"]',
    "not-utf-8": b'{"model": "m", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "half-a-surrogate": b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "a-model-that-is-a-number": b'{"model": 7, "messages": [], "input": "x", "prompt": "x", "max_tokens": 5}',
    "messages-that-are-a-string": b'{"model": "m", "messages": "hello", "input": 3, "prompt": 3, "max_tokens": 5}',
    "deeply-nested": b'{"model": "m", "messages": ' + b"[" * 600 + b"]" * 600 + b"}",
    "a-huge-number": b'{"model": "m", "temperature": 1e999, "messages": [{"role": "user", "content": "x"}]}',
}


@each_dialect
@pytest.mark.parametrize("bad", BAD_BODIES)
async def test_what_is_not_understood_goes_to_the_provider_byte_for_byte_and_it_judges(
    app: App, upstream: Upstream, dialect: str, bad: str
) -> None:
    path = DIALECTS[dialect].path
    async with app.http.post(upstream.url + path, data=BAD_BODIES[bad]) as direct:
        expected = (direct.status, await direct.read())
    reply = await app.post(path, BAD_BODIES[bad])
    assert upstream.calls[-1].body == BAD_BODIES[bad]
    assert reply.status == expected[0]
    if reply.status >= 400:
        assert reply.body == expected[1] or b"req_" in reply.body
        assert (reply.decision, reply.reason) in {("passthrough", "not_understood"), ("fallback", "cold")}


@each_dialect
async def test_an_unknown_model_is_the_providers_to_refuse(app: App, dialect: str) -> None:
    spoken = DIALECTS[dialect]
    path = spoken.path.replace("gpt-4o", "no-such-model")
    for _ in range(2):
        reply = await app.post(path, spoken.body(ASKED) | spoken.whole | {"model": "no-such-model"})
        assert (reply.status, reply.decision) == (404, "fallback")


async def test_a_packed_request_goes_to_the_provider_as_it_is(app: App, upstream: Upstream) -> None:
    reply = await app.post(CHAT, b"\x1f\x8b packed", {"content-encoding": "deflate"})
    assert reply.reason == "not_understood"


async def test_headers_that_never_end_are_not_waited_for_forever(
    start_sidecar: StartSidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_IDLE_SECONDS", 0.2)
    sidecar = await start_sidecar(semantic=None)
    assert await raw(sidecar.url, b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nX-Slow: ") == b""


@pytest.mark.parametrize("path", [CHAT, "/v1/files"])
async def test_a_body_that_never_ends_is_an_error_that_sdks_can_read(
    start_sidecar: StartSidecar, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(receive, "_SILENCE_SECONDS", 0.2)
    sidecar = await start_sidecar(semantic=None)
    answer = await raw(sidecar.url, http_request(path, BODY, b"X-Own: 1")[:-5])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"x-cachedistill-reason: slow_client" in head
    assert orjson.loads(body)["error"]["message"]


BOMBS = {
    "a-long-header": http_request(CHAT, BODY, b"X-Bomb: " + b"a" * 100_000),
    "a-long-target": http_request("/v1/" + "a" * 100_000, BODY),
    "no-http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a-line-without-a-colon": http_request(CHAT, BODY, b"nonsense"),
    "two-lengths": http_request(CHAT, BODY, b"Content-Length: 7"),
    "a-length-that-is-no-number": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: many\r\n\r\n",
    "a-broken-chunk": http_request(CHAT, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"zz\r\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_what_is_no_http_is_refused_in_a_form_that_sdks_can_read(
    sidecar: Sidecar, app: App, upstream: Upstream, bomb: str
) -> None:
    answer = await raw(sidecar.url, BOMBS[bomb])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1].startswith(b"4")
    assert orjson.loads(body)["error"]["message"]
    assert b"x-cachedistill-decision: blocked" in head
    assert b"x-cachedistill-reason: malformed_http" in head
    assert upstream.calls == []
    assert (await app.chat(ASKED)).status == 200


async def test_many_headers_are_no_harm(sidecar: Sidecar) -> None:
    answer = await raw(sidecar.url, http_request(CHAT, BODY, *(b"X-H%d: 1" % number for number in range(2000))))
    assert answer.split()[1] in (b"200", b"400", b"431")


async def test_a_client_that_leaves_within_its_request_disturbs_nobody(app: App) -> None:
    host, _, port = app.url.removeprefix("http://").partition(":")
    for _ in range(5):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(http_request(CHAT, BODY)[:-10])
        writer.close()
        await writer.wait_closed()
    assert (await app.chat(ASKED)).status == 200


@pytest.mark.parametrize(("policy", "status"), [("PassThrough", 200), ("Fail", 502)])
async def test_when_the_path_itself_fails_the_route_says_whether_the_call_goes_through(
    start_sidecar: StartSidecar,
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    status: int,
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(guard, "partition", explode)
    app = App(http, (await start_sidecar(semantic=None, failurePolicy=policy)).url)
    reply = await app.chat(ASKED)
    assert (reply.status, reply.reason) == (status, "internal_error")
    if status == 200:
        assert reply.json["choices"]
    else:
        assert reply.json["error"]["type"] == "server_error"
