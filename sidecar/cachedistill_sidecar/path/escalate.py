"""Escalate: ask the fallbacks in order, in a flight that everybody who asks the same meanwhile can join."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.fallback.client import FallbackFailed, body_of, forwarded
from cachedistill_sidecar.path.ask import ask, sendable, tee_of
from cachedistill_sidecar.path.remember import remember
from cachedistill_sidecar.route_document import OnDisconnect
from cachedistill_sidecar.streaming.flight import Flight, Landing
from cachedistill_sidecar.telemetry.names import Step

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.streaming.tee import Tee


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
    headers = sendable(exchange)
    response: aiohttp.ClientResponse | None = None
    tee: Tee | None = None
    try:
        with exchange.trace.call(Step.ESCALATE, headers):
            response, fallback = await ask(exchange, headers, parts)
            exchange.fallback, exchange.status = fallback, response.status
            tee = tee_of(exchange, response)
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
