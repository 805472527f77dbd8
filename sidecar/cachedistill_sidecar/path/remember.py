"""Remember: store a fallback's answer, after its last byte and off the client's path."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.entry import Entry
from cachedistill_sidecar.edge.embedder import Overloaded
from cachedistill_sidecar.exchange import FinishReason, Usage
from cachedistill_sidecar.ledger.tokens import estimate_tokens
from cachedistill_sidecar.route import model_at

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Answer, Exchange
    from cachedistill_sidecar.parts import Parts


def remember(exchange: Exchange, streamed_text: str, parts: Parts) -> None:
    """Count the tokens, and store the answer if it is one to give again.

    `streamed_text` is what came of a stream, also of one that broke off: the provider bills it.
    """
    answer = exchange.answer
    if exchange.fallback is not None and exchange.status < 300:
        exchange.spent = _spent(exchange, streamed_text)
    if answer is None or not _worth_storing(exchange, answer) or exchange.cache is None or exchange.query is None:
        return
    entry = Entry(exchange.key, answer.with_usage(exchange.spent or answer.usage), time.time())
    exchange.cache.put(entry, exchange.partition, exchange.query.text, exchange.vector)
    if exchange.vector is None and exchange.may_compare and exchange.cache.embedder is not None:
        # Recall did not look (the client asked for a fresh answer, or the embedder was busy): the vector comes later.
        parts.spawn(_embed_and_store(exchange, entry))


async def _embed_and_store(exchange: Exchange, entry: Entry) -> None:
    cache, query = exchange.cache, exchange.query
    if cache is None or cache.embedder is None or query is None or query.text is None:
        return
    try:
        vector = await cache.embedder.embed(query.text)
    except Overloaded:
        return
    if vector is not None:
        cache.put(entry, exchange.partition, query.text, vector)


def _worth_storing(exchange: Exchange, answer: Answer) -> bool:
    """Whole answers only, of the model that the partition names, with tool calls only where the route wants them."""
    if not exchange.key or exchange.status != 200 or exchange.query is None or exchange.fallback is None:
        return False
    wanted = {FinishReason.STOP, FinishReason.TOOL_CALLS} if exchange.query.tools else {FinishReason.STOP}
    model = exchange.query.model
    return (
        answer.finish_reason in wanted
        and not (answer.tool_calls and not exchange.query.tools)
        and model_at(exchange.fallback, model) == model_at(exchange.fallbacks[0], model)
    )


def _spent(exchange: Exchange, streamed_text: str) -> Usage:
    """The provider's count of tokens; an estimate where the answer brings none."""
    if exchange.answer is not None and not exchange.answer.usage.estimated:
        return exchange.answer.usage
    text = exchange.answer.text if exchange.answer is not None else streamed_text
    prompt = estimate_tokens(exchange.body.decode("utf8", "replace"))
    return Usage(input=prompt, output=estimate_tokens(text), estimated=True)
