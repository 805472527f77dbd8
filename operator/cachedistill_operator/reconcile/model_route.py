"""Reconciles a ModelRoute: its route document, its status, its pods.

The document comes first, as sidecars wait for it; then the status, as the webhook and people read it; then the pods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from cachedistill_operator.api.conditions import ConditionType
from cachedistill_operator.api.group import DOCUMENT_ANNOTATION, ROUTE_LABEL, Key, config_map_of
from cachedistill_operator.api.model_route import KIND, Rollout
from cachedistill_operator.api.route_reasons import RouteReason
from cachedistill_operator.cluster.client import ApiError
from cachedistill_operator.cluster.watched import facts, key_of
from cachedistill_operator.inject import digest as digest_of_injection
from cachedistill_operator.reconcile import named_secrets, redis_figures, rollout
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.route_world import World, look_around
from cachedistill_operator.render import route_document, route_figures, route_status
from cachedistill_operator.render.compiled_route import CompiledRoute, InvalidRoute
from cachedistill_operator.render.conflicts import share
from cachedistill_operator.render.route_pods import Census, census, restart_mark
from cachedistill_operator.render.route_status import Situation

Resource = dict[str, Any]

# What isn't watched is looked at again: a Secret or Service that is missing, pods without a sidecar that give way.
MISSING_SECONDS = 15.0
ROLLING_SECONDS = 10.0
SETTLE_SECONDS = 1.0
FIGURES_SECONDS = 30.0
# People watch the figures of a route that is new; later, the drift period finds traffic soon enough.
NEW = timedelta(minutes=10)

_REFUSALS = (403, 422)


async def reconcile(key: Key, on: Ground) -> float | None:
    """Bring about what the ModelRoute says. Seconds after which to look again; None: when it is its turn anyway.

    Raises ApiError.
    """
    resource = on.watched.routes.get(key)
    if resource is None or "deletionTimestamp" in resource["metadata"]:
        await named_secrets.ensure(on, key.namespace)
        _look_again_at(on, _conflicted(on, key))
        return None
    try:
        labels = on.watched.namespaces.get(key.namespace, {})
        route = CompiledRoute.of(key, resource, on.watched.caches, labels, on.settings)
    except InvalidRoute as error:
        await on.statuses.write(resource, route_status.invalid(str(error)), **_kept(resource))
        return None
    try:
        return await _bring_about(route, on)
    except ApiError as error:
        # What else fails is over soon, and telling of it would be noise: another try follows.
        if error.status in _REFUSALS:
            before = (resource.get("status") or {}).get("conditions") or ()
            await on.statuses.write(resource, route_status.refused(before, str(error)), **_kept(resource))
        raise


async def _bring_about(route: CompiledRoute, on: Ground) -> float | None:
    config_map = route_document.config_map(route.resource, route.content)
    world, _ = await asyncio.gather(look_around(route, on), on.applied.ensure(config_map))
    injection = _injection(route, world, on)
    rivals = [other for key, other in on.watched.routes.items() if _beside(key, route.key)]
    own, conflicts = share(route.resource, rivals, world.pods)
    labels = on.watched.namespaces.get(route.key.namespace, {})
    count = census(route.resource, own, labels, injection, on.settings)
    workloads: list[Resource] = []
    if route.spec.interception.rollout is Rollout.ON_CHANGE and count.restart:
        workloads = await rollout.workloads(on, route.key.namespace, count.restart)
    situation = Situation(
        missing=(*route.missing, *world.missing),
        conflicts=tuple(conflicts),
        census=count,
        rollout=route.spec.interception.rollout,
        restarting=tuple(f"{each['kind']} {each['metadata']['name']}" for each in workloads),
        webhook_ready=not workloads or await rollout.webhook_ready(on),
    )
    # The webhook injects by the status; a restart before that is written would be in vain.
    settled = _settled(route, world)
    figures = await _figures(route, on) if settled else _kept_figures(route.resource)
    await on.statuses.write(
        route.resource, route_status.conditions(situation), **_fields(route, world, count), **figures
    )
    await _tell_pods(route, own, on)
    if settled and situation.restarting and situation.webhook_ready:
        await rollout.restart(on, route.resource, workloads, restart_mark(route.key.name, injection))
    if not settled:
        _look_again_at(on, _conflicted(on, route.key))
    return _again(route, situation, figures, settled, on.now())


def _injection(route: CompiledRoute, world: World, on: Ground) -> str:
    status = {**route.status, "interceptionCa": world.authority}
    return digest_of_injection({**route.resource, "status": status}, on.settings)


def _settled(route: CompiledRoute, world: World) -> bool:
    meta, status = route.resource["metadata"], route.status
    return status.get("observedGeneration") == meta["generation"] and status.get("interceptionCa") == world.authority


def _fields(route: CompiledRoute, world: World, count: Census) -> dict[str, Any]:
    return {
        "routeDocument": {"configMap": config_map_of(route.key.name), "digest": route.digest},
        "pods": {"matched": count.matched, "injected": count.injected, "outdated": count.outdated},
        "interceptionCa": world.authority,
    }


async def _figures(route: CompiledRoute, on: Ground) -> dict[str, Any]:
    if not route.caches:
        return {}
    try:
        ledgers = await asyncio.gather(*(redis_figures.ledger(on, cache) for cache in route.caches))
    except redis_figures.RedisAway:
        # The cache's own status tells of it.
        return _kept_figures(route.resource)
    return route_figures.figures(route.key, ledgers)


def _kept(resource: Resource) -> dict[str, Any]:
    status = resource.get("status") or {}
    names = ("routeDocument", "pods", "interceptionCa")
    return {name: status[name] for name in names if name in status} | _kept_figures(resource)


def _kept_figures(resource: Resource) -> dict[str, Any]:
    status = resource.get("status") or {}
    return {name: status[name] for name in route_figures.FIGURES if name in status}


async def _tell_pods(route: CompiledRoute, listed: Iterable[Resource], on: Ground) -> None:
    """Name the newest document at the pods: the kubelet then refreshes their volumes at once.

    Also at pods that the selector has let go since: their sidecars read the document all the same.
    """
    injected = {key_of(pod): facts(pod) for pod in listed if _carries(pod, route.key.name)}
    known = {Key(pod.namespace, pod.name): pod for pod in on.watched.pods_of(route.key)} | injected
    behind = [key for key, pod in known.items() if pod.running and pod.document != route.digest]
    body = {"metadata": {"annotations": {DOCUMENT_ANNOTATION: route.digest}}}
    await asyncio.gather(*(on.client.patch("v1", "Pod", key.name, key.namespace, body) for key in behind))


def _carries(pod: Resource, route: str) -> bool:
    return (pod["metadata"].get("labels") or {}).get(ROUTE_LABEL) == route


def _beside(key: Key, route: Key) -> bool:
    return key.namespace == route.namespace and key != route


def _conflicted(on: Ground, route: Key) -> list[Key]:
    """Routes beside this one that a change of it may set free."""
    return [
        key
        for key, resource in on.watched.routes.items()
        if _beside(key, route)
        and any(
            condition["type"] == ConditionType.ACCEPTED and condition["reason"] == RouteReason.CONFLICTED
            for condition in (resource.get("status") or {}).get("conditions") or ()
        )
    ]


def _look_again_at(on: Ground, routes: Iterable[Key]) -> None:
    for key in routes:
        on.requeue(KIND, key)


def _again(
    route: CompiledRoute, situation: Situation, figures: dict[str, Any], settled: bool, now: datetime
) -> float | None:
    if situation.restarting:
        return ROLLING_SECONDS if settled else SETTLE_SECONDS
    if any(missing.reason in _UNWATCHED for missing in situation.missing):
        return MISSING_SECONDS
    if not (route.caches and situation.census.injected):
        return None
    return FIGURES_SECONDS if figures != _kept_figures(route.resource) or _is_new(route.resource, now) else None


_UNWATCHED = (RouteReason.SECRET_NOT_FOUND, RouteReason.SECRET_NOT_READABLE, RouteReason.SERVICE_NOT_FOUND)


def _is_new(resource: Resource, now: datetime) -> bool:
    return now - datetime.fromisoformat(resource["metadata"]["creationTimestamp"]) < NEW
