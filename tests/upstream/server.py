"""The upstream: LLM providers on the loopback, deterministic and fast, that fail when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from tests.upstream.answers import Meanings
from tests.upstream.control import control
from tests.upstream.delivery import Farewell, hang
from tests.upstream.echo import echo, realtime, trailers
from tests.upstream.failures import FailureQueue
from tests.upstream.journal import Call, Journal
from tests.upstream.pace import Pace
from tests.upstream.provider import Provider
from tests.upstream.routes import find

MAX_BODY_BYTES = 64 * 2**20
SHUTDOWN_SECONDS = 0.05


class Upstream:
    """An emulator of LLM providers, as `async with Upstream(...) as up`; `up.url` has no trailing slash.

    `groups` and `answers` are explained at `Meanings`, `pace` at `Pace`; with `require_key` a missing key, or the key
    'bad-key', is refused. Port 0 takes a free one.
    """

    def __init__(
        self,
        groups: Mapping[str, str] | None = None,
        answers: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        *,
        require_key: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._meanings = Meanings(groups, answers)
        self._host = host
        self._port = port
        self._queue = FailureQueue()
        self._journal = Journal()
        self._provider = Provider(self._meanings, pace or Pace(), self._queue, self._journal, require_key=require_key)
        self._runner: web.ServerRunner | None = None
        self.url = ""

    @property
    def calls(self) -> list[Call]:
        """The calls received, in their order; those to `/_upstream/...` don't count."""
        return self._journal.calls

    def group_of(self, text: str) -> str:
        """The meaning group of a query; an unknown one is its own group, its digest."""
        return self._meanings.group_of(text)

    def fail(self, mode: str, times: int = 1, match: str | None = None) -> None:
        """Makes the next `times` calls (whose path or body contains `match`) fail in a mode of `failures.MODES`."""
        self._queue.add(mode, times, match)

    def reset(self) -> None:
        """Forgets calls, queued failures and the call count."""
        self._queue.clear()
        self._journal.clear()

    async def __aenter__(self) -> Upstream:
        loop = asyncio.get_running_loop()

        def request(
            message: RawRequestMessage,
            payload: StreamReader,
            protocol: RequestHandler,
            writer: AbstractStreamWriter,
            task: asyncio.Task[None],
        ) -> web.BaseRequest:
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)

        server = web.Server(self._handle, request_factory=request, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/_upstream/"):
            return await control(request, self)
        body = await request.read()
        n = self._journal.open(request.method, path, request.raw_headers, body)
        try:
            response = await self._answer(request, path, body, n)
        except Farewell:
            await hang()
            raise
        except (asyncio.CancelledError, ConnectionError):
            self._journal.note(n, cancelled=True)
            raise
        self._journal.note(n, status=response.status)
        return response

    async def _answer(self, request: web.BaseRequest, path: str, body: bytes, n: int) -> web.StreamResponse:
        if path.startswith("/echo"):
            return await echo(request, body)
        if path == "/_trailers":
            raise await trailers(request)
        if path == "/v1/realtime":
            return await realtime(request)
        endpoint = find(request.method, path, request.query, request.headers)
        if endpoint is None:
            return web.json_response({"error": {"message": f"No such path: {request.method} {path}"}}, status=404)
        return await self._provider.answer(request, endpoint, body, n)
