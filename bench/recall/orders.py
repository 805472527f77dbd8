"""Five orders in which the same queries may come: what a policy learns from depends on what came before.

A group of one member has no popularity and no season: such queries lie anywhere in all orders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Order = NDArray[np.intp]
Groups = NDArray[np.integer[Any]]

_ZIPF = 1.0
_SEASON = 0.08  # standard deviation of a group's queries around its middle, as a share of the stream
_RUN = 8  # queries of one group in a row, on average


def shuffled(groups: Groups, random: Generator) -> Order:
    """Any order is as likely as another."""
    return random.permutation(len(groups))


def popular_first(groups: Groups, random: Generator) -> Order:
    """Drawn one after the other by Zipf's weights of their groups: popular ones run out, rare ones are left."""
    sizes = np.bincount(groups)
    weights = 1.0 / (random.permutation(len(sizes)) + 1.0) ** _ZIPF
    several = np.flatnonzero(sizes > 1)
    if len(several):
        weights[several] = 1.0 / (random.permutation(len(several)) + 1.0) ** _ZIPF
        single = np.flatnonzero(sizes == 1)
        weights[single] = random.choice(weights[several], len(single))
    # The largest of logarithm + Gumbel noise comes first: that is drawing by weight without replacement.
    return np.argsort(-(np.log(weights[groups]) + random.gumbel(size=len(groups))))


def blocks(groups: Groups, random: Generator) -> Order:
    """All queries of one group, then those of the next."""
    turns = random.permutation(int(groups.max()) + 1)
    return np.lexsort((random.random(len(groups)), turns[groups]))


def seasons(groups: Groups, random: Generator) -> Order:
    """Each group has a time of its own, around which its queries lie."""
    middles = random.random(int(groups.max()) + 1)
    return np.argsort(middles[groups] + _SEASON * random.standard_normal(len(groups)))


def bursts(groups: Groups, random: Generator) -> Order:
    """Runs of one group, of geometric length, in any order."""
    order = blocks(groups, random)
    begins = np.flatnonzero((np.diff(groups[order], prepend=-1) != 0) | (random.random(len(order)) < 1 / _RUN))
    runs = np.split(order, begins[1:])
    return np.concatenate([runs[at] for at in random.permutation(len(runs))])


ORDERS: dict[str, Callable[[Groups, Generator], Order]] = {
    "shuffled": shuffled,
    "popular_first": popular_first,
    "blocks": blocks,
    "seasons": seasons,
    "bursts": bursts,
}
