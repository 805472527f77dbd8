"""Receive: read the request, find its dialect and rule, and say what its exact key is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.dialects import Dialect, NotUnderstood, dialect_of
from cachedistill_sidecar.path.origin import allowed
from cachedistill_sidecar.telemetry.names import Attribute

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

    from cachedistill_sidecar.exchange import Exchange, Query
    from cachedistill_sidecar.parts import Parts

# Larger bodies are streamed on without being looked at. Providers' own limits are 20 to 50 MB.
INSPECTED_BYTES = 32 << 20
# Silence within a request's body.
_SILENCE_SECONDS = 60
_PORTS = {"http": 80, "https": 443}


class SlowClient(Exception):
    """The client stopped in the middle of its request."""


async def receive(exchange: Exchange, request: BaseRequest, parts: Parts) -> None:
    """Read and parse the request; settles the exchange when it is only to be sent on."""
    if request.headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    exchange.dialect = dialect_of(exchange.method, exchange.path)
    if exchange.dialect is None:
        exchange.settle(Reason.NOT_LLM)
        return
    await _read(request, exchange)
    if exchange.unread:
        exchange.settle(Reason.BODY_TOO_LARGE)
    else:
        _understand(exchange, parts)


async def rest_of(request: BaseRequest, exchange: Exchange) -> AsyncIterator[bytes]:
    """The request's body for sending on: what was read already, then the rest as it comes."""
    if exchange.body:
        yield exchange.body
    while chunk := await _chunk(request):
        yield chunk


async def _read(request: BaseRequest, exchange: Exchange) -> None:
    """Read the body, up to what is looked at."""
    if (request.content_length or 0) > INSPECTED_BYTES:
        return
    chunks: list[bytes] = []
    size = 0
    while size <= INSPECTED_BYTES:
        chunk = await _chunk(request)
        if not chunk:
            exchange.unread = False
            break
        chunks.append(chunk)
        size += len(chunk)
    exchange.body = b"".join(chunks)


async def _chunk(request: BaseRequest) -> bytes:
    content = request.content
    if content.is_eof():
        # All of it is here already, as it nearly always is: no time limit to set up.
        return b"" if content.at_eof() else content.read_nowait()
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            return await content.readany()
    except TimeoutError as error:
        raise SlowClient(f"the request's body fell silent for {_SILENCE_SECONDS} s") from error


def _understand(exchange: Exchange, parts: Parts) -> None:
    """Parse the body; what is not understood goes to the provider untouched, and the provider judges."""
    dialect = exchange.dialect
    assert dialect is not None
    try:
        document = orjson.loads(exchange.body)
        if not isinstance(document, dict):
            raise NotUnderstood("not a JSON object")
        query = dialect.query(document, exchange.path, exchange.query_string, exchange.headers)
    except ValueError as error:
        exchange.error = str(error)
        exchange.settle(Reason.NOT_UNDERSTOOD)
        return
    exchange.document, exchange.query = document, query
    exchange.rule = exchange.route.rule(exchange.path, query.model, exchange.headers)
    exchange.fallbacks = exchange.route.fallbacks(exchange.rule, dialect.provider)
    if exchange.origin is not None:
        routed = exchange.fallbacks if exchange.rule is not None else ()
        exchange.fallbacks = allowed(routed, exchange.origin, parts.intercepted)
        if not exchange.fallbacks:
            exchange.settle(Reason.NOT_ROUTED)
            return
    if exchange.rule is not None and exchange.rule.cache is not None:
        exchange.cache = parts.caches[exchange.rule.cache.ref]
    if exchange.trace.recording:
        _open_span(exchange, query, dialect)


def _open_span(exchange: Exchange, query: Query, dialect: Dialect) -> None:
    """Start the root span with what samplers may look at."""
    attributes: dict[Attribute, object] = {
        Attribute.OPERATION: str(query.operation),
        Attribute.PROVIDER: dialect.gen_ai_provider,
        Attribute.REQUEST_MODEL: query.model,
    }
    if exchange.fallbacks:
        url = urlsplit(exchange.fallbacks[0].endpoint.url)
        attributes[Attribute.SERVER_ADDRESS] = url.hostname
        attributes[Attribute.SERVER_PORT] = url.port or _PORTS[url.scheme]
    exchange.trace.open(f"{query.operation} {query.model}", attributes)
