"""Keys of the cache are equal only when all that they are made of is."""

from __future__ import annotations

from itertools import islice
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from cachedistill_sidecar.cache.key import digest, framed, key, partition
from tests.unit.owners import lookalikes, owners, partition_of

# Header values may hold bytes that are no UTF-8, which come as lone surrogates.
NAME = st.binary(max_size=12).map(lambda raw: raw.decode(errors="surrogateescape"))
TEXT = st.text(max_size=12)
OWNER = st.tuples(NAME, NAME, NAME)
PARTITION = st.tuples(OWNER, TEXT, TEXT, st.binary(max_size=12))


@given(PARTITION, PARTITION)
def test_partitions_are_equal_exactly_when_all_their_parts_are(
    left: tuple[tuple[str, ...], str, str, bytes], right: tuple[tuple[str, ...], str, str, bytes]
) -> None:
    assert (partition(*left) == partition(*right)) == (left == right)


def test_a_million_lookups_by_lookalikes_find_no_other_owners_partition() -> None:
    stored = owners(1000, Random(5))
    partitions = {partition_of(owner): owner for owner in stored}
    assert len(partitions) == 1000
    lookups = islice((other for owner in stored for other in lookalikes(owner)), 1_000_000)
    others = [(other, partitions.get(partition_of(other), other)) for other in lookups]
    assert len(others) == 1_000_000
    assert [pair for pair in others if pair[0] != pair[1]] == []


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_framed_fields_are_equal_exactly_when_the_fields_are(left: list[bytes], right: list[bytes]) -> None:
    assert (framed(*left) == framed(*right)) == (left == right)


@given(st.binary(max_size=8), st.binary(max_size=8), st.integers(0, 8))
def test_what_moves_from_one_field_to_its_neighbour_changes_the_digest(left: bytes, right: bytes, cut: int) -> None:
    whole = left + right
    assume(whole[:cut] != left)
    assert digest(left, right) != digest(whole[:cut], whole[cut:])


@given(st.binary(min_size=16, max_size=16), TEXT, TEXT)
def test_keys_of_a_partition_are_equal_exactly_when_their_texts_are(of: bytes, left: str, right: str) -> None:
    assert (key(of, left) == key(of, right)) == (left == right)
    assert key(of, left) != key(of, None)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), TEXT)
def test_a_text_has_another_key_in_another_partition(left: bytes, right: bytes, text: str) -> None:
    assert (key(left, text) == key(right, text)) == (left == right)


@given(PARTITION, TEXT)
def test_a_key_is_hexadecimal(parts: tuple[tuple[str, ...], str, str, bytes], text: str) -> None:
    assert len(bytes.fromhex(key(partition(*parts), text))) == 16
