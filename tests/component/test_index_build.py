"""Another embedding model finds what was stored under the one before, as soon as its index is built."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cache import indexes
from cachedistill_sidecar.cache.building import Builder
from cachedistill_sidecar.cache.indexes import Indexes, Registered
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.cache.semantic import Vector
from cachedistill_sidecar.edge.embedder import Embedder
from cachedistill_sidecar.local.models import MINILM, prepare_embedder
from tests.component.asking import App, connected, settled
from tests.conftest import StartSidecar
from tests.topologies import sharded

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
QUESTIONS = [ASKED, "Which trains go to Lisbon?", "How long do I boil an egg?"]


@pytest.fixture(scope="module")
def other() -> Iterator[Embedder]:
    """The embedder that a cache changes to."""
    loaded = Embedder.load(prepare_embedder(MINILM))
    yield loaded
    loaded.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def cache(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> LiveCache:
    """A cache with the answers to three questions, under the first model."""
    return await stored(await start_sidecar(semantic=500), http)


async def stored(sidecar: Sidecar, http: aiohttp.ClientSession) -> LiveCache:
    await connected(sidecar)
    for question in QUESTIONS:
        await App(http, sidecar.url).chat(question)
    await settled(sidecar)
    [cache] = sidecar.parts.caches.values()
    return cache


def builder(cache: LiveCache, embedder: Embedder) -> Builder:
    return Builder(cache.store, embedder, cache.seal, lambda _: None)


async def switched(start_sidecar: StartSidecar, **route: object) -> Sidecar:
    """A sidecar whose route names the other model."""
    model = {"model": str(prepare_embedder(MINILM))}
    sidecar = await start_sidecar(semantic=500, cache_settings={"embedding": model, "nearBytes": 0}, **route)
    await connected(sidecar)
    return sidecar


async def test_a_paraphrase_is_served_right_after_the_model_changed(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache: LiveCache, other: Embedder
) -> None:
    built = await builder(cache, other).build(MINILM)
    assert built.embedded == 3
    app = App(http, (await switched(start_sidecar)).url)
    assert (await app.chat(REWORDED)).reason == "similar"


async def test_without_a_build_the_other_model_begins_anew(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache: LiveCache
) -> None:
    app = App(http, (await switched(start_sidecar)).url)
    assert (await app.chat(REWORDED)).reason == "cold"
    assert (await app.chat(ASKED)).reason == "stored"


async def test_the_registry_tells_of_a_complete_index(cache: LiveCache, other: Embedder) -> None:
    assert await Indexes(cache.store).registered() == {}
    built = await builder(cache, other).build(MINILM)
    name = f"{cache.store.vectors}:{other.digest[:12]}"
    assert await Indexes(cache.store).registered() == {MINILM: built.index}
    assert built.index == Registered(name, other.digest, 384, 3)


async def test_a_second_build_finds_nothing_to_do(cache: LiveCache, other: Embedder) -> None:
    await builder(cache, other).build(MINILM)
    again = await builder(cache, other).build(MINILM)
    assert (again.embedded, again.index.documents) == (0, 3)


async def test_a_vector_lives_as_long_as_its_entry(cache: LiveCache, other: Embedder, redis: Redis) -> None:
    [first, *_] = [key async for key in redis.scan_iter(f"{cache.store.prefix}e:*")]
    await redis.expire(first, 500)
    await builder(cache, other).build(MINILM)
    name = f"{cache.store.vectors}:{other.digest[:12]}:{first.decode().rsplit(':', 1)[1]}"
    assert 0 < await redis.ttl(name) <= 500


async def test_a_query_whose_entry_is_gone_stays_out(cache: LiveCache, other: Embedder, redis: Redis) -> None:
    [first, *_] = [key async for key in redis.scan_iter(f"{cache.store.prefix}e:*")]
    await redis.delete(first)
    built = await builder(cache, other).build(MINILM)
    assert (built.embedded, built.index.documents) == (2, 2)


class Watched(Embedder):
    """An embedder that does something before it embeds its second text."""

    def __init__(self, embedder: Embedder, act: Callable[[], Awaitable[None]]) -> None:
        self._embedder, self._act, self._count = embedder, act, 0
        self.digest, self.dimensions = embedder.digest, embedder.dimensions

    async def embed(self, text: str) -> Vector | None:
        self._count += 1
        if self._count == 2:
            await self._act()
        return await self._embedder.embed(text)


async def test_what_is_stored_during_a_build_is_taken_up(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, other: Embedder
) -> None:
    sidecar = await start_sidecar(semantic=500)
    cache = await stored(sidecar, http)

    async def ask() -> None:
        await App(http, sidecar.url).chat("Who wrote the Odyssey?")
        await settled(sidecar)

    built = await builder(cache, Watched(other, ask)).build(MINILM)
    assert built.index.documents == 4


async def test_a_build_that_broke_off_goes_on_where_it_was(
    cache: LiveCache, other: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise RedisError("gone")

    monkeypatch.setattr(indexes, "_BATCH", 1)
    with pytest.raises(RedisError):
        await builder(cache, Watched(other, fail)).build(MINILM)
    assert await Indexes(cache.store).registered() == {}
    built = await builder(cache, other).build(MINILM)
    assert (built.embedded, built.index.documents) == (2, 3)


async def test_another_caches_queries_are_not_taken(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, cache: LiveCache, other: Embedder, cache_name: str
) -> None:
    await stored(await start_sidecar(semantic=500, cache=f"{cache_name}-2"), http)
    built = await builder(cache, other).build(MINILM)
    assert built.index.documents == 3
    assert len(await Indexes(cache.store).names()) == 2


async def test_an_index_is_built_in_a_cluster(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, other: Embedder, tmp_path: Path
) -> None:
    async with sharded(tmp_path / "redis") as cluster:
        cache = await stored(await start_sidecar(redis_url=cluster.url, semantic=500), http)
        built = await builder(cache, other).build(MINILM)
        assert (built.embedded, built.index.documents) == (3, 3)
        app = App(http, (await switched(start_sidecar, redis_url=cluster.url)).url)
        assert (await app.chat(REWORDED)).reason == "similar"
