"""One pod, one route."""

from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.inject import choose


def route(name: str, created: str, selector: dict[str, Any] | None = None, **metadata: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created, **metadata},
        "spec": {"selector": selector or {"matchLabels": {"app": "chat"}}},
    }


POD = {"metadata": {"labels": {"app": "chat", "tier": "web"}}}
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def test_the_oldest_route_wins() -> None:
    assert choose(POD, [route("a", LATE), route("b", EARLY)]) == route("b", EARLY)


def test_of_routes_of_the_same_second_the_first_by_name_wins() -> None:
    assert choose(POD, [route("b", EARLY), route("a", EARLY)]) == route("a", EARLY)


def test_a_route_that_is_being_deleted_takes_no_pod() -> None:
    assert choose(POD, [route("a", EARLY, deletionTimestamp=LATE), route("b", LATE)]) == route("b", LATE)


def test_a_route_that_cannot_be_read_does_not_keep_others_from_their_pods() -> None:
    assert choose(POD, [route("a", EARLY, {"matchExpressions": "no list"}), route("b", LATE)]) == route("b", LATE)


def test_without_a_route_that_takes_it_a_pod_has_none() -> None:
    assert choose(POD, [route("a", EARLY, {"matchLabels": {"app": "other"}})]) is None
    assert choose({"metadata": {}}, [route("a", EARLY)]) is None


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ({"key": "tier", "operator": "In", "values": ["web", "api"]}, True),
        ({"key": "tier", "operator": "In", "values": ["api"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "absent", "operator": "NotIn", "values": ["web"]}, True),
        ({"key": "tier", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, False),
    ],
)
def test_expressions_of_a_selector_hold_as_in_kubernetes(expression: dict[str, Any], taken: bool) -> None:
    selector = {"matchLabels": {"app": "chat"}, "matchExpressions": [expression]}
    assert (choose(POD, [route("a", EARLY, selector)]) is not None) is taken
