"""Runs before the chart is uninstalled, so that nothing is left that only a controller could clear away.

With DELETE_RESOURCES=true it deletes all ModelRoutes and SemanticCaches first, while the controller can still do what
their deletionPolicy says. Then it stops the controller, takes our finalizers off what is left, and deletes what the
controller has made for itself. It never touches pods, route documents, or Redis and its data.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from cachedistill_operator.api.group import API_VERSION, GROUP, NAMED_SECRETS_ROLE
from cachedistill_operator.cluster.client import ApiError, Client

DELETION_SECONDS = 90
STOP_SECONDS = 60
RBAC = "rbac.authorization.k8s.io/v1"


async def resources(client: Client) -> list[dict[str, Any]]:
    """All ModelRoutes and SemanticCaches; none when their definitions are gone."""
    found: list[dict[str, Any]] = []
    for kind in ("ModelRoute", "SemanticCache"):
        try:
            found += await client.list(API_VERSION, kind)
        except ApiError as error:
            if error.status != 404:
                raise
    return found


async def wait(seconds: int, done: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it's done in about that time."""
    for _ in range(seconds):
        if await done():
            return True
        await asyncio.sleep(1)
    return False


async def delete_resources(client: Client) -> None:
    """Delete them all, and give the controller time for its part."""
    for each in await resources(client):
        print(f"deleting {each['kind']} {each['metadata']['namespace']}/{each['metadata']['name']}")
        await client.delete(API_VERSION, each["kind"], each["metadata"]["name"], each["metadata"]["namespace"])

    async def none_left() -> bool:
        return not await resources(client)

    if not await wait(DELETION_SECONDS, none_left):
        print(f"not all were gone after {DELETION_SECONDS} s: their finalizers are taken off")


async def stop_controller(client: Client, namespace: str, name: str, labels: str) -> None:
    """Scale it to nothing, and wait for its pods to end: it would put finalizers on again."""
    await client.patch("apps/v1", "Deployment", name, namespace, {"spec": {"replicas": 0}})

    async def none_left() -> bool:
        return not await client.list("v1", "Pod", namespace, labels)

    await wait(STOP_SECONDS, none_left)


async def take_finalizers_off(client: Client) -> None:
    """Ours only."""
    for each in await resources(client):
        meta = each["metadata"]
        finalizers = meta.get("finalizers", [])
        others = [one for one in finalizers if not one.startswith(f"{GROUP}/")]
        if others != finalizers:
            print(f"taking finalizers off {each['kind']} {meta['namespace']}/{meta['name']}")
            body = {"metadata": {"finalizers": others, "resourceVersion": meta["resourceVersion"]}}
            await client.patch(API_VERSION, each["kind"], meta["name"], meta["namespace"], body)


async def delete_own(client: Client, namespace: str, lease: str, secrets: list[str]) -> None:
    """The Roles that named Secrets to the controller, its Lease, and the webhook's certificates."""
    for kind in ("RoleBinding", "Role"):
        for each in await client.list(RBAC, kind):
            if each["metadata"]["name"] == NAMED_SECRETS_ROLE:
                await client.delete(RBAC, kind, NAMED_SECRETS_ROLE, each["metadata"]["namespace"])
    await client.delete("coordination.k8s.io/v1", "Lease", lease, namespace)
    for secret in secrets:
        await client.delete("v1", "Secret", secret, namespace)


async def main() -> None:
    """All of it, in order."""
    namespace, controller = os.environ["RELEASE_NAMESPACE"], os.environ["CONTROLLER"]
    async with await Client.connect("uninstall") as client:
        if os.environ["DELETE_RESOURCES"] == "true":
            await delete_resources(client)
        await stop_controller(client, namespace, controller, os.environ["CONTROLLER_LABELS"])
        await take_finalizers_off(client)
        await delete_own(client, namespace, controller, os.environ["SECRETS"].split())


if __name__ == "__main__":
    asyncio.run(main())
