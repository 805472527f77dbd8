"""Streams of a few labelled queries, and a policy that remembers what a replay tells it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.recall.budgeted import Budgeted, Decision, Judge, Replay
from bench.recall.sets import LabelledSet, numbered
from bench.recall.stream import Stream, stream
from bench.recall.vectors import Vectors
from cachedistill_sidecar.exchange import Neighbour

GROUPS, MEMBERS, SINGLES = 12, 20, 15
QUERIES = GROUPS * MEMBERS + SINGLES


class Cosine:
    """Serves the nearest at a cosine of 0.8; remembers what it is told."""

    def __init__(self, least: float = 0.8, verify: bool = False) -> None:
        self.least, self.verify = least, verify
        self.learnt: list[bool] = []
        self.novel: list[bool] = []
        self.told_served: list[bool] = []
        self.twice: list[bool] = []
        self.plants: list[bool] = []
        self.seen: list[Sequence[Neighbour]] = []

    def decide(self, text: str, neighbours: Sequence[Neighbour], principal: str, now: float) -> Decision:
        self.seen.append(neighbours)
        if not neighbours:
            return Decision(None, False, 0.0)
        nearest = neighbours[0]
        others = tuple(dict.fromkeys(each.group for each in neighbours if each.group != nearest.group))
        return Decision(nearest, nearest.similarity >= self.least, nearest.similarity, others, self.verify)

    def served(self, decision: Decision) -> None:
        pass

    def learn(self, decision: Decision, right: bool, novel: bool, principal: str, now: float) -> None:
        self.learnt.append(right)
        self.told_served.append(decision.served)
        self.novel.append(novel)

    def asked_twice(self, same: bool) -> None:
        self.twice.append(same)

    def planted(self, same: bool) -> None:
        self.plants.append(same)


def labelled(name: str = "banking77") -> LabelledSet:
    groups = np.concatenate([np.repeat(np.arange(GROUPS), MEMBERS), GROUPS + np.arange(SINGLES)])
    texts = tuple(f"query {at} of group {group}" for at, group in enumerate(groups))
    return LabelledSet(name, texts, numbered(groups))


def clustered(noise: float = 0.05) -> Vectors:
    """Vectors of `labelled`: members of a group lie around its middle."""
    random = np.random.default_rng(4)
    middles = random.normal(size=(GROUPS + SINGLES, 16))
    made = middles[labelled().groups] + noise * 4 * random.normal(size=(QUERIES, 16))
    unit: Vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def shuffled(noise: float = 0.05, seed: int = 1) -> Stream:
    return stream(labelled(), clustered(noise), np.random.default_rng(seed).permutation(QUERIES), seed)


def replay(of: Stream, policy: Budgeted, noise: float = 0.0) -> Replay:
    return Replay(of, policy, Judge(3, noise), 3)
