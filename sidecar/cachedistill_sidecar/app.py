"""The sidecar as a whole: reads the route document, wires the parts, listens, reloads, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter
from prometheus_client import CollectorRegistry

from cachedistill_sidecar.admin import admin_application
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.edge.embedder import Embedder, ModelUnavailable
from cachedistill_sidecar.fallback.client import FallbackClient
from cachedistill_sidecar.ledger.cpu import CpuMeter
from cachedistill_sidecar.parts import Background, Parts
from cachedistill_sidecar.pipeline import Pipeline
from cachedistill_sidecar.route import Route
from cachedistill_sidecar.route_document import RouteDocument, RouteError, parse
from cachedistill_sidecar.server import DataServer
from cachedistill_sidecar.telemetry.export import Export
from cachedistill_sidecar.telemetry.metrics import Metrics
from cachedistill_sidecar.telemetry.records import Records

log = logging.getLogger(__name__)

FindModel = Callable[[str], Path]
"""From the name in `embedding.model` to the folder with the model. Raises ModelUnavailable or ValueError."""

_RELOAD_SECONDS = 0.5
# In-flight answers may take minutes to stream; Kubernetes gives a pod 30 s unless it says otherwise.
_GRACE_SECONDS = 25.0


class Sidecar:
    """A running sidecar. `route` is a document, or the path of one that is watched for changes."""

    def __init__(
        self,
        route: RouteDocument | Path,
        *,
        find_model: FindModel,
        host: str = "127.0.0.1",
        port: int = 0,
        admin_host: str = "127.0.0.1",
        admin_port: int = 0,
        span_exporter: SpanExporter | None = None,
    ) -> None:
        self._source = route if isinstance(route, Path) else None
        self._read: bytes | None = None
        self._document = route if isinstance(route, RouteDocument) else self._load()
        self._find_model = find_model
        self._address, self._admin_address = (host, port), (admin_host, admin_port)
        self._embedders: dict[str, Embedder] = {}
        self._model_problems: dict[str, str] = {}
        self._route_problem: str | None = None
        self._span_exporter = span_exporter
        self._registry = CollectorRegistry()
        self._runners: list[web.ServerRunner | web.AppRunner] = []
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.parts: Parts

    async def start(self) -> None:
        """Wire the parts, then listen. Raises OSError when a port is taken."""
        document = self._document
        resource = Resource.create({"service.name": "cachedistill", "cachedistill.route": Route(document).name})
        self._export = Export(document.telemetry, resource, self._span_exporter)
        metrics = Metrics(
            [PrometheusMetricReader(registry=self._registry), *self._export.readers], resource, self._live
        )
        metrics.route_loads.add(1, "ok")
        self.parts = Parts(
            route=Route(document),
            caches=await self._caches(document, {}),
            fallbacks=FallbackClient(),
            tracing=self._export.tracing,
            metrics=metrics,
            records=Records(),
            cpu=CpuMeter(),
            background=Background(),
        )
        self._runners = [
            web.ServerRunner(DataServer(Pipeline(lambda: self.parts)), shutdown_timeout=_GRACE_SECONDS),
            web.AppRunner(admin_application(self, self._registry), access_log=None, shutdown_timeout=1.0),
        ]
        for runner, (host, port) in zip(self._runners, (self._address, self._admin_address), strict=True):
            await runner.setup()
            await web.TCPSite(runner, host, port, backlog=1024).start()
        # What lives as long as the process needn't be looked at by each collection (measured: 5 % of a miss).
        gc.collect()
        gc.freeze()
        if self._source is not None:
            self._watcher = asyncio.create_task(self._watch(self._source))

    async def stop(self) -> None:
        """Stop listening, let answers under way end, write what waits, and close."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for runner in self._runners:
            await runner.cleanup()
        self._stopping.set()
        await self.parts.background.drain(seconds=5.0)
        for cache in self.parts.caches.values():
            await cache.close(drain_seconds=5.0)
        await self.parts.fallbacks.close()
        for embedder in self._embedders.values():
            embedder.close()
        await asyncio.to_thread(self._export.close, self.parts.metrics)

    async def __aenter__(self) -> Sidecar:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where apps send their calls (without a /v1)."""
        return _url(self._runners[0])

    @property
    def admin_url(self) -> str:
        """Where people and Kubernetes ask how it is."""
        return _url(self._runners[1])

    def state(self) -> dict[str, Any]:
        """What `/readyz?verbose` tells: the route in use, what is wrong with a newer one, caches, models."""
        caches = {
            name: {
                "available": cache.store.available,
                "problem": cache.store.problem,
                "embedder": self._embedder_state(cache),
                "near_entries": len(cache.near),
            }
            for name, cache in self.parts.caches.items()
        }
        route = {"name": self.parts.route.name, "problem": self._route_problem}
        return {"route": route, "caches": caches, "telemetry": self.parts.route.document.telemetry.endpoint}

    def _embedder_state(self, cache: LiveCache) -> str:
        if not cache.semantic:
            return "not used"
        return self._model_problems.get(cache.document.embedding.model, "loaded")

    def _live(self) -> Iterable[LiveCache]:
        return list(self.parts.caches.values())

    def _load(self) -> RouteDocument:
        assert self._source is not None
        # So that the same content counts as new when it is back after the file was away.
        self._read = None
        try:
            self._read = self._source.read_bytes()
        except OSError as error:
            raise RouteError(f"{self._source}: {error.strerror}") from error
        return parse(self._read)

    async def _watch(self, source: Path) -> None:
        """Take a changed document over; a bad one is reported, and the last good one stays."""
        while True:
            await asyncio.sleep(_RELOAD_SECONDS)
            # By content: a ConfigMap is swapped by a symlink, an editor renames, and both keep odd times.
            with contextlib.suppress(OSError):
                if source.read_bytes() == self._read:
                    continue
            try:
                await self._take_over(self._load())
                self._route_problem = None
                self.parts.metrics.route_loads.add(1, "ok")
                log.info("route %s is live", self.parts.route.name)
            except RouteError as error:
                if str(error) != self._route_problem:
                    log.error("the route document is rejected, the last good one stays: %s", error)
                    self.parts.metrics.route_loads.add(1, "rejected")
                self._route_problem = str(error)

    async def _take_over(self, document: RouteDocument) -> None:
        before = self.parts
        caches = await self._caches(document, before.caches)
        self.parts = Parts(
            route=Route(document),
            caches=caches,
            fallbacks=before.fallbacks,
            tracing=before.tracing,
            metrics=before.metrics,
            records=before.records,
            cpu=before.cpu,
            background=before.background,
        )
        for name, cache in before.caches.items():
            if caches.get(name) is not cache:
                self.parts.spawn(_retire(cache, self._stopping))

    async def _caches(self, document: RouteDocument, before: Mapping[str, LiveCache]) -> dict[str, LiveCache]:
        """The live caches of a route; those that have not changed are kept with all they hold."""
        uses = [rule.cache for rule in document.rules if rule.cache is not None]
        semantic = {use.ref for use in uses if use.semantic is not None}
        caches: dict[str, LiveCache] = {}
        for each in document.caches:
            kept = before.get(each.name)
            if kept is not None and kept.document == each and (kept.semantic or each.name not in semantic):
                caches[each.name] = kept
                continue
            # An embedder costs 80 MB and a second: only for a cache that some rule searches by meaning.
            embedder = await self._embedder(each.embedding.model) if each.name in semantic else None
            cache = LiveCache(each, embedder, semantic=each.name in semantic)
            await cache.start()
            caches[each.name] = cache
        return caches

    async def _embedder(self, model: str) -> Embedder | None:
        if model in self._embedders or model in self._model_problems:
            return self._embedders.get(model)
        try:
            self._embedders[model] = await asyncio.to_thread(lambda: Embedder.load(self._find_model(model)))
        except (ModelUnavailable, ValueError) as error:
            log.error("no semantic hits: the embedder %s can't be loaded: %s", model, error)
            self._model_problems[model] = str(error)
            return None
        return self._embedders[model]


async def _retire(cache: LiveCache, stopping: asyncio.Event) -> None:
    """Close a cache that no route names any more, when the answers under way have had time to end."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), _GRACE_SECONDS)
    await cache.close(drain_seconds=5.0)


def _url(runner: web.ServerRunner | web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
