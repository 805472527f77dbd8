"""The plain HTTP port of controller and webhook: liveness, readiness, metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from cachedistill_operator.telemetry import Telemetry


def port_of(runner: web.AppRunner) -> int:
    """The port that was taken; asked for any, IPv4 and IPv6 have one each, in no order: that of IPv4."""
    ports: dict[bool, int] = {":" in address[0]: address[1] for address in runner.addresses}
    return ports.get(False) or ports[True]


class Health:
    """`ready` is set by whoever knows. Liveness is that the event loop still turns."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.why_not = "starting"

    @contextlib.asynccontextmanager
    async def serve(self, port: int, telemetry: Telemetry) -> AsyncIterator[int]:
        """Serve on all addresses of the pod; the port that was taken. Raises OSError when it's in use."""
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", telemetry.exposition)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, None, port).start()
            yield port_of(runner)
        finally:
            await runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self.ready.is_set() else web.Response(text=f"{self.why_not}\n", status=503)
