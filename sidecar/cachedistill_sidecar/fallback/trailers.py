"""Trailers of HTTP/1.1 answers (RFC 9112 section 7.1.2), which aiohttp's parser reads and throws away.

The client's protocol keeps the last bytes that came in; when a chunked body has ended, its trailer section is what
stands behind the last chunk there.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

# As much as a whole header section may have.
_KEPT_BYTES = 65536
_LAST_CHUNK = b"\r\n0\r\n"


class _KeepsLastBytes(ResponseHandler):
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
    """A connection pool whose answers' trailers can be had."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        loop = asyncio.get_running_loop()
        self._factory = lambda: _KeepsLastBytes(loop)  # type: ignore[assignment]


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
        if isinstance(protocol, _KeepsLastBytes):
            section = protocol.last_bytes.rpartition(_LAST_CHUNK)[2]
            self.section = section[:-2] if section != b"\r\n" and section.endswith(b"\r\n\r\n") else b""
