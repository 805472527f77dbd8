"""The log of what was learnt: one append-only Redis stream for a route and a cache, which every sidecar reads whole.

Nobody folds his own events before they come back from the stream, so all sidecars fold the same ones in the same order.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from cachedistill_sidecar.cache.connection import Command, atomically
from cachedistill_sidecar.cache.seal import Sealed
from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.learning.calls import patiently
from cachedistill_sidecar.policy import labels

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.seal import Seal
    from cachedistill_sidecar.cache.store import Store

log = logging.getLogger(__name__)

LENGTH = 20_000
"""How many events a stream keeps, roughly: Redis trims it by whole nodes."""

_WAITING = 4096
_SENT_AT_ONCE = 128
# Measured: 200 labels are read and opened in 3 ms, for which the path stands still, a full stream in 0.3 s.
_READ_AT_ONCE = 200
_FIELD = b"event"


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the order of the stream. `anew`: they begin it again, and what was read before counts no more."""

    events: tuple[labels.Event, ...]
    more: bool
    anew: bool = False


class Events:
    """Appends to the stream, and reads it from its beginning.

    Each record has its writer and a number that rises: one that was sent twice, because the first answer got lost, is
    read once. The record that was read last is read again with those behind it: when it is gone, the stream was
    deleted, trimmed further than we had read, or replaced by an older copy, and has to be read from its beginning.
    """

    def __init__(self, store: Store, seal: Seal, route: str) -> None:
        self.stream = f"{store.prefix}labels:{route}"
        self.since: float | None = None
        """When the first record that was read was written, in seconds since the epoch."""
        self.dropped = 0
        """Events that nobody learns of, because Redis was away for too long."""
        self.unreadable = 0
        """Records without the seal that they need, or that hold no event."""
        self._store = store
        self._seal = seal
        self._writer = secrets.token_hex(8)
        self._number = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._last: bytes | None = None
        self._seen: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """How many events are still to be sent."""
        return len(self._waiting)

    def record(self, event: labels.Event) -> None:
        """Take an event to be appended; the oldest goes when too many wait."""
        self._number += 1
        record = {"writer": self._writer, "number": self._number, "event": labels.encode(event)}
        self._waiting.append((self._number, orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)))
        if len(self._waiting) > _WAITING:
            self._waiting.popleft()
            self.dropped += 1

    async def send(self) -> None:
        """Append what waits. Raises StoreUnavailable; what was not appended waits on."""
        self._need_keys()
        while self._waiting:
            batch = list(islice(self._waiting, _SENT_AT_ONCE))
            append = partial(atomically, self._store.client, self.stream, [self._command(data) for _, data in batch])
            await patiently(self._store, append)
            # Not by their count: meanwhile the oldest may have been dropped.
            while self._waiting and self._waiting[0][0] <= batch[-1][0]:
                self._waiting.popleft()

    async def read(self) -> Batch:
        """The next events. Raises StoreUnavailable."""
        self._need_keys()
        first = b"-" if self._last is None else self._last
        rows: Any = await patiently(
            self._store, lambda: self._store.client.xrange(self.stream, min=first, count=_READ_AT_ONCE + 1)
        )
        if self._last is not None:
            if not rows or rows[0][0] != self._last:
                self._last, self.since = None, None
                self._seen.clear()
                return Batch((), more=True, anew=True)
            del rows[0]
        if rows:
            if self.since is None:
                self.since = int(rows[0][0].partition(b"-")[0]) / 1000
            self._last = rows[-1][0]
        read = (self._event(fields) for _, fields in rows)
        return Batch(tuple(event for event in read if event is not None), more=len(rows) >= _READ_AT_ONCE)

    def _need_keys(self) -> None:
        if not self._seal.loaded:
            raise StoreUnavailable("there is no key that events are sealed with")

    def _command(self, data: bytes) -> Command:
        packed: Any = self._seal.seal(data, self.stream.encode()).pack()
        return ("XADD", self.stream, "MAXLEN", "~", LENGTH, "*", _FIELD.decode(), packed)

    def _event(self, fields: dict[bytes, bytes]) -> labels.Event | None:
        """The event of a record; None when it was read before, or can't be."""
        data = self._seal.open(Sealed.unpack(fields.get(_FIELD, b"")), self.stream.encode())
        try:
            record = orjson.loads(data or b"")
            writer, number = str(record["writer"]), int(record["number"])
            event = labels.decode(record["event"])
        except (KeyError, TypeError, ValueError):
            self.unreadable += 1
            return None
        if number <= self._seen.get(writer, 0):
            return None
        self._seen[writer] = number
        return event
