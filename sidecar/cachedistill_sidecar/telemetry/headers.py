"""The decision headers of an answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from cachedistill_sidecar.decision import Decision
from cachedistill_sidecar.telemetry.names import Header

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange


def decision_headers(exchange: Exchange) -> dict[str, str]:
    """Which tier answers and why; with `x-cachedistill-debug: 1` in the request, all that is known by now."""
    headers: dict[str, str] = {
        Header.DECISION: str(exchange.decision),
        Header.REASON: str(exchange.reason),
        Header.TRACE: exchange.trace.id,
    }
    if entry := exchange.key if exchange.entry is None else exchange.entry.key:
        headers[Header.ENTRY] = entry
    if exchange.entry is not None:
        headers[Header.AGE] = str(int(max(0.0, time.time() - exchange.entry.stored_at)))
    if exchange.decision is Decision.SEMANTIC_HIT and exchange.verdict is not None and exchange.verdict.candidate:
        headers[Header.SIMILARITY] = f"{exchange.verdict.candidate.similarity:.4f}"
        if exchange.verdict.probability is not None:
            headers[Header.PROBABILITY] = f"{exchange.verdict.probability:.4f}"
    if exchange.headers.get(Header.DEBUG) == "1":
        # In ASCII, as a header must be, which orjson doesn't write.
        headers[Header.DEBUG] = json.dumps(exchange.describe(), separators=(",", ":"))
    return headers
