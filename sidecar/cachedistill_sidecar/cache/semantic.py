"""Vectors of past queries in Redis, searched by RedisVL inside one partition.

A vector document points at an entry; it is of no use without it, so both get the same time to live. The index belongs
to one embedder: its name carries the model's digest, and another model gets another index over other documents.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from cachedistill_sidecar.cache.search_policy import Policies
from cachedistill_sidecar.cache.store import Store, StoreUnavailable
from cachedistill_sidecar.exchange import Candidate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from redisvl.index import AsyncSearchIndex
    from redisvl.query import VectorQuery

log = logging.getLogger(__name__)

Vector: TypeAlias = "NDArray[np.float32]"
"""A query's embedding: shape [dimensions], unit length."""

NEIGHBOURS = 8


class SemanticIndex:
    """The vector index of one cache under one embedder."""

    def __init__(self, store: Store, embedder_digest: str, dimensions: int) -> None:
        # Imported here: RedisVL costs 20 MB of memory, which a sidecar without semantic caching needn't pay.
        from redisvl.index import AsyncSearchIndex
        from redisvl.schema import IndexSchema

        self._store = store
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

    async def search(self, partition: bytes, vector: Vector) -> list[Candidate]:
        """The nearest stored queries of the partition, most similar first. Raises StoreUnavailable."""
        if self.problem is not None:
            raise StoreUnavailable(self.problem)
        from redisvl.query import VectorQuery
        from redisvl.query.filter import Tag

        query = VectorQuery(
            vector=vector.tobytes(),
            vector_field_name="vector",
            return_fields=["text"],
            num_results=NEIGHBOURS,
            filter_expression=Tag("partition") == partition.hex(),
            hybrid_policy=self._policies.of(partition),
        )
        found: Sequence[dict[str, Any]] = await self._store.call(lambda: self._query(query))
        return [
            Candidate(
                entry=row["id"].rsplit(":", 1)[1], text=row["text"], similarity=1.0 - float(row["vector_distance"])
            )
            for row in found
            if "text" in row
        ]

    async def _count(self, partition: bytes) -> tuple[int, int]:
        """How many queries a partition has, and how many the whole index."""
        from redisvl.query import CountQuery
        from redisvl.query.filter import Tag

        with _redis_errors():
            within: int = await self._index.query(CountQuery(Tag("partition") == partition.hex()))
            return within, int((await self._index.info())["num_docs"])

    async def _query(self, query: VectorQuery) -> Sequence[dict[str, Any]]:
        with _redis_errors():
            found: Sequence[dict[str, Any]] = await self._index.query(query)
            return found

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

    def document(self, key: str, partition: bytes, text: str, vector: Vector) -> tuple[str, dict[str, str | bytes]]:
        """The Redis key and hash of one query's vector."""
        return self.document_key(key), {"partition": partition.hex(), "text": text, "vector": vector.tobytes()}

    def document_key(self, key: str) -> str:
        """Where the vector of an entry's query is in Redis."""
        return f"{self.prefix}:{key}"


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
