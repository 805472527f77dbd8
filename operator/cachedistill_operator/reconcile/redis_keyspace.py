"""What belongs to a cache in Redis, and how it goes: keys under one prefix, and vector indexes over some of them.

One server, a primary behind Sentinels and a Cluster answer alike; in a Cluster an index is on the shard of its name.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoPermissionError, ResponseError

from cachedistill_operator.reconcile.redis_connections import Client

# 2,000 keys take Redis less than a millisecond, which no sidecar notices.
_SCAN_COUNT = 2000
_UNLINK_COUNT = 500


async def used_bytes(client: Client) -> int:
    """Memory in use, of all primaries. Raises RedisError."""
    told = _by_node(client, await client.info("memory", **await _everywhere(client)))
    return sum(int(info["used_memory"]) for info in told)


async def count(client: Client, pattern: str) -> int:
    """How many keys match; it goes through all keys there are. Raises RedisError."""
    found = 0
    async for _ in client.scan_iter(match=pattern, count=_SCAN_COUNT):
        found += 1
    return found


async def unlink(client: Client, pattern: str) -> None:
    """Delete the keys that match, a few at a time, the memory being freed aside. Raises RedisError."""
    batch: list[str] = []
    async for key in client.scan_iter(match=pattern, count=_SCAN_COUNT):
        batch.append(key)
        if len(batch) >= _UNLINK_COUNT:
            await client.unlink(*batch)
            batch.clear()
    if batch:
        await client.unlink(*batch)


async def indexes(client: Client, prefix: str) -> frozenset[str] | None:
    """The names of the vector indexes under a prefix; None without a query engine. Raises RedisError."""
    try:
        told = _by_node(client, await client.execute_command("FT._LIST", **await _everywhere(client)))
    except NoPermissionError:
        raise
    except ResponseError as error:
        if "unknown command" in str(error).lower():
            return None
        raise
    return frozenset(name for names in told for name in names if name.startswith(f"{prefix}v:"))


async def drop(client: Client, index: str) -> None:
    """Drop an index, then its vectors: FT.DROPINDEX ... DD would delete them all in one go. Raises RedisError."""
    where = {"target_nodes": [client.get_node_from_key(index)]} if isinstance(client, RedisCluster) else {}
    try:
        await client.execute_command("FT.DROPINDEX", index, **where)
    except ResponseError as error:
        if not any(words in str(error).lower() for words in ("unknown index", "no such index", "unknown command")):
            raise
    await unlink(client, f"{index}:*")


async def wipe(client: Client, prefix: str) -> None:
    """Delete all that a cache has stored. Raises RedisError."""
    for index in await indexes(client, prefix) or ():
        await drop(client, index)
    await unlink(client, f"{prefix}*")


async def _everywhere(client: Client) -> dict[str, Any]:
    """Where what is about no key is asked. Not by the flag for all primaries: redis-py refuses that for FT._LIST."""
    if not isinstance(client, RedisCluster):
        return {}
    await client.initialize()
    return {"target_nodes": client.get_primaries()}


def _by_node(client: Client, told: Any) -> list[Any]:
    """The answers, one a node: a Cluster's client gives them by node's name, unless there is but one."""
    names = {node.name for node in client.get_primaries()} if isinstance(client, RedisCluster) else set()
    return list(told.values()) if isinstance(told, dict) and names and set(told) <= names else [told]
