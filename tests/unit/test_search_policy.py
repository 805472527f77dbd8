"""A partition is searched through the graph when it is large, in number and as a part of the index."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import RedisError

from cachedistill_sidecar.cache.search_policy import Policies


class Sizes:
    """An index; counts how often it was counted."""

    def __init__(self, within: int, whole: int) -> None:
        self.size = (within, whole)
        self.counted = 0
        self.now = 0.0

    async def count(self, _partition: bytes) -> tuple[int, int]:
        self.counted += 1
        if self.size[0] < 0:
            raise RedisError("away")
        return self.size

    def clock(self) -> float:
        return self.now


async def learned(sizes: Sizes) -> str | None:
    policies = Policies(sizes.count, sizes.clock)
    assert policies.of(b"p") is None
    await asyncio.sleep(0.01)
    return policies.of(b"p")


@pytest.mark.parametrize(
    ("within", "whole", "policy"),
    [(20_000, 20_000, "BATCHES"), (3_000, 3_000, None), (5_000, 100_000, None), (50_000, 200_000, "BATCHES")],
)
async def test_the_policy_suits_the_partitions_size(within: int, whole: int, policy: str | None) -> None:
    assert await learned(Sizes(within, whole)) == policy


async def test_a_burst_counts_once_and_a_minute_later_again() -> None:
    sizes = Sizes(10, 10)
    policies = Policies(sizes.count, sizes.clock)
    for _ in range(100):
        policies.of(b"p")
    await asyncio.sleep(0.01)
    assert sizes.counted == 1
    sizes.size, sizes.now = (9_000, 9_000), 61.0
    policies.of(b"p")
    await asyncio.sleep(0.01)
    assert (sizes.counted, policies.of(b"p")) == (2, "BATCHES")


async def test_what_can_not_be_counted_is_left_to_the_query_engine() -> None:
    assert await learned(Sizes(-1, 0)) is None
