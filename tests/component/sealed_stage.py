"""Caches with keys on a real Redis, without a model: vectors are made up, and somebody else may write beside them."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cachedistill_sidecar.cache.entry import Entry
from cachedistill_sidecar.cache.key import digest, key, partition
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.cache.semantic import SemanticIndex, Vector
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.exchange import Answer, FinishReason, Usage
from cachedistill_sidecar.route_document import Cache
from cachedistill_sidecar.route_document import Redis as RedisDocument

DIMENSIONS = 16


class MadeUp(Embedder):
    """Gives each text a direction of its own, the same in every run; words don't matter."""

    def __init__(self, digest: str = "1" * 64) -> None:
        self.digest, self.dimensions = digest, DIMENSIONS

    async def embed(self, text: str) -> Vector:
        return vector(text)


def vector(text: str) -> Vector:
    """The made-up direction of a text."""
    seed = int.from_bytes(digest(text.encode())[:4], "big")
    made = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    unit: Vector = made / np.linalg.norm(made)
    return unit


def new_key() -> str:
    """A key as it is in a file."""
    return base64.b64encode(os.urandom(32)).decode()


def write_keys(path: Path, *keys: str) -> str:
    """A file with keys; its path."""
    path.write_text("\n".join(keys))
    return str(path)


@asynccontextmanager
async def cached(redis_url: str, name: str, **settings: Any) -> AsyncIterator[LiveCache]:
    """A running cache of that name; without a near cache, so that every lookup asks Redis."""
    document = Cache(name=name, redis=RedisDocument(url=redis_url), **{"near_bytes": 0, **settings})
    cache = LiveCache(document, MadeUp(), semantic=True)
    await cache.start()
    try:
        yield cache
    finally:
        await cache.close(5.0)


def partition_of(tenant: str) -> bytes:
    """The partition of a tenant."""
    return partition(("shop", tenant, ""), "c", "model", b"shape")


async def put(cache: LiveCache, text: str, answer: str, of: bytes, **more: Any) -> Entry:
    """An entry that is in Redis, with its vector; keywords change it."""
    made = Answer("id", "model", 1, answer, FinishReason.STOP, Usage(input=1, output=1))
    entry = Entry(key(of, text), made, **{"stored_at": time.time(), **more})
    cache.put(entry, of, text, vector(text))
    await cache.writer.drain(5.0)
    return entry


async def answer_to(cache: LiveCache, text: str, of: bytes) -> str | None:
    """The answer that is stored for exactly this text."""
    entry = await cache.get(key(of, text))
    return None if entry is None else entry.answer.text


async def neighbours(cache: LiveCache, text: str, of: bytes) -> list[str]:
    """The texts that are found near a text, nearest first."""
    return [each.text for each in await index_of(cache).search(of, vector(text))]


def index_of(cache: LiveCache) -> SemanticIndex:
    """Its vector index."""
    assert cache.index is not None
    return cache.index
