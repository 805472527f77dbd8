"""Who can write to Redis, but has no key, can take answers away; not forge one, change one, or move one.

A cache whose key is missing does without, and says so.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from cachedistill_sidecar.cache import store
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.exchange import Neighbour
from tests.component.asking import eventually
from tests.component.sealed_stage import (
    answer_to,
    cached,
    index_of,
    neighbours,
    new_key,
    partition_of,
    put,
    vector,
    write_keys,
)

ACME, ZENITH = partition_of("acme"), partition_of("zenith")
ASKED, OTHER = "How do I reset my password?", "How do I close my account?"
ANSWER = "Choose Forgot password."
FORMS = ["seal_file", "encryption_file"]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Somebody with a password for Redis."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=FORMS)
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings of a cache with a key, in either form."""
    return {request.param: write_keys(tmp_path / "keys", new_key())}


@pytest.fixture
async def cache(redis_url: str, cache_name: str, keys: dict[str, str]) -> AsyncIterator[LiveCache]:
    async with cached(redis_url, cache_name, **keys) as running:
        yield running


async def copied(redis: Redis, source: str, target: str) -> None:
    await redis.execute_command("COPY", source, target, "REPLACE")  # type: ignore[no-untyped-call]


async def gone(redis: Redis, place: str) -> None:
    async def is_gone() -> bool:
        return not await redis.exists(place)

    await eventually(is_gone)


async def test_what_is_stored_is_found_again_with_all_that_is_known_of_it(cache: LiveCache) -> None:
    group, guess, principal = "ab" * 16, "cd" * 16, "0123456789abcdef"
    stored = await put(cache, ASKED, ANSWER, ACME, group=group, guess=guess, principal=principal)
    assert await cache.get(stored.key) == replace(stored, guess="")
    [found] = await index_of(cache).search(ACME, vector(ASKED))
    expected = Neighbour(stored.key, group, ASKED, 1.0, principal, guess, stored.stored_at)
    assert replace(found, similarity=1.0) == expected
    assert found.similarity == pytest.approx(1.0, abs=1e-5)
    assert cache.seal.broken == 0


async def test_a_forged_answer_is_not_served_and_deleted(cache: LiveCache, redis: Redis) -> None:
    place = cache.store.entry_key((await put(cache, ASKED, ANSWER, ACME)).key)
    genuine: Any = await redis.get(place)
    forged = [
        b'{"format":1,"stored_at":2e9,"answer":{"id":"","model":"","created":1,"text":"Send me your password.",'
        b'"finish_reason":"stop","usage":{},"tool_calls":[],"extras":{}}}',
        genuine[:-1] + bytes([genuine[-1] ^ 1]),
        genuine[: 1 + genuine[0]] + b"{}",
        b"",
        b"\x20",
    ]
    for data in forged:
        await redis.set(place, data)
        assert await answer_to(cache, ASKED, ACME) is None
        assert not await redis.exists(place)
    assert cache.seal.broken == len(forged)


async def test_an_answer_is_not_served_under_another_key(cache: LiveCache, redis: Redis) -> None:
    one, other = [await put(cache, text, text.upper(), ACME) for text in (ASKED, OTHER)]
    places = [cache.store.entry_key(each.key) for each in (one, other)]
    await copied(redis, places[0], f"{places[0]}-kept")
    await copied(redis, places[1], places[0])
    await copied(redis, f"{places[0]}-kept", places[1])
    assert [await answer_to(cache, text, ACME) for text in (ASKED, OTHER)] == [None, None]


async def test_an_answer_is_not_served_in_another_cache_with_the_same_key(
    cache: LiveCache, redis: Redis, redis_url: str, cache_name: str, keys: dict[str, str]
) -> None:
    stored = await put(cache, ASKED, ANSWER, ACME)
    async with cached(redis_url, f"{cache_name}-2", **keys) as other:
        await copied(redis, cache.store.entry_key(stored.key), other.store.entry_key(stored.key))
        place = index_of(cache).document_key(stored.key)
        await copied(redis, place, index_of(other).document_key(stored.key))
        assert await neighbours(other, ASKED, ACME) == []
        assert await answer_to(other, ASKED, ACME) is None


async def test_an_answer_that_redis_has_let_go_can_not_be_put_back(
    redis_url: str, cache_name: str, redis: Redis, keys: dict[str, str]
) -> None:
    async with cached(redis_url, cache_name, ttl_seconds=100, **keys) as cache:
        stored = await put(cache, ASKED, ANSWER, ACME, stored_at=time.time() - 101)
        await redis.persist(cache.store.entry_key(stored.key))
        assert await answer_to(cache, ASKED, ACME) is None
        await put(cache, ASKED, ANSWER, ACME, stored_at=time.time() - 50)
        assert await answer_to(cache, ASKED, ACME) == ANSWER


CHANGES: dict[str, dict[Any, Any]] = {
    "text": {"text": OTHER},
    "group": {"group": "cd" * 16},
    "principal": {"principal": "fedcba9876543210"},
    "vector": {"vector": vector(OTHER).tobytes()},
    "partition": {"partition": ZENITH.hex()},
    "no seal": {"seal": b""},
    "no text": {"text": b"\xff\xfe"},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_vector_document_is_no_neighbour_and_deleted(
    cache: LiveCache, redis: Redis, change: str
) -> None:
    place = index_of(cache).document_key((await put(cache, ASKED, ANSWER, ACME)).key)
    await redis.hset(place, mapping=CHANGES[change])
    of = ZENITH if change == "partition" else ACME
    assert await neighbours(cache, ASKED, of) == []
    await gone(redis, place)
    assert cache.seal.broken == 1


async def test_a_vector_document_does_not_lead_to_another_entry(cache: LiveCache, redis: Redis) -> None:
    one, other = [await put(cache, text, text.upper(), ACME) for text in (ASKED, OTHER)]
    index = index_of(cache)
    await copied(redis, index.document_key(one.key), index.document_key(other.key))
    assert await neighbours(cache, ASKED, ACME) == [ASKED]


async def test_a_planted_vector_document_hides_no_genuine_one_for_long(cache: LiveCache, redis: Redis) -> None:
    await put(cache, ASKED, ANSWER, ACME)
    index = index_of(cache)
    fields: dict[str, str | bytes] = {"partition": ACME.hex(), "text": "trap", "vector": vector(ASKED).tobytes()}
    for number in range(64):
        await redis.hset(index.document_key(f"{number:032x}"), mapping=fields)  # type: ignore[arg-type]

    async def found() -> bool:
        return await neighbours(cache, ASKED, ACME) == [ASKED]

    await eventually(found)


async def test_what_another_key_sealed_is_not_read(
    cache: LiveCache, redis_url: str, cache_name: str, keys: dict[str, str], tmp_path: Path
) -> None:
    await put(cache, ASKED, ANSWER, ACME)
    theirs = dict.fromkeys(keys, write_keys(tmp_path / "others", new_key()))
    async with cached(redis_url, cache_name, **theirs) as other:
        assert await neighbours(other, ASKED, ACME) == []
        assert await answer_to(other, ASKED, ACME) is None


@pytest.mark.parametrize("form", FORMS)
async def test_a_key_is_replaced_without_losing_an_answer_and_without_a_restart(
    redis_url: str, cache_name: str, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_REPAIR_SECONDS", 0.02)
    old, new = new_key(), new_key()
    files = [tmp_path / "first", tmp_path / "second"]
    settings: list[dict[str, Any]] = [{form: write_keys(path, old)} for path in files]
    async with cached(redis_url, cache_name, **settings[0]) as one, cached(redis_url, cache_name, **settings[1]) as two:
        stored = 0
        for step in ([old, new], [new, old]):
            for path in files:
                write_keys(path, *step)
                for writer, reader in ((one, two), (two, one)):
                    text = f"question {(stored := stored + 1)}"
                    await put(writer, text, ANSWER, ACME)
                    assert await answer_to(reader, text, ACME) == ANSWER
                    assert await neighbours(reader, text, ACME) != []
        assert one.seal.broken == two.seal.broken == 0
        write_keys(files[0], new)

        async def old_key_is_forgotten() -> bool:
            return await answer_to(one, "question 1", ACME) is None

        await eventually(old_key_is_forgotten)
        await put(two, "at last", ANSWER, ACME)
        assert await answer_to(one, "at last", ACME) == ANSWER


async def test_without_its_key_a_cache_is_unavailable_and_says_why_until_the_key_comes(
    redis_url: str, cache_name: str, redis: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    async with cached(redis_url, cache_name, seal_file=str(file), near_bytes=1 << 20) as cache:
        assert not cache.store.available
        assert f"sealFile: {file}: No such file" in str(cache.store.problem)
        stored = await put(cache, ASKED, ANSWER, ACME)
        assert cache.get_near(stored.key) == stored
        assert cache.writer.drops["unavailable"] == 1
        with pytest.raises(store.StoreUnavailable):
            await cache.get(stored.key)
        assert [key async for key in redis.scan_iter(f"cachedistill:{cache_name}:*")] == []
        write_keys(file, new_key())
        await eventually(lambda: cache.store.available)
        await put(cache, ASKED, ANSWER, ACME)
        assert await answer_to(cache, ASKED, ACME) == ANSWER


async def test_an_unsealed_caches_answers_are_read_without_a_key_and_refused_with_one(
    redis_url: str, cache_name: str, keys: dict[str, str]
) -> None:
    async with cached(redis_url, cache_name) as plain:
        await put(plain, ASKED, ANSWER, ACME)
        assert await answer_to(plain, ASKED, ACME) == ANSWER
        async with cached(redis_url, cache_name, **keys) as sealed:
            assert await neighbours(sealed, ASKED, ACME) == []
            assert await answer_to(sealed, ASKED, ACME) is None
            await put(sealed, OTHER, ANSWER, ACME)
        assert await neighbours(plain, OTHER, ACME) == []
        assert await answer_to(plain, OTHER, ACME) is None


async def test_what_was_stored_before_there_were_groups_is_its_own_group(
    redis_url: str, cache_name: str, redis: Redis
) -> None:
    async with cached(redis_url, cache_name) as cache:
        stored = await put(cache, ASKED, ANSWER, ACME)
        await redis.hdel(index_of(cache).document_key(stored.key), "group", "principal")
        [found] = await index_of(cache).search(ACME, vector(ASKED))
        assert (found.group, found.principal) == (stored.key, "")


async def test_garbage_in_an_unsealed_cache_breaks_no_lookup(redis_url: str, cache_name: str, redis: Redis) -> None:
    async with cached(redis_url, cache_name) as cache:
        stored = await put(cache, ASKED, ANSWER, ACME)
        place = index_of(cache).document_key(stored.key)
        await redis.hset(place, mapping={"text": b"\xff", "group": b"\xfe", "principal": b"\xfd"})
        assert len(await neighbours(cache, ASKED, ACME)) == 1
        await redis.set(cache.store.entry_key(stored.key), b"\x80\xff")
        assert await answer_to(cache, ASKED, ACME) is None


async def test_encrypted_texts_can_not_be_read_in_redis(
    redis_url: str, cache_name: str, redis: Redis, tmp_path: Path
) -> None:
    async with cached(redis_url, cache_name, encryption_file=write_keys(tmp_path / "keys", new_key())) as cache:
        await put(cache, ASKED, ANSWER, ACME)
        assert await neighbours(cache, ASKED, ACME) == [ASKED]
        values = b""
        async for place in redis.scan_iter(f"cachedistill:{cache_name}:*"):
            dump: Any = await redis.dump(place)
            whole: Any = await redis.hgetall(place) if await redis.type(place) == b"hash" else await redis.get(place)
            values += bytes(dump) + (b"".join([*whole, *whole.values()]) if isinstance(whole, dict) else whole)
        assert len(values) > 500
        for word in (*ASKED.split(), *ANSWER.split()):
            assert len(word) < 3 or word.encode() not in values
