"""Sending one request to one fallback: connection pools, credentials, and what may be tried again."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import isfinite
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.fallback.connections import Connector, on_kept_connection
from cachedistill_sidecar.route_document import Fallback, Provider

log = logging.getLogger(__name__)

# RFC 9110 section 7.6.1, and what the Connection header names beside them; Expect is answered by the sidecar.
_HOP_BY_HOP = frozenset(
    (
        "connection expect keep-alive proxy-authenticate proxy-authorization proxy-connection te transfer-encoding "
        "upgrade"
    ).split()
)
_CREDENTIALS = ("authorization", "x-api-key", "api-key")
_KEEPALIVE_SECONDS = 30


class FallbackFailed(Exception):
    """No usable answer. `sent` says whether the fallback may have done the work all the same."""

    def __init__(self, reason: Reason, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Request:
    """What goes to a fallback. `path` has the query string; a body that is streamed can be sent only once."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes | AsyncIterable[bytes]


class FallbackClient:
    """One connection pool for all fallbacks. `roots` verifies them, `resolver` finds them; absent: aiohttp's own."""

    def __init__(self, *, roots: ssl.SSLContext | None = None, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver
        self._session = aiohttp.ClientSession(
            connector=Connector(
                limit=0,
                keepalive_timeout=_KEEPALIVE_SECONDS,
                ttl_dns_cache=30,
                ssl=True if roots is None else roots,
                resolver=resolver,
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
            # Looking for a proxy costs 0.1 ms a call, so only where one is set.
            trust_env=any(name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name in os.environ),
            max_line_size=65536,
            max_field_size=65536,
        )
        self._resting: dict[str, float] = {}

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    def rests(self, fallback: Fallback) -> bool:
        """Whether a fallback has asked to be left alone for now (Retry-After)."""
        return self._resting.get(fallback.name, 0.0) > time.monotonic()

    async def send(self, fallback: Fallback, request: Request) -> aiohttp.ClientResponse:
        """Send a request; the response's body is still to be read. Raises FallbackFailed before the first byte."""
        on_kept_connection.set(False)
        limits = fallback.timeouts
        try:
            async with asyncio.timeout(limits.first_byte_seconds):
                response = await self._session.request(
                    request.method,
                    endpoint_url(fallback.endpoint.url, request.path),
                    headers=_with_credentials(fallback, request.headers),
                    # Not b"": aiohttp would add a content-length of 0 to a GET.
                    data=request.body or None,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_seconds),
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise FallbackFailed(Reason.TIMEOUT, f"{fallback.name}: no connection in time", sent=False) from error
        except TimeoutError as error:
            seconds = limits.first_byte_seconds
            raise FallbackFailed(Reason.TIMEOUT, f"{fallback.name}: no answer in {seconds} s", sent=True) from error
        except aiohttp.ClientConnectorError as error:
            raise FallbackFailed(Reason.UNREACHABLE, f"{fallback.name}: {error}", sent=False) from error
        except (aiohttp.ClientError, OSError) as error:
            # A kept connection that the other side had closed meanwhile: it never saw the request.
            closed = isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError)
            stale = closed and on_kept_connection.get()
            message = f"{fallback.name}: {error or type(error).__name__}"
            raise FallbackFailed(Reason.UNREACHABLE, message, sent=not stale) from error
        self._note_retry_after(fallback, response)
        return response

    def websocket(self, fallback: Fallback, request: Request) -> aiohttp.client._WSRequestContextManager:
        """Open a websocket at a fallback."""
        headers = _with_credentials(fallback, request.headers)
        protocols = [part.strip() for part in headers.popall("sec-websocket-protocol", []) for part in part.split(",")]
        for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
            del headers[name]
        url = endpoint_url(fallback.endpoint.url, request.path)
        return self._session.ws_connect(url, headers=headers, protocols=protocols, max_msg_size=0)

    def _note_retry_after(self, fallback: Fallback, response: aiohttp.ClientResponse) -> None:
        if response.status in (429, 503, 529) and (seconds := retry_after(response.headers)):
            self._resting[fallback.name] = time.monotonic() + seconds


async def body_of(response: aiohttp.ClientResponse, silence_seconds: float) -> AsyncIterator[bytes]:
    """A response's raw chunks. Raises FallbackFailed where it breaks off or falls silent."""
    content = response.content
    while True:
        try:
            if content.is_eof():
                chunk = await content.readany()
            else:
                async with asyncio.timeout(silence_seconds):
                    chunk = await content.readany()
        except TimeoutError as error:
            raise FallbackFailed(Reason.TIMEOUT, f"silent for {silence_seconds} s", sent=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise FallbackFailed(Reason.CUT, f"the answer broke off: {error}", sent=True) from error
        if not chunk:
            return
        yield chunk


def forwarded(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """End-to-end headers: a copy without those of one connection, the host and CacheDistill's own."""
    lines = [value for name, value in headers.items() if name.lower() == "connection"]
    named = {part.strip().lower() for line in lines for part in line.split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        if (
            lower not in _HOP_BY_HOP
            and lower not in named
            and lower != "host"
            and not lower.startswith("x-cachedistill-")
        ):
            kept.add(name, value)
    return kept


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from Retry-After (seconds or a date, RFC 9110 section 10.2.3) or OpenAI's retry-after-ms."""
    try:
        if "retry-after-ms" in headers:
            milliseconds = float(headers["retry-after-ms"])
            return max(0.0, milliseconds / 1000) if isfinite(milliseconds) else None
        value = headers["retry-after"]
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (KeyError, ValueError):
        return None


def endpoint_url(base: str, path: str) -> URL:
    """A path at an endpoint. A base that already ends in /v1, as SDKs want it, is understood too."""
    if base.endswith("/v1") and path.startswith("/v1/"):
        base = base.removesuffix("/v1")
    return URL(base + path, encoded=True)


def _with_credentials(fallback: Fallback, headers: CIMultiDict[str]) -> CIMultiDict[str]:
    if fallback.credentials_file is None:
        return headers
    try:
        key = Path(fallback.credentials_file).read_text("utf8").strip()
    except OSError as error:
        log.error("fallback %s: credentialsFile: %s; the app's own credentials are used", fallback.name, error)
        return headers
    headers = headers.copy()
    for name in _CREDENTIALS:
        headers.popall(name, None)
    match fallback.endpoint.dialect:
        case Provider.ANTHROPIC:
            headers["x-api-key"] = key
        case Provider.AZURE_OPENAI:
            headers["api-key"] = key
        case _:
            headers["Authorization"] = f"Bearer {key}"
    return headers
