"""What an event has looked at: what it matters to, and no more."""

from __future__ import annotations

from typing import Any

import kopf
import pytest

from cachedistill_operator.api.group import ROUTE_LABEL, Key
from cachedistill_operator.cluster.queue import Item, Queue
from cachedistill_operator.cluster.watched import Watched
from cachedistill_operator.handlers import Desk, on_cache, on_pod, on_route, see_cache, see_pod, see_route
from cachedistill_operator.reconcile.status import Statuses
from tests.model_routes import NAMESPACE, cache, pod, route, rule

ROUTE, CACHE = (
    Item(kind, Key(NAMESPACE, name)) for kind, name in (("ModelRoute", "chat"), ("SemanticCache", "support"))
)
HANDLERS: dict[str, tuple[Any, Any]] = {
    "ModelRoute": (see_route, on_route),
    "SemanticCache": (see_cache, on_cache),
    "Pod": (see_pod, on_pod),
}
USING = [rule(cache="support")]


class Notebook(Queue):
    """Notes what is to be looked at."""

    def __init__(self) -> None:
        super().__init__(_never, lambda _: True, drift_seconds=60)
        self.noted: set[Item] = set()

    def add(self, item: Item, after: float = 0.0) -> None:
        self.noted.add(item)


async def _never(_: Item) -> None: ...


class Office:
    """A desk, and how kopf brings events to it."""

    def __init__(self) -> None:
        self.queue = Notebook()
        self.desk = Desk(Watched(), self.queue, Statuses(None, None))  # type: ignore[arg-type]

    async def hear(self, resource: dict[str, Any], type_: str | None = "MODIFIED") -> set[Item]:
        """Tell of a resource; what is to be looked at because of that."""
        self.queue.noted = set()
        see, tell = HANDLERS[resource["kind"]]
        body = kopf.Body(resource)  # type: ignore[arg-type]
        if type_ != "DELETED":
            await see(memo=self.desk, body=body)
        await tell(memo=self.desk, type=type_, body=body)
        return self.queue.noted


@pytest.fixture
async def office() -> Office:
    """One that knows of a route and its cache."""
    office = Office()
    await office.hear(route(rules=USING))
    await office.hear(cache())
    return office


def changed(resource: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {**resource, "metadata": {**resource["metadata"], **meta}}


async def test_a_figure_in_a_caches_status_has_the_cache_alone_looked_at(office: Office) -> None:
    assert await office.hear(cache(status={"entries": 3})) == {CACHE}


async def test_a_caches_new_embedder_has_its_routes_looked_at(office: Office) -> None:
    assert await office.hear(cache(status={"embedding": {"model": "other"}})) == {CACHE, ROUTE}


async def test_a_caches_changed_spec_has_its_routes_looked_at(office: Office) -> None:
    assert await office.hear(changed(cache(), generation=2)) == {CACHE, ROUTE}


async def test_a_cache_that_goes_has_its_routes_looked_at(office: Office) -> None:
    going = changed(cache(), deletionTimestamp="2026-01-02T00:00:00Z")
    assert await office.hear(going) == {CACHE, ROUTE}
    assert await office.hear(going, "DELETED") == {CACHE, ROUTE}


async def test_a_cache_that_was_made_anew_has_its_routes_looked_at(office: Office) -> None:
    assert await office.hear(changed(cache(), uid="another"), None) == {CACHE, ROUTE}


async def test_a_figure_in_a_routes_status_has_the_route_alone_looked_at(office: Office) -> None:
    assert await office.hear(route(rules=USING, status={"decisionsPermille": {"exact": 3}})) == {ROUTE}


async def test_a_routes_new_document_has_its_caches_looked_at(office: Office) -> None:
    status = {"routeDocument": {"digest": "sha256:1"}}
    assert await office.hear(route(rules=USING, status=status)) == {CACHE, ROUTE}


async def test_a_cache_that_a_route_names_no_more_is_looked_at(office: Office) -> None:
    assert await office.hear(changed(route(), generation=2)) == {CACHE, ROUTE}


async def test_a_pod_has_its_route_looked_at_when_what_matters_of_it_changes(office: Office) -> None:
    def chat(**more: Any) -> dict[str, Any]:
        return pod(labels={ROUTE_LABEL: "chat"}, **more) | {"spec": {}}

    def told(resource: dict[str, Any]) -> dict[str, Any]:
        return changed(resource, uid="pod-1")

    assert await office.hear(told(chat(phase="Pending")), "ADDED") == {ROUTE}
    assert await office.hear(told(chat(phase="Pending"))) == set()
    assert await office.hear(told(chat())) == {ROUTE}
    assert await office.hear(told(chat()), "DELETED") == {ROUTE}
