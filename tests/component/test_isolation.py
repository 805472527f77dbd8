"""Nothing of one tenant is found by another, whatever names they give themselves."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from cachedistill_sidecar.cache.entry import decode
from cachedistill_sidecar.cache.key import key
from cachedistill_sidecar.cache.live import LiveCache
from cachedistill_sidecar.dialects import dialect_of
from cachedistill_sidecar.exchange import Exchange
from cachedistill_sidecar.path.guard import guard
from cachedistill_sidecar.route import Route
from tests.component.sealed_stage import cached, index_of, new_key, put, vector, write_keys
from tests.routes import route_document
from tests.unit.owners import Owner, lookalikes, owners, partition_of

TEXT = "What is my balance?"
CHAT = "/v1/chat/completions"
BATCH = 5000
PER_USER = {"scope": "User", "tenantHeader": "x-tenant", "userHeader": "x-user"}


def answer_for(owner: Owner) -> str:
    """What only its owner may read; no two owners have the same."""
    return f"Only for {owner!r}."


@pytest.mark.parametrize("form", [None, "seal_file", "encryption_file"])
async def test_no_tenants_lookup_finds_anothers_answer(
    redis_url: str, cache_name: str, tmp_path: Path, form: str | None
) -> None:
    """All have asked the very same, so that nothing but the partition tells their answers apart."""
    keys = {form: write_keys(tmp_path / "keys", new_key())} if form is not None else {}
    random = Random(5)
    stored = owners(200, random)
    asking = [other for owner in stored for other in random.sample(list(lookalikes(owner)), 5)]
    async with cached(redis_url, cache_name, **keys) as cache:
        for owner in stored:
            await put(cache, TEXT, answer_for(owner), partition_of(owner))
        answered = 0
        for owner in (*stored, *asking):
            of = partition_of(owner)
            found = await index_of(cache).search(of, vector(TEXT))
            entry = await cache.get(key(of, TEXT))
            assert [each.entry for each in found] == ([key(of, TEXT)] if entry is not None else [])
            assert entry is None or entry.answer.text == answer_for(owner)
            assert (entry is not None) == (owner in stored)
            answered += entry is not None
        assert 200 <= answered < 400
        assert cache.seal.broken == 0


async def test_of_a_million_lookups_by_lookalikes_none_finds_anothers_answer(redis_url: str, cache_name: str) -> None:
    """A thousand owners have asked the very same; each look-alike asks Redis itself, by the key that it would have."""
    stored = owners(1000, Random(5))
    known = set(stored)
    lookups = islice((other for owner in stored for other in lookalikes(owner)), 1_000_000)
    asked = hits = 0
    async with cached(redis_url, cache_name) as cache:
        for owner in stored:
            await put(cache, TEXT, answer_for(owner), partition_of(owner))
        while batch := list(islice(lookups, BATCH)):
            asked += len(batch)
            for owner, answer in zip(batch, await read(cache, batch), strict=True):
                assert answer == (answer_for(owner) if owner in known else None)
                hits += answer is not None
    assert asked == 1_000_000
    # Each owner is among its own look-alikes: what is there is found.
    assert hits >= len(stored)


async def read(cache: LiveCache, asking: list[Owner]) -> list[str | None]:
    """What each of them finds."""
    keys = [key(partition_of(owner), TEXT) for owner in asking]
    found: Any = await cache.store.client.mget([cache.store.entry_key(each) for each in keys])
    return [None if data is None else decode(each, data).answer.text for each, data in zip(keys, found, strict=True)]


async def test_two_askers_have_the_same_key_only_if_their_headers_and_namespace_are_the_same(
    redis_url: str, cache_name: str
) -> None:
    """From the headers of a request, as the path does it. Who names no tenant or user has no key at all."""
    asking = {other for owner in owners(60, Random(5)) for other in islice(lookalikes(owner), 700)}
    whose: dict[str, Owner] = {}
    async with cached(redis_url, cache_name) as cache:
        document = route_document("http://127.0.0.1:1", redis_url=redis_url, cache=cache_name, cache_settings=PER_USER)
        cache.document = document.caches[0]
        routes = {name: Route(document.model_copy(update={"namespace": name})) for name, _, _ in asking}
        for owner in asking:
            exchange = asked_by(owner, routes[owner[0]], cache)
            await guard(exchange, cast("Any", None))
            assert bool(exchange.key) == bool(owner[1] and owner[2])
            if exchange.key:
                assert whose.setdefault(exchange.key, owner) == owner
    assert len(whose) > 10_000


def asked_by(owner: Owner, route: Route, cache: LiveCache) -> Exchange:
    """A request whose headers name the owner, when the route's rule has taken it."""
    dialect = dialect_of("POST", CHAT)
    assert dialect is not None
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": TEXT}]}
    rule = route.document.rules[0]
    return Exchange(
        method="POST",
        path=CHAT,
        query_string="",
        headers=CIMultiDict({"x-tenant": owner[1], "x-user": owner[2]}),
        started=0.0,
        route=route,
        trace=cast("Any", None),
        lap=cast("Any", None),
        dialect=dialect,
        query=dialect.query(body, CHAT, "", {}),
        rule=rule,
        fallbacks=route.fallbacks(rule, dialect.provider),
        cache=cache,
    )
