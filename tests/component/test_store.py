"""A store lets go of its server when it is closed, whatever it is doing."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import TimeoutError

from cachedistill_sidecar.cache import store
from cachedistill_sidecar.cache.store import Store
from cachedistill_sidecar.route_document import Redis


async def test_it_closes_though_a_cancellation_gets_lost(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_REPAIR_SECONDS", 0.01)
    lost = asyncio.Event()

    async def repair() -> None:
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            if lost.is_set():
                raise
            lost.set()

    opened = Store(Redis(url=redis_url), "cachedistill:store:")
    opened.repair = repair
    await opened.start()
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(opened.close())
    closed, _ = await asyncio.wait((closing,), timeout=10)
    assert lost.is_set()
    assert closed


async def test_it_closes_though_a_connection_does_not_in_time(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Store(Redis(url=redis_url), "cachedistill:store:")
    await opened.start()

    async def late() -> None:
        raise TimeoutError("Timed out closing connection after 0.1")

    monkeypatch.setattr(opened.client, "aclose", late)
    await opened.close()
