"""A stream: queries in the order they come, and for each the most similar ones before it, found exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.recall.orders import Order
from bench.recall.sets import Indices, LabelledSet
from bench.recall.vectors import Vectors

NEAREST = 128
"""So many earlier queries are found for each beforehand; a search that finds too few known among them looks at all."""
_ROWS = 512  # of one product: 50 MB at 24,000 queries


@dataclass(frozen=True, slots=True)
class Stream:
    """Queries in time order: `groups` int32 [n] is what is right for each, `vectors` float32 [n, d] of unit norm.

    `earlier` int32 [n, NEAREST] holds the positions of the most similar earlier queries by falling similarity, -1
    where there are fewer; `similarities` float32, the same shape. `planted` bool [n]: queries of an attacker, whose
    stored answers are wrong for everybody and which don't count. `principals`: who asks.
    """

    texts: tuple[str, ...]
    groups: Indices
    vectors: Vectors
    earlier: Indices
    similarities: Vectors
    planted: NDArray[np.bool_]
    principals: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def answered_by(self, groups: Indices) -> Stream:
        """The same queries with other right answers."""
        return replace(self, groups=groups)


def stream(labelled: LabelledSet, vectors: Vectors, order: Order, seed: int, principals: int = 20) -> Stream:
    """The set in this order, asked by so many principals at random."""
    ordered = vectors[order]
    earlier, similarities = nearest_earlier(ordered, NEAREST)
    asking = np.random.default_rng(seed).integers(1, principals + 1, size=len(order))
    return Stream(
        texts=tuple(labelled.texts[at] for at in order),
        groups=labelled.groups[order],
        vectors=ordered,
        earlier=earlier,
        similarities=similarities,
        planted=np.zeros(len(order), np.bool_),
        principals=tuple(f"{number:016x}" for number in asking),
    )


def nearest_earlier(vectors: Vectors, count: int) -> tuple[Indices, Vectors]:
    """The positions and cosines of the `count` most similar earlier rows of each row, by falling cosine; -1 for none.

    Exact: a matrix product for each block of rows.
    """
    length = len(vectors)
    earlier = np.full((length, count), -1, np.int32)
    similarities = np.full((length, count), -1.0, np.float32)
    for begin in range(0, length, _ROWS):
        end = min(length, begin + _ROWS)
        products = vectors[begin:end] @ vectors[:end].T
        products[:, begin:][np.triu_indices(end - begin)] = -np.inf  # itself and later ones
        kept = min(count, end)
        found = np.argpartition(products, end - kept, axis=1)[:, end - kept :]
        cosines = np.take_along_axis(products, found, 1)
        falling = np.argsort(-cosines, axis=1, kind="stable")
        found, cosines = np.take_along_axis(found, falling, 1), np.take_along_axis(cosines, falling, 1)
        there = np.isfinite(cosines)
        earlier[begin:end, :kept] = np.where(there, found, -1)
        similarities[begin:end, :kept] = np.where(there, cosines, -1.0)
    return earlier, similarities


class Known:
    """The queries of a stream whose answers are known to a cache, and the most similar of them to a query."""

    def __init__(self, of: Stream) -> None:
        self._stream = of
        self._known = np.zeros(len(of) + 1, np.bool_)  # the last is for -1
        self._positions = np.empty(len(of), np.int32)
        self._vectors = np.empty_like(of.vectors)
        self._count = 0

    def add(self, at: int) -> None:
        """The answer to the query at this position is known from now on."""
        self._known[at] = True
        self._positions[self._count] = at
        self._vectors[self._count] = self._stream.vectors[at]
        self._count += 1

    def remove(self, at: int) -> None:
        """It isn't any more."""
        self._known[at] = False

    def nearest(self, at: int, count: int) -> tuple[Indices, Vectors]:
        """Positions and cosines of at most `count` known queries by falling cosine, as Redis would find them."""
        earlier = self._stream.earlier[at]
        [known] = self._known[earlier].nonzero()
        if len(known) >= min(count, self._count):
            known = known[:count]
            return earlier[known], self._stream.similarities[at, known]
        return self._all(at, count)

    def _all(self, at: int, count: int) -> tuple[Indices, Vectors]:
        positions = self._positions[: self._count]
        products = self._vectors[: self._count] @ self._stream.vectors[at]
        products[~self._known[positions]] = -np.inf
        if count < self._count:
            found = np.argpartition(products, self._count - count)[self._count - count :]
        else:
            found = np.arange(self._count)
        found = found[np.argsort(-products[found], kind="stable")]
        found = found[np.isfinite(products[found])]
        return positions[found], products[found]
