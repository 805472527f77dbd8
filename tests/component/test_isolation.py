"""Nothing of one tenant is found by another, whatever names they give themselves."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from cachedistill_sidecar.cache.key import key
from tests.component.sealed_stage import cached, index_of, new_key, put, vector, write_keys
from tests.unit.owners import lookalikes, owners, partition_of

TEXT = "What is my balance?"


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
            await put(cache, TEXT, f"Only for {owner!r}.", partition_of(owner))
        answered = 0
        for owner in (*stored, *asking):
            of = partition_of(owner)
            found = await index_of(cache).search(of, vector(TEXT))
            entry = await cache.get(key(of, TEXT))
            assert [each.entry for each in found] == ([key(of, TEXT)] if entry is not None else [])
            assert entry is None or entry.answer.text == f"Only for {owner!r}."
            assert (entry is not None) == (owner in stored)
            answered += entry is not None
        assert 200 <= answered < 400
        assert cache.seal.broken == 0
