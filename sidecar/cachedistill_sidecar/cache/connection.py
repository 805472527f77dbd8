"""Clients for one server, for a primary that Sentinels know, and for a Cluster: the same few calls for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.asyncio.connection import ConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisClusterException, RedisError

from cachedistill_sidecar.cache.tls import PrimaryTlsConnection, TlsConnection
from cachedistill_sidecar.redis_url import RedisUrl, Topology

_CONNECT_SECONDS = 0.1
# Sentinels and nodes of a Cluster are asked one after another until one knows the others, and what a Cluster's node
# tells takes 20 to 50 ms to read.
_DISCOVERY_SECONDS = 1.0
# A Cluster's client asks who is there now when a node fails by its own judgement; when it is cancelled, it doesn't.
_HUNG_SECONDS = 0.5

Command: TypeAlias = tuple[str | float, ...]
"""A command and its arguments."""


@contextmanager
def _redis_errors() -> Iterator[None]:
    """The client's own errors about Clusters are no RedisError, but a Cluster that can't be asked is one.

    And a command that was about to be written while its connection was dropped ends in an AttributeError.
    """
    try:
        yield
    except (RedisClusterException, AttributeError) as error:
        raise ConnectionError(str(error)) from error


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        with _redis_errors():
            return await super().execute(raise_on_error, allow_redirections)


class Cluster(RedisCluster):
    """A Cluster's client. What isn't about one key goes where `home` is: there is the vector index of the cache.

    The query engine keeps an index on the shard that owns its name, unless it has a coordinator that takes questions
    anywhere. All vectors of a cache share the hash tag of that name, so they are on that shard, and it answers alone.
    """

    def __init__(self, home: str, **options: Any) -> None:
        super().__init__(**options)
        self._home = home
        if options.get("ssl"):
            self.nodes_manager.connection_kwargs["connection_class"] = TlsConnection
            for node in self.nodes_manager.startup_nodes.values():
                node.connection_class = TlsConnection

    def get_default_node(self) -> ClusterNode:
        """The shard of `home`; whichever the client chose while it knows no shard yet. RedisVL asks this one."""
        if not self.nodes_manager.slots_cache:
            return super().get_default_node()
        return self.nodes_manager.get_node_from_slot(self.keyslot(self._home))

    def get_random_node(self) -> ClusterNode:
        """The same: RedisVL asks any node for an index, and only this one has it."""
        return self.get_default_node()

    async def initialize(self, *given: Any, **options: Any) -> RedisCluster:
        """Learn which nodes there are. Raises RedisError."""
        with _redis_errors():
            return await super().initialize(*given, **options)

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """What a command answers. Raises RedisError."""
        with _redis_errors():
            return await super().execute_command(*command, **options)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        """Commands that go together, without being a transaction."""
        return _Pipeline(self)  # type: ignore[abstract]

    async def ping(self, **_: Any) -> bool:
        """Whether every shard is there; a replica that is away doesn't matter."""
        return bool(await self.execute_command("PING", target_nodes=RedisCluster.PRIMARIES))

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:  # type: ignore[override]
        """The values of keys on any shards."""
        return cast("list[bytes | None]", await self.mget_nonatomic(keys))


Client: TypeAlias = Redis | Cluster


def connect(url: RedisUrl, ca_file: str | None, home: str) -> Client:
    """A client that is not connected yet, for byte strings; `home` is a key on the shard with a cache's vectors.

    No retries: a deadline is shorter than any useful pause, and the fallback answers meanwhile.
    """
    options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_connect_timeout": _CONNECT_SECONDS}
    if ca_file is not None:
        options["ssl_ca_certs"] = ca_file
    if url.topology is Topology.SERVER:
        pool: ConnectionPool = ConnectionPool.from_url(url.text, **options)
        return Redis.from_pool(_tls(pool, TlsConnection) if url.tls else pool)
    if url.tls:
        options["ssl"] = True
    user = {"username": url.username, "password": url.password}
    if url.topology is Topology.CLUSTER:
        nodes = [ClusterNode(*node) for node in url.nodes]
        # Of a Cluster, RedisVL reads what FT.INFO answers in the older protocol only.
        return Cluster(home, startup_nodes=nodes, protocol=2, socket_timeout=_HUNG_SECONDS, **user, **options)
    asking = {"username": url.sentinel_username, "password": url.sentinel_password, "socket_timeout": _CONNECT_SECONDS}
    sentinel = Sentinel(url.nodes, sentinel_kwargs=options | asking, **user, **options)  # type: ignore[no-untyped-call]
    primary: Redis = sentinel.master_for(url.service, db=url.database)
    if url.tls:
        _tls(primary.connection_pool, PrimaryTlsConnection)
        for each in sentinel.sentinels:
            _tls(each.connection_pool, TlsConnection)
    return primary


def _tls(pool: ConnectionPool, connection: type[SSLConnection]) -> ConnectionPool:
    pool.connection_class = connection
    return pool


def patience(url: RedisUrl) -> float:
    """Seconds in which a server that is there has answered, connecting included."""
    return _CONNECT_SECONDS if url.topology is Topology.SERVER else _DISCOVERY_SECONDS


async def disconnect(client: Client) -> None:
    """Drop all connections, those to Sentinels too. One that isn't closed in time goes with the process."""
    with suppress(RedisError, OSError):
        await client.aclose()
    pool = getattr(client, "connection_pool", None)
    if isinstance(pool, SentinelConnectionPool):
        with suppress(RedisError, OSError):
            await pool.sentinel_manager.aclose()


async def at_home(client: Client, *command: str | float) -> Any:
    """What a command of the query engine answers, on the shard that has the cache's indexes."""
    if isinstance(client, Cluster):
        await client.initialize()
        return await client.execute_command(*command, target_nodes=[client.get_default_node()])
    return await client.execute_command(*command)  # type: ignore[no-untyped-call]


async def atomically(client: Client, key: str, commands: Sequence[Command]) -> None:
    """Run commands on one key: all of them or, when it raises RedisError or OSError before they are sent, none."""
    if not isinstance(client, Cluster):
        pipeline = client.pipeline(transaction=True)
        for command in commands:
            pipeline.execute_command(*command)
        await pipeline.execute()
        return
    # By hand, since redis-py's transactions in a Cluster start a thread and an event loop for every command.
    await client.exists(key)  # learns where the key is now
    node = client.nodes_manager.get_node_from_slot(client.keyslot(key))
    batch = client.pipeline()
    for command in (("MULTI",), *commands, ("EXEC",)):
        batch.execute_command(*command, target_nodes=[node])
    # Whatever becomes of a command is in the answer to EXEC; before that, the client stumbles over QUEUED.
    *_, done = await batch.execute(raise_on_error=False, allow_redirections=False)
    for reply in done if isinstance(done, list) else [done]:
        if isinstance(reply, Exception):
            raise reply
