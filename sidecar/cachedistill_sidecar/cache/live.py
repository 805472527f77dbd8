"""A cache as a running sidecar holds it: near cache, Redis, vector index, embedder, writer, answers on their way."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.documents import Stored
from cachedistill_sidecar.cache.entry import Entry, Undecodable, decode
from cachedistill_sidecar.cache.near import NearCache
from cachedistill_sidecar.cache.report import Report
from cachedistill_sidecar.cache.seal import Sealed, seal_of
from cachedistill_sidecar.cache.semantic import SemanticIndex, Vector
from cachedistill_sidecar.cache.store import Store, StoreUnavailable
from cachedistill_sidecar.cache.writer import Write, Writer

if TYPE_CHECKING:
    from cachedistill_sidecar.edge.embedder import Embedder
    from cachedistill_sidecar.route_document import Cache
    from cachedistill_sidecar.streaming.flight import Flight


class LiveCache:
    """One cache of the route. As long as there is no key to seal with it is unavailable, as without its Redis."""

    def __init__(self, document: Cache, embedder: Embedder | None, *, semantic: bool) -> None:
        self.document = document
        self.seal = seal_of(document)
        self.semantic = semantic
        """Whether some rule searches it by meaning; without an embedder, it can't."""
        self.embedder = embedder
        self.near = NearCache(document.near_bytes)
        self.store = Store(document.redis, prefix=f"cachedistill:{document.name}:")
        self.writer = Writer(self.store)
        self.report = Report(self.store)
        self.flights: dict[str, Flight] = {}
        self.index: SemanticIndex | None = None
        if embedder is not None:
            self.index = SemanticIndex(self.store, embedder.digest, embedder.dimensions, self.seal)
        if self.index is not None or self.seal.keyed:
            self.store.repair = self._prepare

    async def get(self, key: str) -> Entry | None:
        """The entry in Redis; one that can't be read is deleted and counts as absent. Raises StoreUnavailable."""
        packed = await self.store.get(key)
        if packed is None:
            return None
        data = self.seal.open(Sealed.unpack(packed), self._place(key))
        entry = None if data is None else _decoded(key, data)
        if data is None or entry is None or self._overdue(entry):
            await self.discard(key)
            return None
        # Redis lets it go when its time to live is over; so must the near cache.
        self.near.put(key, data, lifetime=self.document.ttl_seconds - self.age(entry))
        return entry

    def get_near(self, key: str) -> Entry | None:
        """The entry, if this sidecar has just stored or served it."""
        data = self.near.get(key)
        return None if data is None else decode(key, data)

    def put(self, entry: Entry, partition: bytes, text: str | None, vector: Vector | None) -> bool:
        """Keep an entry near and offer it to Redis; False when it is larger than the cache allows."""
        data = entry.encode()
        if len(data) > self.document.max_entry_bytes:
            self.writer.drops["too_large"] += 1
            return False
        ttl = self.document.ttl_seconds
        self.near.put(entry.key, data, lifetime=ttl)
        if not self.seal.loaded:
            self.writer.drops["unavailable"] += 1
            return True
        packed = self.seal.seal(data, self._place(entry.key)).pack()
        write = Write(entry.key, packed, ttl)
        if self.index is not None and vector is not None and text is not None:
            stored = Stored(entry.key, partition, text, entry.group, entry.principal, entry.guess, entry.stored_at)
            write = Write(entry.key, packed, ttl, *self.index.document(stored, vector))
        self.writer.offer(write)
        return True

    async def remove(self, key: str) -> bool:
        """Delete an entry and its vector; whether it was there. Raises StoreUnavailable."""
        self.near.discard(key)
        keys = [self.store.entry_key(key)]
        if self.index is not None:
            keys.append(self.index.document_key(key))
        return await self.store.delete(*keys) > 0

    async def aliases(self, key: str) -> list[str]:
        """The keys of other entries whose answers were judged the same as this one's. Raises StoreUnavailable."""
        return [] if self.index is None else await self.index.aliases(key)

    async def discard(self, key: str) -> None:
        """Remove what is of no use. A Redis that takes no writes just now, but answers lookups, may keep it."""
        with contextlib.suppress(StoreUnavailable):
            await self.remove(key)

    def age(self, entry: Entry) -> float:
        """Seconds since an entry was stored."""
        return max(0.0, time.time() - entry.stored_at)

    async def _prepare(self) -> None:
        """What must be there before the cache is used, and what may change while it is: keys, and the vector index."""
        self.seal.load()
        if self.index is not None:
            await self.index.ensure()

    def _overdue(self, entry: Entry) -> bool:
        """Whether somebody put an entry back that Redis had let go: its seal is genuine, and says when it was made."""
        return self.seal.keyed and self.age(entry) > self.document.ttl_seconds

    def _place(self, key: str) -> bytes:
        return self.store.entry_key(key).encode()

    async def start(self) -> None:
        """Connect, and make the vector index."""
        await self.store.start()
        self.report.start()

    async def close(self, drain_seconds: float) -> None:
        """Write what waits, then disconnect."""
        await self.writer.drain(drain_seconds)
        await self.writer.close()
        await self.report.close()
        await self.store.close()


def _decoded(key: str, data: bytes) -> Entry | None:
    try:
        return decode(key, data)
    except Undecodable:
        return None
