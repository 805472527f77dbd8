"""What the component tests share."""

from __future__ import annotations

import pytest

from cachedistill_sidecar.cache.store import Store


@pytest.fixture(autouse=True)
def store_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that answers late for once, on a busy machine, is not what these tests are about."""
    monkeypatch.setattr(Store.call, "__defaults__", (5.0,))
