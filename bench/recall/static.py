"""Caches with one threshold for all: what semantic caches do. Many thresholds are replayed at once.

The nearest stored query answers when its cosine is at least the threshold. What was served is not stored, what was
missed is.
"""

from __future__ import annotations

import inspect

import numpy as np
from numpy.typing import NDArray

from bench.recall.stream import Stream
from bench.recall.tally import Outcomes

FIXED = (0.80, 0.90, 0.95)
GRID = np.round(np.arange(0.70, 1.0, 0.005), 3)
"""What a threshold chosen with hindsight is chosen from."""


def redisvl_threshold() -> float:
    """The least cosine at which RedisVL's SemanticCache serves when nothing is said.

    Its default is a cosine distance, one less the cosine. Its default embedder is another than ours.
    """
    from redisvl.extensions.cache.llm import SemanticCache

    return 1.0 - float(inspect.signature(SemanticCache.__init__).parameters["distance_threshold"].default)


def best(outcomes: list[Outcomes], budget: float) -> Outcomes:
    """The one that served most with at most this share of wrong ones; one that serves nothing if there is none."""
    nothing = np.zeros_like(outcomes[0].served)
    within = [each for each in outcomes if (each.served & ~each.right).sum() <= budget * each.served.sum()]
    return max(within, key=lambda each: int(each.served.sum()), default=Outcomes(nothing, nothing))


def replay(stream: Stream, thresholds: NDArray[np.float64]) -> list[Outcomes]:
    """What a cache of each threshold does on the stream."""
    length, width = len(stream), len(thresholds)
    least = thresholds.astype(np.float32) - np.float32(1e-6)  # float32 products of a text with itself fall short of 1
    known = np.zeros((length + 1, width), np.bool_)
    served, right = np.zeros((length, width), np.bool_), np.zeros((length, width), np.bool_)
    columns = np.arange(width)
    near_enough = (stream.similarities >= least.min()).sum(axis=1)
    for at in range(length):
        count = near_enough[at]
        if count:
            earlier, cosines = stream.earlier[at, :count], stream.similarities[at, :count]
            stored = known[earlier]
            first = stored.argmax(axis=0)
            found = stored[first, columns]
            hit = found & (cosines[first] >= least)
            served[at] = hit
            right[at] = hit & (stream.groups[earlier[first]] == stream.groups[at])
            if count == stream.earlier.shape[1]:
                for column in np.flatnonzero(~found & (cosines[-1] >= least)):
                    served[at, column], right[at, column] = _search_all(stream, known[:at, column], at, least[column])
        known[at] = ~served[at]
    return [Outcomes(served[:, column], right[:, column]) for column in columns]


def _search_all(stream: Stream, known: NDArray[np.bool_], at: int, least: np.float32) -> tuple[bool, bool]:
    """Served, right: where none of the nearest is stored although all are near enough."""
    [stored] = known.nonzero()
    cosines = stream.vectors[stored] @ stream.vectors[at]
    nearest = int(cosines.argmax())
    hit = bool(cosines[nearest] >= least)
    return hit, hit and bool(stream.groups[stored[nearest]] == stream.groups[at])
