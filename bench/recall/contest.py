"""All caches on one set of queries: every order, every seed, every budget."""

from __future__ import annotations

import multiprocessing
import statistics
from dataclasses import dataclass

import numpy as np

from bench.contract import progress
from bench.recall import static, trials, vcache
from bench.recall.budgeted import Judge, MakeBudgeted, Replay
from bench.recall.orders import ORDERS
from bench.recall.sets import LabelledSet
from bench.recall.stream import Stream, stream
from bench.recall.tally import Outcomes, Run, Tally, share
from bench.recall.vectors import Vectors

BUDGETS = (10, 20, 50)
"""In permille."""
OURS, STATIC_BEST, VCACHE, REDISVL, ORACLE = "ours", "static_best", "vcache", "redisvl", "oracle"
RIVALS = (STATIC_BEST, VCACHE, REDISVL)
UNAWARE = {f"static_{threshold * 100:.0f}": threshold for threshold in static.FIXED}
"""Thresholds that take no budget."""
TRIED = "shuffled"
"""The order in which the trials are made."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is replayed; `queries` of each set at random, all if None."""

    orders: tuple[str, ...]
    seeds: tuple[int, ...]
    queries: int | None


FULL = Size(tuple(ORDERS), (1, 2, 3), None)
QUICK = Size((TRIED,), (1,), 2000)


@dataclass(frozen=True, slots=True)
class Trial:
    """One policy's budget put to the test on one stream; `clean` is the same without the test."""

    permille: int
    clean: Tally
    noisy: Tally
    changed: Tally
    recovered: int
    unpoisoned: Tally
    poisoned: Tally
    fooled: int


@dataclass(frozen=True, slots=True)
class Played:
    """One order with one seed; `milliseconds`: the median time of a decision of ours, at each budget."""

    run: Run
    trials: list[Trial]
    milliseconds: list[float]


@dataclass(frozen=True, slots=True)
class Contest:
    """Every order and seed of one set, played by a policy that is made anew for each."""

    labelled: LabelledSet
    vectors: Vectors
    make: MakeBudgeted

    def play(self, size: Size, workers: int = 1) -> list[Played]:
        """Replay the set in all orders, in so many processes."""
        turns = [(order, seed) for order in size.orders for seed in size.seeds]
        if workers == 1:
            return [self._told(self.turn(turn)) for turn in turns]
        # Forked ones have the vectors already; and a policy that is made by a closure could not be sent.
        with multiprocessing.get_context("fork").Pool(workers, _enter, (self,)) as pool:
            return [self._told(played) for played in pool.imap(_turn, turns)]

    def turn(self, turn: tuple[str, int]) -> Played:
        """One order with one seed."""
        order, seed = turn
        played = stream(
            self.labelled, self.vectors, ORDERS[order](self.labelled.groups, np.random.default_rng(seed)), seed
        )
        outcomes, tried, milliseconds = rivals(played, seed), [], []
        for permille in BUDGETS:
            replay = Replay(played, self.make(permille, seed), Judge(seed), seed)
            outcomes[OURS, permille] = replay.run()
            milliseconds.append(statistics.median(replay.seconds) * 1000)
            if order == TRIED:
                tried.append(_trial(played, outcomes[OURS, permille], permille, seed, self.make))
        run = Run(order, seed, {key: each.tally() for key, each in outcomes.items()})
        return Played(run, tried, milliseconds)

    def _told(self, played: Played) -> Played:
        """Tell what ours did."""
        ours = [(permille, played.run.tallies[OURS, permille]) for permille in BUDGETS]
        figures = ", ".join(
            f"at {permille} permille {share(each.served, each.queries):.1%}, {share(each.wrong, each.served):.2%} wrong"
            for permille, each in ours
        )
        progress(f"{self.labelled.name}, {played.run.order}, seed {played.run.seed}: {figures}")
        return played


_entered: list[Contest] = []


def _enter(contest: Contest) -> None:
    _entered.append(contest)


def _turn(turn: tuple[str, int]) -> Played:
    return _entered[-1].turn(turn)


def rivals(on: Stream, seed: int) -> dict[tuple[str, int], Outcomes]:
    """What all others do on the stream, by name and budget."""
    thresholds = np.concatenate([[static.redisvl_threshold()], list(UNAWARE.values()), static.GRID])
    redisvl, *rest = static.replay(on, thresholds)
    unaware, grid = rest[: len(UNAWARE)], rest[len(UNAWARE) :]
    perfect = oracle(on)
    made: dict[tuple[str, int], Outcomes] = {}
    for permille in BUDGETS:
        made |= {(name, permille): each for name, each in zip(UNAWARE, unaware, strict=True)}
        made[REDISVL, permille] = redisvl
        made[STATIC_BEST, permille] = static.best(grid, permille / 1000)
        made[VCACHE, permille] = vcache.replay(on, permille / 1000, seed)
        made[ORACLE, permille] = perfect
    return made


def oracle(on: Stream) -> Outcomes:
    """Serves where an earlier query had the same answer, and never wrongly."""
    seen = np.ones(len(on), np.bool_)
    seen[np.unique(on.groups, return_index=True)[1]] = False
    return Outcomes(seen, seen)


def _trial(on: Stream, clean: Outcomes, permille: int, seed: int, make: MakeBudgeted) -> Trial:
    def replay(of: Stream, noise: float = 0.0) -> Replay:
        return Replay(of, make(permille, seed), Judge(seed, noise), seed)

    noisy = replay(on, trials.NOISE).run()
    changed = replay(trials.changed_halfway(on, seed)).run()
    attacked = replay(trials.poisoned(on, seed))
    poisoned = attacked.run()
    honest = ~attacked.stream.planted
    return Trial(
        permille=permille,
        clean=clean.tally(),
        noisy=noisy.tally(),
        changed=changed.tally(),
        recovered=trials.answers_to_recover(changed, permille / 1000),
        unpoisoned=Outcomes(clean.served[honest], clean.right[honest]).tally(),
        poisoned=poisoned.tally(),
        fooled=attacked.fooled,
    )
