"""Ask: send an exchange's request to its fallbacks in order; also once more, off the path, to learn from the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import FinishReason, Usage
from cachedistill_sidecar.fallback.client import FallbackFailed, Request, body_of, forwarded, retry_after
from cachedistill_sidecar.learning.spending import Spending
from cachedistill_sidecar.ledger.tokens import estimate_tokens
from cachedistill_sidecar.route import model_at
from cachedistill_sidecar.streaming.tee import ENCODINGS, Tee
from cachedistill_sidecar.telemetry.names import Step

if TYPE_CHECKING:
    import aiohttp
    from multidict import CIMultiDict

    from cachedistill_sidecar.exchange import Answer, Exchange
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.route_document import Fallback

# Answers of a fallback that another one may do better on; each is what providers send when overloaded or broken.
_NEXT = frozenset({408, 429, 500, 502, 503, 504, 529})
# Those that say that the work was not done, if they also say when to come back.
_REFUSED = frozenset({429, 503, 529})
_PAUSE_SECONDS = 0.1
# Four times what may be stored is read along, but no less than this: a token of a few letters comes as 250 bytes of a
# stream, so even a short answer's may be a hundred times as long as its text.
_LEAST_READ_BYTES = 1 << 22


async def ask(exchange: Exchange, headers: CIMultiDict[str], parts: Parts) -> tuple[aiohttp.ClientResponse, Fallback]:
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


async def ask_again(exchange: Exchange, parts: Parts) -> Answer | None:
    """A fresh answer to a request that has its answer, for the route's own money; None when there is no usable one.

    A fallback that asked to be left alone is: what it still takes is for clients.
    """
    if not exchange.fallbacks or parts.fallbacks.rests(exchange.fallbacks[0]):
        return None
    headers = sendable(exchange)
    # By it a provider would know the call again, and give the answer that it gave before.
    headers.popall("idempotency-key", None)
    response: aiohttp.ClientResponse | None = None
    tee: Tee | None = None
    answer: Answer | None = None
    try:
        with exchange.trace.call(Step.VERIFY, headers):
            response, fallback = await ask(exchange, headers, parts)
            tee = tee_of(exchange, response)
            async for chunk in body_of(response, fallback.timeouts.chunk_seconds):
                tee.feed(chunk)
        answer = tee.close()
    except FallbackFailed:
        if response is None:
            return None
    finally:
        if response is not None:
            response.close()
    if response.status >= 300 or tee is None:
        return None
    usage = spent(exchange, answer, tee.text_so_far)
    _book(exchange, fallback, usage, parts)
    if answer is None or response.status != 200 or not usable(exchange, answer, fallback):
        return None
    return answer.with_usage(usage)


def _book(exchange: Exchange, fallback: Fallback, usage: Usage, parts: Parts) -> None:
    assert exchange.cache is not None
    assert exchange.query is not None
    spending = Spending(exchange.cache.report.figures, exchange.route)
    parts.metrics.spend(exchange.route.name, spending(fallback, model_at(fallback, exchange.query.model), usage))


def usable(exchange: Exchange, answer: Answer, fallback: Fallback) -> bool:
    """Whole answers only, of the model that the partition names, with tool calls only where the route wants them."""
    if exchange.query is None:
        return False
    wanted = {FinishReason.STOP, FinishReason.TOOL_CALLS} if exchange.query.tools else {FinishReason.STOP}
    model = exchange.query.model
    return (
        answer.finish_reason in wanted
        and not (answer.tool_calls and not exchange.query.tools)
        and model_at(fallback, model) == model_at(exchange.fallbacks[0], model)
    )


def spent(exchange: Exchange, answer: Answer | None, streamed_text: str) -> Usage:
    """The provider's count of tokens; an estimate where the answer brings none."""
    if answer is not None and not answer.usage.estimated:
        return answer.usage
    text = answer.text if answer is not None else streamed_text
    prompt = estimate_tokens(exchange.body.decode("utf8", "replace"))
    return Usage(input=prompt, output=estimate_tokens(text), estimated=True)


def tee_of(exchange: Exchange, response: aiohttp.ClientResponse) -> Tee:
    """What reads a fallback's answer along."""
    assert exchange.dialect is not None
    headers = response.headers
    stored = exchange.cache.document.max_entry_bytes if exchange.cache is not None else 0
    limit = max(4 * stored, _LEAST_READ_BYTES)
    return Tee(exchange.dialect, headers.get("content-type", ""), headers.get("content-encoding", ""), limit)


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


def sendable(exchange: Exchange) -> CIMultiDict[str]:
    """The client's headers, as they go to a fallback."""
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
