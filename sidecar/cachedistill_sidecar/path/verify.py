"""Verify: ask a fallback, off the path, for what was served by meaning, and learn whether that was right."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.entry import Entry
from cachedistill_sidecar.decision import Decision
from cachedistill_sidecar.learning.suspensions import Cause
from cachedistill_sidecar.path.ask import ask_again
from cachedistill_sidecar.path.learn import label, place, store
from cachedistill_sidecar.policy.labels import Source

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.parts import Parts

_SEMANTIC = "semantic"


def verify(exchange: Exchange, parts: Parts) -> None:
    """Count an answer by meaning that the client has got, and draw whether it is verified."""
    verdict, cache = exchange.verdict, exchange.cache
    if exchange.decision is not Decision.SEMANTIC_HIT or verdict is None or cache is None or exchange.rule is None:
        return
    learner = parts.lessons[cache.document.name].learner
    if learner is None or verdict.probability is None:
        return
    learner.served(exchange.rule.name, _SEMANTIC, verdict.probability, exchange.budget)
    exchange.verifying = parts.verifier.draws(exchange.share)
    if exchange.verifying:
        parts.spawn(_verify(exchange, parts))


async def _verify(exchange: Exchange, parts: Parts) -> None:
    with parts.verifier.place() as free:
        told = await _compare(exchange, parts) if free else ("dropped", "")
    parts.metrics.verifications.add(1, exchange.route.name, *told)
    parts.records.verified(exchange.trace.id, told[0])


async def _compare(exchange: Exchange, parts: Parts) -> tuple[str, str]:
    """The verdict on what was served, and the step of the ladder that came to it."""
    assert exchange.cache is not None
    assert exchange.vector is not None
    assert exchange.verdict is not None
    assert exchange.entry is not None
    lesson = parts.lessons[exchange.cache.document.name]
    answer = await ask_again(exchange, parts)
    if answer is None:
        return "failed", ""
    fresh = Entry(exchange.key, answer, time.time(), principal=exchange.principal)
    # With the answer that was served: under its key there may be another one by now, or none.
    placed = await place(exchange, fresh, exchange.verdict, exchange.neighbours or (), parts, exchange.entry)
    fresh = replace(fresh, group=placed.group, guess=placed.guess)
    store(exchange, fresh, exchange.vector, placed, parts)
    label(exchange, lesson, exchange.verdict, placed, Source.VERIFIED, share=exchange.share)
    if placed.right is False:
        lesson.suspensions.suspend(exchange.entry.key, Cause.VERIFIED_WRONG)
    if placed.judgement is None:
        return "undecided", ""
    return str(placed.judgement.opinion), str(placed.judgement.step)
