"""What the component tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cachedistill_operator.api import crd
from cachedistill_sidecar.cache.store import Store
from e2e.cluster.api_server import ApiServer
from e2e.cluster.kubectl import Kubectl
from tests.otlp import Receiver, receiving


@pytest.fixture(autouse=True)
def store_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that answers late for once, on a busy machine, is not what these tests are about."""
    monkeypatch.setattr(Store.call, "__defaults__", (5.0,))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A collector of telemetry that listens."""
    async with receiving() as running:
        yield running


@pytest.fixture(scope="session")
def kinds(api_server: ApiServer) -> Kubectl:
    """kubectl on an API server that knows both kinds."""
    for kind in crd.KINDS:
        api_server.kubectl.apply(kind.manifest())
        definition = f"crd/{kind.manifest()['metadata']['name']}"
        api_server.kubectl("wait", "--for=condition=Established", definition, "--timeout=30s")
    return api_server.kubectl
