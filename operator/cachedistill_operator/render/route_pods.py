"""The running pods of a route: which have its sidecar, which have it as it is now, and why the others don't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cachedistill_operator.api.group import INJECTION_ANNOTATION, RESTART_ANNOTATION, ROUTE_LABEL
from cachedistill_operator.cluster.watched import Owner, owner_of
from cachedistill_operator.inject.decision import ENABLED, REQUIRED, is_injected, request_of
from cachedistill_operator.inject.pod import inject
from cachedistill_operator.inject.skip import SkipReason
from cachedistill_operator.settings import Settings

Resource = dict[str, Any]

RESTARTABLE = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet"})
"""What makes pods anew after they are gone, from a template that can be changed. Not Jobs: their work would be lost."""


@dataclass(frozen=True, slots=True)
class Census:
    """The pods of a route.

    `outdated` were injected otherwise than now, or for another route; `bare` have no sidecar and could have one;
    `unfit` can't have one, counted by reason. `restart` controls pods of the first two that no restart has yet been
    tried for; `in_vain` is how many of the two are as they are although they were started by such a restart.
    """

    matched: int = 0
    injected: int = 0
    outdated: int = 0
    bare: int = 0
    unfit: Mapping[SkipReason, int] = field(default_factory=dict)
    restart: frozenset[Owner] = frozenset()
    in_vain: int = 0


def asking(pods: Iterable[Resource], namespace_labels: Mapping[str, str]) -> list[Resource]:
    """Those that run, or are about to, and ask for a sidecar."""
    return [pod for pod in pods if _runs(pod) and request_of(pod, namespace_labels) in (ENABLED, REQUIRED)]


def restart_mark(route: str, digest: str) -> str:
    """What a workload's template is marked with when it is restarted for an injection digest."""
    return f"{route}-{digest}"


def census(
    route: Resource, pods: Iterable[Resource], namespace_labels: Mapping[str, str], digest: str, settings: Settings
) -> Census:
    """Look at the pods that a route gets; `digest` is that of an injection now."""
    name, mark = route["metadata"]["name"], restart_mark(route["metadata"]["name"], digest)
    matched = injected = outdated = bare = in_vain = 0
    unfit: Counter[SkipReason] = Counter()
    restart: set[Owner] = set()
    for pod in pods:
        matched += 1
        has_sidecar = is_injected(pod)
        own = has_sidecar and (pod["metadata"].get("labels") or {}).get(ROUTE_LABEL) == name
        injected += own
        annotations = pod["metadata"].get("annotations") or {}
        if own and annotations.get(INJECTION_ANNOTATION) == digest:
            continue
        if has_sidecar:
            outdated += 1
        elif (skip := inject(pod, route, namespace_labels, settings).skip) is not None:
            unfit[skip] += 1
            continue
        else:
            bare += 1
        if annotations.get(RESTART_ANNOTATION) == mark:
            in_vain += 1
        elif (owner := owner_of(pod)) is not None and owner.kind in RESTARTABLE:
            restart.add(owner)
    return Census(matched, injected, outdated, bare, dict(unfit), frozenset(restart), in_vain)


def _runs(pod: Resource) -> bool:
    over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not over and "deletionTimestamp" not in pod["metadata"]
