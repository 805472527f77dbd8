"""TLS connections to Redis that share a context: redis-py makes one for each, which reads the machine's roots again.

Measured: 20 ms a connection on a quiet core, 130 on a busy one, in which the sidecar does nothing else.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis.asyncio.connection import RedisSSLContext, SSLConnection
from redis.asyncio.sentinel import SentinelManagedConnection

_contexts: dict[tuple[bytes, str], ssl.SSLContext] = {}


def _shared(asked: RedisSSLContext) -> ssl.SSLContext:
    """The context that a connection asks for; a CA file that has changed makes a new one. Raises OSError."""
    authority = b"" if asked.ca_certs is None else Path(asked.ca_certs).read_bytes()
    options = repr([getattr(asked, name, None) for name in sorted(RedisSSLContext.__slots__) if name != "context"])
    if (authority, options) not in _contexts:
        _contexts[authority, options] = asked.get()
    return _contexts[authority, options]


class TlsConnection(SSLConnection):
    """A connection whose context is shared."""

    def _connection_arguments(self) -> Mapping[str, Any]:
        self.ssl_context.context = _shared(self.ssl_context)
        return super()._connection_arguments()


class PrimaryTlsConnection(SentinelManagedConnection, TlsConnection):
    """The same, to the primary that Sentinels name."""
