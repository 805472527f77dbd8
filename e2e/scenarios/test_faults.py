"""What may break in the operator, and what apps and people see of it."""

from __future__ import annotations

import time

import pytest

from e2e.cluster.cluster import Cluster
from e2e.cluster.kubectl import KubectlError
from e2e.conftest import AnyCluster
from e2e.scenarios import manifests
from e2e.scenarios.release import CONTROLLER, WEBHOOK, Release
from e2e.scenarios.town import NewTown, Town, until


@pytest.fixture(scope="module")
def town(release: Release, new_town: NewTown) -> Town:
    """A provider, a route without cache, and no app yet."""
    town = new_town("faults")
    town.put(*manifests.provider(release.images["app"]), manifests.route())
    town.rolled_out("provider")
    town.ready("modelroute", "chat", "Accepted")
    return town


def test_a_controller_that_is_killed_is_followed_by_the_other(release: Release, town: Town) -> None:
    leader = until(release.leader)
    town.put(*(manifests.route(f"extra-{number}", app=f"extra-{number}") for number in range(10)))
    release.own("delete", "pod", leader, "--grace-period=0", "--force")
    for number in range(10):
        town.ready("modelroute", f"extra-{number}", "Accepted")
    assert until(release.leader) != leader
    town.kubectl("delete", "mroute", *(f"extra-{number}" for number in range(10)))
    release.own("rollout", "status", f"deployment/{CONTROLLER}", "--timeout=60s")


def test_while_the_webhook_is_down_pods_start_without_a_sidecar_and_the_route_says_so(
    release: Release, town: Town
) -> None:
    image = release.images["app"]
    release.own("scale", f"deployment/{WEBHOOK}", "--replicas=0")
    until(lambda: not release.own.get("pods", "-l", "app.kubernetes.io/component=webhook")["items"])
    try:
        town.put(manifests.app(image))
        town.rolled_out("chat")
        assert "initContainers" not in town.pod("chat")["spec"]
        until(lambda: town.condition("modelroute", "chat", "InjectionUpToDate").get("status") == "False")
        careful = manifests.app(image, "careful", inject="required")["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", **careful, "metadata": {**careful["metadata"], "name": "careful"}}
        with pytest.raises(KubectlError, match="required"):
            town.put(pod)
    finally:
        release.own("scale", f"deployment/{WEBHOOK}", "--replicas=2")
        release.own("rollout", "status", f"deployment/{WEBHOOK}", "--timeout=110s")
    # Once it is back, the controller restarts what has no sidecar.
    until(lambda: "initContainers" in town.pod("chat")["spec"], lambda: town.kubectl("describe", "mroute", "chat"), 120)
    town.rolled_out("chat")
    town.ready("modelroute", "chat", "InjectionUpToDate")


def test_a_pod_that_asks_and_gets_none_is_an_event_with_its_reason(release: Release, town: Town) -> None:
    town.put(manifests.app(release.images["app"], "nobodys"))
    notes = until(lambda: town.events("NoRoute"))
    assert "app=nobodys" in notes[0]


def test_an_api_server_that_restarts_leaves_apps_and_operator_as_they_were(
    release: Release, town: Town, cluster: AnyCluster
) -> None:
    if not isinstance(cluster, Cluster):
        pytest.skip("the API server of a cluster that KUBECONFIG names is not ours to restart")
    town.rolled_out("chat")
    before = town.pod("chat")["metadata"]["uid"]
    cluster.restart_api_server()
    until(lambda: release.own.get("pods"))
    question = f"What time is it? {time.time()}"
    assert town.decisions(question) == ["fallback"]
    town.put(manifests.route("after", app="after"))
    town.ready("modelroute", "after", "Accepted")
    assert town.pod("chat")["metadata"]["uid"] == before
