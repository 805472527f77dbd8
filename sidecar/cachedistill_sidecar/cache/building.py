"""Building the index of another embedding model beside the one in use, out of the queries that are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from cachedistill_sidecar.cache.documents import Stored
from cachedistill_sidecar.cache.indexes import Indexes, Registered
from cachedistill_sidecar.cache.semantic import SemanticIndex
from cachedistill_sidecar.cache.store import Store

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.seal import Seal
    from cachedistill_sidecar.edge.embedder import Embedder

# Each pass takes up what was stored during the one before it, so each is far shorter. Where traffic never pauses the
# last of them still finds something: a few entries, which then have exact hits only.
_PASSES = 10
_PAUSE_SECONDS = 0.1
_GONE = -2
_FOREVER = -1


@dataclass(frozen=True, slots=True)
class Built:
    """What building an index came to: the index, and how many queries were embedded for it."""

    index: Registered
    embedded: int


class Builder:
    """Builds one embedder's index of a cache. It can be stopped and started again, and goes on where it was.

    What the cache's seal doesn't open is left out; all else is sealed anew. Everything raises RedisError or OSError.
    """

    def __init__(self, store: Store, embedder: Embedder, seal: Seal, say: Callable[[str], None]) -> None:
        self._client: Any = store.client
        self._store = store
        self._embedder = embedder
        self._seal = seal
        self._say = say
        self._index = SemanticIndex(store, embedder.digest, embedder.dimensions, seal)
        self._indexes = Indexes(store)

    async def build(self, model: str) -> Built:
        """Make the index, embed every stored query that it lacks, and register it under the model's name.

        Raises ValueError when Redis can't have an index.
        """
        await self._index.ensure()
        if self._index.problem is not None:
            raise ValueError(f"this Redis can't have a vector index: {self._index.problem}")
        embedded = 0
        for number in range(1, _PASSES + 1):
            added = await self._pass(number)
            embedded += added
            if not added:
                break
        await self._taken_up()
        documents = await self._indexes.documents(self._index.prefix)
        index = Registered(self._index.prefix, self._embedder.digest, self._embedder.dimensions, documents)
        await self._indexes.register(model, index)
        return Built(index, embedded)

    async def _taken_up(self) -> None:
        """Wait for an index that was made anew over its old documents, and for the last that were written."""
        for _ in count():
            if await self._indexes.complete(self._index.prefix):
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _pass(self, number: int) -> int:
        """Embed what the other indexes have and this one lacks; how many that were."""
        seen = added = 0
        for name in await self._indexes.names():
            if name == self._index.prefix:
                continue
            async for batch in self._indexes.queries(name, self._seal):
                added += await self._add(await self._lacking(batch))
                seen += len(batch)
                self._say(f"Pass {number}: {seen} stored queries seen, {added} embedded.")
        return added

    async def _lacking(self, batch: Sequence[Stored]) -> list[tuple[Stored, int]]:
        """The queries that the index lacks and whose entries are there, with their entries' milliseconds to live."""
        pipeline = self._client.pipeline(transaction=False)
        for query in batch:
            pipeline.exists(self._index.document_key(query.key))
            pipeline.pttl(self._store.entry_key(query.key))
        replies = await pipeline.execute()
        states = zip(batch, replies[::2], replies[1::2], strict=True)
        return [(query, left) for query, there, left in states if not there and left != _GONE]

    async def _add(self, lacking: Sequence[tuple[Stored, int]]) -> int:
        """Embed queries and store their vectors; how many. What is too long for the embedder's window stays out."""
        pipeline = self._client.pipeline(transaction=False)
        added = 0
        for query, left in lacking:
            vector = await self._embedder.embed(query.text)
            if vector is None:
                continue
            key, document = self._index.document(query, vector)
            pipeline.hset(key, mapping=document)
            if left != _FOREVER:
                # At least a moment: zero would mean to delete it, and without any it would stay for ever.
                pipeline.pexpire(key, max(left, 1))
            added += 1
        if added:
            await pipeline.execute()
        return added
