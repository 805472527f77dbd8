"""Passthrough: what is not looked at goes to its provider and back untouched, bodies streamed both ways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

import orjson
from aiohttp import ClientError, ClientResponse, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from aiohttp.http import StreamWriter
from aiohttp.web import BaseRequest, Response, StreamResponse, WebSocketResponse

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.dialects import provider_of
from cachedistill_sidecar.fallback.client import FallbackFailed, Request, body_of, forwarded
from cachedistill_sidecar.fallback.connections import Trailers
from cachedistill_sidecar.path.origin import at_origin
from cachedistill_sidecar.path.receive import SlowClient, rest_of
from cachedistill_sidecar.path.respond import cut_off, failure
from cachedistill_sidecar.telemetry.headers import decision_headers
from cachedistill_sidecar.telemetry.names import Step

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.route_document import Fallback

# Bodies below this are held until the answer begins.
_RESENDABLE_BYTES = 1 << 16

_Socket: TypeAlias = "WebSocketResponse[bool] | ClientWebSocketResponse[bool]"


async def passthrough(exchange: Exchange, request: BaseRequest, parts: Parts) -> StreamResponse:
    """Send the request to the host it was meant for, else the first fallback that speaks its API; its answer back."""
    provider = provider_of(exchange.path, exchange.headers)
    if exchange.origin is not None:
        fallback: Fallback | None = at_origin(exchange.route, exchange.origin, provider)
    else:
        fallback = next(iter(exchange.route.fallbacks(exchange.rule, provider)), None)
    if fallback is None:
        exchange.error = f"the route has no fallback that speaks {provider}"
        exchange.reason = Reason.NO_FALLBACK
        return failure(exchange)
    exchange.fallback = fallback
    exchange.trace.open(exchange.method, {})
    headers = forwarded(request.headers)
    path = exchange.path + (f"?{exchange.query_string}" if exchange.query_string else "")
    try:
        body = await _body(exchange, request)
        with exchange.trace.call(Step.ESCALATE, headers):
            to_send = Request(exchange.method, path, headers, body)
            if request.headers.get("upgrade", "").lower() == "websocket":
                return await _websocket(exchange, request, to_send, parts)
            return await _http(exchange, request, to_send, parts)
    except FallbackFailed as error:
        exchange.error, exchange.reason = str(error), error.reason
        return failure(exchange)
    except SlowClient as error:
        exchange.error, exchange.reason = str(error), Reason.SLOW_CLIENT
        return failure(exchange)


async def _body(exchange: Exchange, request: BaseRequest) -> bytes | AsyncIterator[bytes]:
    """The request's body: a small one whole, so that it can be sent twice, a larger one as it comes."""
    if not (exchange.unread and request.body_exists):
        return exchange.body
    rest = rest_of(request, exchange)
    if (request.content_length or _RESENDABLE_BYTES) < _RESENDABLE_BYTES:
        return b"".join([chunk async for chunk in rest])
    return rest


async def _send(fallback: Fallback, to_send: Request, parts: Parts) -> ClientResponse:
    """Send a request; once more when its kept connection turned out to have been closed meanwhile."""
    try:
        return await parts.fallbacks.send(fallback, to_send)
    except FallbackFailed as error:
        if error.sent or not isinstance(to_send.body, bytes):
            raise
    return await parts.fallbacks.send(fallback, to_send)


async def _http(exchange: Exchange, request: BaseRequest, to_send: Request, parts: Parts) -> StreamResponse:
    fallback = exchange.fallback
    assert fallback is not None
    answer = await _send(fallback, to_send, parts)
    try:
        exchange.status = answer.status
        response = _Relayed(status=answer.status, reason=answer.reason, headers=forwarded(answer.headers))
        trailers = Trailers(answer)
        response.headers.update(decision_headers(exchange))
        await response.prepare(request)
        try:
            async for chunk in body_of(answer, fallback.timeouts.chunk_seconds):
                await response.write(chunk)
        except FallbackFailed as error:
            exchange.error, exchange.reason = str(error), error.reason
            raise cut_off(request) from error
        await response.end(request, trailers.section)
        return response
    finally:
        answer.close()


class _Relayed(StreamResponse):
    async def end(self, request: BaseRequest, trailers: bytes) -> None:
        """End the body, with its trailers: aiohttp can't write those, so they go to the transport."""
        writer = request.writer
        if trailers and isinstance(writer, StreamWriter) and writer.chunked and writer.transport is not None:
            writer.transport.write(b"0\r\n" + trailers + b"\r\n")
            writer.chunked = False
        await self.write_eof()


async def _websocket(exchange: Exchange, request: BaseRequest, to_send: Request, parts: Parts) -> StreamResponse:
    """Carry a websocket's messages both ways (OpenAI's realtime API)."""
    assert exchange.fallback is not None
    try:
        async with parts.fallbacks.websocket(exchange.fallback, to_send) as there:
            here = WebSocketResponse(protocols=[there.protocol] if there.protocol else [], max_msg_size=0)
            here.headers.update(decision_headers(exchange))
            await here.prepare(request)
            exchange.status = 101
            ways = {asyncio.create_task(_carry(here, there)), asyncio.create_task(_carry(there, here))}
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await way
            await here.close(code=there.close_code or 1000)
            return here
    except WSServerHandshakeError as error:
        # A wrong key, an unknown model: the provider's refusal is the app's to see.
        exchange.status, exchange.error = error.status, f"{exchange.fallback.name}: {error.message}"
        body = orjson.dumps({"error": {"message": error.message}})
        headers = {**decision_headers(exchange), "Content-Type": "application/json"}
        return Response(status=error.status, body=body, headers=headers)
    except ClientError as error:
        raise FallbackFailed(Reason.UNREACHABLE, f"{exchange.fallback.name}: {error}", sent=True) from error


async def _carry(source: _Socket, target: _Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
    if not target.closed:
        await target.close(code=source.close_code or 1000)
