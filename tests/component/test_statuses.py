"""What is written to a status, and what people are told of it, against a real API server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cachedistill_operator.api.conditions import ConditionType, Wanted
from cachedistill_operator.api.group import API_VERSION
from cachedistill_operator.cluster.client import Client
from cachedistill_operator.reconcile.status import Statuses
from e2e.cluster.kubectl import Kubectl
from tests.resources import model_route

ACCEPTED = Wanted(ConditionType.ACCEPTED, True, "Accepted", "")
READY = Wanted(ConditionType.READY, True, "Ready", "all is well")
REFS_MISSING = Wanted(ConditionType.RESOLVED_REFS, False, "RefNotFound", "no SemanticCache support")
REFS_FOUND = Wanted(ConditionType.RESOLVED_REFS, True, "ResolvedRefs", "")


class Scene:
    """One ModelRoute, and what is told of it."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.statuses = Statuses(client, lambda: datetime.now(UTC))

    async def route(self) -> dict[str, Any]:
        found = await self.client.get(API_VERSION, "ModelRoute", "chat", self.namespace)
        assert found is not None
        return found

    async def write(self, *conditions: Wanted, **figures: Any) -> None:
        await self.statuses.write(await self.route(), conditions, **figures)

    async def told(self) -> list[tuple[str, str]]:
        events = await self.client.list("events.k8s.io/v1", "Event", self.namespace)
        events.sort(key=lambda event: str(event["eventTime"]))
        return [(event["type"], event["reason"]) for event in events]


@pytest.fixture
async def scene(kinds: Kubectl) -> AsyncIterator[Scene]:
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    async with await Client.connect("test", str(kinds.kubeconfig)) as client:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        route = model_route()
        route["metadata"]["namespace"] = namespace
        await client.create(route)
        yield Scene(client, namespace)


async def test_the_same_status_again_is_no_write(scene: Scene) -> None:
    await scene.write(READY, ACCEPTED, requests=3)
    first = await scene.route()
    await asyncio.sleep(1.1)  # Longer than the grain of lastTransitionTime.
    await scene.write(ACCEPTED, READY, requests=3)
    assert (await scene.route())["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_figure_that_is_not_known_any_more_goes(scene: Scene) -> None:
    await scene.write(READY, requests=3, localPermille=100)
    await scene.write(READY, requests=4)
    status = (await scene.route())["status"]
    assert (status["requests"], "localPermille" in status) == (4, False)


async def test_a_start_without_trouble_is_one_event(scene: Scene) -> None:
    await scene.write(READY, ACCEPTED, REFS_FOUND)
    assert await scene.told() == [("Normal", "Ready")]


async def test_a_transition_is_one_event_however_often_it_is_written(scene: Scene) -> None:
    await scene.write(REFS_MISSING)
    await scene.write(REFS_MISSING)
    # A stale copy, as a watch that is behind gives it.
    stale = await scene.route()
    await scene.write(REFS_FOUND)
    await scene.statuses.write(stale, [REFS_FOUND])
    assert await scene.told() == [("Warning", "RefNotFound"), ("Normal", "ResolvedRefs")]


async def test_a_new_controller_does_not_repeat_what_was_told(scene: Scene) -> None:
    await scene.write(REFS_MISSING, READY)
    before = await scene.told()
    scene.statuses = Statuses(scene.client, lambda: datetime.now(UTC))
    await scene.write(REFS_MISSING, READY)
    assert await scene.told() == before


async def test_a_route_that_is_gone_meanwhile_is_no_error(scene: Scene) -> None:
    route = await scene.route()
    await scene.client.delete(API_VERSION, "ModelRoute", "chat", scene.namespace)
    await scene.statuses.write(route, [READY])
    assert await scene.client.get(API_VERSION, "ModelRoute", "chat", scene.namespace) is None
