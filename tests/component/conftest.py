"""What the component tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cachedistill_sidecar.cache.store import Store
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
