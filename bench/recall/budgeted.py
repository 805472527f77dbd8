"""A cache that keeps an error budget, replayed: what it is asked, what it is told afterwards, what it must not know.

The policy sees what the product's would: the query's text, its known neighbours, who asks. It is told a verdict
where the product has one: on every miss that has a candidate, and on the served answers that it wants verified.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from bench.recall.sets import Indices
from bench.recall.stream import Known, Stream
from bench.recall.tally import Outcomes
from bench.recall.vectors import Vectors
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.judge_noise import doubtful

NEIGHBOURS = 32
"""So many a search returns."""
ASKED_TWICE = 1 / 200
"""The share of misses on which the judge is tried: with a second answer to the query, and with an answer to another."""
_COMPARED = 4  # groups that a fresh answer is compared with, the candidate's first


@dataclass(frozen=True, slots=True)
class Decision:
    """`candidate` is the neighbour whose answer is served, or would be; `probability` that it is right.

    `others`: the other groups among the neighbours, the likeliest first. `verify`: an answer that is served shall be
    asked for again, off the path. `held`: by something that no cut-off overrules.
    """

    candidate: Neighbour | None
    served: bool
    probability: float
    others: tuple[str, ...] = ()
    verify: bool = False
    held: bool = False

    @property
    def guess(self) -> str:
        """The group that the neighbours spoke for."""
        return "" if self.candidate is None else self.candidate.group


class Budgeted(Protocol):
    """A policy with an error budget. Calls come in time order, `learn` after the `decide` it is about."""

    def decide(self, text: str, neighbours: Sequence[Neighbour], principal: str, now: float) -> Decision:
        """Whether one of the neighbours' answers is served; these come by falling similarity. One query a second."""
        ...

    def served(self, decision: Decision) -> None:
        """The answer was served."""
        ...

    def learn(self, decision: Decision, right: bool, novel: bool, principal: str, now: float) -> None:
        """What the judge says of the candidate of a decision; `novel`: no neighbour's answer was right."""
        ...

    def asked_twice(self, same: bool) -> None:
        """What the judge says of two answers to one query."""
        ...

    def planted(self, same: bool) -> None:
        """What the judge says of two answers that are known to differ."""
        ...


MakeBudgeted = Callable[[int, int], Budgeted]
"""A policy without experience, of a budget in permille and a seed."""


class Judge:
    """Says whether two answers are the same, and errs in a share of its verdicts, either way."""

    def __init__(self, seed: int, noise: float = 0.0) -> None:
        self._random = np.random.default_rng(seed)
        self._noise = noise

    def same(self, left: int, right: int) -> bool:
        """The verdict on the answers of two true groups."""
        flipped = self._noise > 0 and self._random.random() < self._noise
        return bool((left == right) != flipped)


@dataclass(slots=True)
class Replay:
    """One policy on one stream. `seconds` are those of its decisions alone; `fooled` counts planted answers served."""

    stream: Stream
    policy: Budgeted
    judge: Judge
    seed: int
    seconds: list[float] = field(default_factory=list)
    fooled: int = 0

    def run(self) -> Outcomes:
        """Replay the stream from its beginning to its end."""
        stream, random = self.stream, np.random.default_rng(self.seed)
        known, group_of = Known(stream), np.full(len(stream), -1, np.int32)
        guesses = [""] * len(stream)
        served, right = np.zeros(len(stream), np.bool_), np.zeros(len(stream), np.bool_)
        tried = random.random(len(stream)) < ASKED_TWICE
        for at in range(len(stream)):
            neighbours = self._neighbours(known.nearest(at, NEIGHBOURS), group_of, guesses)
            began = time.perf_counter()
            decision = self.policy.decide(stream.texts[at], neighbours, stream.principals[at], float(at))
            self.seconds.append(time.perf_counter() - began)
            if stream.planted[at]:  # an attacker asks past the cache, or nothing of his would be stored
                decision = replace(decision, served=False)
            served[at] = decision.served
            if served[at] and decision.candidate is not None:
                self.policy.served(decision)
                entry = int(decision.candidate.entry)
                right[at] = stream.groups[entry] == stream.groups[at]
                self.fooled += int(stream.planted[entry])
            if not served[at] or decision.verify:
                group_of[at] = self._remember(at, decision, neighbours)
                guesses[at] = decision.guess
                known.add(at)
            if tried[at] and not served[at]:
                self._try_judge(at, int(random.integers(at + 1)))
        counted = ~stream.planted
        return Outcomes(served[counted], right[counted])

    def _neighbours(self, found: tuple[Indices, Vectors], group_of: Indices, guesses: Sequence[str]) -> list[Neighbour]:
        """As a search returns them: `entry` and `group` are positions in the stream, a group's that of its first."""
        stream = self.stream
        entries, cosines = found
        return [
            Neighbour(
                str(entry),
                str(group),
                stream.texts[entry],
                cosine,
                stream.principals[entry],
                guesses[entry],
                float(entry),
            )
            for entry, group, cosine in zip(entries.tolist(), group_of[entries].tolist(), cosines.tolist(), strict=True)
        ]

    def _remember(self, at: int, decision: Decision, neighbours: Sequence[Neighbour]) -> int:
        """The group of a fresh answer: the first that the judge finds the same, the candidate's before others."""
        candidate = decision.candidate
        if candidate is None:
            return at
        nearest = {each.group: each for each in reversed(neighbours)}
        right = self._same(at, int(candidate.entry))
        if doubtful(decision.probability, right):
            right = self._same(at, int(candidate.entry))
        others = [nearest[group] for group in decision.others[: _COMPARED - 1]]
        joined = candidate if right else next((each for each in others if self._equal(at, int(each.entry))), None)
        self.policy.learn(decision, right, joined is None, self.stream.principals[at], float(at))
        return at if joined is None else int(joined.group)

    def _same(self, left: int, right: int) -> bool:
        return self.judge.same(int(self.stream.groups[left]), int(self.stream.groups[right]))

    def _equal(self, left: int, right: int) -> bool:
        """Whether two answers are the same letter by letter: never, when they aren't the same."""
        return self._same(left, right) and bool(self.stream.groups[left] == self.stream.groups[right])

    def _try_judge(self, at: int, other: int) -> None:
        self.policy.asked_twice(self._same(at, at))
        if self.stream.groups[at] != self.stream.groups[other]:
            self.policy.planted(self._same(at, other))
