"""Learners on a real Redis, and events for them to learn from; apps that ask the same in several wordings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.learning.learner import Learner
from cachedistill_sidecar.policy.labels import Label, Source
from cachedistill_sidecar.policy.neighbourhood import NAMES
from tests.component.asking import settled
from tests.component.sealed_stage import cached

ASKED, REWORDED, THIRD = "How do I reset my password?", "How can I reset my password?", "how to reset my password"
OTHERWISE = "How might I reset my password?"
GROUPS = dict.fromkeys((ASKED, REWORDED, THIRD), "reset") | {OTHERWISE: "another answer"}
"""For an upstream: to the last wording it gives another answer, which no look at the questions tells."""
ADA, BOB, CAROL = ({"authorization": f"Bearer {who}"} for who in ("ada", "bob", "carol"))
DEBUG = {"x-cachedistill-debug": "1"}

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


async def labels_learnt(sidecar: Sidecar) -> list[Label]:
    """What a sidecar with one cache has learnt beyond what it was taught."""
    await settled(sidecar)
    [lesson] = sidecar.parts.lessons.values()
    assert lesson.learner is not None
    await lesson.learner.turn()
    known = [each for each in lesson.learner._evidence.labels if each.rule == "all"]
    return [each for each in known if each.source is not Source.MISS or each.principal]
