"""What the webhook knows of the cluster: its ModelRoutes, and its namespaces' labels.

kopf's watches keep it. They are never paused: a paused one would let pods pass without a sidecar, in silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import kopf

from cachedistill_operator.api import model_route
from cachedistill_operator.api.group import API_VERSION, GROUP, VERSION
from cachedistill_operator.cluster.client import Client

log = logging.getLogger(__name__)

REGISTRY = kopf.OperatorRegistry()
_ROUTES = (GROUP, VERSION, model_route.PLURAL)


class Index:
    """ModelRoutes by namespace and name, labels by namespace; `complete` once all have been listed."""

    def __init__(self, client: Client) -> None:
        self.started = asyncio.Event()
        self.complete = asyncio.Event()
        self.labels: dict[str, dict[str, str]] = {}
        self._routes: dict[str, dict[str, dict[str, Any]]] = {}
        self._client = client
        self._asking: dict[str, asyncio.Task[list[dict[str, Any]]]] = {}

    def routes(self, namespace: str) -> list[dict[str, Any]]:
        """The namespace's ModelRoutes, as the watches have told."""
        return list(self._routes.get(namespace, {}).values())

    def see(self, route: dict[str, Any]) -> None:
        """A ModelRoute is there, or has changed."""
        meta = route["metadata"]
        self._routes.setdefault(meta["namespace"], {})[meta["name"]] = route

    def forget(self, namespace: str, name: str) -> None:
        """A ModelRoute is gone."""
        self._routes.get(namespace, {}).pop(name, None)

    async def live_routes(self, namespace: str) -> list[dict[str, Any]]:
        """The namespace's ModelRoutes, asked for now: one LIST for all who ask meanwhile. Raises ApiError."""
        asking = self._asking.get(namespace)
        if asking is None:
            asking = asyncio.create_task(self._client.list(API_VERSION, model_route.KIND, namespace))
            asking.add_done_callback(lambda task: self._asked(namespace, task))
            self._asking[namespace] = asking
        return await asyncio.shield(asking)

    def _asked(self, namespace: str, asking: asyncio.Task[list[dict[str, Any]]]) -> None:
        del self._asking[namespace]
        if not asking.cancelled():
            asking.exception()  # Looked at: those who asked may all have given up.

    async def live_labels(self, namespace: str) -> dict[str, str]:
        """The namespace's labels, asked for now. Raises ApiError."""
        found = await self._client.get("v1", "Namespace", namespace)
        return dict((found or {}).get("metadata", {}).get("labels") or {})

    async def keep_fresh(self, every: float) -> None:
        """Drop what is stale every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.drop_stale()
            except Exception as error:
                log.warning("the ModelRoutes can't be listed: %r", error)

    async def drop_stale(self) -> None:
        """Forget routes that went while a watch was away. Raises ApiError.

        kopf lists anew when a watch comes back, and tells of what is there, not of what isn't any more.
        """
        before = [route for routes in self._routes.values() for route in routes.values()]
        there = {_place(route) for route in await self._client.list(API_VERSION, model_route.KIND)}
        for route in before:
            namespace, name = _place(route)
            if (namespace, name) not in there and self._routes[namespace].get(name) is route:
                self.forget(namespace, name)

    async def watch(self) -> None:
        """Keep on watching until cancelled. Takes SIGINT and SIGTERM for itself until `started`."""
        await kopf.operator(registry=REGISTRY, memo=self, clusterwide=True, standalone=True, ready_flag=self.started)
        raise RuntimeError("the watches have ended")


def _place(route: Mapping[str, Any]) -> tuple[str, str]:
    return route["metadata"]["namespace"], route["metadata"]["name"]


@kopf.on.startup(registry=REGISTRY)
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = [0.5, 1, 2, 5, 10, 20]
    settings.watching.chunk_size = 500
    # Until then kopf keeps each object that it has told of: by default 5 s, 10 MB while 500 pods come.
    settings.queueing.idle_timeout = 0.1


@kopf.on.login(registry=REGISTRY)
async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


@kopf.index(*_ROUTES, registry=REGISTRY)
async def see_route(memo: Index, body: kopf.Body, **_: Any) -> None:
    memo.see({**body, "metadata": {key: value for key, value in body["metadata"].items() if key != "managedFields"}})


@kopf.index("v1", "namespaces", registry=REGISTRY)
async def see_namespace(memo: Index, name: str, labels: kopf.Labels, **_: Any) -> None:
    memo.labels[name] = dict(labels)


@kopf.on.event(*_ROUTES, registry=REGISTRY)
async def on_route(memo: Index, type: str | None, body: kopf.Body, **_: Any) -> None:
    if type == "DELETED":
        memo.forget(*_place(body))


@kopf.on.event("v1", "namespaces", registry=REGISTRY)
async def on_namespace(memo: Index, type: str | None, name: str, **_: Any) -> None:
    # kopf calls no event handler before it has listed all that is indexed, and there is always a namespace.
    memo.complete.set()
    if type == "DELETED":
        memo.labels.pop(name, None)
