"""The record of the calls that reached the upstream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.upstream.exchange import Json

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `status` is 0 until the answer began; `cancelled` says that the client left before its end."""

    n: int
    method: str
    path: str
    raw_headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    model: str = ""
    stream: bool = False
    group: str = ""
    status: int = 0
    cancelled: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name; of duplicates the last."""
        return {name.decode().lower(): value.decode("latin-1") for name, value in self.raw_headers}

    def listed(self) -> Json:
        """The call as `/_upstream/calls` shows it."""
        names = ("n", "method", "path", "model", "stream", "group", "status", "cancelled")
        return {name: getattr(self, name) for name in names}


class Journal:
    """The last `KEPT` calls by number; numbers count from 1 and start again on `clear`."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._count = 0

    def open(self, method: str, path: str, raw_headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> int:
        self._count += 1
        self._calls[self._count] = Call(self._count, method, path, raw_headers, body)
        self._calls.pop(self._count - KEPT, None)
        return self._count

    def note(self, n: int, **facts: Any) -> None:
        """Adds what has become known about call `n`."""
        if call := self._calls.get(n):
            self._calls[n] = replace(call, **facts)

    def clear(self) -> None:
        self._calls.clear()
        self._count = 0

    @property
    def calls(self) -> list[Call]:
        return list(self._calls.values())
