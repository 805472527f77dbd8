"""TLS handshakes by the name that the client asks for (SNI, RFC 6066 section 3)."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable
from datetime import datetime

from cachedistill_sidecar.transparent.authority import Authority, Leaf, utc_now

log = logging.getLogger(__name__)

_ALPN = ["http/1.1"]


class Handshakes:
    """`context` is the server's; each listed host has a certificate of its own, made at its first handshake."""

    def __init__(self, authority: Authority, hosts: frozenset[str], *, now: Callable[[], datetime] = utc_now) -> None:
        self._authority, self._hosts, self._now = authority, hosts, now
        self._made: dict[str, tuple[ssl.SSLContext, datetime]] = {}
        self.context = _context()
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        """Called by OpenSSL. The client is told `unrecognized_name` when the host is none of ours."""
        host = (name or "").lower()
        if host not in self._hosts:
            log.warning("a TLS handshake for %r is refused: it is not intercepted", host[:253])
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = self._context_of(host)
        return None

    def _context_of(self, host: str) -> ssl.SSLContext:
        now = self._now()
        context, renew_at = self._made.get(host, (None, now))
        if context is None or renew_at <= now:
            leaf = self._authority.leaf(host, now=now)
            context = _context(leaf)
            self._made[host] = (context, leaf.renew_at)
        return context


def _context(leaf: Leaf | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(_ALPN)
    if leaf is not None:
        # OpenSSL's Python wrapper reads files only. This one has no name, and no disk behind it.
        number = os.memfd_create("leaf")
        try:
            os.write(number, leaf.certificate + leaf.key)
            context.load_cert_chain(f"/proc/self/fd/{number}")
        finally:
            os.close(number)
    return context
