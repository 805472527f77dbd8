"""Restarts the workloads whose pods have another sidecar than they would get now, or none: once for each injection.

A restart is an annotation on the pod template, as `kubectl rollout restart` does it: Kubernetes replaces the pods in
the workload's own way. A pod that a restart has not given the right sidecar is left alone; a condition tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from cachedistill_operator.api.group import RESTART_ANNOTATION
from cachedistill_operator.api.route_reasons import RouteEvent
from cachedistill_operator.cluster.watched import Owner, owner_of
from cachedistill_operator.reconcile.ground import Ground

_APPS = "apps/v1"
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


async def workloads(on: Ground, namespace: str, owners: Iterable[Owner]) -> list[dict[str, Any]]:
    """The workloads behind what controls pods, as they are; a ReplicaSet stands for its Deployment. Raises ApiError."""
    direct = {owner for owner in owners if owner.api_version == _APPS}
    sets = sorted(owner.name for owner in direct if owner.kind == "ReplicaSet")
    found = await asyncio.gather(*(on.client.get(_APPS, "ReplicaSet", name, namespace) for name in sets))
    wanted = {owner for owner in direct if owner.kind in _WORKLOADS}
    wanted |= {owner for each in found if each is not None and (owner := owner_of(each)) is not None}
    named = sorted(
        (owner.kind, owner.name) for owner in wanted if owner.api_version == _APPS and owner.kind in _WORKLOADS
    )
    live = await asyncio.gather(*(on.client.get(_APPS, kind, name, namespace) for kind, name in named))
    return [each for each in live if each is not None]


async def webhook_ready(on: Ground) -> bool:
    """Whether new pods would get the sidecar as it is now: the webhook runs, and none of before an upgrade does.

    A restart at another moment would be in vain, and isn't tried twice. Raises ApiError.
    """
    webhook = await on.client.get(_APPS, "Deployment", on.settings.webhook.service, on.settings.namespace)
    return webhook is None or rolled_out(webhook)


def rolled_out(deployment: Mapping[str, Any]) -> bool:
    """Whether all pods of a Deployment are of its newest template, and at least one answers."""
    status = deployment.get("status") or {}
    updated = status.get("updatedReplicas", 0)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and updated >= deployment["spec"].get("replicas", 1)
        and updated == status.get("replicas", 0)
        and status.get("availableReplicas", 0) > 0
    )


async def restart(on: Ground, route: dict[str, Any], live: Iterable[dict[str, Any]], mark: str) -> None:
    """Mark the templates that don't have the mark yet, and tell of it at route and workload. Raises ApiError."""
    for workload in live:
        metadata = workload["spec"]["template"].get("metadata") or {}
        if (metadata.get("annotations") or {}).get(RESTART_ANNOTATION) == mark:
            continue
        kind, meta = workload["kind"], workload["metadata"]
        body = {"spec": {"template": {"metadata": {"annotations": {RESTART_ANNOTATION: mark}}}}}
        if await on.client.patch(_APPS, kind, meta["name"], meta["namespace"], body) is None:
            continue
        sentence = f"{kind} {meta['name']} is restarted: ModelRoute {route['metadata']['name']} injects otherwise now"
        for regarding in (workload, route):
            await on.client.event(regarding, "Normal", RouteEvent.RESTARTED, sentence, "Restart")
