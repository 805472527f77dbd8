"""Respond: give the answer in the client's dialect, as JSON or as a stream, with the decision headers."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import orjson
from aiohttp.web import BaseRequest, Response, StreamResponse

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.fallback.client import FallbackFailed
from cachedistill_sidecar.path.escalate import escalate, same_wire
from cachedistill_sidecar.streaming.flight import Flight, FlightFailed, Landing
from cachedistill_sidecar.telemetry.headers import decision_headers

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Answer, Exchange
    from cachedistill_sidecar.parts import Parts

_STATUS = {Reason.TIMEOUT: 504, Reason.NO_FALLBACK: 404, Reason.SLOW_CLIENT: 408, Reason.MISDIRECTED: 421}
# A word with the blanks before it: close to a token, and joins to the very same text.
_PIECE = re.compile(r"\s*\S+|\s+\Z")
# Whole answers up to this size go out in one write with their headers.
_ONE_WRITE_BYTES = 1 << 18


async def respond(exchange: Exchange, request: BaseRequest, parts: Parts) -> StreamResponse:
    """Answer the client."""
    if exchange.entry is not None:
        return await _replay(exchange, request, exchange.entry.answer)
    if exchange.flight is None:
        return failure(exchange)
    joined = exchange.reason is Reason.COALESCED
    try:
        if joined and not same_wire(exchange):
            with exchange.flight.reading():
                answer = await exchange.flight.whole()
            if answer is None:
                return await _alone(exchange, request, parts)
            exchange.answer = answer
            return await _replay(exchange, request, answer)
        with exchange.flight.reading():
            landing = await exchange.flight.head()
            if joined and landing.status >= 300:
                return await _alone(exchange, request, parts)
            exchange.fallback, exchange.status = landing.fallback, landing.status
            return await _relay(exchange, request, exchange.flight, landing)
    except FallbackFailed as error:
        if joined:
            return await _alone(exchange, request, parts)
        exchange.error, exchange.reason = str(error), error.reason
        return failure(exchange)


async def _alone(exchange: Exchange, request: BaseRequest, parts: Parts) -> StreamResponse:
    """The flight that this exchange had joined failed: it asks for itself, and nobody joins it."""
    exchange.flight, exchange.reason, exchange.may_read = None, Reason.COLD, False
    await escalate(exchange, parts)
    return await respond(exchange, request, parts)


async def _relay(exchange: Exchange, request: BaseRequest, flight: Flight, landing: Landing) -> StreamResponse:
    """Pass a fallback's answer on, byte for byte."""
    headers = landing.headers.copy()
    if flight.owner is not exchange:
        # A cookie is for whoever the fallback gave it to.
        headers.popall("set-cookie", None)
    headers.update(decision_headers(exchange))
    length = headers.get("content-length")
    chunks = flight.chunks()
    try:
        if length is not None and int(length) <= _ONE_WRITE_BYTES and request.method != "HEAD":
            body = b"".join([chunk async for chunk in chunks])
            exchange.first_byte = time.perf_counter()
            return await _send(request, Response(status=landing.status, headers=headers, body=body))
        response = StreamResponse(status=landing.status, headers=headers)
        await response.prepare(request)
        async for chunk in chunks:
            if exchange.first_byte is None:
                exchange.first_byte = time.perf_counter()
            await response.write(chunk)
        await response.write_eof()
    except FlightFailed as error:
        cause = error.__cause__
        exchange.reason = cause.reason if isinstance(cause, FallbackFailed) else Reason.CUT
        exchange.error = str(cause)
        raise cut_off(request) from error
    return response


async def _replay(exchange: Exchange, request: BaseRequest, answer: Answer) -> StreamResponse:
    """Give a stored answer as the client's dialect would have."""
    query, dialect = exchange.query, exchange.dialect
    assert query is not None
    assert dialect is not None
    assert exchange.cache is not None
    headers = {**decision_headers(exchange), dialect.request_id_header: exchange.trace.id}
    if not query.stream:
        body = orjson.dumps(dialect.render(answer, query))
        exchange.first_byte = time.perf_counter()
        return await _send(request, Response(body=body, headers={**headers, "Content-Type": "application/json"}))
    replay = exchange.cache.document.stream_replay
    events = dialect.render_stream(answer, query, pieces(answer.text, replay.chunk_tokens))
    response = StreamResponse(headers={**headers, "Content-Type": dialect.stream_type, "Cache-Control": "no-cache"})
    response.enable_chunked_encoding()
    if replay.delay_milliseconds == 0:
        # One write: a client that is handed everything at once has nothing to gain from many small packets.
        await response.prepare(request)
        exchange.first_byte = time.perf_counter()
        await response.write_eof(b"".join(events))
        return response
    await response.prepare(request)
    for event in events:
        await response.write(event)
        exchange.first_byte = exchange.first_byte or time.perf_counter()
        await asyncio.sleep(replay.delay_milliseconds / 1000)
    await response.write_eof()
    return response


def pieces(text: str, words: int) -> list[str]:
    """The text cut after every so many words; the pieces join to the text."""
    found = _PIECE.findall(text)
    return ["".join(found[start : start + words]) for start in range(0, len(found), words)]


def failure(exchange: Exchange) -> Response:
    """No answer could be had: an error in the dialect's own shape."""
    exchange.status = _STATUS.get(exchange.reason, 502)
    message = f"CacheDistill: {exchange.error or exchange.reason.meaning}"
    body = {"error": {"message": message}} if exchange.dialect is None else None
    if exchange.dialect is not None:
        body = exchange.dialect.error(exchange.status, message)
    headers = {**decision_headers(exchange), "Content-Type": "application/json"}
    return Response(status=exchange.status, body=orjson.dumps(body), headers=headers)


async def _send(request: BaseRequest, response: Response) -> Response:
    await response.prepare(request)
    await response.write_eof()
    return response


def cut_off(request: BaseRequest) -> ConnectionError:
    """The answer broke off: so does the client's connection, as it would have without a sidecar in between."""
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError("the fallback's answer broke off")
