"""A partition full of entries, stored by the product's own code with real embeddings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.contract import progress
from bench.load import MODEL
from cachedistill_sidecar.cache.entry import Entry
from cachedistill_sidecar.cache.key import digest, key, partition
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.dialects.openai_chat import OPENAI_CHAT
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.exchange import Answer, FinishReason, Usage
from cachedistill_sidecar.local.models import cache_home
from cachedistill_sidecar.route_document import RouteDocument

_BATCH = 256
_DRAIN_SECONDS = 30.0
_STORED_AT = 1_780_000_000.0
ANSWER = "You find it in the settings: open the menu at the top, choose the item, change it there, and save. " * 2


async def store(document: RouteDocument, folder: Path, texts: list[str]) -> None:
    """Store an answer to each of these texts in the first cache of a route; `folder` has the embedder."""
    embedder = await asyncio.to_thread(Embedder.load, folder)
    try:
        vectors = await _vectors(embedder, texts)
        cache = LiveCache(document.caches[0], embedder, semantic=True)
        await cache.start()
        for start in range(0, len(texts), _BATCH):
            for text, vector in zip(texts[start : start + _BATCH], vectors[start : start + _BATCH], strict=True):
                _put(cache, document.namespace, text, vector)
            await cache.writer.drain(_DRAIN_SECONDS)
        drops = +cache.writer.drops
        await cache.close(_DRAIN_SECONDS)
    finally:
        embedder.close()
    if drops:
        raise RuntimeError(f"not all entries were stored: {dict(drops)}")


def _put(cache: LiveCache, namespace: str, text: str, vector: NDArray[np.float32]) -> None:
    call = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    query = OPENAI_CHAT.query(call, "/v1/chat/completions", "", {})
    of = partition((namespace, "", ""), cache.document.name, MODEL, query.shape)
    usage = Usage(input=14, output=48)
    answer = Answer("chatcmpl-bench", MODEL, int(_STORED_AT), ANSWER, FinishReason.STOP, usage)
    cache.put(Entry(key(of, query.text), answer, _STORED_AT), of, query.text, vector)


async def _vectors(embedder: Embedder, texts: list[str]) -> NDArray[np.float32]:
    """Their vectors [n, dimensions]; remembered on disk, since 20,000 take a minute."""
    of_texts = digest(*(text.encode() for text in texts)).hex()
    path = cache_home() / "bench" / f"vectors-{embedder.digest[:16]}-{of_texts[:16]}.npy"
    if path.is_file():
        known: NDArray[np.float32] = np.load(path)
        return known
    vectors = []
    for index, text in enumerate(texts):
        vector = await embedder.embed(text)
        assert vector is not None
        vectors.append(vector)
        if index % 2000 == 1999:
            progress(f"{index + 1} of {len(texts)} texts embedded; this happens once")
    made = np.stack(vectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new.npy")
    np.save(fresh, made)
    fresh.replace(path)
    return made
