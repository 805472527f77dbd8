"""Streams that put a budget to the test: the world changes, the judge errs, somebody poisons, all is new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.recall.sets import LabelledSet
from bench.recall.stream import Stream
from bench.recall.tally import Flags, Outcomes

NOISE = 0.05
"""The share of the judge's verdicts that are flipped."""
PLANTED = 0.005
"""The share of an attacker's queries among all."""
COLD_QUERIES, COLD_GROUPS = 1600, 600
TRAILING = 200
"""Served answers over which recovery from a change is looked at."""
_ATTACKER = "f" * 16
_CONFIDENCE = 0.999


def changed_halfway(stream: Stream, seed: int) -> Stream:
    """From the middle on, the answers of all groups with several members are those of others, none keeps its own."""
    several = np.flatnonzero(np.bincount(stream.groups) > 1)
    turn = np.random.default_rng(seed).permutation(several)
    other = np.arange(int(stream.groups.max()) + 1, dtype=np.int32)
    other[turn] = np.roll(turn, 1)
    half = len(stream) // 2
    return stream.answered_by(np.concatenate([stream.groups[:half], other[stream.groups[half:]]]))


def answers_to_recover(outcomes: Outcomes, budget: float) -> int:
    """Served answers after the middle until the last TRAILING of them are inside the budget, and stay so.

    A window is outside when so many wrong ones would come by chance once in a thousand windows at the budget itself:
    at 1 %, of 200 answers more than 8. (With more than 2, which is the share itself, every third window of a cache
    that keeps its budget exactly would be outside.)
    """
    half = len(outcomes.served) // 2
    wrong = ~outcomes.right[half:][outcomes.served[half:]]
    return _last_outside(wrong, most_wrong(TRAILING, budget))


def most_wrong(count: int, budget: float) -> int:
    """The quantile of the binomial distribution: so many wrong answers of `count`, or fewer, are no surprise."""
    chance = term = (1 - budget) ** count
    number = 0
    while chance < _CONFIDENCE:
        term *= (count - number) / (number + 1) * budget / (1 - budget)
        number += 1
        chance += term
    return number


def _last_outside(wrong: Flags, allowed: int) -> int:
    """How many were served when the trailing window was outside last; 0 if never."""
    before = np.concatenate([np.zeros(TRAILING, np.int64), np.cumsum(wrong)])
    outside = np.flatnonzero(before[TRAILING:] - before[: len(wrong)] > allowed)
    return int(outside[-1]) + 1 if len(outside) else 0


def poisoned(stream: Stream, seed: int) -> Stream:
    """A share of PLANTED of the queries are an attacker's; they all get one answer, wrong for everybody else."""
    random = np.random.default_rng(seed)
    which = np.zeros(len(stream), np.bool_)
    which[random.choice(len(stream), max(1, round(PLANTED * len(stream))), replace=False)] = True
    return replace(
        stream,
        groups=np.where(which, stream.groups.max() + 1, stream.groups).astype(np.int32),
        planted=which,
        principals=tuple(_ATTACKER if evil else who for evil, who in zip(which, stream.principals, strict=True)),
    )


def cold(labelled: LabelledSet, seed: int) -> LabelledSet:
    """COLD_QUERIES of the set in COLD_GROUPS groups, in any order: some of each group with several members, and
    single ones. Raises ValueError when the set has too few.
    """
    random = np.random.default_rng(seed)
    sizes = np.bincount(labelled.groups)
    several = np.flatnonzero(sizes > 1)
    single = random.choice(np.flatnonzero(sizes[labelled.groups] == 1), COLD_GROUPS - len(several), replace=False)
    # Each group has two queries, and what is left goes to groups at random.
    more = random.multinomial(COLD_QUERIES - len(single) - 2 * len(several), np.full(len(several), 1 / len(several)))
    members = [
        random.choice(np.flatnonzero(labelled.groups == group), 2 + extra, replace=False)
        for group, extra in zip(several, more, strict=True)
    ]
    return labelled.part(random.permutation(np.concatenate([*members, single])))
