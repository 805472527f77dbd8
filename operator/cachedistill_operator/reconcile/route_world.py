"""What must be asked of the cluster about a ModelRoute, as it isn't watched."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from cachedistill_operator.api import selector
from cachedistill_operator.api.base import SecretKey
from cachedistill_operator.api.group import Key
from cachedistill_operator.api.model_route import Mode, RouteFallback, ServiceRef
from cachedistill_operator.cluster.client import ApiError
from cachedistill_operator.reconcile import interception, named_secrets
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.named_secrets import patiently
from cachedistill_operator.render.compiled_route import CompiledRoute
from cachedistill_operator.render.route_pods import asking
from cachedistill_operator.render.route_references import (
    Missing,
    credentials,
    missing_secret,
    missing_service,
    services,
    unreadable_secret,
)


@dataclass(frozen=True, slots=True)
class World:
    """`pods`: those that run, ask for a sidecar and match the selector; `authority`: the interception CA's fingerprint;
    `missing`: Secrets and Services that aren't there."""

    pods: list[dict[str, Any]]
    authority: str | None
    missing: list[Missing]


async def look_around(route: CompiledRoute, on: Ground) -> World:
    """Ask all at once; Secrets once the controller may touch them. Raises ApiError."""
    pods, (authority, missing) = await asyncio.gather(_pods(route, on), _named(route, on))
    return World(pods, authority, missing)


async def _named(route: CompiledRoute, on: Ground) -> tuple[str | None, list[Missing]]:
    await named_secrets.ensure(on, route.key.namespace)
    return await asyncio.gather(_authority(route, on), _missing(route, on))


async def _pods(route: CompiledRoute, on: Ground) -> list[dict[str, Any]]:
    labels = on.watched.namespaces.get(route.key.namespace, {})
    return asking(await on.client.list("v1", "Pod", route.key.namespace, selector.text(route.spec.selector)), labels)


async def _authority(route: CompiledRoute, on: Ground) -> str | None:
    if route.spec.interception.mode is not Mode.TRANSPARENT:
        return None
    return await interception.ensure(on, route.key.namespace)


async def _missing(route: CompiledRoute, on: Ground) -> list[Missing]:
    checks = [_secret(on, route.key.namespace, *each) for each in credentials(route.spec)]
    checks += [_service(on, *each) for each in services(route.key, route.spec)]
    return [each for each in await asyncio.gather(*checks) if each is not None]


async def _secret(on: Ground, namespace: str, fallback: RouteFallback, ref: SecretKey) -> Missing | None:
    try:
        secret = await patiently(lambda: on.client.get("v1", "Secret", ref.name, namespace))
    except ApiError as error:
        if error.status != 403:
            raise
        return unreadable_secret(fallback, ref, error)
    return missing_secret(fallback, ref, secret)


async def _service(on: Ground, fallback: RouteFallback, key: Key, ref: ServiceRef) -> Missing | None:
    return missing_service(fallback, key, ref, await on.client.get("v1", "Service", key.name, key.namespace))
