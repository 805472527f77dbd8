"""Recall: a stored answer to the very same request, or to one that means the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.edge.embedder import Overloaded
from cachedistill_sidecar.path.escalate import join
from cachedistill_sidecar.telemetry.names import Step

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.entry import Entry
    from cachedistill_sidecar.cache.live import LiveCache
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.parts import Parts


async def recall(exchange: Exchange, parts: Parts) -> None:
    """Settle the exchange with a stored answer, or say why there is none."""
    cache = exchange.cache
    if not exchange.may_read or cache is None:
        return
    if _serve(exchange, cache.get_near(exchange.key), Reason.NEAR) or join(exchange):
        return
    try:
        with exchange.trace.step(Step.EXACT):
            entry = await cache.get(exchange.key)
        if not _serve(exchange, entry, Reason.STORED) and exchange.may_compare:
            await _similar(exchange, cache, parts)
    except StoreUnavailable:
        exchange.reason = Reason.CACHE_UNAVAILABLE


async def _similar(exchange: Exchange, cache: LiveCache, parts: Parts) -> None:
    query, cutoff = exchange.query, exchange.cutoff
    if query is None or query.text is None or cutoff is None:
        return
    if cache.embedder is None or cache.index is None:
        exchange.reason = Reason.EMBEDDER_UNAVAILABLE
        return
    try:
        with exchange.trace.step(Step.EMBED):
            exchange.vector = await cache.embedder.embed(query.text)
    except Overloaded:
        exchange.reason = Reason.EMBEDDER_BUSY
        return
    if exchange.vector is None:
        exchange.reason = Reason.TOO_LONG
        exchange.may_compare = False
        return
    with exchange.trace.step(Step.SEARCH):
        candidates = await cache.index.search(exchange.partition, exchange.vector)
    verdict = parts.acceptance(cutoff).judge(query.text, candidates)
    exchange.verdict = verdict
    exchange.reason = verdict.reason
    if verdict.accepted and verdict.candidate is not None:
        accepted = verdict.candidate.entry
        entry = cache.get_near(accepted) or await cache.get(accepted)
        if entry is None:
            # Its answer is gone; a vector that leads nowhere would hide the next best for as long as it lives.
            await cache.discard(accepted)
            exchange.reason = Reason.COLD
        else:
            _serve(exchange, entry, Reason.SIMILAR)


def _serve(exchange: Exchange, entry: Entry | None, reason: Reason) -> bool:
    """Settle the exchange with an entry, unless there is none or it is older than the request allows."""
    if entry is None or exchange.cache is None:
        return False
    if exchange.max_age is not None and exchange.cache.age(entry) > exchange.max_age:
        exchange.reason = Reason.STALE
        return False
    exchange.entry = entry
    exchange.answer = entry.answer
    exchange.settle(reason)
    return True
