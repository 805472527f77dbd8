"""Another embedding model's index has what the first one's had, sealed for its own place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.cache.building import Builder
from cachedistill_sidecar.cache.indexes import Indexes
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.cache.seal import Seal, Unsealed
from cachedistill_sidecar.cache.semantic import SemanticIndex
from tests.component.sealed_stage import (
    MadeUp,
    cached,
    index_of,
    neighbours,
    new_key,
    partition_of,
    put,
    vector,
    write_keys,
)

ACME = partition_of("acme")
TEXTS = ["How do I reset my password?", "Which trains go to Lisbon?", "How long do I boil an egg?"]
GROUP, ASKER = "ab" * 16, "0123456789abcdef"
OTHER = MadeUp("2" * 64)


@pytest.fixture(params=["seal_file", "encryption_file", None])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    return {request.param: write_keys(tmp_path / "keys", new_key())} if request.param is not None else {}


async def built(cache: LiveCache, seal: Seal) -> SemanticIndex:
    await Builder(cache.store, OTHER, seal, lambda _: None).build("other")
    return SemanticIndex(cache.store, OTHER.digest, OTHER.dimensions, seal)


async def test_groups_and_principals_are_carried_over_and_sealed_anew(
    redis_url: str, cache_name: str, keys: dict[str, Any]
) -> None:
    async with cached(redis_url, cache_name, **keys) as cache:
        for text in TEXTS:
            await put(cache, text, "An answer.", ACME, group=GROUP, principal=ASKER)
        index = await built(cache, cache.seal)
        [batch] = [batch async for batch in Indexes(cache.store).queries(index.prefix, cache.seal)]
        assert sorted((each.text, each.group, each.principal) for each in batch) == [
            (text, GROUP, ASKER) for text in sorted(TEXTS)
        ]
        assert {each.text for each in await index.search(ACME, vector(TEXTS[0]))} == set(TEXTS)
        assert cache.seal.broken == 0


async def test_a_planted_query_is_not_carried_over(redis_url: str, cache_name: str, tmp_path: Path) -> None:
    async with (
        Redis.from_url(redis_url) as redis,
        cached(redis_url, cache_name, seal_file=write_keys(tmp_path / "keys", new_key())) as cache,
    ):
        genuine, planted = [await put(cache, text, "An answer.", ACME) for text in TEXTS[:2]]
        await redis.hset(index_of(cache).document_key(planted.key), "text", "planted")
        await redis.hset(index_of(cache).document_key("f" * 32), mapping={"partition": "no hex", "text": "planted"})
        index = await built(cache, cache.seal)
        assert [each.entry for each in await index.search(ACME, vector(TEXTS[0]))] == [genuine.key]


async def test_without_the_key_nothing_is_carried_over(redis_url: str, cache_name: str, tmp_path: Path) -> None:
    async with cached(redis_url, cache_name, seal_file=write_keys(tmp_path / "keys", new_key())) as cache:
        await put(cache, TEXTS[0], "An answer.", ACME)
        await built(cache, Unsealed())
        assert await Indexes(cache.store).documents(f"{cache.store.vectors}:{OTHER.digest[:12]}") == 0
        assert await neighbours(cache, TEXTS[0], ACME) == [TEXTS[0]]
