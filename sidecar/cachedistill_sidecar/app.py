"""The sidecar as a whole: reads the route document, wires the parts, listens, reloads, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import web
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter
from prometheus_client import CollectorRegistry

from cachedistill_sidecar.admin import admin_application
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.fallback.client import FallbackClient
from cachedistill_sidecar.generation import GRACE_SECONDS, FindModel, Generations
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

_RELOAD_SECONDS = 0.5


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
        self._document = route if isinstance(route, RouteDocument) else self._load(route)
        self._generations = Generations(find_model)
        self._address, self._admin_address = (host, port), (admin_host, admin_port)
        self._route_problem: str | None = None
        self._span_exporter = span_exporter
        self._registry = CollectorRegistry()
        self._runners: list[web.ServerRunner | web.AppRunner] = []
        self._watcher: asyncio.Task[None] | None = None
        self.parts: Parts

    async def start(self) -> None:
        """Wire the parts, then listen. Raises OSError when a port is taken."""
        route = Route(self._document)
        resource = Resource.create({"service.name": "cachedistill", "cachedistill.route": route.name})
        self._export = Export(self._document.telemetry, resource, self._span_exporter)
        readers = [PrometheusMetricReader(registry=self._registry), *self._export.readers]
        self.parts = Parts(
            route=route,
            caches=await self._generations.caches(self._document, {}),
            fallbacks=FallbackClient(),
            tracing=self._export.tracing,
            metrics=Metrics(readers, resource, self._live),
            records=Records(),
            cpu=CpuMeter(),
            background=Background(),
        )
        self.parts.metrics.route_loads.add(1, "ok")
        try:
            await self._listen()
        except OSError:
            await self.stop()
            raise
        if self._source is not None:
            self._watcher = asyncio.create_task(self._watch(self._source))

    async def stop(self) -> None:
        """Stop listening, let answers under way end, write what waits, and close: within Kubernetes' 30 seconds."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for runner in self._runners:
            await runner.cleanup()
        await self._generations.close(self.parts)
        await self.parts.fallbacks.close()
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
                "problem": cache.store.problem or (cache.index.problem if cache.index is not None else None),
                "embedder": self._generations.embedder_state(cache),
                "near_entries": len(cache.near),
            }
            for name, cache in self.parts.caches.items()
        }
        route = {"name": self.parts.route.name, "problem": self._route_problem}
        return {"route": route, "caches": caches, "telemetry": self._document.telemetry.endpoint}

    def _live(self) -> Iterable[LiveCache]:
        return list(self.parts.caches.values())

    async def _listen(self) -> None:
        self._runners = [
            web.ServerRunner(DataServer(Pipeline(lambda: self.parts)), shutdown_timeout=GRACE_SECONDS),
            web.AppRunner(admin_application(self, self._registry), access_log=None, shutdown_timeout=1.0),
        ]
        for runner, (host, port) in zip(self._runners, (self._address, self._admin_address), strict=True):
            await runner.setup()
            await web.TCPSite(runner, host, port, backlog=1024).start()

    def _load(self, source: Path) -> RouteDocument:
        # So that the same content counts as new when it is back after the file was away.
        self._read = None
        try:
            self._read = source.read_bytes()
        except OSError as error:
            raise RouteError(f"{source}: {error.strerror}") from error
        return parse(self._read)

    async def _watch(self, source: Path) -> None:
        """Take a changed document over; a bad one is reported, and the last good one stays."""
        while True:
            await asyncio.sleep(_RELOAD_SECONDS)
            # By content: a ConfigMap is swapped by a symlink, an editor renames, and both keep odd times.
            with contextlib.suppress(OSError):
                if await asyncio.to_thread(source.read_bytes) == self._read:
                    continue
            try:
                await self._take_over(self._load(source))
            except Exception as error:
                # Whatever it was: the next version of the document must still find its way.
                if str(error) != self._route_problem:
                    unexpected = None if isinstance(error, RouteError) else error
                    log.error("the route is rejected, the last good one stays: %s", error, exc_info=unexpected)
                    self.parts.metrics.route_loads.add(1, "rejected")
                self._route_problem = str(error)

    async def _take_over(self, document: RouteDocument) -> None:
        if document.telemetry.endpoint != self._document.telemetry.endpoint:
            log.warning("telemetry.endpoint has changed: it takes effect when the sidecar starts anew")
        self.parts = await self._generations.next(document, self.parts)
        self._route_problem = None
        self.parts.metrics.route_loads.add(1, "ok")
        log.info("route %s is live", self.parts.route.name)


def _url(runner: web.ServerRunner | web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
