"""The last decisions, in memory: for the admin port and `cachedistill explain`. Without a word of prompt or answer."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.ledger.account import Account

_KEPT = 1000


class Records:
    """The last decisions, the newest last."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Exchange, Account | None, float, datetime]] = deque(maxlen=_KEPT)

    def add(self, exchange: Exchange, ledger: Account | None, seconds: float) -> None:
        """Keep a concluded exchange, without its bodies."""
        exchange.body, exchange.document, exchange.answer, exchange.vector, exchange.flight = (
            b"",
            None,
            None,
            None,
            None,
        )
        self._kept.append((exchange, ledger, seconds, datetime.now(UTC)))

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last decisions, the newest first."""
        return [_record(*kept) for kept, _ in zip(reversed(self._kept), range(count), strict=False)]

    def of_trace(self, trace: str) -> list[dict[str, Any]]:
        """The decisions of one trace, the newest first."""
        return [_record(*kept) for kept in reversed(self._kept) if kept[0].trace.id == trace]


def _record(exchange: Exchange, ledger: Account | None, seconds: float, at: datetime) -> dict[str, Any]:
    record = exchange.describe() | {"at": at.isoformat(timespec="milliseconds"), "ms": round(seconds * 1000, 3)}
    return record | {"ledger": None if ledger is None else asdict(ledger)}
