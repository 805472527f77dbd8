"""The pool of connections to fallbacks, which tells two things that aiohttp's own doesn't.

Whether a request went out on a kept connection: one that the other side has closed meanwhile never saw it. And the
trailers of an answer (RFC 9112 section 7.1.2), which aiohttp's parser reads and throws away: the protocol keeps the
last bytes that came in, and when a chunked body has ended, its trailer section is what stands behind the last chunk.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from aiohttp.connector import Connection

# As much as a whole header section may have.
_KEPT_BYTES = 65536
_LAST_CHUNK = b"\r\n0\r\n"

on_kept_connection: ContextVar[bool] = ContextVar("on_kept_connection", default=False)
"""Whether the request that this task sent last went out on a connection that had carried another one before."""


class _Protocol(ResponseHandler):
    used = False
    _before, _last = b"", b""

    def data_received(self, data: bytes) -> None:
        # Two reads, not all: it costs nothing per byte, and a trailer section that spans more is none of this world.
        self._before, self._last = self._last, data
        super().data_received(data)

    @property
    def last_bytes(self) -> bytes:
        """The end of what came in."""
        return self._before[-_KEPT_BYTES:] + self._last[-_KEPT_BYTES:]


class Connector(aiohttp.TCPConnector):
    """A pool of such connections."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        loop = asyncio.get_running_loop()
        self._factory = lambda: _Protocol(loop)  # type: ignore[assignment]

    async def connect(self, *arguments: Any, **settings: Any) -> Connection:
        """See aiohttp; called by the session in the task that sends."""
        connection = await super().connect(*arguments, **settings)
        if isinstance(connection.protocol, _Protocol):
            on_kept_connection.set(connection.protocol.used)
            connection.protocol.used = True
        return connection


class Trailers:
    """The trailer section of one answer: complete once its body has been read to the end."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.section = b""
        """Lines of `name: value`, each with its CRLF; empty without trailers."""
        self._content = response.content
        if response.headers.get("transfer-encoding", "").lower() == "chunked":
            # At that very moment, for the connection may carry the next answer right after.
            self._content.on_eof(self._take)

    def _take(self) -> None:
        protocol = self._content._protocol
        if isinstance(protocol, _Protocol):
            section = protocol.last_bytes.rpartition(_LAST_CHUNK)[2]
            self.section = section[:-2] if section != b"\r\n" and section.endswith(b"\r\n\r\n") else b""
