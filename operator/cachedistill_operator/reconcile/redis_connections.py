"""The controller's own connections to the caches' Redis: one a cache, kept open between two looks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from cachedistill_operator.api.group import Key
from cachedistill_sidecar.redis_url import RedisUrl, Topology

_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 10.0

Client: TypeAlias = Redis | RedisCluster


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis: `url` is for sidecars, `own_url` for the controller, `ca` the PEM to trust, `endpoint` for people."""

    url: str = field(repr=False)
    own_url: str = field(repr=False)
    ca: str | None
    endpoint: str


@dataclass(slots=True)
class Remembered:
    """A figure that is too dear to be read at each look: its value, or why there is none, and until when it counts."""

    until: float
    value: Any = None
    problem: str | None = None


@dataclass(slots=True)
class Connection:
    """A client, and what was read by it last."""

    server: Server
    client: Client
    ledger: Remembered | None = None
    entries: Remembered | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Connections:
    """Connections by cache. Clients connect when they are first used, and again after the server was away."""

    def __init__(self) -> None:
        self._open: dict[Key, Connection] = {}

    async def to(self, cache: Key, server: Server) -> Connection:
        """The connection of a cache; another one when its server has become another."""
        known = self._open.get(cache)
        if known is not None and known.server == server:
            return known
        await self.forget(cache)
        self._open[cache] = Connection(server, _client(server))
        return self._open[cache]

    def known(self, cache: Key) -> Connection | None:
        """The connection of a cache, if there is one already."""
        return self._open.get(cache)

    async def forget(self, cache: Key) -> None:
        """Close a cache's connection, if there is one."""
        known = self._open.pop(cache, None)
        if known is not None:
            await known.client.aclose()

    async def close(self) -> None:
        """Close all."""
        for cache in list(self._open):
            await self.forget(cache)


def _client(server: Server) -> Client:
    # No retries inside the client: the reconcile itself is what is done again.
    options: dict[str, Any] = {
        "decode_responses": True,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": _ANSWER_SECONDS,
    }
    url = RedisUrl.parse(server.own_url)
    if url.tls and server.ca is not None:
        options["ssl_ca_data"] = server.ca
    if url.topology is Topology.SERVER:
        return Redis.from_url(url.text, **options)
    if url.tls:
        options["ssl"] = True
    options |= {"username": url.username, "password": url.password}
    if url.topology is Topology.CLUSTER:
        return RedisCluster(startup_nodes=[ClusterNode(*node) for node in url.nodes], **options)
    asking = {**options, "username": url.sentinel_username, "password": url.sentinel_password}
    sentinel = Sentinel(url.nodes, sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]
    return cast(Redis, sentinel.master_for(url.service, db=url.database))
