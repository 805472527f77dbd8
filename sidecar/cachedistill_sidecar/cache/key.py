"""Keys of the cache: digests that are equal only when the answer must be.

A partition is everything that must be equal before two texts may even be compared; a key is a partition and a text.
BLAKE2b over length-prefixed fields, 128 bits.
"""

from __future__ import annotations

from hashlib import blake2b

# Part of every partition: a change of what `Query.shape` or an entry means makes old entries unreachable.
VERSION = b"1"


def framed(*fields: bytes) -> bytes:
    """One byte string that differs when any field differs, whatever is moved from one field to its neighbour."""
    return b"".join([len(field).to_bytes(8, "big") + field for field in fields])


def digest(*fields: bytes) -> bytes:
    """16 bytes that differ when any field differs."""
    return blake2b(framed(*fields), digest_size=16).digest()


def partition(owner: tuple[str, ...], cache: str, model: str, shape: bytes) -> bytes:
    """The hard key of a cache entry: whose it is, which cache, which model answers, and the request's shape."""
    # Header values may hold bytes that are no UTF-8; aiohttp brings them as lone surrogates.
    return digest(VERSION, *(part.encode(errors="surrogateescape") for part in (*owner, cache, model)), shape)


def key(of_partition: bytes, text: str | None) -> str:
    """The exact key, in hex, of a text (or of a request without one) in a partition."""
    return digest(of_partition, b"" if text is None else b"=" + text.encode()).hex()
