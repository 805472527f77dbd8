"""All vector indexes of a cache: those that Redis has, and the registry that says which are complete.

The registry is the hash `cachedistill:<cache>:indexes`, by the name of the embedding model. `cachedistill index build`
writes it, and whoever decides on the model that a route uses reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from cachedistill_sidecar.cache.connection import at_home
from cachedistill_sidecar.cache.store import Store

_BATCH = 256
# The query engine gives up after half a second by itself, and calls what it has by then the answer.
_SEARCH_MILLISECONDS = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored query: its entry's key, its partition, and its text."""

    key: str
    partition: bytes
    text: str


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

    async def queries(self, name: str) -> AsyncIterator[list[Stored]]:
        """The queries of an index, some hundred at a time; what is stored meanwhile may be among them or not."""
        ask = ("FT.AGGREGATE", name, "*", "LOAD", 3, "@__key", "@partition", "@text")
        reply = await at_home(self._store.client, *ask, "WITHCURSOR", "COUNT", _BATCH, "TIMEOUT", _SEARCH_MILLISECONDS)
        while True:
            rows, cursor = reply
            if batch := [_stored(row) for row in map(_pairs, _rows(rows)) if {"partition", "text"} <= row.keys()]:
                yield batch
            if not cursor:
                return
            reply = await at_home(self._store.client, "FT.CURSOR", "READ", name, cursor)


def _rows(reply: Any) -> list[Any]:
    """The rows of FT.AGGREGATE, in either protocol."""
    rows = [row[b"extra_attributes"] for row in reply[b"results"]] if isinstance(reply, dict) else reply[1:]
    return list(rows)


def _pairs(reply: Any) -> dict[str, Any]:
    """Names and values: a mapping, or one after another."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {_text(name): value for name, value in pairs}


def _stored(row: dict[str, Any]) -> Stored:
    key = _text(row["__key"]).rsplit(":", 1)[1]
    return Stored(key, bytes.fromhex(_text(row["partition"])), _text(row["text"]))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
