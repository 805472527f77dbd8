"""The last decisions, in memory: for the admin port and `cachedistill explain`. Without a word of prompt or answer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from cachedistill_sidecar.decision import Decision

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.ledger.account import Account
    from cachedistill_sidecar.policy.acceptance import Verdict

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Served:
    """What must be known of an exchange to learn later whether its answer was right.

    `entry` is that of the answer, `key` that of the very request; `verdict` is there when it was served by meaning.
    """

    trace: str
    cache: str
    rule: str
    principal: str
    key: str
    entry: str
    verdict: Verdict | None


@dataclass(slots=True)
class _Kept:
    at: float
    told: dict[str, Any]
    ledger: Account | None
    served: Served | None
    judged: bool = False


class Records:
    """The last decisions, the newest last."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque(maxlen=_KEPT)

    def add(self, exchange: Exchange, ledger: Account | None, seconds: float) -> None:
        """Keep what is to be told of a concluded exchange; not the exchange, which holds prompts and credentials."""
        told = exchange.describe()
        told["ms"] = round(seconds * 1000, 3)
        self._kept.append(_Kept(time.time(), told, ledger, _served(exchange)))

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last decisions, the newest first."""
        return [_record(kept) for kept in islice(reversed(self._kept), count)]

    def of_trace(self, trace: str) -> list[dict[str, Any]]:
        """The decisions of one trace, the newest first."""
        return [_record(kept) for kept in self._of(trace)]

    def served(self, trace: str) -> list[Served]:
        """What was answered in one trace, the newest first."""
        return [kept.served for kept in self._of(trace) if kept.served is not None]

    def judge(self, served: Served) -> bool:
        """Somebody has told whether this answer was right: that counts once. Whether it does, or did before."""
        for kept in self._kept:
            if kept.served is served and not kept.judged:
                kept.judged = True
                return True
        return False

    def served_to(self, principal: str, key: str, seconds: float) -> Served | None:
        """What somebody was served by meaning to a request, at most so long ago."""
        oldest = time.time() - seconds
        for kept in reversed(self._kept):
            if kept.at < oldest:
                return None
            found = kept.served
            if found is not None and (found.principal, found.key) == (principal, key) and found.verdict is not None:
                return found
        return None

    def serving(self, entry: str) -> Iterator[Served]:
        """What an entry was served for by meaning, the newest first, until somebody has told whether it was right."""
        for kept in reversed(self._kept):
            if kept.served is not None and kept.served.entry == entry and kept.served.verdict and not kept.judged:
                yield kept.served

    def verified(self, trace: str, verdict: str) -> None:
        """Tell what a verification came to."""
        for kept in self._of(trace):
            if kept.told["verification"] is not None:
                kept.told["verification"] = verdict

    def verdict(self, trace: str, entry: str) -> Verdict | None:
        """The verdict by which an entry was served in a trace."""
        found = (kept.served for kept in self._of(trace) if kept.served is not None and kept.served.entry == entry)
        return next((each.verdict for each in found), None)

    def _of(self, trace: str) -> Iterator[_Kept]:
        return (kept for kept in reversed(self._kept) if kept.told["trace"] == trace)


def _served(exchange: Exchange) -> Served | None:
    if exchange.cache is None or exchange.rule is None or not exchange.key:
        return None
    return Served(
        trace=exchange.trace.id,
        cache=exchange.cache.document.name,
        rule=exchange.rule.name,
        principal=exchange.principal,
        key=exchange.key,
        entry=exchange.key if exchange.entry is None else exchange.entry.key,
        verdict=_wordless(exchange.verdict) if exchange.decision is Decision.SEMANTIC_HIT else None,
    )


def _wordless(verdict: Verdict | None) -> Verdict | None:
    """Without the stored request's text."""
    if verdict is None or verdict.candidate is None:
        return verdict
    return replace(verdict, candidate=replace(verdict.candidate, text=""))


def _record(kept: _Kept) -> dict[str, Any]:
    moment = datetime.fromtimestamp(kept.at, UTC).isoformat(timespec="milliseconds")
    return {**kept.told, "at": moment, "ledger": None if kept.ledger is None else asdict(kept.ledger)}
