"""The words of queries as small numbers, and how much each says in this deployment.

A word is known by a hash of 14 bits, so that counts of words can be learnt and shared without the words themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from cachedistill_sidecar.policy.lexicon import COMMON_WORDS, FUNCTION_WORDS
from cachedistill_sidecar.policy.reading import read, unspaced

BUCKETS = 1 << 14
# What is known before any query is: as if so many had been seen, with function words in a third of them.
_QUERIES, _FUNCTION, _COMMON = 300.0, 100.0, 10.0
_MOST_WORDS = 64


@lru_cache(maxsize=8192)
def words_of(text: str) -> frozenset[int]:
    """The distinct words of a text, as numbers below BUCKETS; of languages without spaces, the characters."""
    reading = read(text)
    spoken: Iterable[str] = reading.vocabulary
    if unspaced(reading.lower):
        spoken = {part for word in spoken for part in (word if unspaced(word) else (word,))}
    return frozenset([_number(word) for word in spoken][:_MOST_WORDS])


def _number(word: str) -> int:
    return crc32(word.encode("utf8", "replace")) % BUCKETS


@dataclass(frozen=True, slots=True)
class Weights:
    """What each word says: log(queries / queries with the word), the inverse document frequency."""

    of: Sequence[float]
    most: float


def weights(queries: float, counts: Iterable[float]) -> Weights:
    """Weights after `queries` queries, of which `counts[word]` have each word."""
    whole = math.log(queries + _QUERIES)
    of = [whole - math.log(count + known) for count, known in zip(counts, _KNOWN, strict=True)]
    return Weights(of, whole)


def _known() -> list[float]:
    known = [1.0] * BUCKETS
    for words, count in ((COMMON_WORDS, _COMMON), (FUNCTION_WORDS, _FUNCTION)):
        for word in words:
            known[_number(word)] = count
    return known


_KNOWN = _known()

NO_WEIGHTS = weights(0.0, [0.0] * BUCKETS)
"""Before there are queries."""
