"""`python3 recorder.py ROUTE_DOCUMENT CACHE`, in a sidecar's container: adds to what its route has learnt.

Takes events, a JSON object a line, from standard input. The sealed stream in Redis takes them as it takes a sidecar's.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

import orjson

from cachedistill_sidecar.cache.seal import seal_of
from cachedistill_sidecar.cache.store import Store
from cachedistill_sidecar.learning.events import Events
from cachedistill_sidecar.policy.labels import decode
from cachedistill_sidecar.route import Route
from cachedistill_sidecar.route_parsing import parse


async def append(route: Route, cache_name: str, lines: Iterable[str]) -> None:
    """Append them all. Raises StoreUnavailable."""
    [cache] = (each for each in route.document.caches if each.name.endswith(cache_name))
    seal = seal_of(cache)
    seal.load()
    store = Store(cache.redis, f"cachedistill:{cache.name}:")
    await store.start()
    events = Events(store, seal, route.name)
    for line in lines:
        events.record(decode(orjson.loads(line)))
    try:
        await events.send()
    finally:
        await store.close()


if __name__ == "__main__":
    _, document, cache_name = sys.argv
    asyncio.run(append(Route(parse(Path(document).read_bytes())), cache_name, sys.stdin))
