"""The near cache holds what was used last, within its bytes and for a short while."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.cache.entry import Entry, Undecodable, decode
from cachedistill_sidecar.cache.near import LIFETIME_SECONDS, NearCache
from cachedistill_sidecar.exchange import Answer, FinishReason, ToolCall, Usage

ANSWER = Answer(
    "id", "gpt-4o", 1, "Yes.", FinishReason.STOP, Usage(3, output=2), (ToolCall("c", "look", "{}"),), {"x": 1}
)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


DATA = bytes(500)


def test_an_entry_is_found_until_its_lifetime_is_over() -> None:
    clock = Clock()
    near = NearCache(10_000, clock)
    near.put("a", DATA, lifetime=5)
    clock.now = 4.9
    assert near.get("a") is not None
    clock.now = 5.0
    assert near.get("a") is None
    assert (len(near), near.bytes) == (0, 0)


def test_no_entry_stays_longer_than_the_near_caches_own_limit() -> None:
    clock = Clock()
    near = NearCache(10_000, clock)
    near.put("a", DATA, lifetime=10 * LIFETIME_SECONDS)
    clock.now = LIFETIME_SECONDS
    assert near.get("a") is None


def test_an_entry_whose_time_is_over_is_not_kept_at_all() -> None:
    near = NearCache(10_000)
    near.put("a", DATA, lifetime=-1.0)
    assert len(near) == 0


def test_the_one_used_longest_ago_makes_room() -> None:
    near = NearCache(2000)
    for key in ("a", "b"):
        near.put(key, DATA)
    near.get("a")
    near.put("c", DATA)
    assert [near.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]


def test_what_is_larger_than_the_whole_cache_is_not_kept_and_displaces_nothing() -> None:
    near = NearCache(2000)
    near.put("a", DATA)
    near.put("b", bytes(5000))
    assert near.get("a") is not None
    assert near.get("b") is None


def test_an_entry_replaces_its_older_self() -> None:
    near = NearCache(10_000)
    near.put("a", bytes(100))
    near.put("a", bytes(900))
    found = near.get("a")
    assert found is not None
    assert (len(found), len(near)) == (900, 1)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 6000)), max_size=40), st.integers(0, 9000))
def test_it_never_holds_more_than_its_bytes(puts: list[tuple[str, int]], limit: int) -> None:
    near = NearCache(limit)
    for key, size in puts:
        near.put(key, bytes(size))
        assert near.bytes <= limit
    for key, _ in puts:
        near.discard(key)
    assert (near.bytes, len(near)) == (0, 0)


def test_an_entry_survives_being_stored() -> None:
    stored = Entry("k", ANSWER, 12.5).encode()
    assert decode("k", stored) == Entry("k", ANSWER, 12.5)


def test_an_entry_survives_with_its_group_and_principal() -> None:
    entry = Entry("k", ANSWER, 12.5, "g", "0123456789abcdef")
    assert decode("k", entry.encode()) == entry


def test_an_entry_from_before_there_were_groups_is_its_own_group() -> None:
    document = orjson.loads(Entry("k", ANSWER, 12.5).encode())
    del document["group"], document["principal"]
    before = decode("k", orjson.dumps(document))
    assert (before.group, before.principal) == ("k", "")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_entry_are_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable):
        decode("k", data)


@given(st.integers(0, 400), st.binary(max_size=3))
def test_a_damaged_entry_is_undecodable_or_still_an_entry(at: int, junk: bytes) -> None:
    stored = Entry("k", ANSWER, 12.5).encode()
    damaged = stored[:at] + junk + stored[at + 1 :]
    with suppress(Undecodable):
        assert decode("k", damaged).key == "k"
