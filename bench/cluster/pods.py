"""What takes a node: how soon a changed route is live in a sidecar, and how much later an injected pod is ready."""

from __future__ import annotations

import asyncio
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.cluster.api import Admin, Resource, until
from bench.cluster.population import has_account, route
from bench.contract import progress
from cachedistill_operator.api.group import ADMIN_PORT, API_VERSION, INJECT_LABEL
from cachedistill_operator.cluster.client import ApiError
from e2e.cluster.cluster import Cluster
from e2e.cluster.existing import ExistingCluster
from e2e.cluster.helm import Helm
from e2e.conftest import AnyCluster, Images
from e2e.scenarios.manifests import app
from e2e.scenarios.release import NAME, NAMESPACE, Release

_APP = "chat"
_LOADS = re.compile(rb'^cachedistill_route_loads_total\{.*?result="ok".*?\} (\S+)$', re.MULTILINE)
_LOOK_SECONDS = 0.02
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from a pod's creation until it is ready."""

    plain: float
    injected: float


@dataclass(frozen=True, slots=True)
class Street:
    """A namespace with a ModelRoute on a cluster with a node."""

    admin: Admin
    namespace: str
    image: str

    async def changes(self, count: int) -> list[float]:
        """Change the route, so many times: seconds until a pod's sidecar has loaded the changed document."""
        name = await self._start("watched", "enabled")
        taken = []
        for number in range(count):
            await asyncio.sleep(_PAUSE_SECONDS)
            before, begun = await self._loads(name), time.perf_counter()
            change = {"spec": {"carbon": {"gramsPerKilowattHour": 100 + number}}}
            await self.admin.patch(API_VERSION, "ModelRoute", _APP, self.namespace, change)
            await until(partial(self._has_loaded, name, before), every=_LOOK_SECONDS)
            taken.append(time.perf_counter() - begun)
            progress(f"change {number + 1} of {count}: live after {taken[-1]:.2f} s")
        await self.admin.delete("v1", "Pod", name, self.namespace)
        return taken

    async def starts(self, count: int) -> list[Start]:
        """Start a plain pod and an injected one, so many times, in turns."""
        taken = []
        for number in range(-1, count):
            seconds = {}
            for request in ("disabled", "enabled") if number % 2 else ("enabled", "disabled"):
                begun = time.perf_counter()
                name = await self._start(f"pod-{number + 1}-{request}", request)
                seconds[request] = time.perf_counter() - begun
                await self.admin.delete("v1", "Pod", name, self.namespace)
                await until(partial(self._is_gone, name))
            if number >= 0:  # The first start finds nothing in the page cache.
                taken.append(Start(seconds["disabled"], seconds["enabled"]))
                progress(f"start {number + 1} of {count}: {taken[-1]}")
        return taken

    async def _start(self, name: str, request: str) -> str:
        template = app(self.image, _APP, inject=request)["spec"]["template"]
        meta = template["metadata"] | {"name": name, "namespace": self.namespace}
        template["spec"]["terminationGracePeriodSeconds"] = 0
        async with self.admin.watching(f"/api/v1/namespaces/{self.namespace}/pods") as pods:
            made = await self.admin.create({"apiVersion": "v1", "kind": "Pod", **template, "metadata": meta})
            if (request == "enabled") != bool(made["spec"].get("initContainers")):
                raise RuntimeError(f"a pod that asks with {INJECT_LABEL}={request} got what it did not ask for")
            await pods.until(lambda known: _is_ready(known.get(name)))
        return name

    async def _is_gone(self, pod: str) -> bool:
        return await self.admin.get("v1", "Pod", pod, self.namespace) is None

    async def _has_loaded(self, pod: str, before: float) -> bool:
        return await self._loads(pod) > before

    async def _loads(self, pod: str) -> float:
        try:
            found = _LOADS.search(await self.admin.of_pod(self.namespace, pod, ADMIN_PORT, "/metrics"))
        except ApiError:
            return 0.0
        return float(found[1]) if found else 0.0


async def measure(cluster: AnyCluster, changes: int, starts: int) -> tuple[list[float], list[Start]]:
    """Seconds until changes were live, and until pods were ready. Raises ApiError and TimeoutError."""
    namespace = f"bench-{uuid.uuid4().hex[:6]}"
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    async with await Admin.of(cluster.kubeconfig) as admin:
        await admin.create(place)
        try:
            await admin.create(route(_APP, namespace, cache=None))
            await until(lambda: _is_furnished(admin, namespace))
            street = Street(admin, namespace, Images(cluster)["app"])
            return await street.changes(changes), await street.starts(starts)
        finally:
            await admin.delete("v1", "Namespace", namespace)


@contextmanager
def released() -> Iterator[AnyCluster]:
    """A cluster with a node and the release: the one of KUBECONFIG, the one that runs, else one of its own.

    Leaves things as they were. Raises Unavailable where none can be had.
    """
    with _running() as cluster:
        helm = Helm(cluster.kubeconfig)
        if NAME in helm("list", "--namespace", NAMESPACE, "--short").split():
            yield cluster
            return
        try:
            progress("installing the release")
            Release(cluster.kubectl, Images(cluster)).install()
            yield cluster
        finally:
            helm("uninstall", NAME, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")


@contextmanager
def _running() -> Iterator[AnyCluster]:
    if given := os.environ.get("KUBECONFIG"):
        yield ExistingCluster(Path(given))
        return
    cluster = Cluster.here()
    found = cluster.runs
    cluster.up()
    try:
        yield cluster
    finally:
        if not found:
            cluster.down()


def added(starts: Sequence[Start]) -> float:
    """How many seconds later an injected pod is ready: median less median."""
    return float(np.median([each.injected for each in starts]) - np.median([each.plain for each in starts]))


async def _is_furnished(admin: Admin, namespace: str) -> bool:
    found = await admin.get(API_VERSION, "ModelRoute", _APP, namespace)
    return bool(found and found.get("status")) and await has_account(admin, namespace)


def _is_ready(pod: Resource | None) -> bool:
    conditions = ((pod or {}).get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
