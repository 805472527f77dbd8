"""Learners on a real Redis, and events for them to learn from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from cachedistill_sidecar.learning.learner import Learner
from cachedistill_sidecar.policy.labels import Label, Source
from cachedistill_sidecar.policy.neighbourhood import NAMES
from tests.component.sealed_stage import cached

ROUTE = "shop/support"
RULES = {"all": 20}


def features(number: int) -> tuple[float, ...]:
    """Features between 0 and 1, others for each number."""
    return tuple((number * 37 + place * 11) % 101 / 101 for place in range(len(NAMES)))


_LABEL = Label(
    at=1.7e9,
    rule="all",
    tier="semantic",
    features=(),
    probability=0.5,
    right=True,
    share=1.0,
    served=False,
    source=Source.MISS,
    principal="",
    words=(1, 2),
    novel=False,
)


def label(number: int = 0, **changes: Any) -> Label:
    """A label of a miss; each number has another one."""
    return replace(_LABEL, at=_LABEL.at + number, features=features(number), right=number % 3 != 0, **changes)


@asynccontextmanager
async def learning(
    redis_url: str, cache: str, *, rules: Mapping[str, int] = RULES, **settings: Any
) -> AsyncIterator[Learner]:
    """A learner that takes its turns when it is told to."""
    async with cached(redis_url, cache, **settings) as live:
        learner = Learner(live.store, live.seal, ROUTE, rules)
        yield learner
        await learner.close()


async def turn(learner: Learner) -> None:
    """A round in which the model is fitted, however short ago that was done before."""
    learner._fit_after = learner._fit_before = 0.0
    await learner.turn()


async def labels_of(learner: Learner) -> int:
    """How many labels its model rests on, when everything there is has been read."""
    await turn(learner)
    return learner.standings()["all"].labels
