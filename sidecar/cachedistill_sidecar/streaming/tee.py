"""Reading along: puts the neutral answer together from the bytes that pass by, without touching them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from cachedistill_sidecar.dialects import Dialect
    from cachedistill_sidecar.dialects.base import StreamParser
    from cachedistill_sidecar.exchange import Answer
    from cachedistill_sidecar.streaming.events import Decoder

# What can be read along; asked of a fallback in place of the client's own longer list.
ENCODINGS = "gzip, deflate"


class Tee:
    """Reads one answer along. Whatever it can't read is no answer to it, and no fault."""

    def __init__(self, dialect: Dialect, content_type: str, encoding: str, limit: int) -> None:
        self._dialect = dialect
        self._limit = limit
        self._size = 0
        self._body: list[bytes] = []
        self._inflate = _inflate(encoding)
        self._decoder: Decoder | None = None
        self._parser: StreamParser | None = None
        if content_type.partition(";")[0].strip() == dialect.stream_type.partition(";")[0]:
            self._decoder = dialect.decoder()
            self._parser = dialect.stream_parser()
        self.readable = encoding in ("", "identity", "gzip", "x-gzip", "deflate")

    def feed(self, chunk: bytes) -> None:
        """Read a chunk."""
        if not self.readable:
            return
        try:
            data = self._inflate.decompress(chunk) if self._inflate else chunk
            self._size += len(data)
            if self._size > self._limit:
                self.readable = False
                self._body.clear()
            elif self._decoder is None:
                self._body.append(data)
            else:
                self._events(self._decoder.feed(data))
        except (ValueError, zlib.error):
            self.readable = False

    def close(self) -> Answer | None:
        """The answer, if these bytes were a whole one."""
        if not self.readable:
            return None
        try:
            if self._decoder is not None and self._parser is not None:
                self._events(self._decoder.close())
                return self._parser.answer
            return self._dialect.answer(orjson.loads(b"".join(self._body)))
        except ValueError:
            return None

    @property
    def text_so_far(self) -> str:
        """The streamed text up to now."""
        return self._parser.text_so_far if self._parser is not None else ""

    def _events(self, events: list[bytes]) -> None:
        assert self._parser is not None
        for event in events:
            self._parser.feed(event)


def _inflate(encoding: str) -> Any:
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    return zlib.decompressobj() if encoding == "deflate" else None
