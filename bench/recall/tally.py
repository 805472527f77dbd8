"""What a cache did on a stream, and the figures of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

WINDOW = 2000
"""Consecutive served answers, within which a budget is looked at."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of each query that counts, in time order: whether it was served, and if so whether rightly. bool [n]."""

    served: Flags
    right: Flags

    def tally(self) -> Tally:
        """The counts."""
        half = len(self.served) // 2
        wrong = self.served & ~self.right
        return Tally(
            queries=len(self.served),
            served=int(self.served.sum()),
            wrong=int(wrong.sum()),
            late_queries=len(self.served) - half,
            late_served=int(self.served[half:].sum()),
            late_wrong=int(wrong[half:].sum()),
            worst_window=worst_window(wrong[self.served]),
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one stream. Late is its second half; `worst_window`: the most wrong answers in WINDOW served."""

    queries: int
    served: int
    wrong: int
    late_queries: int
    late_served: int
    late_wrong: int
    worst_window: int


@dataclass(frozen=True, slots=True)
class Run:
    """One stream in one order with one seed: tallies by arm and budget in permille."""

    order: str
    seed: int
    tallies: Mapping[tuple[str, int], Tally]


Statistic = Callable[[Sequence[Tally], float], float]


def worst_window(wrong: Flags, length: int = WINDOW) -> int:
    """The most wrong answers among `length` consecutive served ones; among all where fewer were served."""
    if not len(wrong):
        return 0
    before = np.concatenate([[0], np.cumsum(wrong)])
    length = min(length, len(wrong))
    return int((before[length:] - before[:-length]).max())


def share(part: float, whole: float) -> float:
    """`part / whole`, and 0 of nothing."""
    return part / whole if whole else 0.0


def hits(runs: Sequence[Tally], budget: float) -> float:
    """Served, as a share of all queries."""
    return share(sum(run.served for run in runs), sum(run.queries for run in runs))


def wrong(runs: Sequence[Tally], budget: float) -> float:
    """Wrong, as a share of the served."""
    return share(sum(run.wrong for run in runs), sum(run.served for run in runs))


def late_hits(runs: Sequence[Tally], budget: float) -> float:
    """Served in the second half, as a share of its queries."""
    return share(sum(run.late_served for run in runs), sum(run.late_queries for run in runs))


def budget_used(runs: Sequence[Tally], budget: float) -> float:
    """Wrong as a share of the served in the second half, as a multiple of the budget."""
    return share(sum(run.late_wrong for run in runs), sum(run.late_served for run in runs)) / budget


def worst(runs: Sequence[Tally], budget: float) -> float:
    """The most wrong answers in any window of any run, as a multiple of what the budget allows in a full window.

    A run that served fewer than WINDOW has one window, which is not full: a dozen answers would prove nothing.
    """
    return max((run.worst_window for run in runs), default=0) / (WINDOW * budget)


STATISTICS: dict[str, Statistic] = {
    "hits": hits,
    "wrong": wrong,
    "late_hits": late_hits,
    "budget_used": budget_used,
    "worst_window": worst,
}
