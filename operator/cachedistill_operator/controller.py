"""The controller process: waits for its turn, then watches, reconciles, and keeps the webhook's certificate."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
import uuid
from datetime import UTC, datetime

import kopf

from cachedistill_operator import memory
from cachedistill_operator.api import model_route
from cachedistill_operator.api.group import Key
from cachedistill_operator.certificates import webhook as webhook_certificates
from cachedistill_operator.cluster.applied import Applied
from cachedistill_operator.cluster.client import ApiError, Client
from cachedistill_operator.cluster.leader import Elector, LeadershipLost
from cachedistill_operator.cluster.queue import Item, Queue
from cachedistill_operator.cluster.watched import Watched
from cachedistill_operator.handlers import REGISTRY, Desk
from cachedistill_operator.health import Health
from cachedistill_operator.reconcile import model_route as routes
from cachedistill_operator.reconcile import semantic_cache as caches
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.status import Statuses
from cachedistill_operator.settings import Settings
from cachedistill_operator.telemetry import Telemetry

log = logging.getLogger(__name__)

_STALE_SECONDS = 300.0


class Controller:
    """What one process that leads consists of."""

    def __init__(self, client: Client, settings: Settings, telemetry: Telemetry) -> None:
        watched, statuses = Watched(), Statuses(client, _now)
        self._telemetry = telemetry
        self.queue = Queue(self._reconcile, self._exists, drift_seconds=settings.drift_seconds)
        self.ground = Ground(
            client=client,
            applied=Applied(client),
            watched=watched,
            settings=settings,
            statuses=statuses,
            now=_now,
            requeue=lambda kind, key: self.queue.add(Item(kind, key)),
        )
        self.desk = Desk(watched, self.queue, statuses)
        telemetry.watch_queue(lambda: len(self.queue))
        telemetry.watch_calls(client.calls)

    async def run(self, ready: asyncio.Event) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.queue.run())
                group.create_task(self._certificates())
                group.create_task(self._drop_stale())
                await kopf.operator(
                    registry=REGISTRY, memo=self.desk, clusterwide=True, standalone=True, ready_flag=ready
                )
                raise RuntimeError("the watches have ended")
        finally:
            await self.ground.redis.close()

    async def _reconcile(self, item: Item) -> float | None:
        watched = self.ground.watched
        known = (watched.routes if item.kind == model_route.KIND else watched.caches).get(item.key)
        if item.key.namespace in watched.leaving and known and "deletionTimestamp" not in known["metadata"]:
            return None  # It goes with its namespace.
        reconcile = routes.reconcile if item.kind == model_route.KIND else caches.reconcile
        with self._telemetry.reconcile(item.kind, item.key):
            return await reconcile(item.key, self.ground)

    def _exists(self, item: Item) -> bool:
        watched = self.ground.watched
        return item.key in (watched.routes if item.kind == model_route.KIND else watched.caches)

    async def _drop_stale(self) -> None:
        """Notice what was deleted while a watch was down: kopf lists anew then, and doesn't tell what is missing."""
        while True:
            await asyncio.sleep(_STALE_SECONDS)
            try:
                await self.desk.drop_stale(self.ground.client)
            except (ApiError, OSError) as error:
                log.warning("what is gone can't be told: %s", error)

    async def _certificates(self) -> None:
        while True:
            wait = 5.0
            try:
                with self._telemetry.reconcile("WebhookCertificate", Key(self.ground.settings.namespace, "webhook")):
                    wait = await webhook_certificates.reconcile(self.ground.client, self.ground.settings, _now())
            except Exception as error:
                log.warning("the webhook's certificate: %s; again in %.0f s", error, wait)
            await asyncio.sleep(wait)


async def run(settings: Settings, port: int) -> None:
    """Serve health, wait for the Lease, work, give the Lease back at SIGTERM. Raises LeadershipLost."""
    stopping = asyncio.Event()
    _heed_signals(stopping)
    health = Health()
    client = await Client.connect("controller")
    async with client, Telemetry("controller") as telemetry, health.serve(port, telemetry):
        identity = f"{os.environ.get('POD_NAME', socket.gethostname())}_{uuid.uuid4().hex[:8]}"
        elector = Elector(client, settings.namespace, settings.lease, identity)
        telemetry.watch_leader(lambda: elector.leading)
        controller = Controller(client, settings, telemetry)
        work = asyncio.create_task(_lead(controller, elector, health, stopping))
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, stop):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, LeadershipLost):
                await work
            with contextlib.suppress(Exception):
                await elector.release()


async def _lead(controller: Controller, elector: Elector, health: Health, stopping: asyncio.Event) -> None:
    # Standing by is being ready: the rollout of a new version must not wait for the old one to give up.
    health.ready.set()
    await elector.acquire()
    began = time.monotonic()
    watching = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(elector.hold())
        group.create_task(controller.run(watching))
        await watching.wait()
        _heed_signals(stopping)  # kopf has taken them, and would end without giving the Lease back.
        memory.settle()
        log.info("watching, %.1f s after the Lease was taken", time.monotonic() - began)


def _heed_signals(stopping: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)


def _now() -> datetime:
    return datetime.now(UTC)
