"""Vectors of past queries in Redis, searched inside one partition.

A vector document points at an entry; it is of no use without it, so both get the same time to live. The index belongs
to one embedder: its name carries the model's digest, and another model gets another index over other documents.

RedisVL makes the index. The search itself is one command: of 32 neighbours among 20,000, asked and read through RedisVL
it takes 1.4 ms, by hand 1.0 (with the vectors, which a seal needs, 1.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from cachedistill_sidecar.cache.connection import at_home
from cachedistill_sidecar.cache.documents import FIELDS, Stored, read, write
from cachedistill_sidecar.cache.seal import Seal, Unsealed
from cachedistill_sidecar.cache.search_policy import Policies
from cachedistill_sidecar.cache.store import Store, StoreUnavailable
from cachedistill_sidecar.exchange import Neighbour

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from redisvl.index import AsyncSearchIndex

log = logging.getLogger(__name__)

Vector: TypeAlias = "NDArray[np.float32]"
"""A query's embedding: shape [dimensions], unit length."""

NEIGHBOURS = 32

# A group isn't indexed: its members are looked for where they are, near each other.
_ALIASES_AMONG = 1000
_ALIASES_SECONDS = 1.0


class SemanticIndex:
    """The vector index of one cache under one embedder. What its seal doesn't open is no neighbour, and is deleted."""

    def __init__(self, store: Store, embedder_digest: str, dimensions: int, seal: Seal | None = None) -> None:
        # Imported here: RedisVL costs 20 MB of memory, which a sidecar without semantic caching needn't pay.
        from redisvl.index import AsyncSearchIndex
        from redisvl.schema import IndexSchema

        self._store = store
        self._seal = seal or Unsealed()
        # 48 KB of vectors a search, where a seal needs them.
        self._fields = (*FIELDS, "vector") if self._seal.keyed else FIELDS
        self.prefix = f"{store.vectors}:{embedder_digest[:12]}"
        schema = IndexSchema.from_dict(
            {
                "index": {"name": self.prefix, "prefix": self.prefix, "storage_type": "hash"},
                "fields": [
                    {"name": "partition", "type": "tag", "attrs": {"case_sensitive": True}},
                    {
                        "name": "vector",
                        "type": "vector",
                        "attrs": {
                            "algorithm": "hnsw",
                            "dims": dimensions,
                            "distance_metric": "cosine",
                            "datatype": "float32",
                            # Redis' own 10 is hardly more than the neighbours that are asked for.
                            "ef_runtime": 64,
                        },
                    },
                ],
            }
        )
        self._index: AsyncSearchIndex = AsyncSearchIndex(schema, redis_client=store.client)
        self._dimensions = dimensions
        self._policies = Policies(self._count)
        self._deleting: asyncio.Task[None] | None = None
        self.problem: str | None = None
        """Why there is no index although Redis is there: it has no query engine, or the user may not make one."""

    async def ensure(self) -> None:
        """Make the index if it isn't there; make it anew (the documents stay) if it is of another shape.

        A Redis that answers, but can't have an index, goes on serving exact hits; `problem` says why.
        """
        self.problem = None
        try:
            with _redis_errors():
                await self._make()
        except ResponseError as error:
            if not isinstance(error, NoPermissionError) and "unknown command" not in str(error).lower():
                raise
            self.problem = str(error)
            log.warning("no semantic hits from %s: %s", self.prefix, error)

    async def _make(self) -> None:
        if await self._index.exists():
            if self._fits(await self._index.info()):
                return
            await self._index.delete(drop=False)
        await self._index.create()

    async def search(self, partition: bytes, vector: Vector) -> list[Neighbour]:
        """The nearest stored queries of the partition, most similar first. Raises StoreUnavailable."""
        if self.problem is not None:
            raise StoreUnavailable(self.problem)
        command = self._command(partition, vector.tobytes(), NEIGHBOURS)
        reply = await self._store.call(lambda: at_home(self._store.client, *command))
        return self._neighbours(partition, reply)

    async def aliases(self, key: str) -> list[str]:
        """The other entries in the group of a stored query, among the thousand nearest to it; most similar first.

        Raises StoreUnavailable.
        """
        place = self.document_key(key)
        client = self._store.client
        found: Any = await self._store.call(lambda: client.hgetall(place), _ALIASES_SECONDS)
        try:
            partition = bytes.fromhex(found[b"partition"].decode())
            stored, vector = read(self._seal, place, partition, found), found[b"vector"]
        except (KeyError, ValueError):
            return []
        if stored is None or self.problem is not None:
            return []
        command = self._command(partition, vector, _ALIASES_AMONG)
        reply = await self._store.call(lambda: at_home(client, *command), _ALIASES_SECONDS)
        near = self._neighbours(partition, reply)
        return [each.entry for each in near if each.group == stored.group and each.entry != key]

    def _neighbours(self, partition: bytes, reply: Any) -> list[Neighbour]:
        """Those in the reply of a search that the seal opens; the others are deleted."""
        neighbours: list[Neighbour] = []
        broken: list[str] = []
        for place, fields in _rows(reply):
            if b"text" not in fields:
                continue
            if (stored := read(self._seal, place, partition, fields)) is None:
                broken.append(place)
            else:
                neighbours.append(
                    Neighbour(
                        stored.key,
                        stored.group,
                        stored.text,
                        1.0 - float(fields[b"distance"]),
                        stored.principal,
                        stored.guess,
                        stored.at,
                    )
                )
        if broken:
            self._deleting = asyncio.create_task(self._delete(broken))
        return neighbours

    def _command(self, partition: bytes, vector: bytes, count: int) -> tuple[Any, ...]:
        """FT.SEARCH for the nearest neighbours in a partition, whose name is letters and digits only."""
        policy = self._policies.of(partition)
        how = f" HYBRID_POLICY {policy}" if policy is not None else ""
        nearest = f"(@partition:{{{partition.hex()}}})=>[KNN {count} @vector $vector{how} AS distance]"
        wanted = ("RETURN", 1 + len(self._fields), "distance", *self._fields)
        order = ("SORTBY", "distance", "ASC", "LIMIT", 0, count, "DIALECT", 2)
        return ("FT.SEARCH", self.prefix, nearest, *wanted, *order, "PARAMS", 2, "vector", vector)

    async def _delete(self, places: list[str]) -> None:
        with suppress(StoreUnavailable):
            await self._store.delete(*places)

    async def _count(self, partition: bytes) -> tuple[int, int]:
        """How many queries a partition has, and how many the whole index."""
        from redisvl.query import CountQuery
        from redisvl.query.filter import Tag

        with _redis_errors():
            within: int = await self._index.query(CountQuery(Tag("partition") == partition.hex()))
            return within, int((await self._index.info())["num_docs"])

    def _fits(self, info: dict[str, Any]) -> bool:
        """Whether an index, described by FT.INFO, is over these documents and has these fields."""
        definition = _flat(info.get("index_definition", ()))
        fields = {field.get("identifier"): field for field in map(_flat, info.get("attributes", ()))}
        vector = fields.get("vector", {})
        return (
            [_text(prefix) for prefix in definition.get("prefixes", ())] == [self.prefix]
            and fields.get("partition", {}).get("type") == "TAG"
            and [vector.get(name) for name in ("type", "algorithm", "data_type", "dim", "distance_metric")]
            == ["VECTOR", "HNSW", "FLOAT32", self._dimensions, "COSINE"]
        )

    def document(self, stored: Stored, vector: Vector) -> tuple[str, dict[str, str | bytes]]:
        """The Redis key and hash of one query's vector."""
        place = self.document_key(stored.key)
        return place, write(self._seal, place, stored, vector.tobytes())

    def document_key(self, key: str) -> str:
        """Where the vector of an entry's query is in Redis."""
        return f"{self.prefix}:{key}"


def _rows(reply: Any) -> Iterator[tuple[str, dict[bytes, bytes]]]:
    """The keys and fields that FT.SEARCH found, in either protocol."""
    if isinstance(reply, dict):
        for row in reply[b"results"]:
            yield row[b"id"].decode(), row.get(b"extra_attributes") or {}
        return
    for place, pairs in zip(reply[1::2], reply[2::2], strict=True):
        yield place.decode(), dict(zip(pairs[::2], pairs[1::2], strict=True)) if pairs else {}


def _flat(pairs: Any) -> dict[str, Any]:
    """A part of FT.INFO: names and values in turn, after which single words may follow, or a mapping."""
    given = pairs if isinstance(pairs, dict) else dict(zip(pairs[::2], pairs[1::2], strict=False))
    return {_text(name): _text(value) for name, value in given.items()}


@contextmanager
def _redis_errors() -> Iterator[None]:
    """RedisVL wraps the client's errors into its own; they are errors of Redis all the same."""
    from redisvl.exceptions import RedisVLError

    try:
        yield
    except RedisVLError as error:
        cause = error.__cause__
        raise (cause if isinstance(cause, RedisError) else RedisError(str(error))) from error


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
