"""Keeps the Role that lets the controller touch the Secrets which a namespace's resources name, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from cachedistill_operator.api.group import NAMED_SECRETS_ROLE
from cachedistill_operator.cluster.applied import covers
from cachedistill_operator.cluster.client import ApiError, Client
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.render import named_secrets

T = TypeVar("T")

_RBAC = "rbac.authorization.k8s.io/v1"
# The authorizer learns of a Role by a watch: a few milliseconds, more on a busy API server.
_PATIENCE_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0)
# A new route has itself and its cache looked at together; both would write the same.
_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


async def ensure(on: Ground, namespace: str) -> None:
    """Make Role and RoleBinding grant what the resources need now; delete Secrets made for what is gone.

    Raises ApiError.
    """
    async with _locks.setdefault(namespace, asyncio.Lock()):
        await _ensure(on, namespace)


async def _ensure(on: Ground, namespace: str) -> None:
    watched = on.watched
    secrets = named_secrets.named(namespace, watched.routes, watched.caches, watched.namespaces)
    role, binding = await asyncio.gather(
        on.client.get(_RBAC, "Role", NAMED_SECRETS_ROLE, namespace),
        on.client.get(_RBAC, "RoleBinding", NAMED_SECRETS_ROLE, namespace),
    )
    for name in named_secrets.disposable(role, secrets):
        await on.client.delete("v1", "Secret", name, namespace)
    if secrets:
        await asyncio.gather(
            _apply(on.client, role, named_secrets.role(secrets)),
            _apply(on.client, binding, named_secrets.role_binding(secrets, on.settings)),
        )
    elif role is not None or binding is not None:
        await on.client.delete(_RBAC, "RoleBinding", NAMED_SECRETS_ROLE, namespace)
        await on.client.delete(_RBAC, "Role", NAMED_SECRETS_ROLE, namespace)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call that is forbidden, for about a second and a half: a Role that was just written is soon seen.

    Raises ApiError.
    """
    for pause in _PATIENCE_SECONDS:
        try:
            return await call()
        except ApiError as error:
            if error.status != 403:
                raise
        await asyncio.sleep(pause)
    return await call()


async def _apply(client: Client, live: dict[str, Any] | None, manifest: dict[str, Any]) -> None:
    if live is None or not covers(live, manifest):
        await client.apply(manifest)
