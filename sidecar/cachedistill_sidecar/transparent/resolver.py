"""Addresses of providers. In this pod /etc/hosts points intercepted names at the sidecar itself: only DNS is asked."""

from __future__ import annotations

import socket

from aiohttp import AsyncResolver, DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult


class UpstreamResolver(AbstractResolver):
    """Resolves intercepted hosts by DNS alone, with the pod's search domains; all others as aiohttp does.

    The others may well be in /etc/hosts for a reason: a pod's own hostAliases.
    """

    def __init__(self, intercepted: frozenset[str]) -> None:
        self._intercepted = intercepted
        # c-ares' lookups: b is DNS, f is /etc/hosts.
        self._dns = AsyncResolver(lookups="b")
        self._ordinary = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp. Raises OSError."""
        resolver = self._dns if host.rstrip(".").lower() in self._intercepted else self._ordinary
        return await resolver.resolve(host, port, family)

    async def close(self) -> None:
        """Give up what is under way."""
        await self._dns.close()
        await self._ordinary.close()
