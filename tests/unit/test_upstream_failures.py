"""Each failure of the deterministic upstream does what its name says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from tests.upstream import Upstream

CHAT = "/v1/chat/completions"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "Tell me more"}]},
    "/v1/messages": {"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "Tell me more"}]},
    "/v1/responses": {"model": "m", "input": "Tell me more"},
    "/api/chat": {"model": "m", "messages": [{"role": "user", "content": "Tell me more"}]},
}
SILENCE_SECONDS = 0.3

each_path = pytest.mark.parametrize("path", BODIES)
streaming_or_not = pytest.mark.parametrize("stream", [True, False])


class Client:
    """Posts the path's request with a failure asked for in its header, over raw TCP or HTTP."""

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self._session = session

    def post(self, path: str, mode: str = "", *, stream: bool = False) -> Any:
        body = orjson.dumps({**BODIES[path], "stream": stream})
        headers = {"x-upstream-fail": mode} if mode else {}
        return self._session.post(self.upstream.url + path, data=body, headers=headers)

    async def read(self, path: str, mode: str = "", *, stream: bool = False) -> tuple[int, bytes]:
        async with self.post(path, mode, stream=stream) as response:
            return response.status, await response.read()

    async def raw(self, path: str, mode: str, *, stream: bool) -> bytes:
        """Every byte until the upstream closes the connection, or until it is silent for a while."""
        reader, writer = await asyncio.open_connection("127.0.0.1", int(self.upstream.url.rpartition(":")[2]))
        body = orjson.dumps({**BODIES[path], "stream": stream})
        head = f"POST {path} HTTP/1.1\r\nhost: u\r\nx-upstream-fail: {mode}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        received = b""
        try:
            while data := await asyncio.wait_for(reader.read(65_536), SILENCE_SECONDS):
                received += data
        except TimeoutError:
            received += b"<silence>"
        finally:
            writer.close()
        return received


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with Upstream() as upstream, aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(upstream, session)


@each_path
@pytest.mark.parametrize("mode", ["401", "429", "500", "503", "529"])
async def test_a_status_is_refused_in_the_shape_of_the_provider(client: Client, path: str, mode: str) -> None:
    status, content = await client.read(path, mode)
    assert status == int(mode)
    error = orjson.loads(content)["error"]
    assert isinstance(error, str if path == "/api/chat" else dict)


async def test_an_overloaded_anthropic_says_so(client: Client) -> None:
    _, content = await client.read("/v1/messages", "529")
    assert orjson.loads(content)["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("mode", "header", "value"),
    [
        ("429", "retry-after", "1"),
        ("429:7", "retry-after", "7"),
        ("429-ms", "retry-after-ms", "20"),
        ("429-ms:5", "retry-after-ms", "5"),
        ("503", "retry-after", None),
        ("503:2", "retry-after", "2"),
    ],
)
async def test_a_retry_header_says_when_to_come_back(client: Client, mode: str, header: str, value: str | None) -> None:
    async with client.post(CHAT, mode) as response:
        assert response.headers.get(header) == value


@each_path
@streaming_or_not
async def test_hang_sends_no_byte(client: Client, path: str, stream: bool) -> None:
    assert await client.raw(path, "hang", stream=stream) == b"<silence>"


@each_path
@streaming_or_not
async def test_cut_before_closes_without_a_byte(client: Client, path: str, stream: bool) -> None:
    assert await client.raw(path, "cut-before", stream=stream) == b""


@each_path
async def test_hang_in_stream_is_silent_after_three_pieces(client: Client, path: str) -> None:
    received = await client.raw(path, "hang-in-stream", stream=True)
    assert received.endswith(b"<silence>")
    assert pieces(path, received) == 3


@each_path
async def test_cut_closes_after_three_pieces_without_an_end(client: Client, path: str) -> None:
    received = await client.raw(path, "cut", stream=True)
    assert pieces(path, received) == 3
    assert not received.endswith((b"0\r\n\r\n", b"<silence>"))


@each_path
async def test_cut_ends_a_document_in_its_middle(client: Client, path: str) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.read(path, "cut")


@each_path
async def test_malformed_sse_breaks_one_event_and_goes_on(client: Client, path: str) -> None:
    _, well = await client.read(path, stream=True)
    _, broken = await client.read(path, "malformed-sse", stream=True)
    lines = [line.removeprefix(b"data: ") for line in broken.splitlines() if line.startswith((b"data: {", b"{"))]
    assert sum(not is_json(line) for line in lines) == 1
    assert pieces(path, broken) == pieces(path, well)


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        (CHAT, b'data: {"error":{'),
        ("/v1/messages", b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"'),
        ("/v1/responses", b'event: error\ndata: {"type":"error"'),
        ("/api/chat", b'{"error":"'),
    ],
)
async def test_an_error_in_the_stream_is_its_last_event(client: Client, path: str, mark: bytes) -> None:
    status, content = await client.read(path, "error-in-stream", stream=True)
    assert status == 200
    assert pieces(path, content) == 3
    assert content.rstrip().splitlines()[-1].startswith(mark.splitlines()[-1])
    assert mark in content


@each_path
@streaming_or_not
async def test_slow_headers_come_in_the_end(client: Client, path: str, stream: bool) -> None:
    status, content = await client.read(path, "slow-headers", stream=stream)
    assert status == 200
    assert content


async def test_slow_headers_trickle(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.upstream.url.rpartition(":")[2]))
    body = orjson.dumps(BODIES[CHAT])
    head = f"POST {CHAT} HTTP/1.1\r\nhost: u\r\nx-upstream-fail: slow-headers\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    first = await reader.read(65_536)
    writer.close()
    assert b"\r\n\r\n" not in first


@streaming_or_not
async def test_huge_is_twenty_megabytes(client: Client, stream: bool) -> None:
    _, content = await client.read(CHAT, "huge", stream=stream)
    assert len(content) > 20_000_000


@pytest.mark.parametrize(
    ("mode", "path", "mark"),
    [
        ("truncated", CHAT, b'"finish_reason":"length"'),
        ("truncated", "/v1/messages", b'"stop_reason":"max_tokens"'),
        ("truncated", "/v1/responses", b'"reason":"max_output_tokens"'),
        ("truncated", "/api/chat", b'"done_reason":"length"'),
        ("filtered", CHAT, b'"finish_reason":"content_filter"'),
        ("filtered", "/v1/messages", b'"stop_reason":"refusal"'),
        ("filtered", "/v1/responses", b'"reason":"content_filter"'),
    ],
)
@streaming_or_not
async def test_an_answer_that_is_not_whole_says_why(
    client: Client, mode: str, path: str, mark: bytes, stream: bool
) -> None:
    assert mark in (await client.read(path, mode, stream=stream))[1]
    assert mark not in (await client.read(path, stream=stream))[1]


@each_path
@streaming_or_not
async def test_gzip_packs_the_answer_if_the_client_takes_it(client: Client, path: str, stream: bool) -> None:
    async with client.post(path, "gzip", stream=stream) as response:
        assert response.headers["content-encoding"] == "gzip"
        assert await response.read()
    assert b"content-encoding" not in (await client.raw(path, "gzip", stream=stream)).lower()


async def test_queued_failures_count_down(client: Client) -> None:
    client.upstream.fail("503", times=2)
    assert [(await client.read(CHAT))[0] for _ in range(3)] == [503, 503, 200]


async def test_a_queued_failure_meets_only_what_it_matches(client: Client) -> None:
    client.upstream.fail("503", match="/v1/messages")
    client.upstream.fail("500", match="no such words")
    assert (await client.read(CHAT))[0] == 200
    assert (await client.read("/v1/messages"))[0] == 503


async def test_failures_are_queued_over_http_and_forgotten_on_reset(client: Client) -> None:
    async with aiohttp.ClientSession(client.upstream.url) as session:
        async with session.post("/_upstream/fail", json={"mode": "500", "times": 2}) as response:
            assert response.status == 200
        async with session.post("/_upstream/fail", json={"mode": "tired"}) as response:
            assert response.status == 400
            assert "cut-before" in await response.text()
        assert (await client.read(CHAT))[0] == 500
        async with session.get("/_upstream/calls") as response:
            (call,) = await response.json()
            assert (call["status"], call["group"]) == (500, client.upstream.group_of("Tell me more"))
        await session.post("/_upstream/reset")
    assert client.upstream.calls == []
    assert (await client.read(CHAT))[0] == 200


@pytest.mark.parametrize("mode", ["hang", "hang-in-stream"])
async def test_a_client_that_leaves_is_noticed(client: Client, mode: str) -> None:
    await client.raw(CHAT, mode, stream=True)
    for _ in range(500):
        if client.upstream.calls[-1].cancelled:
            break
        await asyncio.sleep(0.01)
    assert client.upstream.calls[-1].cancelled


@pytest.mark.parametrize("mode", ["", "cut", "cut-before", "slow-headers"])
async def test_a_client_that_stays_did_not_cancel(client: Client, mode: str) -> None:
    await client.raw(CHAT, mode or "gzip", stream=True)
    assert not client.upstream.calls[-1].cancelled


def pieces(path: str, received: bytes) -> int:
    """How many pieces of the answer are in the bytes of a stream."""
    mark = {
        CHAT: b'"delta":{"content":',
        "/v1/messages": b'"type":"content_block_delta"',
        "/v1/responses": b'"type":"response.output_text.delta"',
        "/api/chat": b'"done":false',
    }[path]
    return received.count(mark)


def is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
