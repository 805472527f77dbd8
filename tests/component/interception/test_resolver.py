"""A name server that can't be reached for a moment is asked once more, by a client that knows nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from aiodns.error import DNSError
from pycares.errno import ARES_ECONNREFUSED, ARES_ENOTFOUND

from cachedistill_sidecar.transparent import resolver
from cachedistill_sidecar.transparent.resolver import UpstreamResolver

HOST = "api.openai.com"


class Servers:
    """Clients of name servers, each made to fail with a code, or to answer."""

    def __init__(self, *codes: int | None) -> None:
        self.codes = list(codes)
        self.closed = 0

    def make(self, **_: Any) -> Any:
        code = self.codes.pop(0)
        return Client(self, code)


class Client:
    def __init__(self, servers: Servers, code: int | None) -> None:
        self._servers, self._code = servers, code

    async def resolve(self, *_: Any) -> list[str]:
        if self._code is None:
            return ["an address"]
        raise OSError(None, "no answer") from DNSError(self._code, "no answer")

    async def close(self) -> None:
        self._servers.closed += 1


def among(monkeypatch: pytest.MonkeyPatch, *codes: int | None) -> tuple[UpstreamResolver, Servers]:
    servers = Servers(*codes)
    monkeypatch.setattr(resolver, "AsyncResolver", servers.make)
    return UpstreamResolver(frozenset({HOST})), servers


async def test_a_server_that_could_not_be_reached_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, servers = among(monkeypatch, ARES_ECONNREFUSED, None)
    found: Any = await asked.resolve(HOST)
    assert found == ["an address"]
    assert servers.closed == 1


async def test_a_server_that_stays_away_is_an_error_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = among(monkeypatch, ARES_ECONNREFUSED, ARES_ECONNREFUSED)
    with pytest.raises(OSError, match="no answer"):
        await asked.resolve(HOST)


async def test_a_name_that_does_not_exist_is_not_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, servers = among(monkeypatch, ARES_ENOTFOUND)
    with pytest.raises(OSError, match="no answer"):
        await asked.resolve(HOST)
    assert servers.closed == 0
