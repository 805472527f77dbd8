"""Recall: a stored answer to the very same request, or to one that means the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.edge.embedder import Overloaded
from cachedistill_sidecar.path.budget import policy
from cachedistill_sidecar.path.escalate import join
from cachedistill_sidecar.telemetry.names import Step

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.entry import Entry
    from cachedistill_sidecar.cache.live import LiveCache
    from cachedistill_sidecar.exchange import Exchange, Neighbour
    from cachedistill_sidecar.learning.lesson import Lesson
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.policy.acceptance import Budgeted


async def recall(exchange: Exchange, parts: Parts) -> None:
    """Settle the exchange with a stored answer, or say why there is none."""
    cache = exchange.cache
    if not exchange.may_read or cache is None:
        return
    lesson = parts.lessons[cache.document.name]
    if _serve(exchange, cache.get_near(exchange.key), Reason.NEAR, lesson) or join(exchange):
        return
    try:
        with exchange.trace.step(Step.EXACT):
            entry = await cache.get(exchange.key)
        if not _serve(exchange, entry, Reason.STORED, lesson) and exchange.may_compare and exchange.budget:
            await _similar(exchange, cache, lesson)
    except StoreUnavailable:
        exchange.reason = Reason.CACHE_UNAVAILABLE


async def _similar(exchange: Exchange, cache: LiveCache, lesson: Lesson) -> None:
    query = exchange.query
    if query is None or query.text is None:
        return
    if cache.embedder is None or cache.index is None or lesson.learner is None:
        exchange.reason = Reason.EMBEDDER_UNAVAILABLE
        return
    budgeted = policy(exchange, lesson.learner, lesson)
    if budgeted.model.standing(exchange.budget).cutoff is None:
        # Nothing may be served: what is to be learnt can wait until the client has its answer.
        exchange.reason = Reason.UNCERTIFIED
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
        found = await cache.index.search(exchange.partition, exchange.vector)
    # Not the text's own entry: its answer is no evidence for itself.
    neighbours = [each for each in found if each.entry != exchange.key]
    await _choose(exchange, query.text, neighbours, budgeted, lesson)


async def _choose(
    exchange: Exchange, text: str, neighbours: list[Neighbour], budgeted: Budgeted, lesson: Lesson
) -> None:
    """Judge until the accepted neighbour's answer is there, or none is accepted."""
    cache = lesson.cache
    while True:
        verdict = budgeted.judge(text, neighbours, time.time())
        exchange.neighbours, exchange.verdict, exchange.reason = tuple(neighbours), verdict, verdict.reason
        if not verdict.accepted or verdict.candidate is None:
            return
        accepted = verdict.candidate.entry
        entry = cache.get_near(accepted) or await cache.get(accepted)
        if entry is not None:
            if _serve(exchange, entry, Reason.SIMILAR, lesson):
                exchange.share = _share(exchange, budgeted)
            return
        # Its answer is gone; a vector that leads nowhere would hide the next best for as long as it lives.
        await cache.discard(accepted)
        neighbours = [each for each in neighbours if each.entry != accepted]


def _share(exchange: Exchange, budgeted: Budgeted) -> float:
    """With which probability this hit is to be verified."""
    assert exchange.verdict is not None
    assert exchange.rule is not None
    assert exchange.rule.cache is not None
    assert exchange.rule.cache.semantic is not None
    return budgeted.verify_share(exchange.verdict, exchange.rule.cache.semantic.verify_permille)


def _serve(exchange: Exchange, entry: Entry | None, reason: Reason, lesson: Lesson) -> bool:
    """Settle the exchange with an entry, unless there is none, it was removed or is older than the request allows."""
    if entry is None or exchange.cache is None:
        return False
    if lesson.suspensions.removed(entry):
        exchange.reason = Reason.SUSPENDED
        return False
    if exchange.max_age is not None and exchange.cache.age(entry) > exchange.max_age:
        exchange.reason = Reason.STALE
        return False
    exchange.entry = entry
    exchange.answer = entry.answer
    exchange.settle(reason)
    return True
