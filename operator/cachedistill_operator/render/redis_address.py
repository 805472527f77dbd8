"""Where an external Redis is, as its URL says: for people, without the password."""

from __future__ import annotations

from urllib.parse import urlsplit

from cachedistill_sidecar.redis_url import RedisUrl, Topology

_PORT = 6379


class AddressError(ValueError):
    """A URL that can't be used; the message says what is allowed, and holds nothing of a password."""


def endpoint_of(url: str, *, with_ca: bool) -> str:
    """`host:port`, several with commas between; for Sentinels with the service's name. Raises AddressError."""
    try:
        read = RedisUrl.parse(url)
    except ValueError as error:
        raise AddressError(str(error)) from error
    if url.startswith("unix://"):
        raise AddressError("a unix:// URL means a socket of this machine: pods can't reach it")
    if with_ca and not read.tls:
        raise AddressError("caSecretRef goes with a URL for TLS only, such as rediss://")
    if read.topology is Topology.SERVER:
        return _server(url)
    nodes = ",".join(f"{_bracketed(host)}:{port}" for host, port in read.nodes)
    return f"{nodes}/{read.service}" if read.topology is Topology.SENTINEL else nodes


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        # Not the parser's own words: it quotes the part of the URL that it can't read.
        raise AddressError("host and port can't be read: in a password, / @ and : are percent-encoded") from None
    if not host:
        raise AddressError("the URL names no host")
    return f"{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
