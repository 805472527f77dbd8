"""A namespace on a real API server in which ModelRoutes are reconciled by hand, one look at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cachedistill_operator.api.group import API_VERSION, Key
from cachedistill_operator.cluster.applied import Applied
from cachedistill_operator.cluster.client import Client
from cachedistill_operator.cluster.watched import Watched, facts, key_of
from cachedistill_operator.inject import inject
from cachedistill_operator.reconcile import model_route
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.status import Statuses
from tests.model_routes import SETTINGS

Resource = dict[str, Any]

# The garbage collector looks for new kinds every 30 s, and only then knows the owners of ours.
_SECONDS = 90


class CountingClient(Client):
    """A client that notes what it changes, beside Events: method and path."""

    writes: list[str]

    async def _call(self, method: str, path: str, *rest: Any) -> dict[str, Any]:
        if method != "GET" and not path.endswith("/events"):
            self.__dict__.setdefault("writes", []).append(f"{method} {path.partition('?')[0]}")
        return await super()._call(method, path, *rest)


@dataclass
class Stage:
    """`admin` prepares and looks; `on.client` is the controller's."""

    admin: Client
    on: Ground
    namespace: str
    requeued: list[tuple[str, Key]]
    clock: list[timedelta] = field(default_factory=lambda: [timedelta()])

    @classmethod
    def of(cls, admin: Client, client: Client, namespace: str) -> Stage:
        """A stage in a namespace that is there already."""
        requeued: list[tuple[str, Key]] = []
        clock = [timedelta()]

        def now() -> datetime:
            return datetime.now(UTC) + clock[0]

        on = Ground(
            client=client,
            applied=Applied(client),
            watched=Watched(),
            settings=SETTINGS.model_copy(update={"namespace": namespace}),
            statuses=Statuses(client, now),
            now=now,
            requeue=lambda kind, key: requeued.append((kind, key)),
        )
        return cls(admin, on, namespace, requeued, clock)

    async def put(self, resource: Resource) -> Resource:
        """Apply a resource in the stage's namespace, without what tests make up for unit tests."""
        meta = {
            name: value for name, value in resource["metadata"].items() if name in ("name", "labels", "annotations")
        }
        manifest = {**resource, "metadata": {**meta, "namespace": self.namespace}}
        return await self.admin.apply({name: part for name, part in manifest.items() if name != "status"})

    async def see(self) -> None:
        """What the watches would have told by now."""
        watched = self.on.watched
        for kind, known in (("ModelRoute", watched.routes), ("SemanticCache", watched.caches)):
            known.clear()
            known |= {key_of(each): each for each in await self.admin.list(API_VERSION, kind, self.namespace)}
        watched.namespaces |= {
            each["metadata"]["name"]: each["metadata"].get("labels") or {}
            for each in await self.admin.list("v1", "Namespace")
        }
        pods = await self.admin.list("v1", "Pod", self.namespace, "cachedistill.dev/route")
        watched.pods.clear()
        watched.pods |= {key_of(each): facts(each) for each in pods}

    async def look(self, name: str = "chat") -> float | None:
        """See, and reconcile once."""
        await self.see()
        return await model_route.reconcile(Key(self.namespace, name), self.on)

    async def settle(self, name: str = "chat") -> float | None:
        """Two looks: a route's first status is looked at in its turn."""
        await self.look(name)
        return await self.look(name)

    async def get(self, kind: str, name: str, api_version: str = "v1") -> Resource:
        """An object of the namespace that is there."""
        found = await self.admin.get(api_version, kind, name, self.namespace)
        assert found is not None, f"{kind} {name} isn't there"
        return found

    async def status(self, name: str = "chat") -> Resource:
        """A route's status."""
        found: Resource = (await self.get("ModelRoute", name, API_VERSION))["status"]
        return found

    async def conditions(self, name: str = "chat") -> dict[str, tuple[str, str]]:
        """By type: status and reason."""
        listed = (await self.status(name))["conditions"]
        return {each["type"]: (each["status"], each["reason"]) for each in listed}

    async def message(self, kind: str, name: str = "chat") -> str:
        """What a condition says."""
        [message] = [each["message"] for each in (await self.status(name))["conditions"] if each["type"] == kind]
        return str(message)

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Type and reason of those about an object, in their order."""
        found = await self.admin.list("events.k8s.io/v1", "Event", self.namespace)
        own = [
            each
            for each in found
            if each["regarding"]["name"] == name and each["reportingController"] == "cachedistill.dev/controller"
        ]
        return [(each["type"], each["reason"]) for each in sorted(own, key=lambda each: str(each["eventTime"]))]

    def writes(self) -> list[str]:
        """What the controller has written since this was last asked."""
        noted: list[str] = self.on.client.__dict__.setdefault("writes", [])
        told = list(noted)
        noted.clear()
        return told

    def injected(self, pod: Resource, route: Resource) -> Resource:
        """A pod, or a pod template, as the webhook would make it."""
        made = inject(pod, route, {}, self.on.settings).pod
        assert made is not None
        return made

    async def run(self, pod: Resource, phase: str = "Running") -> Resource:
        """A pod without a node that says of itself in which phase it is."""
        made = await self.put({**pod, "apiVersion": "v1", "kind": "Pod"})
        body = {"status": {"phase": phase}}
        name = made["metadata"]["name"]
        shown = await self.admin.patch("v1", "Pod", name, self.namespace, body, subresource="status")
        assert shown is not None
        return shown


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until Kubernetes' own controllers have done their part."""
    end = time.monotonic() + _SECONDS
    while not await check():
        assert time.monotonic() < end, f"not so after {_SECONDS} s"
        await asyncio.sleep(0.05)
