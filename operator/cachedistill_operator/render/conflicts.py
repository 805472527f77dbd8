"""Routes of a namespace that want the same pods: the oldest gets a pod, the others say who has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cachedistill_operator.api.base import LabelSelector
from cachedistill_operator.api.selector import matches, same
from cachedistill_operator.inject.choice import choose

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Conflict:
    """An older route that takes running pods of this one; `pods` is None when it takes them all, now and ever."""

    winner: str
    pods: int | None

    def __str__(self) -> str:
        if self.pods is None:
            return f"ModelRoute {self.winner} is older and has the same selector"
        return f"ModelRoute {self.winner} is older and takes {self.pods} of the pods"


def share(
    route: Resource, rivals: Sequence[Resource], pods: Iterable[Resource]
) -> tuple[list[Resource], list[Conflict]]:
    """Of the pods that a route selects: those that it gets, and who gets the others.

    `rivals` are the other routes of its namespace.
    """
    pods = list(pods)
    older = [(rival, selector) for rival in rivals if _older(rival, route) and (selector := _selector(rival))]
    labels = [pod["metadata"].get("labels") or {} for pod in pods]
    # Of hundreds of routes, few want the same pods.
    able = [rival for rival, selector in older if any(matches(selector, each) for each in labels)]
    own = []
    lost: Counter[str] = Counter()
    for pod in pods:
        winner = choose(pod, [route, *able])
        if winner is None or winner is route:
            own.append(pod)
        else:
            lost[winner["metadata"]["name"]] += 1
    mine = _selector(route)
    twins = [rival["metadata"]["name"] for rival, selector in older if mine is not None and same(mine, selector)]
    conflicts = [Conflict(twin, None) for twin in sorted(twins)[:1]]
    conflicts += [Conflict(winner, count) for winner, count in sorted(lost.items()) if winner not in twins]
    return own, conflicts


def _older(one: Resource, other: Resource) -> bool:
    if "deletionTimestamp" in one["metadata"]:
        return False
    first, second = ((each["metadata"]["creationTimestamp"], each["metadata"]["name"]) for each in (one, other))
    return bool(first < second)


def _selector(route: Resource) -> LabelSelector | None:
    try:
        return LabelSelector.model_validate(route["spec"]["selector"])
    except (KeyError, ValidationError):
        return None
