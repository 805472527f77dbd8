"""An app that asks models at a base URL, in every dialect, and what it gets back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from cachedistill_sidecar.app import Sidecar

CHAT = "/v1/chat/completions"
AZURE = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
Json = dict[str, Any]
Headers = Mapping[str, str] | list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: `headers` with lower-case names, the last of duplicates."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def decision(self) -> str:
        return self.headers["x-cachedistill-decision"]

    @property
    def reason(self) -> str:
        return self.headers["x-cachedistill-reason"]

    @property
    def debug(self) -> Json:
        """The whole decision, for a request that asked for it."""
        found: Json = orjson.loads(self.headers["x-cachedistill-debug"])
        return found

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of each event of a stream, SSE or lines; without OpenAI's `[DONE]`."""
        return list(_events(self.body))

    @property
    def text(self) -> str:
        """The text of the answer, in whatever dialect and form it came."""
        if self.headers["content-type"].startswith("application/json"):
            return _text(self.json)
        return "".join(_piece(event) for event in self.events)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an app asks in a dialect: path, and a body around a text; `streaming` asks for a stream."""

    path: str
    body: Callable[[str], Json]
    whole: Json
    streaming: Json


def _messages(text: str) -> Json:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


STREAM, WHOLE = {"stream": True}, {"stream": False}
DIALECTS = {
    "openai_chat": Dialect(CHAT, _messages, {}, STREAM),
    "openai_responses": Dialect("/v1/responses", lambda text: {"model": "gpt-4o", "input": text}, {}, STREAM),
    "azure_chat": Dialect(AZURE, _messages, {}, STREAM),
    "anthropic_messages": Dialect("/v1/messages", lambda text: _messages(text) | {"max_tokens": 400}, {}, STREAM),
    "ollama_chat": Dialect("/api/chat", _messages, WHOLE, {}),
    "ollama_generate": Dialect("/api/generate", lambda text: {"model": "llama3", "prompt": text}, WHOLE, {}),
}


class App:
    """An app whose SDK points at `url`."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def post(self, path: str, body: Json | bytes, headers: Headers | None = None) -> Reply:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.call("POST", path, data, headers)

    async def call(self, method: str, path: str, data: Any = None, headers: Headers | None = None) -> Reply:
        async with self.http.request(method, self.url + path, data=data, headers=headers) as response:
            return Reply(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
            )

    async def ask(self, dialect: str, text: str, *, stream: bool = False, **fields: Any) -> Reply:
        """Ask in a dialect."""
        spoken = DIALECTS[dialect]
        return await self.post(spoken.path, spoken.body(text) | (spoken.streaming if stream else spoken.whole) | fields)

    async def chat(
        self, text: str, *, headers: Headers | None = None, history: tuple[Json, ...] = (), **fields: Any
    ) -> Reply:
        """Ask in OpenAI's chat dialect, after the turns of `history`."""
        messages = [*history, {"role": "user", "content": text}]
        return await self.post(CHAT, {"model": "gpt-4o", "messages": messages, **fields}, headers)


async def settled(sidecar: Sidecar) -> None:
    """Wait until what the sidecar does behind its answers is done, and all that waited is in Redis."""
    await sidecar.parts.background.drain(5.0)
    for cache in sidecar.parts.caches.values():
        await cache.writer.drain(5.0)


async def connected(sidecar: Sidecar) -> None:
    """Wait until the sidecar has found its Redis: on a busy machine that may be a moment after it has started."""
    await eventually(lambda: all(cache.store.available for cache in sidecar.parts.caches.values()))


async def eventually(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait for something that must come about."""
    for _ in range(int(seconds * 100)):
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def _events(body: bytes) -> Iterator[Any]:
    for line in body.splitlines():
        if line.startswith(b"{"):
            yield orjson.loads(line)
        elif line.startswith(b"data: {"):
            yield orjson.loads(line[6:])


def _text(document: Json) -> str:
    """The text of a whole answer."""
    if "choices" in document:
        return str(document["choices"][0]["message"]["content"])
    if "output" in document:
        return str(document["output"][0]["content"][0]["text"])
    if "content" in document:
        return str(document["content"][0]["text"])
    return str(document["message"]["content"] if "message" in document else document["response"])


def _piece(event: Json) -> str:
    """The text that one event of a stream adds."""
    kind = event.get("type")
    if kind == "response.output_text.delta":
        return str(event["delta"])
    if kind == "content_block_delta":
        return str(event["delta"].get("text", ""))
    if kind is not None:
        return ""
    if "choices" in event:
        return "".join(str(choice["delta"].get("content") or "") for choice in event["choices"])
    return str(event["message"]["content"] if "message" in event else event.get("response", ""))


async def raw(url: str, *parts: bytes, seconds: float = 10.0) -> bytes:
    """The answer to the very bytes of a request, which may come in parts, a moment between them."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(seconds):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.05 if len(parts) > 1 else 0)
            return await _answer(reader)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """One answer: as long as it says, else all until the other side closes."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as closed:
        return closed.partial
    length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
    return head + (await reader.readexactly(int(length)) if length else await reader.read())


def http_request(path: str, body: bytes, *headers: bytes, method: str = "POST") -> bytes:
    """The bytes of a request on a connection that is closed after it."""
    head = [f"{method} {path} HTTP/1.1".encode(), b"Host: h", b"Connection: close", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, *headers, b"", body])


@asynccontextmanager
async def serving(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The URL of a server that answers every request in the given way."""
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
