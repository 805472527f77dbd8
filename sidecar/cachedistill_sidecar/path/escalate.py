"""Escalate: ask the fallbacks in order, in a flight that everybody who asks the same meanwhile can join."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import orjson
from multidict import CIMultiDict

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.fallback.client import FallbackFailed, Request, body_of, forwarded, retry_after
from cachedistill_sidecar.path.remember import remember
from cachedistill_sidecar.route import model_at
from cachedistill_sidecar.route_document import OnDisconnect
from cachedistill_sidecar.streaming.flight import Flight, Landing
from cachedistill_sidecar.streaming.tee import ENCODINGS, Tee
from cachedistill_sidecar.telemetry.names import Step

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.route_document import Fallback

# Answers of a fallback that another one may do better on; each is what providers send when overloaded or broken.
_NEXT = frozenset({408, 429, 500, 502, 503, 504, 529})
# Those that say that the work was not done, if they also say when to come back.
_REFUSED = frozenset({429, 503, 529})
_PAUSE_SECONDS = 0.1


async def escalate(exchange: Exchange, parts: Parts) -> None:
    """Settle the exchange with a flight: one that is under way, or its own."""
    if exchange.may_read and join(exchange):
        return
    assert exchange.cache is not None or not exchange.key
    keep = exchange.cache.document.max_entry_bytes if exchange.cache is not None and exchange.may_read else 0
    flight = Flight(owner=exchange, wire=_wire(exchange), keep_bytes=keep)
    exchange.flight = flight
    if exchange.rule is not None and exchange.rule.cache is not None and exchange.key:
        flight.finish_unread = exchange.rule.cache.on_disconnect is OnDisconnect.FINISH
    if exchange.cache is not None and flight.joinable:
        exchange.cache.flights[exchange.key] = flight
    flight.task = parts.spawn(_fly(exchange, flight, parts))
    exchange.settle(exchange.reason)


def join(exchange: Exchange) -> bool:
    """Settle the exchange with a flight for the same request that is under way, if there is one."""
    flight = exchange.cache.flights.get(exchange.key) if exchange.cache is not None else None
    if flight is None or not flight.joinable:
        return False
    exchange.flight = flight
    exchange.settle(Reason.COALESCED)
    return True


def same_wire(exchange: Exchange) -> bool:
    """Whether the flight's chunks are what this exchange's client expects, byte for byte."""
    return exchange.flight is not None and exchange.flight.wire == _wire(exchange)


def _wire(exchange: Exchange) -> object:
    document = exchange.document or {}
    packed = "gzip" in exchange.headers.get("accept-encoding", "")
    return (exchange.query is not None and exchange.query.stream, document.get("stream_options"), packed)


async def _fly(exchange: Exchange, flight: Flight, parts: Parts) -> None:
    """Ask, hand every chunk to the flight's readers, read along, and remember the answer after its last byte."""
    headers = _headers(exchange)
    response: aiohttp.ClientResponse | None = None
    tee: Tee | None = None
    try:
        with exchange.trace.call(Step.ESCALATE, headers):
            response, fallback = await _ask(exchange, headers, parts)
            exchange.fallback, exchange.status = fallback, response.status
            tee = _tee(exchange, response)
            flight.land(Landing(response.status, forwarded(response.headers), fallback))
            async for chunk in body_of(response, fallback.timeouts.chunk_seconds):
                await flight.publish(chunk)
                tee.feed(chunk)
        flight.end()
        # The readers first: they write their last bytes before this one goes on.
        await asyncio.sleep(0)
        flight.answer = exchange.answer = tee.close()
    except FallbackFailed as error:
        exchange.error, exchange.reason = str(error), error.reason
        flight.end(error)
    except asyncio.CancelledError:
        exchange.error, exchange.reason = "nobody waits for this answer any more", Reason.CLIENT_GONE
        flight.end(FallbackFailed(Reason.CLIENT_GONE, exchange.error, sent=True))
    finally:
        if response is not None:
            response.close()
        # Stored before it leaves the list of flights: whoever asks the same finds it in one or the other.
        remember(exchange, tee.text_so_far if tee is not None else "", parts)
        if exchange.cache is not None and exchange.cache.flights.get(exchange.key) is flight:
            del exchange.cache.flights[exchange.key]


def _tee(exchange: Exchange, response: aiohttp.ClientResponse) -> Tee:
    assert exchange.dialect is not None
    headers = response.headers
    limit = exchange.cache.document.max_entry_bytes if exchange.cache is not None else 1 << 20
    return Tee(exchange.dialect, headers.get("content-type", ""), headers.get("content-encoding", ""), 4 * limit)


async def _ask(exchange: Exchange, headers: CIMultiDict[str], parts: Parts) -> tuple[aiohttp.ClientResponse, Fallback]:
    """The first usable answer, or else the last one there was. Raises FallbackFailed when there was none."""
    if not exchange.fallbacks:
        provider = exchange.dialect.provider if exchange.dialect is not None else "?"
        raise FallbackFailed(Reason.NO_FALLBACK, f"the route has no fallback that speaks {provider}", sent=False)
    # One that asked to be left alone is asked last.
    order = sorted(exchange.fallbacks, key=parts.fallbacks.rests)
    for index, fallback in enumerate(order):
        last = index == len(order) - 1
        request = _request(exchange, fallback, headers)
        try:
            response = await _try(request, fallback, parts, last=last)
        except FallbackFailed:
            if last:
                raise
            continue
        if last or response.status not in _NEXT:
            return response, fallback
        response.close()
    raise AssertionError("unreachable")


async def _try(request: Request, fallback: Fallback, parts: Parts, *, last: bool) -> aiohttp.ClientResponse:
    """One fallback, asked again as long as it can't have done the work and the route allows."""
    for left in reversed(range(fallback.retry.attempts + 1)):
        pause = _PAUSE_SECONDS
        try:
            response = await parts.fallbacks.send(fallback, request)
        except FallbackFailed as error:
            if error.sent or not left:
                raise
        else:
            wait = retry_after(response.headers) if response.status in _REFUSED else None
            # Another fallback is sooner than waiting for this one.
            if not left or not last or wait is None or wait > fallback.retry.max_wait_seconds:
                return response
            response.close()
            pause = wait
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")


def _headers(exchange: Exchange) -> CIMultiDict[str]:
    headers = forwarded(exchange.headers)
    headers.popall("content-length", None)
    # The answer is read along, so it must come in an encoding that can be; the client's own list may have more.
    if "accept-encoding" in headers:
        headers["Accept-Encoding"] = ENCODINGS if "gzip" in headers["accept-encoding"] else "identity"
    return headers


def _request(exchange: Exchange, fallback: Fallback, headers: CIMultiDict[str]) -> Request:
    """The client's own bytes, unless the fallback knows the model by another name."""
    path, body = exchange.path, exchange.body
    if exchange.query is not None and exchange.document is not None and exchange.dialect is not None:
        model = model_at(fallback, exchange.query.model)
        if model != exchange.query.model:
            document, path = exchange.dialect.with_model(exchange.document, path, model)
            body = orjson.dumps(document)
    query_string = f"?{exchange.query_string}" if exchange.query_string else ""
    return Request(exchange.method, path + query_string, headers, body)
