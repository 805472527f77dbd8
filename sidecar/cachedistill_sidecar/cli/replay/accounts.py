"""The accounts of replayed requests, picked up at the admin port before it forgets them."""

from __future__ import annotations

import asyncio
import time

import click

from cachedistill_sidecar.cli.admin_port import AdminPort
from cachedistill_sidecar.cli.replay.tally import Sums

# The sidecar remembers the last 1000 decisions, and other apps may be calling too.
_EVERY = 250
_REMEMBERED = 1000
# An account is made after the client has its last byte.
_PATIENCE_SECONDS = 2.0


class Accounts:
    """Adds up the accounts of the traces that it is told of."""

    def __init__(self, admin: AdminPort) -> None:
        self.sums = Sums()
        self.problem: str | None = None
        """Why accounts may be missing."""
        self._admin = admin
        self._missing: set[str] = set()
        self._new = 0
        self._asking = asyncio.Lock()

    async def expect(self, trace: str) -> None:
        """An account of this trace is (about to be) there."""
        self._missing.add(trace)
        self._new += 1
        if self._new >= _EVERY:
            self._new = 0
            await self._pick_up()

    async def rest(self) -> None:
        """Wait a little for those that are still missing."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        await self._pick_up()
        while self._missing and self.problem is None and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            await self._pick_up()

    async def _pick_up(self) -> None:
        async with self._asking:
            try:
                records = await asyncio.to_thread(self._admin.last, _REMEMBERED)
            except click.ClickException as error:
                self.problem = error.message
                return
        for record in records:
            if record["trace"] in self._missing:
                self._missing.discard(record["trace"])
                if record["ledger"] is not None:
                    self.sums.add(record["ledger"])
