"""The way of a request, top to bottom.

    receive   parse the dialect; find the rule; compute partition and key
    guard     opt-outs: may a stored answer serve, may the answer be stored?
    recall    a stored answer to the very same request, or to one that means the same
    escalate  else ask the fallbacks in order; identical requests meanwhile share one flight
    respond   answer in the client's dialect, with the decision headers
    remember  after the last byte: store the answer (inside the flight, so it outlives the client)
    learn     behind that: find its group among the stored answers, and label what might have been served instead
    verify    after a hit by meaning: once in a while, ask a fallback whether it was right
    conclude  after that: the account, the span, the metrics, the record

A step either passes the exchange on or settles it. Whatever fails in here, the app's call still reaches its provider.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import orjson
from aiohttp.web import BaseRequest, Response, StreamResponse

from cachedistill_sidecar.decision import Decision, Reason
from cachedistill_sidecar.exchange import Exchange
from cachedistill_sidecar.parts import Parts
from cachedistill_sidecar.path import feedback
from cachedistill_sidecar.path.conclude import conclude
from cachedistill_sidecar.path.escalate import escalate
from cachedistill_sidecar.path.guard import guard
from cachedistill_sidecar.path.origin import Misdirected, origin_of
from cachedistill_sidecar.path.passthrough import passthrough
from cachedistill_sidecar.path.recall import recall
from cachedistill_sidecar.path.receive import SlowClient, receive
from cachedistill_sidecar.path.respond import failure, respond
from cachedistill_sidecar.path.verify import verify
from cachedistill_sidecar.route_document import FailurePolicy

log = logging.getLogger(__name__)

PATH = (guard, recall, escalate)


class Pipeline:
    """Answers requests. `parts` gives the parts as they are now; an exchange keeps those it began with.

    With `intercepting`, requests were meant for the host that they name, and may have to go there.
    """

    def __init__(self, parts: Callable[[], Parts], *, intercepting: bool = False) -> None:
        self._parts = parts
        self._intercepting = intercepting

    async def __call__(self, request: BaseRequest) -> StreamResponse:
        """Take one request down the path."""
        parts = self._parts()
        if request.path == feedback.PATH:
            return await _feedback(request, parts)
        exchange = Exchange.begin(request, parts)
        try:
            response = await self._walk(exchange, request, parts)
            verify(exchange, parts)
            return response
        except (asyncio.CancelledError, ConnectionError) as gone:
            if exchange.decision is not Decision.ERROR:
                exchange.reason, exchange.error = Reason.CLIENT_GONE, str(gone) or "the client hung up"
            raise
        finally:
            conclude(exchange, parts)

    async def _walk(self, exchange: Exchange, request: BaseRequest, parts: Parts) -> StreamResponse:
        try:
            if self._intercepting:
                exchange.origin = origin_of(request.headers, parts.intercepted)
            await receive(exchange, request, parts)
            for step in PATH:
                if exchange.settled:
                    break
                await step(exchange, parts)
            if exchange.decision is not Decision.PASSTHROUGH:
                return await respond(exchange, request, parts)
        except (SlowClient, Misdirected) as refused:
            exchange.settle(Reason.SLOW_CLIENT if isinstance(refused, SlowClient) else Reason.MISDIRECTED)
            exchange.error = str(refused)
            return failure(exchange)
        except ConnectionError:
            raise
        except Exception:
            if request.writer.output_size > 0:
                raise
            log.exception("the path failed; the request is sent on")
            exchange.settle(Reason.INTERNAL_ERROR)
            if parts.route.document.failure_policy is FailurePolicy.FAIL:
                return failure(exchange)
        return await passthrough(exchange, request, parts)


async def _feedback(request: BaseRequest, parts: Parts) -> Response:
    if request.method != "POST":
        headers = {"Allow": "POST", "Content-Type": "application/json"}
        return Response(status=405, body=orjson.dumps({"error": "feedback is sent by POST"}), headers=headers)
    status, told = feedback.give(await request.read(), parts, request.headers)
    return Response(status=status, body=orjson.dumps(told), content_type="application/json")
