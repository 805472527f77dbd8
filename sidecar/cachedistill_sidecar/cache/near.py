"""The near cache: entries kept in the sidecar's own memory for a short while, in their stored form.

Decoded, an entry takes three to four times its bytes; decoding one takes about 10 microseconds.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

# An entry removed by another sidecar may be served from here for at most this long.
LIFETIME_SECONDS = 30.0
# What an entry costs beyond its bytes: the key, the tuple, the bytes object, the place in the dictionary.
_OVERHEAD_BYTES = 400


class NearCache:
    """Least recently used entries, bounded in bytes and in age."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> bytes | None:
        """The stored form of an entry, unless it has been here too long."""
        found = self._entries.get(key)
        if found is None:
            return None
        data, expires = found
        if self._clock() >= expires:
            self.discard(key)
            return None
        self._entries.move_to_end(key)
        return data

    def put(self, key: str, data: bytes, lifetime: float = LIFETIME_SECONDS) -> None:
        """Keep an entry for at most `lifetime` seconds; one that is larger than the whole cache is not kept."""
        self.discard(key)
        cost = len(data) + _OVERHEAD_BYTES
        if cost > self._max_bytes or lifetime <= 0:
            return
        while self.bytes + cost > self._max_bytes:
            self.discard(next(iter(self._entries)))
        # A copy: orjson leaves room behind its bytes, up to three times what they are.
        self._entries[key] = (bytes(memoryview(data)), self._clock() + min(lifetime, LIFETIME_SECONDS))
        self.bytes += cost

    def discard(self, key: str) -> None:
        """Forget an entry, if it is here."""
        if found := self._entries.pop(key, None):
            self.bytes -= len(found[0]) + _OVERHEAD_BYTES
