"""From a route document to live parts, and from those of one document to those of the next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.edge.embedder import Embedder, ModelUnavailable
from cachedistill_sidecar.learning.lesson import Lesson, Lessons
from cachedistill_sidecar.parts import Parts
from cachedistill_sidecar.route import Route
from cachedistill_sidecar.route_document import RouteDocument

log = logging.getLogger(__name__)

FindModel = Callable[[str], Path]
"""From the name in `embedding.model` to the folder with the model. Raises ModelUnavailable or ValueError."""

# Answers that are under way when a route changes may go on as long as those at the end of the process.
GRACE_SECONDS = 20.0
DRAIN_SECONDS = 3.0


class Generations:
    """Makes the caches, embedders and lessons that a route names; what a new route names too is kept as it is."""

    def __init__(self, find_model: FindModel, lessons: Lessons) -> None:
        self._find_model = find_model
        self.lessons = lessons
        self._embedders: dict[str, Embedder] = {}
        self._problems: dict[str, str] = {}
        self._ending = asyncio.Event()

    async def caches(self, document: RouteDocument, before: Mapping[str, LiveCache]) -> dict[str, LiveCache]:
        """The live caches of a route, given those there were."""
        uses = [rule.cache for rule in document.rules if rule.cache is not None]
        semantic = {use.ref for use in uses if use.semantic is not None}
        caches: dict[str, LiveCache] = {}
        for each in document.caches:
            kept = before.get(each.name)
            # An embedder costs 80 MB and a second: only for a cache that some rule searches by meaning.
            embedder = await self._embedder(each.embedding.model) if each.name in semantic else None
            suits = each.name not in semantic or (kept is not None and kept.semantic and kept.embedder is embedder)
            if kept is not None and kept.document == each and suits:
                caches[each.name] = kept
                continue
            caches[each.name] = LiveCache(each, embedder, semantic=each.name in semantic)
            await caches[each.name].start()
        return caches

    async def next(self, document: RouteDocument, before: Parts) -> Parts:
        """The parts for a new document; caches that it doesn't name are closed when their answers have ended."""
        route, caches = Route(document), await self.caches(document, before.caches)
        lessons = await self.lessons.next(route, caches, before.lessons)
        parts = replace(before, route=route, caches=caches, lessons=lessons)
        for name, cache in before.caches.items():
            if caches.get(name) is not cache:
                parts.spawn(self.retire(partial(_close, before.lessons[name], cache)))
            elif lessons[name].suspensions is not before.lessons[name].suspensions:
                parts.spawn(self.retire(before.lessons[name].close))
        return parts

    async def retry(self, parts: Parts) -> bool:
        """Try the models again that could not be loaded; whether one is there now, for the next parts to use."""
        wanted = {cache.document.embedding.model for cache in parts.caches.values() if cache.semantic}
        return any([await self._load(model) for model in sorted(wanted & self._problems.keys())])

    def embedder_state(self, cache: LiveCache) -> str:
        """`loaded`, `not used`, or why it can't be loaded."""
        return self._problems.get(cache.document.embedding.model, "loaded") if cache.semantic else "not used"

    async def close(self, parts: Parts) -> None:
        """Let what is under way in the background end, write what waits, and let go."""
        self._ending.set()
        await parts.background.drain(seconds=DRAIN_SECONDS)
        for name, cache in parts.caches.items():
            await _close(parts.lessons[name], cache)
        for embedder in self._embedders.values():
            embedder.close()

    async def _embedder(self, model: str) -> Embedder | None:
        if model not in self._embedders and model not in self._problems:
            await self._load(model)
        return self._embedders.get(model)

    async def _load(self, model: str) -> bool:
        try:
            self._embedders[model] = await asyncio.to_thread(lambda: Embedder.load(self._find_model(model)))
        except (ModelUnavailable, ValueError) as error:
            if self._problems.get(model) != str(error):
                log.error("no semantic hits: the embedder %s can't be loaded: %s", model, error)
            self._problems[model] = str(error)
            return False
        self._problems.pop(model, None)
        return True

    async def retire(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close what a change of the route has replaced, when the answers that use it have ended."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), GRACE_SECONDS)
        await close()


async def _close(lesson: Lesson, cache: LiveCache) -> None:
    """In this order: what was learnt is written into the cache's Redis."""
    await lesson.close()
    await cache.close(DRAIN_SECONDS)
