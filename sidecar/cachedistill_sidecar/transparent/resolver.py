"""Addresses of providers. In this pod /etc/hosts points intercepted names at the sidecar itself: only DNS is asked."""

from __future__ import annotations

import logging
import socket

from aiodns.error import DNSError
from aiohttp import AsyncResolver, DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from pycares.errno import ARES_ECANCELLED, ARES_ECONNREFUSED, ARES_ETIMEOUT

log = logging.getLogger(__name__)

_NO_CONTACT = {ARES_ECANCELLED, ARES_ECONNREFUSED, ARES_ETIMEOUT}


class UpstreamResolver(AbstractResolver):
    """Resolves intercepted hosts by DNS alone, with the pod's search domains; all others as aiohttp does.

    The others may well be in /etc/hosts for a reason: a pod's own hostAliases.
    """

    def __init__(self, intercepted: frozenset[str]) -> None:
        self._intercepted = intercepted
        self._dns = _dns()
        self._ordinary = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp. Raises OSError."""
        if host.rstrip(".").lower() not in self._intercepted:
            return await self._ordinary.resolve(host, port, family)
        asked = self._dns
        try:
            return await asked.resolve(host, port, family)
        except OSError as error:
            cause = error.__cause__
            if not isinstance(cause, DNSError) or cause.args[0] not in _NO_CONTACT:
                raise
            log.warning("%s: %s; once more, with what resolv.conf says now", host, error)
        # c-ares keeps the servers that it read when it was made, and what it holds against them.
        if self._dns is asked:
            self._dns = _dns()
            await asked.close()
        return await self._dns.resolve(host, port, family)

    async def close(self) -> None:
        """Give up what is under way."""
        await self._dns.close()
        await self._ordinary.close()


def _dns() -> AsyncResolver:
    # c-ares' lookups: b is DNS, f is /etc/hosts.
    return AsyncResolver(lookups="b")
