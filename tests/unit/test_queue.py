from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from cachedistill_operator.api.group import Key
from cachedistill_operator.cluster.queue import Item, Queue

ROUTE = Item("ModelRoute", Key("shop", "chat"))
OTHER = Item("ModelRoute", Key("shop", "search"))


@contextlib.asynccontextmanager
async def running(queue: Queue) -> AsyncIterator[Queue]:
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (what is waited for is a list that a reconcile appends to)
            await asyncio.sleep(0.005)


class Looks:
    """A reconcile that keeps a list, and holds on while `gate` is shut."""

    def __init__(self) -> None:
        self.seen: list[Item] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = 0
        self.at_once = 0
        self.most_at_once = 0
        self.after: float | None = None

    async def __call__(self, item: Item) -> float | None:
        self.seen.append(item)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if self.failures:
            self.failures -= 1
            raise OSError("no answer")
        return self.after


def queue_of(looks: Looks, *, exists: bool = True, drift: float = 1000) -> Queue:
    return Queue(looks, lambda _item: exists, drift_seconds=drift)


async def test_wishes_for_one_resource_before_its_turn_are_one_look() -> None:
    looks = Looks()
    queue = queue_of(looks)
    for _ in range(5):
        queue.add(ROUTE)
    async with running(queue):
        await until(lambda: len(looks.seen) == 1)
        await asyncio.sleep(0.05)
    assert looks.seen == [ROUTE]


async def test_a_wish_during_a_look_is_one_more_look_after_it_and_never_two_at_once() -> None:
    looks = Looks()
    looks.gate.clear()
    async with running(queue_of(looks)) as queue:
        queue.add(ROUTE)
        await until(lambda: len(looks.seen) == 1)
        for _ in range(3):
            queue.add(ROUTE)
        await asyncio.sleep(0.05)
        assert looks.seen == [ROUTE]
        looks.gate.set()
        await until(lambda: len(looks.seen) == 2)
        await asyncio.sleep(0.05)
    assert looks.seen == [ROUTE, ROUTE]
    assert looks.most_at_once == 1


async def test_one_resource_does_not_hold_up_another() -> None:
    looks = Looks()
    looks.gate.clear()
    async with running(queue_of(looks)) as queue:
        queue.add(ROUTE)
        queue.add(OTHER)
        await until(lambda: set(looks.seen) == {ROUTE, OTHER})


async def test_what_fails_is_looked_at_again() -> None:
    looks = Looks()
    looks.failures = 2
    async with running(queue_of(looks)) as queue:
        queue.add(ROUTE)
        await until(lambda: len(looks.seen) == 3)


async def test_the_reconcile_says_when_to_look_again() -> None:
    looks = Looks()
    looks.after = 0.01
    async with running(queue_of(looks)) as queue:
        queue.add(ROUTE)
        await until(lambda: len(looks.seen) >= 3)


async def test_each_resource_is_looked_at_now_and_then_anyway() -> None:
    looks = Looks()
    async with running(queue_of(looks, drift=0.02)) as queue:
        queue.add(ROUTE)
        await until(lambda: len(looks.seen) >= 3)


async def test_a_resource_that_is_gone_is_looked_at_a_last_time() -> None:
    looks = Looks()
    async with running(queue_of(looks, exists=False, drift=0.01)) as queue:
        queue.add(ROUTE)
        await until(lambda: len(looks.seen) == 1)
        await asyncio.sleep(0.1)
    assert looks.seen == [ROUTE]


async def test_of_two_wishes_the_earlier_counts() -> None:
    looks = Looks()
    async with running(queue_of(looks)) as queue:
        queue.add(ROUTE, after=500)
        queue.add(ROUTE, after=0.01)
        await until(lambda: looks.seen == [ROUTE])


@pytest.mark.parametrize("later", [0.0, 0.02])
async def test_the_depth_is_what_is_due(later: float) -> None:
    queue = queue_of(Looks())
    queue.add(ROUTE, after=later)
    queue.add(OTHER, after=500)
    await asyncio.sleep(later)
    assert len(queue) == 1
