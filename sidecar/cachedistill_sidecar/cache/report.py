"""The ledger's sums in Redis: every sidecar adds its own, so that one look tells what all of them have saved."""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import RedisError

from cachedistill_sidecar.cache.connection import Command, atomically
from cachedistill_sidecar.cache.rounds import Rounds
from cachedistill_sidecar.cache.store import Store
from cachedistill_sidecar.ledger.figures import Figures

log = logging.getLogger(__name__)

_SECONDS = 5.0
_DEADLINE_SECONDS = 2.0


class Report:
    """Adds `figures` to the hash `cachedistill:<cache>:ledger`, every few seconds and at the end.

    All of a report or nothing of it is added; what wasn't is part of the next one. When Redis takes a report and hangs
    up before it says so, the report is sent again: a little too much, seldom, rather than too little.
    """

    def __init__(self, store: Store) -> None:
        self.figures = Figures()
        self._store = store
        self._key = f"{store.prefix}ledger"
        self._problem: str | None = None
        self._rounds = Rounds()

    def start(self) -> None:
        """Report from now on."""
        self._rounds.start(self._work())

    async def close(self) -> None:
        """Report for the last time."""
        await self._rounds.end()
        await self.send()

    async def send(self) -> None:
        """Report what is new, if Redis is there."""
        taken = self.figures.take() if self._store.available else {}
        if not taken:
            return
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                await atomically(self._store.client, self._key, [self._command(*each) for each in taken.items()])
            self._problem = None
        except (RedisError, OSError) as error:
            self.figures.give_back(taken)
            self._tell(error)

    def _command(self, field: str, amount: float) -> Command:
        return ("HINCRBY" if isinstance(amount, int) else "HINCRBYFLOAT", self._key, field, amount)

    def _tell(self, error: Exception) -> None:
        problem = f"{type(error).__name__}: {error}"
        if problem != self._problem:
            log.warning("the ledger's sums can't be added to %s, and are kept: %s", self._key, problem)
        self._problem = problem

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(_SECONDS)
            async with self._rounds.under_way:
                await self.send()
