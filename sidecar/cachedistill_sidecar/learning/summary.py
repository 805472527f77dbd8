"""What operators see of a budget: a summary a rule in the hash `cachedistill:<cache>:budget`.

All sidecars come to the same, so any of them may write it, and none does what another has done already.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from cachedistill_sidecar.cache.connection import Command, atomically
from cachedistill_sidecar.learning.calls import patiently

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.store import Store
    from cachedistill_sidecar.policy.error_budget import Standing

_SECONDS = 10.0
# Whoever reads it can tell by its age that nobody serves the rule any more.
_RENEWED_SECONDS = 3600.0
# They differ among sidecars that have come to the same: each knows the stream since it began to read.
_INCIDENTAL = ("at", "since")


class Summary:
    """Writes the summaries of one route's rules; fields of rules that it has no more are removed."""

    def __init__(self, store: Store, route: str) -> None:
        self._store = store
        self._key = f"{store.prefix}budget"
        self._route = route
        self._next = 0.0
        self._flags: dict[str, tuple[bool, bool]] = {}

    async def tell(self, rules: Mapping[str, int], standings: Mapping[str, Standing], since: float | None) -> None:
        """Write what has changed: every ten seconds, or at once when a certificate or a risk comes or goes.

        Raises StoreUnavailable; it is tried again the next time.
        """
        flags = {rule: (standing.certified, standing.at_risk) for rule, standing in standings.items()}
        if flags == self._flags and time.monotonic() < self._next:
            return
        told: Any = await patiently(self._store, lambda: self._store.client.hgetall(self._key))
        wanted = {self._field(rule): _summary(rules[rule], standing, since) for rule, standing in standings.items()}
        if commands := self._commands({name.decode(): value for name, value in told.items()}, wanted):
            await patiently(self._store, lambda: atomically(self._store.client, self._key, commands))
        self._flags, self._next = flags, time.monotonic() + _SECONDS

    def _commands(self, told: Mapping[str, bytes], wanted: Mapping[str, dict[str, Any]]) -> list[Command]:
        commands: list[Command] = [
            ("HSET", self._key, field, orjson.dumps(summary).decode())
            for field, summary in wanted.items()
            if not _says(told.get(field), summary)
        ]
        gone = [field for field in told if field.startswith(self._field("")) and field not in wanted]
        return commands + ([("HDEL", self._key, *gone)] if gone else [])

    def _field(self, rule: str) -> str:
        return f"{self._route}|{rule}"


def _summary(permille: int, standing: Standing, since: float | None) -> dict[str, Any]:
    begun = None if since is None else datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "maxErrorPermille": permille,
        "certified": standing.certified,
        "cutoff": None if standing.cutoff is None else round(standing.cutoff, 4),
        "measuredPermille": None if standing.measured is None else round(1000 * standing.measured, 1),
        # Rounded up, for it stays a bound then; but not for what floating point adds to an even number.
        "upperPermille": None if standing.upper is None else math.ceil(round(10_000 * standing.upper, 6)) / 10,
        "labels": standing.labels,
        "missing": standing.missing,
        "served": standing.served,
        "since": begun,
        "atRisk": standing.at_risk,
        "drift": standing.drifting,
        "at": time.time(),
    }


def _says(told: bytes | None, summary: dict[str, Any]) -> bool:
    """Whether what is written says the same, and not too long ago."""
    try:
        known = orjson.loads(told or b"")
        fresh = summary["at"] - known["at"] < _RENEWED_SECONDS
        return fresh and _lasting(known) == _lasting(summary)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _lasting(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name not in _INCIDENTAL}
