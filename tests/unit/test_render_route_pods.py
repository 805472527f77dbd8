"""Which pods a route gets, and how it stands with their sidecars."""

from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.api.base import LabelSelector
from cachedistill_operator.api.group import INJECT_LABEL, RESTART_ANNOTATION
from cachedistill_operator.api.selector import matches, same, text
from cachedistill_operator.cluster.watched import Owner
from cachedistill_operator.inject import SkipReason, digest, inject
from cachedistill_operator.render.conflicts import Conflict, share
from cachedistill_operator.render.route_pods import Census, asking, census, restart_mark
from tests.model_routes import SETTINGS, pod, route

Resource = dict[str, Any]

ROUTE = route("chat")
NOW = digest(ROUTE, SETTINGS)
REPLICA_SET = Owner("apps/v1", "ReplicaSet", "chat-5f")


def injected(resource: Resource, by: Resource = ROUTE) -> Resource:
    made = inject(resource, by, {}, SETTINGS).pod
    assert made is not None
    return made


def counted(*pods: Resource) -> Census:
    return census(ROUTE, pods, {}, NOW, SETTINGS)


def test_a_pod_asks_by_its_own_label_or_by_its_namespaces() -> None:
    silent = pod("silent")
    del silent["metadata"]["labels"][INJECT_LABEL]
    refusing = pod("refusing", labels={INJECT_LABEL: "disabled"})
    required = pod("required", labels={INJECT_LABEL: "required"})
    pods = [pod("asking"), silent, refusing, required]

    def names(namespace: dict[str, str]) -> list[str]:
        return [each["metadata"]["name"] for each in asking(pods, namespace)]

    assert names({}) == ["asking", "required"]
    assert names({INJECT_LABEL: "enabled"}) == ["asking", "silent", "required"]


def test_pods_that_are_over_or_about_to_be_do_not_count() -> None:
    going = pod("going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert asking([pod(phase="Succeeded"), pod(phase="Failed"), going], {}) == []
    assert len(asking([pod(phase="Pending")], {})) == 1


def test_a_pod_as_it_would_be_injected_now_is_injected_and_nothing_else() -> None:
    assert counted(injected(pod())) == Census(matched=1, injected=1)


def test_a_pod_injected_otherwise_is_outdated_and_its_controller_is_to_restart() -> None:
    before = injected(pod(owner=("ReplicaSet", "chat-5f")), route("chat", interception={"providers": ["Ollama"]}))
    assert counted(before) == Census(matched=1, injected=1, outdated=1, restart=frozenset({REPLICA_SET}))


def test_a_pod_with_another_routes_sidecar_is_outdated_and_not_this_routes() -> None:
    count = counted(injected(pod(owner=("StatefulSet", "chat")), route("older")))
    assert (count.matched, count.injected, count.outdated) == (1, 0, 1)


def test_a_pod_without_a_sidecar_that_could_have_one_is_bare() -> None:
    count = counted(pod(owner=("ReplicaSet", "chat-5f")))
    assert (count.matched, count.injected, count.bare, count.restart) == (1, 0, 1, frozenset({REPLICA_SET}))


def test_a_pod_that_can_not_have_a_sidecar_is_told_with_its_reason_and_never_restarted() -> None:
    count = counted(pod(owner=("ReplicaSet", "chat-5f"), hostNetwork=True))
    assert (count.unfit, count.bare, count.restart) == ({SkipReason.HOST_NETWORK: 1}, 0, frozenset())


@pytest.mark.parametrize("owner", [("Job", "once"), None])
def test_jobs_and_pods_of_nobody_are_never_restarted(owner: tuple[str, str] | None) -> None:
    count = counted(pod(owner=owner))
    assert (count.bare, count.restart) == (1, frozenset())


def test_a_pod_that_a_restart_for_this_injection_has_not_helped_is_not_restarted_again() -> None:
    marked = {RESTART_ANNOTATION: restart_mark("chat", NOW)}
    count = counted(pod(owner=("ReplicaSet", "chat-5f"), annotations=marked))
    assert (count.bare, count.in_vain, count.restart) == (1, 1, frozenset())
    earlier = {RESTART_ANNOTATION: restart_mark("chat", "0" * 16)}
    assert counted(pod(owner=("ReplicaSet", "chat-5f"), annotations=earlier)).restart == {REPLICA_SET}


OLD, YOUNG = (
    route("old", created="2026-01-01T00:00:00Z"),
    route("young", created="2026-01-02T00:00:00Z", labels={"app": "chat", "tier": "web"}),
)


def test_the_oldest_route_gets_a_pod_and_the_younger_one_says_so() -> None:
    pods = [pod("one", labels={"tier": "web"}), pod("two", labels={"tier": "web"})]
    assert share(OLD, [YOUNG], pods) == (pods, [])
    own, [conflict] = share(YOUNG, [OLD], pods)
    assert own == []
    assert conflict == Conflict("old", 2)
    assert "old is older and takes 2 of the pods" in str(conflict)


def test_two_routes_that_could_but_do_not_share_pods_are_at_peace() -> None:
    assert share(YOUNG, [OLD], []) == ([], [])


def test_the_same_selector_is_a_conflict_before_there_are_pods() -> None:
    twin = route("twin", created="2026-01-02T00:00:00Z")
    twin["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["chat"]}]}
    assert share(twin, [OLD], [])[1] == [Conflict("old", None)]
    assert share(twin, [OLD], [pod()])[1] == [Conflict("old", None)]
    assert share(OLD, [twin], [pod()])[1] == []


def test_of_two_routes_of_the_same_second_the_first_by_name_is_the_older() -> None:
    one, other = route("a"), route("b")
    assert share(one, [other], [])[1] == []
    assert share(other, [one], [])[1] == [Conflict("a", None)]


def test_a_route_that_is_being_deleted_takes_nothing() -> None:
    going = route("going", created="2020-01-01T00:00:00Z")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert share(OLD, [going], [pod()]) == ([pod()], [])


def selector(**spec: Any) -> LabelSelector:
    return LabelSelector.model_validate(spec)


def expression(operator: str, *values: str) -> LabelSelector:
    each = {"key": "tier", "operator": operator} | ({"values": list(values)} if values else {})
    return selector(matchExpressions=[each])


@pytest.mark.parametrize(
    ("asked", "taken", "left"),
    [
        (selector(matchLabels={"tier": "web"}), [{"tier": "web", "x": "y"}], [{"tier": "db"}, {}]),
        (expression("In", "web", "db"), [{"tier": "db"}], [{"tier": "x"}, {}]),
        (expression("NotIn", "web"), [{"tier": "db"}, {}], [{"tier": "web"}]),
        (expression("Exists"), [{"tier": ""}], [{}]),
        (expression("DoesNotExist"), [{}], [{"tier": "web"}]),
    ],
)
def test_a_selector_takes_what_kubernetes_would(
    asked: LabelSelector, taken: list[dict[str, str]], left: list[dict[str, str]]
) -> None:
    assert all(matches(asked, labels) for labels in taken)
    assert not any(matches(asked, labels) for labels in left)


def test_a_selectors_text_is_what_a_list_takes() -> None:
    every = selector(
        matchLabels={"app": "chat"},
        matchExpressions=[
            {"key": "tier", "operator": "NotIn", "values": ["b", "a"]},
            {"key": "x", "operator": "Exists"},
            {"key": "y", "operator": "DoesNotExist"},
        ],
    )
    assert text(every) == "!y,app in (chat),tier notin (a,b),x"


def test_selectors_whose_parts_only_look_alike_are_not_the_same() -> None:
    one = selector(
        matchExpressions=[
            {"key": "a", "operator": "In", "values": ["x", "z"]},
            {"key": "b", "operator": "In", "values": ["w", "y"]},
        ]
    )
    other = selector(
        matchExpressions=[
            {"key": "a", "operator": "In", "values": ["x", "y"]},
            {"key": "b", "operator": "In", "values": ["w", "z"]},
        ]
    )
    assert not same(one, other)
