"""Origin: the host that an intercepted call was meant for, and what that means for the fallbacks that may answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from cachedistill_sidecar.route import Route
from cachedistill_sidecar.route_document import Endpoint, Fallback, Provider


class Misdirected(Exception):
    """An intercepted call for a host that is none of the intercepted ones."""


def origin_of(headers: Mapping[str, str], intercepted: frozenset[str]) -> str:
    """The host in the Host header, if it is an intercepted one. Raises Misdirected."""
    named = headers.get("host", "")
    # No address of IPv6 is among them, so a colon stands before a port.
    host = named.partition(":")[0].lower()
    if host not in intercepted:
        raise Misdirected(f"the Host header {named[:253]!r} names none of {', '.join(sorted(intercepted))}")
    return host


def allowed(fallbacks: Iterable[Fallback], origin: str, intercepted: frozenset[str]) -> tuple[Fallback, ...]:
    """The fallbacks that may see the app's credentials for `origin`.

    One at another intercepted host is another provider, for which the app has another key; it is asked only with a key
    of its own.
    """
    return tuple(
        fallback
        for fallback in fallbacks
        if fallback.credentials_file is not None or _host(fallback) not in intercepted - {origin}
    )


def at_origin(route: Route, origin: str, provider: Provider) -> Fallback:
    """The intercepted host itself, with the key and limits of the route's fallback there, if it has one."""
    endpoint = Endpoint(url=f"https://{origin}", dialect=provider)
    for fallback in route.document.fallbacks:
        known = fallback.endpoint
        if known.dialect is provider and known.url in (endpoint.url, f"{endpoint.url}/v1"):
            return fallback.model_copy(update={"endpoint": endpoint})
    return Fallback(name=origin, endpoint=endpoint)


def _host(fallback: Fallback) -> str | None:
    return urlsplit(fallback.endpoint.url).hostname
