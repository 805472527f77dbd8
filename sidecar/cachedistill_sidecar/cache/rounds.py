"""Work in the background that repeats, and ends between two rounds only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any


class Rounds:
    """A task that does its work in rounds: while it holds `under_way`, it isn't ended."""

    def __init__(self) -> None:
        self.under_way = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Work from now on."""
        self._task = asyncio.create_task(work)

    async def end(self) -> None:
        """Not in the middle of a round: what was being sent would be sent again, and a call of the Redis client that
        has just got its answer swallows a cancellation."""
        if self._task is None:
            return
        async with self.under_way:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
