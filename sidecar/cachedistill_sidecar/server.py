"""The data port: aiohttp's low-level server (no router, no middlewares) with errors that an LLM client understands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson
from aiohttp.web import BaseRequest, Response, Server, StreamResponse
from aiohttp.web_protocol import RequestHandler

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.telemetry.names import Header

log = logging.getLogger(__name__)

# A connection that has not sent a whole request head by then is closed.
_IDLE_SECONDS = 75.0
# Keys of providers' proxies and cookies of gateways can be long; more than this is no LLM call.
_MAX_HEADER_BYTES = 32768


class _Protocol(RequestHandler):
    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """An error in the shape that SDKs read, instead of an HTML page. The connection is closed after it."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if status >= 500:
            log.error("a request failed", exc_info=exc)
        sentence = f"CacheDistill: {message or exc or Reason.MALFORMED_HTTP.meaning}"
        body = {"error": {"message": sentence, "type": "invalid_request_error", "param": None, "code": None}}
        reason = Reason.MALFORMED_HTTP
        headers: dict[str, str] = {Header.DECISION: reason.decision, Header.REASON: reason}
        response = Response(
            status=status,
            body=orjson.dumps({"type": "error", **body}),
            content_type="application/json",
            headers=headers,
        )
        response.force_close()
        return response


class DataServer(Server):
    """Serves one handler for every path and method; the handler is cancelled when its client hangs up."""

    def __init__(self, handler: Callable[[BaseRequest], Awaitable[StreamResponse]]) -> None:
        super().__init__(handler, handler_cancellation=True)

    def __call__(self) -> RequestHandler:
        return _Protocol(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_IDLE_SECONDS,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp itself switches it off
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
