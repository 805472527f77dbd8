"""Sends calls through a sidecar, in their order over a few connections, and notes what came of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

import aiohttp

from cachedistill_sidecar.cli.replay.log import Call
from cachedistill_sidecar.telemetry.names import Header

# As long as a fallback may think about an answer.
_SILENCE_SECONDS = 600
_CONNECT_SECONDS = 5
NO_DECISION = "(none)"
"""The decision of an answer that no sidecar gave."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: status (0 when the connection failed), decision headers, seconds to the last byte."""

    line: int
    status: int
    decision: str
    reason: str
    trace: str
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An outcome with the answer itself."""

    outcome: Outcome
    body: bytes = b""
    debug: str | None = None
    """The debug header, for calls that asked for it."""


Take = Callable[[Reply], Awaitable[None]]
"""Gets each reply as it ends."""


async def send_all(url: str, calls: Iterable[Call], connections: int, take: Take) -> None:
    """Send all calls to the sidecar at `url`; `take` gets each reply as it ends."""
    timeout = aiohttp.ClientTimeout(None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=connections)
    waiting = iter(calls)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_work(session, url.rstrip("/"), waiting, take))


async def _work(session: aiohttp.ClientSession, url: str, waiting: Iterator[Call], take: Take) -> None:
    for call in waiting:
        await take(await send(session, url, call))


async def send(session: aiohttp.ClientSession, url: str, call: Call) -> Reply:
    """Send one call; a connection that fails is an outcome too."""
    begun = time.perf_counter()
    try:
        async with session.post(url + call.path, data=call.body, headers=call.headers) as response:
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        sentence = str(error) or type(error).__name__
        return Reply(Outcome(call.line, 0, "error", "", "", time.perf_counter() - begun, sentence))
    seconds = time.perf_counter() - begun
    headers = response.headers
    outcome = Outcome(
        line=call.line,
        status=response.status,
        decision=headers.get(Header.DECISION, NO_DECISION),
        reason=headers.get(Header.REASON, ""),
        trace=headers.get(Header.TRACE, ""),
        seconds=seconds,
        error=f"status {response.status}" if response.status >= 400 else None,
    )
    return Reply(outcome, body, headers.get(Header.DEBUG))
