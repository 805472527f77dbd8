"""When a judge fails, or the sidecar stops behind an answer: the query is found by meaning after all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from cachedistill_sidecar import generation
from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.learning.judge import Judge
from tests.component.asking import App, settled
from tests.component.learning_stage import ADA, ASKED, REWORDED
from tests.conftest import StartSidecar

Failing = Callable[..., Awaitable[object]]


async def fails(*_: object) -> object:
    raise RuntimeError("a judge with a fault")


async def hangs(*_: object) -> object:
    return await asyncio.Event().wait()


async def groups(sidecar: Sidecar) -> dict[str, str]:
    """By entry: the group of what is found by meaning."""
    [cache] = sidecar.parts.caches.values()
    assert cache.index is not None
    client: Any = cache.store.client
    places = [place async for place in client.scan_iter(f"{cache.index.prefix}:*")]
    return {place.decode().rsplit(":", 1)[1]: (await client.hget(place, "group")).decode() for place in places}


@pytest.mark.parametrize("judge", [fails, hangs])
async def test_a_query_whose_answer_nobody_could_judge_is_found_by_meaning_in_a_group_of_its_own(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, judge: Failing
) -> None:
    monkeypatch.setattr(generation, "DRAIN_SECONDS", 1.0)
    sidecar = await start_sidecar(taught=False)
    app = App(http, sidecar.url)
    first = (await app.chat(ASKED, headers=ADA)).headers["x-cachedistill-entry"]
    await settled(sidecar)
    monkeypatch.setattr(Judge, "compare", judge)
    second = (await app.chat(REWORDED, headers=ADA)).headers["x-cachedistill-entry"]
    await sidecar.stop()
    found = await groups(await start_sidecar(taught=False))
    assert found.keys() == {first, second}
    assert found[second] != found[first]


async def test_a_stop_soon_after_a_removal_doesnt_leave_the_fresh_answer_suspended(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "DRAIN_SECONDS", 1.0)
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    entry = (await app.chat(ASKED, headers=ADA)).headers["x-cachedistill-entry"]
    await settled(sidecar)
    assert (await App(http, sidecar.admin_url).call("DELETE", f"/cachedistill/entries/{entry}")).status == 200
    assert (await app.chat(ASKED, headers=ADA)).decision == "fallback"
    await sidecar.stop()
    after = await start_sidecar()
    [lesson] = after.parts.lessons.values()
    await lesson.suspensions.turn()
    assert lesson.suspensions.suspended == frozenset()
