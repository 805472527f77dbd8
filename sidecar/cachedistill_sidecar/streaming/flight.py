"""A flight: one answer on its way from a fallback, read by every client that asked the same meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from cachedistill_sidecar.exchange import Answer
    from cachedistill_sidecar.route_document import Fallback

# How far the fallback may run ahead of the fastest client before it has to wait.
_WINDOW_BYTES = 1 << 20


class FlightFailed(Exception):
    """A flight that broke off after its head; the cause is chained."""


@dataclass(frozen=True, slots=True)
class Landing:
    """The head of a fallback's answer."""

    status: int
    headers: CIMultiDict[str]
    fallback: Fallback


class Flight:
    """Chunks of one answer, as they come; each reader gets all of them from the first.

    `wire` tells what the chunks are (streamed or not, with which options): a reader that wants another form waits for
    `answer`. Up to `keep_bytes` are kept for those who join later; a flight that has grown beyond can't be joined.
    """

    def __init__(self, owner: object, wire: object, keep_bytes: int) -> None:
        self.owner = owner
        """Whose request went out."""
        self.wire = wire
        self._landing: Landing | None = None
        self.answer: Answer | None = None
        self.task: asyncio.Task[None] | None = None
        self.finish_unread = False
        """Go on when the last reader is gone, for the cache's sake."""
        self.joinable = keep_bytes > 0
        self._keep_bytes = keep_bytes
        self._chunks: list[bytes] = []
        self._published = 0
        self._consumed = 0
        self._ended = False
        self._error: BaseException | None = None
        self._readers = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count as a reader; when the last one leaves, the flight is cancelled (or left to finish)."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers == 0:
                self._make_room()
                if not self._ended and not self.finish_unread and self.task is not None:
                    self.joinable = False
                    self.task.cancel()

    def land(self, landing: Landing) -> None:
        """The head is there. An error can't be joined: whoever asks the same asks for himself."""
        self.joinable = self.joinable and landing.status < 300
        self._landing = landing
        self._wake()

    async def head(self) -> Landing:
        """The head of the answer, when it is there. Raises what the flight ended with when none came."""
        while self._landing is None:
            if self._error is not None:
                raise self._error
            await self._next()
        return self._landing

    async def publish(self, chunk: bytes) -> None:
        """Hand a chunk to all readers; waits while every reader is far behind."""
        self._chunks.append(chunk)
        self._published += len(chunk)
        if self._published > self._keep_bytes:
            self.joinable = False
        self._wake()
        while self._readers and self._published - self._consumed > _WINDOW_BYTES:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def end(self, error: BaseException | None = None) -> None:
        """No more chunks will come; with an error, because the answer broke off."""
        self._ended = True
        self._error = error
        if error is not None:
            self.joinable = False
        self._wake()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All chunks from the first. Raises FlightFailed where the answer broke off."""
        index = taken = 0
        while True:
            while index < len(self._chunks):
                chunk = self._chunks[index]
                if not self.joinable and self._readers <= 1:
                    self._chunks[index] = b""
                index += 1
                yield chunk
                taken += len(chunk)
                if taken > self._consumed:
                    self._consumed = taken
                    self._make_room()
            if self._ended:
                if self._error is not None:
                    raise FlightFailed from self._error
                return
            await self._next()

    async def whole(self) -> Answer | None:
        """The answer when all of it is there; None when it broke off or can't be told from the chunks."""
        # Who waits for all of it holds the fallback up in nothing, also when the clients that take chunks are gone.
        self._consumed = sys.maxsize
        self._make_room()
        if self.task is not None:
            await asyncio.wait([self.task])
        return None if self._error is not None else self.answer

    async def _next(self) -> None:
        # One future a reader: a shared one would be cancelled for all when one reader is.
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
