"""The controller on one screen: what is watched, and what a change of it has looked at again.

kopf lists, watches and keeps on; its index functions put what they see into `Watched`, and no event handler runs before
all kinds have been listed, so that nothing is taken for missing that has only not been seen yet. Handlers do no work
themselves: they name what is to be looked at, and the queue calls the one `reconcile` of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import kopf

from cachedistill_operator.api import model_route, semantic_cache
from cachedistill_operator.api.group import API_VERSION, CACHE_LABEL, GROUP, MANAGED_BY, ROUTE_LABEL, VERSION, Key
from cachedistill_operator.cluster.client import Client
from cachedistill_operator.cluster.queue import Item, Queue
from cachedistill_operator.cluster.watched import Watched, caches_of, facts, for_caches, for_routes, key_of
from cachedistill_operator.reconcile.status import Statuses

REGISTRY = kopf.OperatorRegistry()
ROUTES = (GROUP, VERSION, model_route.PLURAL)
CACHES = (GROUP, VERSION, semantic_cache.PLURAL)


@dataclass(slots=True)
class Desk:
    """What the handlers write to; kopf's memo."""

    watched: Watched
    queue: Queue
    statuses: Statuses
    _heard: dict[tuple[str, Key], Any] = field(default_factory=dict)

    def is_news(self, kind: str, body: kopf.Body, matter: Any) -> bool:
        """Whether what matters of an object to others is not as they last heard of it; `matter` None: it is gone.

        Most events are of what matters to nobody else: each figure in a cache's status would have all its routes
        looked at, and each of theirs the cache again.
        """
        place, heard = (kind, key_of(body)), (body["metadata"]["uid"], matter)
        before = self._heard.pop(place, None)
        if matter is not None:
            self._heard[place] = heard
        return bool(before != heard)

    def look_at_route(self, key: Key) -> None:
        """Have a route looked at."""
        self.queue.add(Item(model_route.KIND, key))

    def look_at_cache(self, key: Key) -> None:
        """Have a cache looked at."""
        self.queue.add(Item(semantic_cache.KIND, key))

    async def drop_stale(self, client: Client) -> None:
        """Forget what is not there any more, and have looked at what depended on it. Raises ApiError."""
        for kind, known, look in (
            (model_route.KIND, self.watched.routes, self.look_at_route),
            (semantic_cache.KIND, self.watched.caches, self.look_at_cache),
        ):
            before = set(known)
            for key in before - {key_of(each) for each in await client.list(API_VERSION, kind)}:
                known.pop(key, None)
                look(key)
        pods = set(self.watched.pods)
        for key in pods - {key_of(each) for each in await client.list("v1", "Pod", labels=ROUTE_LABEL)}:
            if gone := self.watched.pods.pop(key, None):
                self.look_at_route(Key(gone.namespace, gone.route))


@kopf.on.startup(registry=REGISTRY)
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False  # Events are ours: one a transition, not one a log line.
    settings.peering.standalone = True  # Who works is decided by Lease.
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = [0.5, 1, 2, 5, 10, 20]
    settings.watching.chunk_size = 500
    # Until then kopf keeps each object that it has told of: by default 5 s, 10 MB while 500 pods come.
    settings.queueing.idle_timeout = 0.1
    settings.watching.label_selectors["v1", "pods"] = ROUTE_LABEL
    managed = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())
    for group in ("statefulsets", "jobs"):
        settings.watching.label_selectors[group] = managed
    settings.persistence.finalizer = f"{GROUP}/unused"


@kopf.on.login(registry=REGISTRY)
async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


@kopf.index(*ROUTES, registry=REGISTRY)
async def see_route(memo: Desk, body: kopf.Body, **_: Any) -> None:
    key = key_of(body)
    if before := memo.watched.routes.get(key):
        # A cache that it names no more has a client Secret to take back.
        for cache in set(caches_of(key, before)).difference(caches_of(key, body)):
            memo.look_at_cache(cache)
    memo.watched.routes[key] = _plain(body)


@kopf.index(*CACHES, registry=REGISTRY)
async def see_cache(memo: Desk, body: kopf.Body, **_: Any) -> None:
    memo.watched.caches[key_of(body)] = _plain(body)


@kopf.index("v1", "namespaces", registry=REGISTRY)
async def see_namespace(memo: Desk, name: str, labels: kopf.Labels, meta: kopf.Meta, **_: Any) -> None:
    memo.watched.namespaces[name] = dict(labels)
    (memo.watched.leaving.add if "deletionTimestamp" in meta else memo.watched.leaving.discard)(name)


@kopf.index("v1", "pods", labels={ROUTE_LABEL: kopf.PRESENT}, registry=REGISTRY)
async def see_pod(memo: Desk, body: kopf.Body, **_: Any) -> None:
    memo.watched.pods[key_of(body)] = facts(body)


@kopf.on.event(*ROUTES, registry=REGISTRY)
async def on_route(memo: Desk, type: str | None, body: kopf.Body, **_: Any) -> None:
    key = key_of(body)
    if type == "DELETED":
        memo.watched.routes.pop(key, None)
        memo.statuses.forget(body["metadata"]["uid"])
    memo.look_at_route(key)
    if memo.is_news(model_route.KIND, body, for_caches(body) if type != "DELETED" else None):
        for cache in caches_of(key, body):
            memo.look_at_cache(cache)


@kopf.on.event(*CACHES, registry=REGISTRY)
async def on_cache(memo: Desk, type: str | None, body: kopf.Body, **_: Any) -> None:
    key = key_of(body)
    if type == "DELETED":
        memo.watched.caches.pop(key, None)
        memo.statuses.forget(body["metadata"]["uid"])
    memo.look_at_cache(key)
    if memo.is_news(semantic_cache.KIND, body, for_routes(body) if type != "DELETED" else None):
        for route in memo.watched.routes_using(key):
            memo.look_at_route(route)


@kopf.on.event("v1", "pods", labels={ROUTE_LABEL: kopf.PRESENT}, registry=REGISTRY)
async def on_pod(memo: Desk, type: str | None, body: kopf.Body, **_: Any) -> None:
    if type == "DELETED":
        memo.watched.pods.pop(key_of(body), None)
    if memo.is_news("Pod", body, facts(body) if type != "DELETED" else None):
        memo.look_at_route(Key(body["metadata"]["namespace"], body["metadata"]["labels"][ROUTE_LABEL]))


@kopf.on.event("apps", "v1", "statefulsets", labels={CACHE_LABEL: kopf.PRESENT}, registry=REGISTRY)
@kopf.on.event("batch", "v1", "jobs", labels={CACHE_LABEL: kopf.PRESENT}, registry=REGISTRY)
async def on_child(memo: Desk, body: kopf.Body, **_: Any) -> None:
    memo.look_at_cache(Key(body["metadata"]["namespace"], body["metadata"]["labels"][CACHE_LABEL]))


@kopf.on.event("v1", "namespaces", registry=REGISTRY)
async def on_namespace(memo: Desk, type: str | None, name: str, **_: Any) -> None:
    if type == "DELETED":
        memo.watched.namespaces.pop(name, None)
        memo.watched.leaving.discard(name)
    for key in memo.watched.routes:
        if key.namespace == name:
            memo.look_at_route(key)
            for cache in caches_of(key, memo.watched.routes[key]):
                memo.look_at_cache(cache)


def _plain(body: kopf.Body) -> dict[str, Any]:
    plain = dict(body)
    plain["metadata"] = {name: value for name, value in plain["metadata"].items() if name != "managedFields"}
    return plain
