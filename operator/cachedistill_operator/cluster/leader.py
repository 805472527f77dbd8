"""Leadership by Lease: of several controllers, one works.

kubernetes.aio has an elector too; in 37.0 it can't create its Lease, and it writes local time where UTC belongs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

from cachedistill_operator.cluster.client import ApiError, Client

log = logging.getLogger(__name__)

LEASE_SECONDS = 15
RENEW_SECONDS = 10
RETRY_SECONDS = 2
_LEASE = ("coordination.k8s.io/v1", "Lease")


class LeadershipLost(RuntimeError):
    """The Lease could not be renewed in time: another controller may work by now, so this process must end."""


class Elector:
    """Takes the Lease `name` in `namespace` when nobody holds it, and renews it."""

    def __init__(self, client: Client, namespace: str, name: str, identity: str) -> None:
        self._client = client
        self._namespace, self._name, self._identity = namespace, name, identity
        self._seen: tuple[str, float] | None = None
        self.leading = False

    async def acquire(self) -> None:
        """Wait until this process leads."""
        while True:
            self.leading = await self._try()
            if self.leading:
                break
            await asyncio.sleep(RETRY_SECONDS)
        log.info("leading, by Lease %s/%s", self._namespace, self._name)

    async def hold(self) -> None:
        """Renew until cancelled. Raises LeadershipLost when that fails for RENEW_SECONDS, or somebody else has it."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                async with asyncio.timeout(RENEW_SECONDS - RETRY_SECONDS):
                    if await self._try():
                        renewed = time.monotonic()
            except TimeoutError:
                log.warning("the Lease can't be renewed: no answer from the API server")
            if time.monotonic() - renewed > RENEW_SECONDS:
                self.leading = False
                raise LeadershipLost(f"Lease {self._namespace}/{self._name} was not renewed for {RENEW_SECONDS} s")

    async def release(self) -> None:
        """Give the Lease back, so that the next one need not wait for its end."""
        if not self.leading:
            return
        self.leading = False
        lease = await self._get()
        if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
            await self._write(lease, {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()})

    async def _try(self) -> bool:
        try:
            return await self._take()
        except (ApiError, OSError) as error:
            if not (isinstance(error, ApiError) and error.status == 409):
                log.warning("the Lease %s/%s: %s", self._namespace, self._name, error)
            return False

    async def _take(self) -> bool:
        lease = await self._get()
        mine: dict[str, Any] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": _now(),
        }
        if lease is None:
            meta = {"name": self._name, "namespace": self._namespace}
            new = {**mine, "acquireTime": mine["renewTime"], "leaseTransitions": 0}
            await self._client.create({"apiVersion": _LEASE[0], "kind": _LEASE[1], "metadata": meta, "spec": new})
            return True
        spec: dict[str, Any] = lease.get("spec") or {}
        if spec.get("holderIdentity") == self._identity:
            await self._write(lease, mine)
            return True
        if spec.get("holderIdentity") and not self._expired(lease, spec):
            return False
        transitions = (spec.get("leaseTransitions") or 0) + 1
        await self._write(lease, {**mine, "acquireTime": mine["renewTime"], "leaseTransitions": transitions})
        return True

    def _expired(self, lease: dict[str, Any], spec: dict[str, Any]) -> bool:
        """Whether the holder hasn't renewed for its time, by this clock: those of two nodes may differ."""
        version = lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, time.monotonic())
        return time.monotonic() - self._seen[1] > int(spec.get("leaseDurationSeconds") or LEASE_SECONDS)

    async def _get(self) -> dict[str, Any] | None:
        return await self._client.get(*_LEASE, self._name, self._namespace)

    async def _write(self, lease: dict[str, Any], spec: dict[str, Any]) -> None:
        # With the version that was read: of two that try at the same time, one gets a conflict.
        body = {"metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]}, "spec": spec}
        await self._client.patch(*_LEASE, self._name, self._namespace, body)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
