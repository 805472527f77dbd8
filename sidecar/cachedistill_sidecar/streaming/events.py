"""Incremental decoders: bytes in at arbitrary borders, the data of whole events out.

Server-sent events as the WHATWG HTML standard's section 9.2.6 parses them; newline-delimited JSON for Ollama.
"""

from __future__ import annotations

import re
from typing import Protocol

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Decoder(Protocol):
    """Cuts a byte stream into the data of its events."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes, in order."""

    def close(self) -> list[bytes]:
        """What the end of the stream completes."""


class SseDecoder:
    """Server-sent events; event names, ids and comments are dropped, since every dialect repeats them in the data."""

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        buffer = self._buffer + chunk if self._buffer else chunk
        # A CR at the very end may be half of a CRLF: it waits for the next chunk.
        held = buffer.endswith(b"\r")
        lines = _LINE_END.split(buffer[:-1] if held else buffer)
        self._buffer = lines.pop() + (b"\r" if held else b"")
        return self._events(lines)

    def close(self) -> list[bytes]:
        # An event without its closing blank line is dropped, as the standard says.
        held, self._buffer = self._buffer, b""
        return self._events([held[:-1], b""]) if held == b"\r" else []

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        if lines and not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        for line in lines:
            if not line:
                if self._data:
                    events.append(b"\n".join(self._data))
                    self._data = []
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line == b"data":
                self._data.append(b"")
        return events


class LineDecoder:
    """Newline-delimited JSON; blank lines are dropped."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        lines = (self._buffer + chunk).split(b"\n")
        self._buffer = lines.pop()
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        last, self._buffer = self._buffer, b""
        return [last] if last.strip() else []
