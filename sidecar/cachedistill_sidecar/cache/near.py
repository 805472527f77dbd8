"""The near cache: entries kept in the sidecar's own memory for a short while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from cachedistill_sidecar.cache.entry import Entry

# An entry removed by another sidecar may be served from here for at most this long.
LIFETIME_SECONDS = 30.0
# What an entry costs in memory beyond its stored bytes: objects of the decoded answer (measured: 1.9 kB for 0.6 kB).
_OVERHEAD_BYTES = 1500


class NearCache:
    """Least recently used entries, bounded in bytes and in age."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, tuple[Entry, float]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """The entry, unless it has been here too long."""
        found = self._entries.get(key)
        if found is None:
            return None
        entry, expires = found
        if self._clock() >= expires:
            self.discard(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, entry: Entry, lifetime: float = LIFETIME_SECONDS) -> None:
        """Keep an entry for at most `lifetime` seconds; one that is larger than the whole cache is not kept."""
        self.discard(entry.key)
        cost = entry.size + _OVERHEAD_BYTES
        if cost > self._max_bytes or lifetime <= 0:
            return
        while self.bytes + cost > self._max_bytes:
            self.discard(next(iter(self._entries)))
        self._entries[entry.key] = (entry, self._clock() + min(lifetime, LIFETIME_SECONDS))
        self.bytes += cost

    def discard(self, key: str) -> None:
        """Forget an entry, if it is here."""
        if found := self._entries.pop(key, None):
            self.bytes -= found[0].size + _OVERHEAD_BYTES
