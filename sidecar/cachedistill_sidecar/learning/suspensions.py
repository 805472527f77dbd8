"""Entries that turned out wrong: not served by meaning until something speaks for them again, by any sidecar."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from cachedistill_sidecar.cache.connection import Command, atomically
from cachedistill_sidecar.cache.rounds import Rounds
from cachedistill_sidecar.cache.seal import Sealed
from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.learning.calls import lastly, patiently

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.entry import Entry
    from cachedistill_sidecar.cache.seal import Seal
    from cachedistill_sidecar.cache.store import Store

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
# Should the counter of changes have missed one: it is no transaction with the hash, which may be on another shard.
_RELOAD_SECONDS = 30.0


class Cause(StrEnum):
    """Why an entry is suspended."""

    VERIFIED_WRONG = "verified_wrong"
    FEEDBACK = "feedback"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Suspension:
    """`since` in seconds since the epoch."""

    since: float
    cause: Cause


class Suspensions:
    """The hash `cachedistill:<cache>:suspended`, from an entry's key to its suspension, and a copy of it in memory.

    What this sidecar changes holds at once, and is written as soon as Redis is there; what others change holds after
    about a second. `forget` is called with the key of each entry that somebody has removed.
    """

    def __init__(
        self, store: Store, seal: Seal, ttl_seconds: float, forget: Callable[[str], None] = lambda _: None
    ) -> None:
        self.suspended: frozenset[str] = frozenset()
        """The keys of the suspended entries."""
        self._store = store
        self._seal = seal
        self._ttl_seconds = ttl_seconds
        self._forget = forget
        self._hash = f"{store.prefix}suspended"
        self._counter = f"{store.prefix}suspended:changes"
        self._written: dict[str, Suspension] = {}
        self._waiting: dict[str, Suspension | None] = {}
        self._all: dict[str, Suspension] = {}
        self._changes: bytes | None = None
        self._reload_at = 0.0
        self._changed = asyncio.Event()
        self._rounds = Rounds()

    async def start(self) -> None:
        """Keep up with the other sidecars from now on."""
        self._rounds.start(self._work())

    async def close(self, seconds: float = 3.0) -> None:
        """Stop, and write what waits, in at most so long."""
        await self._rounds.end()
        await lastly(self._write(), seconds)

    def of(self, entry: str) -> Suspension | None:
        """Why and since when an entry is suspended; None when it is not."""
        return self._all.get(entry)

    def removed(self, entry: Entry) -> bool:
        """Whether this very answer was removed; a later one in its place was not."""
        suspension = self._all.get(entry.key)
        return suspension is not None and suspension.cause is Cause.REMOVED and entry.stored_at <= suspension.since

    def suspend(self, entry: str, cause: Cause) -> None:
        """Serve an entry by meaning no more. Doesn't wait."""
        self._change(entry, Suspension(time.time(), cause))

    def clear(self, entry: str) -> None:
        """End an entry's suspension. Doesn't wait."""
        if entry in self._all:
            self._change(entry, None)

    async def turn(self) -> None:
        """Write what waits, and read what others have changed. Raises StoreUnavailable."""
        async with self._rounds.under_way:
            await self._write()
            await self._read()

    def _need_keys(self) -> None:
        if not self._seal.loaded:
            raise StoreUnavailable("there is no key that suspensions are sealed with")

    def _change(self, entry: str, suspension: Suspension | None) -> None:
        self._waiting[entry] = suspension
        self._combine()
        self._changed.set()

    def _combine(self) -> None:
        found = self._written | {entry: each for entry, each in self._waiting.items() if each is not None}
        before, self._all = self._all, {entry: each for entry, each in found.items() if self._holds(entry, each)}
        self.suspended = frozenset(self._all)
        for entry, each in self._all.items():
            if each.cause is Cause.REMOVED and before.get(entry) != each:
                self._forget(entry)

    def _holds(self, entry: str, suspension: Suspension) -> bool:
        return self._waiting.get(entry, suspension) is not None and not self._overdue(suspension)

    def _overdue(self, suspension: Suspension) -> bool:
        """Whether the entry has reached its time to live since."""
        return suspension.since + self._ttl_seconds < time.time()

    async def _write(self) -> None:
        self._need_keys()
        waiting = dict(self._waiting)
        if not waiting:
            return
        commands = [self._command(entry, suspension) for entry, suspension in waiting.items()]
        await self._run(self._hash, commands)
        for entry, suspension in waiting.items():
            if self._waiting.get(entry) is suspension:
                del self._waiting[entry]
            if suspension is None:
                self._written.pop(entry, None)
            else:
                self._written[entry] = suspension
        await self._run(self._counter, [("INCR", self._counter)])

    async def _read(self) -> None:
        counted: Any = await patiently(self._store, lambda: self._store.client.mget([self._counter]))
        changes: bytes | None = counted[0]
        if changes == self._changes and time.monotonic() < self._reload_at:
            return
        found: Any = await patiently(self._store, lambda: self._store.client.hgetall(self._hash))
        read = {name.decode(): self._open(name, packed) for name, packed in found.items()}
        known = {entry: suspension for entry, suspension in read.items() if suspension is not None}
        self._written = {entry: each for entry, each in known.items() if not self._overdue(each)}
        self._combine()
        self._changes, self._reload_at = changes, time.monotonic() + _RELOAD_SECONDS
        if overdue := known.keys() - self._written.keys():
            await self._run(self._hash, [("HDEL", self._hash, *overdue)])

    def _command(self, entry: str, suspension: Suspension | None) -> Command:
        if suspension is None:
            return ("HDEL", self._hash, entry)
        data = orjson.dumps({"since": suspension.since, "cause": suspension.cause})
        packed: Any = self._seal.seal(data, self._hash.encode(), entry.encode()).pack()
        return ("HSET", self._hash, entry, packed)

    def _open(self, entry: bytes, packed: bytes) -> Suspension | None:
        data = self._seal.open(Sealed.unpack(packed), self._hash.encode(), entry)
        try:
            document = orjson.loads(data or b"")
            return Suspension(float(document["since"]), Cause(document["cause"]))
        except (KeyError, TypeError, ValueError):
            return None

    async def _run(self, key: str, commands: list[Command]) -> None:
        """Commands on a key, which goes when nothing was changed for as long as entries live."""
        expire: Command = ("EXPIRE", key, int(self._ttl_seconds) + 1)
        await patiently(self._store, lambda: atomically(self._store.client, key, [*commands, expire]))

    async def _work(self) -> None:
        problem: str | None = None
        while True:
            self._changed.clear()
            try:
                await self.turn()
                problem = None
            except (StoreUnavailable, ValueError) as error:
                if str(error) != problem:
                    log.warning("%s can't be read or written; what is known there stays so: %s", self._hash, error)
                problem = str(error)
                await asyncio.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._changed.wait()
