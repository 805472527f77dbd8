"""Fixtures for the tests that reconcile SemanticCaches against a real API server and a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cachedistill_operator.cluster.client import Client
from e2e.cluster.kubectl import Kubectl
from tests.component.cache_stage import CacheStage
from tests.component.route_stage import CountingClient
from tests.topologies import Server, server


@pytest.fixture
async def stage(kinds: Kubectl, admin: Client, namespace: str) -> AsyncIterator[CacheStage]:
    """A controller, as admin."""
    async with await CountingClient.connect("controller", str(kinds.kubeconfig)) as client:
        made = CacheStage.of(admin, client, namespace)
        assert isinstance(made, CacheStage)
        yield made
        await made.on.redis.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Server]:
    """A Redis with the query engine, of this test's own."""
    async with server(tmp_path / "redis") as started:
        yield started


@pytest.fixture
async def redis(running: Server) -> AsyncIterator[Redis]:
    """A client of that."""
    async with running.client as client:
        yield client
