"""Pods before and after, as files: tests/golden/inject."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cachedistill_operator.inject import SkipReason, inject
from cachedistill_operator.webhook.patch import additions
from tests.golden import Case, case, cases, settings
from tests.patching import patched

ALL = cases()
INJECTED = [each for each in ALL if each.run().pod is not None]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.folder.name)
def test_injection_makes_of_a_pod_what_the_files_say(case: Case) -> None:
    assert case.written() == case.told(), "look at it, then: python -m tests.golden"


@pytest.mark.parametrize("case", INJECTED, ids=lambda case: case.folder.name)
def test_injecting_again_changes_nothing(case: Case) -> None:
    once = case.run().pod
    assert once is not None
    assert inject(once, case.route, {"cachedistill.dev/inject": "enabled"}, settings()).pod == once


@pytest.mark.parametrize("case", INJECTED, ids=lambda case: case.folder.name)
def test_the_patch_leads_from_the_one_pod_to_the_other(case: Case) -> None:
    injected = case.run().pod
    assert patched(case.pod, additions(case.pod, injected)) == injected


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.folder.name)
def test_the_pod_that_comes_in_is_not_touched(case: Case) -> None:
    pod, route = case.pod, case.route
    before = copy.deepcopy((pod, route))
    inject(pod, route, {}, settings())
    assert (pod, route) == before


def test_each_reason_that_injection_itself_can_find_has_a_case() -> None:
    outside = {SkipReason.ROUTES_UNKNOWN, SkipReason.INTERNAL_ERROR}
    assert {each.run().skip for each in ALL} == {None, *SkipReason} - outside


def test_a_container_that_another_webhook_adds_later_is_completed() -> None:
    first = case("plain").run().pod
    assert first is not None
    late: dict[str, Any] = {"name": "late", "image": "registry.example/late:1"}
    first["spec"]["containers"].append(late)
    first["spec"]["initContainers"].insert(0, {"name": "before", "image": "registry.example/before:1"})
    again = inject(first, case("plain").route, {}, settings()).pod
    assert again is not None
    by_name = {each["name"]: each for each in again["spec"]["containers"] + again["spec"]["initContainers"]}
    for name in ("late", "before"):
        assert {"name": "OPENAI_BASE_URL", "value": "http://127.0.0.1:14080/v1"} in by_name[name]["env"]
    assert [each["name"] for each in again["spec"]["initContainers"]] == ["before", "cachedistill"]


def test_only_the_sidecar_can_read_the_interception_key_and_the_routes_secrets() -> None:
    injected = case("transparent").run().pod
    assert injected is not None
    mounts = {
        each["name"]: {mount["name"] for mount in each.get("volumeMounts", ())}
        for each in injected["spec"]["containers"] + injected["spec"]["initContainers"]
    }
    assert mounts["app"] == {"cachedistill-trust"}
    secret = {each["name"] for each in injected["spec"]["volumes"] if "projected" in each}
    assert secret == {"cachedistill"}
    assert secret <= mounts["cachedistill"]
