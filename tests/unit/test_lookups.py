"""Lookups that come while one is on its way go together, and nobody is left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from cachedistill_sidecar.cache.lookups import Lookups


class Server:
    """Answers when it is told to; its value of a key is the key itself, and None for "absent"."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fails = False
        self._go: asyncio.Queue[None] = asyncio.Queue()

    async def fetch(self, keys: Sequence[str]) -> list[bytes | None]:
        self.asked.append(list(keys))
        await self._go.get()
        if self.fails:
            raise ConnectionError("away")
        return [None if key == "absent" else key.encode() for key in keys]

    async def answer(self, times: int = 1) -> None:
        for _ in range(times):
            self._go.put_nowait(None)
        for _ in range(20):
            await asyncio.sleep(0)


async def started(lookups: Lookups, *keys: str) -> list[asyncio.Task[bytes | None]]:
    tasks = [asyncio.create_task(lookups.get(key)) for key in keys]
    await asyncio.sleep(0)
    return tasks


async def test_those_that_come_meanwhile_share_one_call() -> None:
    server = Server()
    tasks = await started(Lookups(server.fetch), "a", "b", "absent", "b")
    await server.answer(times=2)
    assert [await task for task in tasks] == [b"a", b"b", None, b"b"]
    assert server.asked == [["a"], ["b", "absent"]]


async def test_a_lone_lookup_waits_for_nobody() -> None:
    server = Server()
    lookups = Lookups(server.fetch)
    for key in ("a", "b"):
        [task] = await started(lookups, key)
        await server.answer()
        assert await task == key.encode()
    assert server.asked == [["a"], ["b"]]


async def test_a_failure_reaches_all_that_waited_and_none_that_comes_later() -> None:
    server = Server()
    lookups = Lookups(server.fetch)
    tasks = await started(lookups, "a", "b", "c")
    server.fails = True
    await server.answer(times=2)
    for task in tasks:
        with pytest.raises(ConnectionError):
            await task
    server.fails = False
    [task] = await started(lookups, "d")
    await server.answer()
    assert await task == b"d"


async def test_one_that_is_cancelled_takes_nobody_along() -> None:
    server = Server()
    first, second, third = await started(Lookups(server.fetch), "a", "b", "b")
    first.cancel()
    second.cancel()
    await server.answer(times=2)
    assert await third == b"b"
