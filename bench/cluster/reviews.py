"""How long reviews of pods take: by HTTPS straight to the webhooks, as the API server asks them."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson
from numpy.typing import NDArray

from bench.cluster.api import Resource

AT_ONCE = 50
_PER_SECOND = 20
Samples = NDArray[np.float64]
"""Milliseconds."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where reviews are sent, and whether each must be answered with a patch."""

    url: str
    authority: Path
    injects: bool

    def burst(self, pod: Resource) -> Samples:
        """AT_ONCE reviews at once, over new connections: the API server keeps few that idle."""
        return asyncio.run(self._burst(pod))

    async def _burst(self, pod: Resource) -> Samples:
        async with self._session() as session:
            return np.array(await asyncio.gather(*(self._ask(session, body) for body in _bodies(pod, AT_ONCE))))

    def steady(self, pod: Resource, seconds: float) -> Samples:
        """_PER_SECOND reviews a second, each sent when it is due, over connections that are kept."""
        return asyncio.run(self._steady(pod, seconds))

    async def _steady(self, pod: Resource, seconds: float) -> Samples:
        async with self._session() as session:
            for body in _bodies(pod, 3):
                await self._ask(session, body)  # The connection is there, and is not measured.
            bodies = _bodies(pod, int(seconds * _PER_SECOND))
            begun = time.perf_counter()

            async def one(index: int, body: bytes) -> float:
                await asyncio.sleep(begun + index / _PER_SECOND - time.perf_counter())
                return await self._ask(session, body)

            return np.array(await asyncio.gather(*(one(index, body) for index, body in enumerate(bodies))))

    def _session(self) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=str(self.authority))
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))

    async def _ask(self, session: aiohttp.ClientSession, body: bytes) -> float:
        begun = time.perf_counter()
        async with session.post(self.url, data=body, headers={"Content-Type": "application/json"}) as answer:
            data = await answer.read()
        took = (time.perf_counter() - begun) * 1000
        response: dict[str, Any] = orjson.loads(data)["response"]
        if not response["allowed"] or self.injects != _has_sidecar(response):
            raise RuntimeError(f"{self.url} has answered {response}")
        return took


def percentile(rounds: Sequence[Samples], percent: float) -> float:
    """Over the samples of all rounds."""
    return float(np.percentile(np.concatenate(rounds), percent))


def _has_sidecar(response: dict[str, Any]) -> bool:
    return b"initContainers" in base64.b64decode(response.get("patch", ""))


def _bodies(pod: Resource, count: int) -> list[bytes]:
    return [orjson.dumps(_review(pod)) for _ in range(count)]


def _review(pod: Resource) -> dict[str, Any]:
    """As the API server writes it (admission.k8s.io/v1)."""
    pods = {"group": "", "version": "v1", "resource": "pods"}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": pods,
        "requestKind": kind,
        "requestResource": pods,
        "name": pod["metadata"]["name"],
        "namespace": pod["metadata"]["namespace"],
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": []},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
