"""A load client that costs little: HTTP/1.1 over plain sockets, driven by one selector in one thread.

An asyncio client takes about as long for a call as the proxies that are measured with it, and shares their cores. This
one sends bytes that were made beforehand and reads no more of an answer than where it ends: 25 microseconds a call.
"""

from __future__ import annotations

import heapq
import selectors
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import orjson
from numpy.typing import NDArray

from bench.connection import Connection, Reply

# A call that has no whole answer by then counts as broken.
_PATIENCE_SECONDS = 20.0
_RECONNECT_PAUSE_SECONDS = 0.02
MODEL = "gpt-4o"
Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slice:
    """What one client did in one go: its calls in the order in which they ended, and how long all of it took."""

    replies: Sequence[Reply]
    seconds: float

    def latencies(self, *decisions: str) -> Samples:
        """Milliseconds until the last byte; of calls with these decisions alone, if any are named."""
        return _milliseconds([r.done - r.sent for r in self.replies if not decisions or r.decision in decisions])

    def first_bytes(self) -> Samples:
        """Milliseconds until the first byte of the body."""
        return _milliseconds([r.first - r.sent for r in self.replies])

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return len(self.replies) / self.seconds

    @property
    def errors(self) -> int:
        """Calls that an app would call failed."""
        return sum(r.status != 200 for r in self.replies)


def _milliseconds(seconds: list[float]) -> Samples:
    return np.array(seconds, np.float64) * 1000


class Client:
    """Kept connections to one server."""

    def __init__(self, url: str, connections: int = 1) -> None:
        self._host = urlsplit(url).netloc
        host, _, port = self._host.rpartition(":")
        self.connections = [Connection((host, int(port))) for _ in range(connections)]

    def chat(self, text: str, *, stream: bool = False, headers: Mapping[str, str] | None = None) -> bytes:
        """The bytes of one chat completion call."""
        body = orjson.dumps({"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": stream})
        lines = {
            "Host": self._host,
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": "Bearer sk-bench",
            "User-Agent": "bench",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + body

    def close(self) -> None:
        """Close all connections."""
        for connection in self.connections:
            connection.close()

    def run(self, calls: Iterable[bytes], pauses: Iterator[float] | None = None) -> Slice:
        """Send all these calls, on each connection one after the other. Returns when the last has its answer."""
        (done,) = drive([Lane(self, iter(calls), pauses)])
        return done


@dataclass(slots=True)
class Lane:
    """A client with its calls to come, and the pauses between them (none, without)."""

    client: Client
    calls: Iterator[bytes]
    pauses: Iterator[float] | None = None
    replies: deque[Reply] = field(default_factory=deque)
    ended: float = 0.0


def drive(lanes: Sequence[Lane]) -> list[Slice]:
    """Run lanes side by side until each has sent all its calls and has the answers; one slice a lane."""
    begun = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        _Driver(selector, lanes).run()
    return [Slice(list(lane.replies), max(lane.ended - begun, 1e-9)) for lane in lanes]


class _Driver:
    def __init__(self, selector: selectors.BaseSelector, lanes: Sequence[Lane]) -> None:
        self._selector = selector
        self._due: list[tuple[float, int, Lane, Connection]] = []
        self._waiting: dict[Connection, Lane] = {}
        for lane in lanes:
            for connection in lane.client.connections:
                connection.drop_if_closed()
                if connection.socket is not None:
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
                self._plan(lane, connection)

    def run(self) -> None:
        while self._due or self._waiting:
            until = min(self._due[0][0] - time.perf_counter() if self._due else 1.0, 1.0)
            for key, _ in self._selector.select(max(0.0, until)):
                self._receive(key.data)
            self._give_up_on_late_ones()
            self._send_what_is_due()

    def _send_what_is_due(self) -> None:
        now = time.perf_counter()
        while self._due and self._due[0][0] <= now:
            _, _, lane, connection = heapq.heappop(self._due)
            self._send(lane, connection)

    def _plan(self, lane: Lane, connection: Connection, at_least: float = 0.0) -> None:
        pause = max(at_least, next(lane.pauses) if lane.pauses is not None else 0.0)
        if pause > 0.0:
            heapq.heappush(self._due, (time.perf_counter() + pause, id(connection), lane, connection))
        else:
            self._send(lane, connection)

    def _send(self, lane: Lane, connection: Connection) -> None:
        call = next(lane.calls, None)
        if call is None:
            lane.ended = time.perf_counter()
            return
        self._waiting[connection] = lane
        try:
            if connection.socket is None:
                self._selector.register(connection.open(), selectors.EVENT_READ, connection)
            connection.send(call)
        except OSError:
            self._settle(connection, connection.broken())

    def _receive(self, connection: Connection) -> None:
        reply = connection.receive()
        if connection not in self._waiting:
            self._drop(connection)
        elif reply is not None:
            self._settle(connection, reply)

    def _settle(self, connection: Connection, reply: Reply) -> None:
        lane = self._waiting.pop(connection)
        lane.replies.append(reply)
        if reply.status:
            self._plan(lane, connection)
        else:
            self._drop(connection)
            self._plan(lane, connection, at_least=_RECONNECT_PAUSE_SECONDS)

    def _drop(self, connection: Connection) -> None:
        if connection.socket is not None:
            self._selector.unregister(connection.socket)
            connection.close()

    def _give_up_on_late_ones(self) -> None:
        """The first one that waits has waited for longest."""
        connection = next(iter(self._waiting), None)
        if connection is not None and time.perf_counter() - connection.sent > _PATIENCE_SECONDS:
            self._settle(connection, connection.broken())
