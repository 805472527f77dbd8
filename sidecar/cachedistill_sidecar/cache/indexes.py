"""All vector indexes of a cache: those that Redis has, and the registry that says which are complete.

The registry is the hash `cachedistill:<cache>:indexes`, by the name of the embedding model. `cachedistill index build`
writes it, and whoever decides on the model that a route uses reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from cachedistill_sidecar.cache.connection import Command, at_home
from cachedistill_sidecar.cache.documents import FIELDS, Stored, read
from cachedistill_sidecar.cache.store import Store

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.seal import Seal

_BATCH = 256
# The query engine gives up after half a second by itself, and calls what it has by then the answer.
_SEARCH_MILLISECONDS = 10_000


@dataclass(frozen=True, slots=True)
class Registered:
    """A complete index: its name in Redis, its embedder's digest (hex), and how many queries it had when built."""

    index: str
    digest: str
    dimensions: int
    documents: int


class Indexes:
    """The indexes of the cache that a store is for. Everything raises RedisError or OSError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._registry = f"{store.prefix}indexes"

    async def names(self) -> list[str]:
        """The indexes that Redis has, whatever the registry says."""
        known = [_text(name) for name in await at_home(self._store.client, "FT._LIST")]
        return sorted(name for name in known if name.startswith(f"{self._store.vectors}:"))

    async def documents(self, name: str) -> int:
        """How many queries an index has."""
        info = _pairs(await at_home(self._store.client, "FT.INFO", name))
        return int(info["num_docs"])

    async def complete(self, name: str) -> bool:
        """Whether an index has all documents that are there: a new one takes up what was there before it."""
        info = _pairs(await at_home(self._store.client, "FT.INFO", name))
        return float(info["percent_indexed"]) >= 1.0

    async def registered(self) -> dict[str, Registered]:
        """The registry, by model."""
        found: Any = await self._store.client.hgetall(self._registry)
        return {model.decode(): Registered(**orjson.loads(value)) for model, value in sorted(found.items())}

    async def register(self, model: str, index: Registered) -> None:
        """Say that a model's index is complete."""
        await self._store.client.hset(self._registry, model, orjson.dumps(index).decode())

    async def queries(self, name: str, seal: Seal) -> AsyncIterator[list[Stored]]:
        """The queries of an index that the seal opens, some hundred at a time.

        What is stored meanwhile may be among them or not.
        """
        wanted = [f"@{field}" for field in ("__key", "partition", "vector", *FIELDS)]
        ask: Command = ("FT.AGGREGATE", name, "*", "LOAD", len(wanted), *wanted)
        reply = await at_home(self._store.client, *ask, "WITHCURSOR", "COUNT", _BATCH, "TIMEOUT", _SEARCH_MILLISECONDS)
        while True:
            rows, cursor = reply
            found = [_stored(row, seal) for row in _rows(rows)]
            if batch := [each for each in found if each is not None]:
                yield batch
            if not cursor:
                return
            reply = await at_home(self._store.client, "FT.CURSOR", "READ", name, cursor)


def _rows(reply: Any) -> list[dict[bytes, bytes]]:
    """The rows of FT.AGGREGATE, in either protocol."""
    if isinstance(reply, dict):
        return [row[b"extra_attributes"] for row in reply[b"results"]]
    return [dict(zip(row[::2], row[1::2], strict=True)) for row in reply[1:]]


def _pairs(reply: Any) -> dict[str, Any]:
    """Names and values: a mapping, or one after another."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {_text(name): value for name, value in pairs}


def _stored(row: dict[bytes, bytes], seal: Seal) -> Stored | None:
    """The query of a row; None when Redis has let it go meanwhile, or it isn't one of ours."""
    try:
        return read(seal, row[b"__key"].decode(), bytes.fromhex(row[b"partition"].decode()), row)
    except (KeyError, ValueError):
        return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
