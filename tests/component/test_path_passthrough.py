"""Whatever is no LLM request goes to its provider and back untouched."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType, web

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import CHAT, App, http_request, raw, serving
from tests.conftest import StartSidecar
from tests.routes import route_document
from tests.upstream import Upstream

MEGABYTE = 1 << 20
PROCESS = """
import asyncio, sys
from pathlib import Path
from cachedistill_sidecar.app import Sidecar

async def main():
    async with Sidecar(Path(sys.argv[1]), find_model=Path) as sidecar:
        print(sidecar.url, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar) -> Sidecar:
    return await start_sidecar(semantic=None)


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_any_method_and_path_goes_through(app: App, method: str) -> None:
    body = b"some bytes \x00\xff" if method not in ("GET", "OPTIONS") else b""
    reply = await app.call(method, "/echo/some/path", body)
    assert (reply.status, reply.decision, reply.reason) == (200, "passthrough", "not_llm")
    assert (reply.json["method"], reply.json["path"], reply.json["length"]) == (method, "/echo/some/path", len(body))


async def test_an_llm_path_with_another_method_goes_through(app: App, upstream: Upstream) -> None:
    assert (await app.call("GET", CHAT)).reason == "not_llm"
    assert (upstream.calls[-1].method, upstream.calls[-1].path) == ("GET", CHAT)


@pytest.mark.parametrize(
    "target",
    [
        b"/echo/a%2Fb%20c/%C3%A4/d+e;f=g,h@i",
        b"/echo/x?q=%2B+%20&empty=&bare&q=again&%5B%5D=1",
        b"/echo//two///slashes/",
        b"/echo/./dots/../stay",
        b"/echo/(a)'b!*~",
    ],
)
async def test_the_target_is_kept_to_the_letter(
    start_sidecar: StartSidecar, redis_url: str, cache_name: str, target: bytes
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=request.raw_path)

    async with serving(answer) as url:
        sidecar = await start_sidecar(route=route_document(url, redis_url=redis_url, cache=cache_name))
        received = await raw(sidecar.url, http_request(target.decode(), b"", method="GET"))
    assert received.partition(b"\r\n\r\n")[2] == target


async def test_nothing_is_added_to_a_request_without_a_body(sidecar: Sidecar) -> None:
    answer = await raw(sidecar.url, b"GET /echo HTTP/1.1\r\nHost: h\r\nX-Own: 1\r\nConnection: close\r\n\r\n")
    told = orjson.loads(answer.partition(b"\r\n\r\n")[2])
    assert {name.lower() for name, _ in told["headers"]} == {"host", "x-own"}


async def test_a_chunked_body_stays_chunked(app: App) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"piece"

    told = (await app.call("POST", "/echo", pieces())).json
    assert told["length"] == 25
    assert ["transfer-encoding", "chunked"] in [[name.lower(), value] for name, value in told["headers"]]


async def test_the_answer_to_head_has_its_length_and_no_body(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis_url: str, cache_name: str
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(headers={"content-length": "1234", "x-method": request.method})

    async with serving(answer) as url:
        sidecar = await start_sidecar(route=route_document(url, redis_url=redis_url, cache=cache_name))
        reply = await App(http, sidecar.url).call("HEAD", "/v1/files/1/content")
        assert (reply.status, reply.headers["content-length"], reply.body) == (200, "1234", b"")
        assert reply.headers["x-method"] == "HEAD"


@pytest.mark.parametrize("status", [204, 304, 301, 418, 500])
async def test_any_status_comes_back(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis_url: str, cache_name: str, status: int
) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, reason="As It Was", headers={"location": "/elsewhere", "etag": '"1"'})

    async with serving(answer) as url:
        sidecar = await start_sidecar(route=route_document(url, redis_url=redis_url, cache=cache_name))
        async with http.get(f"{sidecar.url}/v1/files", allow_redirects=False) as response:
            assert (response.status, response.reason) == (status, "As It Was")
            assert (response.headers["location"], response.headers["etag"]) == ("/elsewhere", '"1"')
            assert await response.read() == b""


async def test_a_packed_answer_is_not_unpacked(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, redis_url: str, cache_name: str
) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"any bytes at all", headers={"content-encoding": "zstd"})

    async with serving(answer) as url:
        sidecar = await start_sidecar(route=route_document(url, redis_url=redis_url, cache=cache_name))
        received = await raw(sidecar.url, http_request("/v1/files", b"", method="GET"))
    assert b"content-encoding: zstd" in received.lower()
    assert received.endswith(b"any bytes at all")


async def test_trailers_come_back(sidecar: Sidecar, upstream: Upstream) -> None:
    request = http_request("/_trailers", b"", method="GET")
    direct, received = await raw(upstream.url, request), await raw(sidecar.url, request)
    assert b"x-checksum: " in direct.partition(b"\r\n\r\n")[2]
    assert received.partition(b"\r\n\r\n")[2] == direct.partition(b"\r\n\r\n")[2]


async def test_an_upload_that_waits_to_be_told_to_go_on_is_told(sidecar: Sidecar) -> None:
    host, _, port = sidecar.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(http_request("/echo", b"body", b"Expect: 100-continue").removesuffix(b"body"))
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        writer.write(b"body")
        assert b'"length":4' in await reader.read()
    writer.close()


async def test_messages_of_a_websocket_go_both_ways(app: App, sidecar: Sidecar) -> None:
    address = f"{app.url}/v1/realtime?model=gpt-4o"
    async with app.http.ws_connect(address, protocols=["realtime", "openai-beta.realtime-v1"]) as socket:
        assert socket.protocol == "realtime"
        await socket.send_str("hello")
        await socket.send_bytes(b"\x00\xff")
        await socket.send_str("x" * 3 * MEGABYTE)
        received = [await socket.receive() for _ in range(3)]
    assert [message.type for message in received] == [WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.TEXT]
    assert [len(message.data) for message in received] == [5, 2, 3 * MEGABYTE]


async def test_a_websocket_that_the_provider_refuses_is_an_error(app: App) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with app.http.ws_connect(f"{app.url}/v1/elsewhere"):
            pass
    assert refused.value.status == 404


async def test_a_provider_that_nobody_speaks_for_is_an_error(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, cache_name: str
) -> None:
    only = {"name": "openai", "endpoint": {"url": upstream.url, "dialect": "OpenAI"}}
    parts = {"fallbacks": [only], "rules": [{"name": "all", "fallbacks": ["openai"]}]}
    app = App(http, (await start_sidecar(**parts)).url)
    reply = await app.call("GET", "/api/tags")
    assert (reply.status, reply.decision, reply.reason) == (404, "error", "no_fallback")
    assert (await app.call("GET", "/v1/models")).status == 200


async def test_an_llm_request_that_is_too_large_to_look_at_goes_through(app: App, upstream: Upstream) -> None:
    body = orjson.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "a" * 33 * MEGABYTE}]})
    reply = await app.post(CHAT, body)
    assert (reply.status, reply.decision, reply.reason) == (200, "passthrough", "body_too_large")

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), MEGABYTE):
            yield body[start : start + MEGABYTE]

    chunked = await app.call("POST", CHAT, pieces())
    assert (chunked.status, chunked.reason) == (200, "body_too_large")
    assert all(call.body == body for call in upstream.calls)


async def test_a_large_upload_is_streamed_on_and_not_held_in_memory(
    upstream: Upstream, http: aiohttp.ClientSession, redis_url: str, cache_name: str, tmp_path: Path
) -> None:
    document = route_document(upstream.url, redis_url=redis_url, cache=cache_name, semantic=None)
    (tmp_path / "route.json").write_text(document.model_dump_json(by_alias=True, exclude_none=True))
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "route.json")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        app = App(http, (await process.stdout.readline()).decode().strip())
        await app.call("GET", "/v1/models")
        before = peak_bytes(process.pid)
        data = bytes(range(256)) * (60 * MEGABYTE // 256)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data), MEGABYTE):
                yield data[start : start + MEGABYTE]

        told = (await app.call("POST", "/echo", pieces())).json
        assert (told["length"], told["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert peak_bytes(process.pid) - before < 20 * MEGABYTE
    finally:
        process.terminate()
        await process.wait()


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
