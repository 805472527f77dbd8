"""The last decisions, in memory: for the admin port and `cachedistill explain`. Without a word of prompt or answer."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.ledger.account import Account

_KEPT = 1000


class Records:
    """The last decisions, the newest last."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, dict[str, Any], Account | None]] = deque(maxlen=_KEPT)

    def add(self, exchange: Exchange, ledger: Account | None, seconds: float) -> None:
        """Keep what is to be told of a concluded exchange; not the exchange, which holds prompts and credentials."""
        told = exchange.describe()
        told["ms"] = round(seconds * 1000, 3)
        self._kept.append((time.time(), told, ledger))

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last decisions, the newest first."""
        return [_record(*kept) for kept in islice(reversed(self._kept), count)]

    def of_trace(self, trace: str) -> list[dict[str, Any]]:
        """The decisions of one trace, the newest first."""
        return [_record(*kept) for kept in reversed(self._kept) if kept[1]["trace"] == trace]


def _record(at: float, told: dict[str, Any], ledger: Account | None) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return {**told, "at": moment, "ledger": None if ledger is None else asdict(ledger)}
