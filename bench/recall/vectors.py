"""Texts' vectors by the product's own embedder. They are computed once per machine and kept under the cache home."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.contract import progress
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.local.models import cache_home

Vectors = NDArray[np.float32]

_WORKERS = 2
_TOLD_EVERY = 4000


def vectors(model: Path, texts: Sequence[str]) -> Vectors:
    """The texts' vectors by the embedder in the folder `model`: float32 [n, dimensions] of unit norm.

    Raises ValueError for a text that is longer than the embedder's window; no text of the sets is.
    """
    embedders = [Embedder.load(model) for _ in range(_WORKERS)]
    try:
        kept = cache_home() / "bench" / "recall" / f"{embedders[0].digest}.npz"
        pool = _load(kept)
        missing = sorted({text for text in texts if _key(text) not in pool})
        if missing:
            progress(f"embedding {len(missing):,} texts; they are kept in {kept}")
            with ThreadPoolExecutor(_WORKERS) as workers:
                turns = range(_WORKERS)
                parts = workers.map(lambda turn: asyncio.run(_embed(embedders[turn], missing[turn::_WORKERS])), turns)
            pool |= {key: vector for part in parts for key, vector in part.items()}
            _save(kept, pool)
    finally:
        for embedder in embedders:
            embedder.close()
    return np.stack([pool[_key(text)] for text in texts])


def _key(text: str) -> bytes:
    # One that ends in a zero byte would lose it in an array of byte strings.
    return blake2b(text.encode(), digest_size=16).hexdigest().encode()


def _load(path: Path) -> dict[bytes, Vectors]:
    if not path.is_file():
        return {}
    with np.load(path) as kept:
        return dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))


def _save(path: Path, pool: dict[bytes, Vectors]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(half_done, keys=np.array(list(pool)), vectors=np.stack(list(pool.values())))
    half_done.rename(path)


async def _embed(embedder: Embedder, texts: Sequence[str]) -> dict[bytes, Vectors]:
    made = {}
    for text in texts:
        vector = await embedder.embed(text)
        if vector is None:
            raise ValueError(f"a text of {len(text)} characters is too long for the embedder")
        made[_key(text)] = vector
        if len(made) % _TOLD_EVERY == 0:
            progress(f"  {len(made):,} of {len(texts):,} in one of {_WORKERS} threads")
    return made
