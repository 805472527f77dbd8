"""The sidecar as a whole: reads the route document, wires the parts, listens, reloads, and ends in order."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from opentelemetry.sdk.trace.export import SpanExporter
from prometheus_client import CollectorRegistry

from cachedistill_sidecar.admin import admin_application
from cachedistill_sidecar.fallback.client import FallbackClient
from cachedistill_sidecar.generation import GRACE_SECONDS, FindModel, Generations
from cachedistill_sidecar.learning.lesson import Lesson, Lessons
from cachedistill_sidecar.learning.verifier import Verifier
from cachedistill_sidecar.ledger.account import Account
from cachedistill_sidecar.ledger.cpu import CpuMeter
from cachedistill_sidecar.parts import Background, Parts
from cachedistill_sidecar.pipeline import Pipeline
from cachedistill_sidecar.route import Route
from cachedistill_sidecar.route_document import RouteDocument
from cachedistill_sidecar.route_file import RouteFile
from cachedistill_sidecar.server import DataServer
from cachedistill_sidecar.telemetry.records import Records
from cachedistill_sidecar.telemetry.reports import Reports

if TYPE_CHECKING:
    from cachedistill_sidecar.transparent.interceptor import Interceptor
    from cachedistill_sidecar.transparent.settings import Interception

log = logging.getLogger(__name__)

_MODEL_RETRY_SECONDS = 60.0


class Sidecar:
    """A running sidecar. `route` is a document, or the path of one that is watched for changes.

    `meanwhile` is the route as long as that file is missing or wrong; without it, such a file is an error. `rng` draws
    which answers are verified.
    """

    def __init__(
        self,
        route: RouteDocument | Path,
        *,
        find_model: FindModel,
        meanwhile: RouteDocument | None = None,
        interception: Interception | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        admin_host: str = "127.0.0.1",
        admin_port: int = 0,
        span_exporter: SpanExporter | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._file: RouteFile | None = None
        if isinstance(route, Path):
            self._file = RouteFile(route)
            route = self._file.first(meanwhile)
        self._document = route
        self._interception = interception
        self._interceptor: Interceptor | None = None
        self._rng = rng or random.Random()
        self._find_model = find_model
        self._generations: Generations
        self._turn = asyncio.Lock()
        self._address, self._admin_address = (host, port), (admin_host, admin_port)
        self._span_exporter = span_exporter
        self._reports: Reports
        self._runners: list[web.ServerRunner] = []
        self._admin: web.AppRunner
        self._tasks: list[asyncio.Task[None]] = []
        self.parts: Parts

    async def start(self) -> None:
        """Wire the parts, then listen. Raises OSError when a port is taken."""
        self._reports = self._new_reports(self._document)
        fallbacks = self._fallback_client()
        self._generations = Generations(self._find_model, Lessons(fallbacks, self._rng, self._spent))
        route, caches = Route(self._document), await self._generations.caches(self._document, {})
        self.parts = Parts(
            route=route,
            caches=caches,
            lessons=await self._generations.lessons.next(route, caches, {}),
            verifier=Verifier(self._rng),
            fallbacks=fallbacks,
            tracing=self._reports.tracing,
            metrics=self._reports.metrics,
            records=Records(),
            cpu=CpuMeter(),
            background=Background(),
            intercepted=self._interception.hosts if self._interception is not None else frozenset(),
        )
        self.parts.metrics.route_loads.add(1, "ok" if self._route_problem() is None else "rejected")
        try:
            await self._listen()
        except OSError:
            await self.stop()
            raise
        self._begin(self._retry_models())
        if self._file is not None:
            self._begin(self._file.follow(self._take_over, self._rejected))
        if self._interceptor is not None:
            self._begin(self._interceptor.run())

    async def stop(self) -> None:
        """Stop listening, let answers under way end, write what waits, and close: within Kubernetes' 30 seconds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Side by side: each may take the whole grace period.
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        await self._admin.cleanup()
        await self._generations.close(self.parts)
        await self.parts.fallbacks.close()
        await self._reports.close()

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
        return _url(self._admin)

    @property
    def registry(self) -> CollectorRegistry:
        """What Prometheus scrapes."""
        return self._reports.registry

    @property
    def unready(self) -> str | None:
        """Why calls that are meant to come here can't be taken yet."""
        return None if self._interceptor is None else self._interceptor.problem

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
        route = {"name": self.parts.route.name, "problem": self._route_problem()}
        interception = None if self._interceptor is None else self._interceptor.state()
        telemetry = self.parts.route.document.telemetry.endpoint
        return {"route": route, "caches": caches, "interception": interception, "telemetry": telemetry}

    def _route_problem(self) -> str | None:
        return None if self._file is None else self._file.problem

    def _lessons(self) -> Iterable[Lesson]:
        return list(self.parts.lessons.values())

    def _spent(self, account: Account) -> None:
        self.parts.metrics.spend(self.parts.route.name, account)

    async def _listen(self) -> None:
        self._admin = web.AppRunner(admin_application(self), access_log=None, shutdown_timeout=1.0)
        await self._listen_at(*self._address, Pipeline(lambda: self.parts))
        await self._admin.setup()
        await web.TCPSite(self._admin, *self._admin_address).start()

    async def _listen_tls(self, context: ssl.SSLContext) -> None:
        assert self._interception is not None
        pipeline = Pipeline(lambda: self.parts, intercepting=True)
        await self._listen_at("127.0.0.1", self._interception.port, pipeline, context)

    async def _listen_at(self, host: str, port: int, pipeline: Pipeline, tls: ssl.SSLContext | None = None) -> None:
        runner = web.ServerRunner(DataServer(pipeline), shutdown_timeout=GRACE_SECONDS)
        await runner.setup()
        await web.TCPSite(runner, host, port, backlog=1024, ssl_context=tls).start()
        self._runners.append(runner)

    def _fallback_client(self) -> FallbackClient:
        """Where calls are intercepted, one that finds providers past /etc/hosts and trusts the public roots alone."""
        if self._interception is None:
            return FallbackClient()
        # Only now: cryptography takes 10 MB.
        from cachedistill_sidecar.transparent.bundle import public_roots
        from cachedistill_sidecar.transparent.interceptor import Interceptor
        from cachedistill_sidecar.transparent.resolver import UpstreamResolver

        roots = public_roots(self._interception.bundle)
        self._interceptor = Interceptor(self._interception, self._listen_tls, roots=roots)
        context = ssl.create_default_context(cafile=roots)
        context.set_alpn_protocols(["http/1.1"])
        return FallbackClient(roots=context, resolver=UpstreamResolver(self._interception.hosts))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _take_over(self, document: RouteDocument) -> None:
        async with self._turn:
            parts = await self._generations.next(document, self.parts)
            if not self._reports.serve(document):
                parts.spawn(self._generations.retire(self._reports.close))
                self._reports = self._new_reports(document)
                parts = replace(parts, tracing=self._reports.tracing, metrics=self._reports.metrics)
            self.parts = parts
        self.parts.metrics.route_loads.add(1, "ok")
        log.info("route %s is live", self.parts.route.name)

    def _rejected(self) -> None:
        self.parts.metrics.route_loads.add(1, "rejected")

    def _new_reports(self, document: RouteDocument) -> Reports:
        return Reports(document, self._span_exporter, self._lessons)

    async def _retry_models(self) -> None:
        """Load what could not be loaded before: a volume may have come late, a download may have failed for once."""
        while True:
            await asyncio.sleep(_MODEL_RETRY_SECONDS)
            if await self._generations.retry(self.parts):
                async with self._turn:
                    self.parts = await self._generations.next(self.parts.route.document, self.parts)


def _url(runner: web.ServerRunner | web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
