"""Remember: store a fallback's answer, after its last byte and off the client's path."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.entry import Entry
from cachedistill_sidecar.path.ask import spent, usable
from cachedistill_sidecar.path.learn import learn

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.parts import Parts


def remember(exchange: Exchange, streamed_text: str, parts: Parts) -> None:
    """Count the tokens, and store the answer if it is one to give again.

    `streamed_text` is what came of a stream, also of one that broke off: the provider bills it.
    """
    answer = exchange.answer
    if exchange.fallback is not None and exchange.status < 300:
        exchange.spent = spent(exchange, answer, streamed_text)
    cache, query = exchange.cache, exchange.query
    if answer is None or cache is None or query is None or exchange.fallback is None or not exchange.key:
        return
    if exchange.status != 200 or not usable(exchange, answer, exchange.fallback):
        return
    known = cache.get_near(exchange.key)
    entry = Entry(
        exchange.key, answer.with_usage(exchange.spent or answer.usage), time.time(), principal=exchange.principal
    )
    cache.put(entry, exchange.partition, query.text, None)
    if exchange.may_compare and cache.embedder is not None:
        # Its vector comes later, when it is known which other answers it is the same as.
        parts.spawn(learn(exchange, entry, known, parts))
