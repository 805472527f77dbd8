"""One kept HTTP/1.1 connection of the load client: sends bytes, and finds the end of each answer."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

_READ_BYTES = 1 << 18
_CONNECT_SECONDS = 1.0
_CHUNKED = -1
_UNKNOWN = -2
# No answer here holds a bare CRLF in its body (JSON and SSE with LF), so these bytes are the last chunk and no other.
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """One call. Times are seconds of `perf_counter`; `first` is that of the body's first byte; status 0: it broke."""

    sent: float
    first: float
    done: float
    status: int
    head: bytes

    @property
    def decision(self) -> str:
        """What `x-cachedistill-decision` says; empty without."""
        return self._header(b"x-cachedistill-decision")

    @property
    def reason(self) -> str:
        """What `x-cachedistill-reason` says; empty without."""
        return self._header(b"x-cachedistill-reason")

    def _header(self, name: bytes) -> str:
        _, found, rest = self.head.partition(b"\r\n" + name + b": ")
        return rest.partition(b"\r\n")[0].decode() if found else ""


class Connection:
    """A connection on which one call at a time is under way; `sent` is when the last one went out."""

    __slots__ = ("_address", "_buffer", "_end", "_first", "_head", "sent", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.sent = 0.0
        self.socket: socket.socket | None = None
        self._buffer = bytearray()
        self._head = b""
        self._end = _UNKNOWN
        self._first = 0.0

    def open(self) -> socket.socket:
        """Connect. Raises OSError."""
        self.sent = time.perf_counter()
        self.socket = socket.create_connection(self._address, timeout=_CONNECT_SECONDS)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.socket

    def close(self) -> None:
        """Disconnect."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def drop_if_closed(self) -> None:
        """Disconnect if the server has, or has said something unasked."""
        if self.socket is None:
            return
        try:
            self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()

    def send(self, call: bytes) -> None:
        """Send a call. Raises OSError."""
        assert self.socket is not None
        self._reset()
        self.sent = time.perf_counter()
        self.socket.sendall(call)

    def receive(self) -> Reply | None:
        """Read what is there; the reply if that completes it, or breaks it."""
        assert self.socket is not None
        try:
            data = self.socket.recv(_READ_BYTES)
        except OSError:
            return self.broken()
        if not data:
            return self.broken()
        self._buffer += data
        if self._end == _UNKNOWN:
            self._read_head()
        if not self._first and len(self._buffer) > len(self._head) > 0:
            self._first = time.perf_counter()
        if not self._complete():
            return None
        done = time.perf_counter()
        return Reply(self.sent, self._first or done, done, int(self._head[9:12]), self._head)

    def broken(self) -> Reply:
        """The reply that never came."""
        now = time.perf_counter()
        return Reply(self.sent, now, now, 0, self._head)

    def _reset(self) -> None:
        self._buffer = bytearray()
        self._head = b""
        self._end = _UNKNOWN
        self._first = 0.0

    def _complete(self) -> bool:
        if self._end == _CHUNKED:
            return self._buffer.endswith(_LAST_CHUNK)
        return self._end != _UNKNOWN and len(self._buffer) >= self._end

    def _read_head(self) -> None:
        cut = self._buffer.find(b"\r\n\r\n")
        if cut < 0:
            return
        self._head = bytes(self._buffer[: cut + 4]).lower()
        _, found, rest = self._head.partition(b"\r\ncontent-length:")
        self._end = cut + 4 + int(rest.partition(b"\r\n")[0]) if found else _CHUNKED
