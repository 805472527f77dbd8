"""Fixtures for the tests that reconcile ModelRoutes against a real API server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from cachedistill_operator.cluster.client import Client
from e2e.cluster.kubectl import Kubectl
from tests.component.route_stage import CountingClient, Stage, eventually


@pytest.fixture
async def admin(kinds: Kubectl) -> AsyncIterator[Client]:
    """A client that may do all."""
    async with await Client.connect("test", str(kinds.kubeconfig)) as client:
        yield client


@pytest.fixture
async def namespace(admin: Client) -> AsyncIterator[str]:
    """A namespace of this test's own, in which pods can be made."""
    name = f"routes-{uuid.uuid4().hex[:8]}"
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def ready() -> bool:
        return await admin.get("v1", "ServiceAccount", "default", name) is not None

    await eventually(ready)
    yield name
    await admin.delete("v1", "Namespace", name)


@pytest.fixture
async def stage(kinds: Kubectl, admin: Client, namespace: str) -> AsyncIterator[Stage]:
    """A controller, as admin."""
    async with await CountingClient.connect("controller", str(kinds.kubeconfig)) as client:
        made = Stage.of(admin, client, namespace)
        yield made
        await made.on.redis.close()
