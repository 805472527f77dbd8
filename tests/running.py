"""An async context manager in a thread of its own, with its own event loop: for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Running(Generic[T]):
    """`with Running(make) as value`: enters `make()` in a thread, and leaves it there at the end."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._entered: AbstractAsyncContextManager[T]

    def __enter__(self) -> T:
        self._thread.start()
        return self.call(self._enter)

    def __exit__(self, *_: object) -> None:
        self.call(lambda: self._entered.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """Run something in the thread's loop, and wait for it."""

        async def run() -> R:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=120)

    async def _enter(self) -> T:
        self._entered = self._make()
        return await self._entered.__aenter__()
