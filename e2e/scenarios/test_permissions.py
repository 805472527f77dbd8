"""What the controller may not do, asked of the API server itself."""

from __future__ import annotations

import json

import pytest

from e2e.cluster.kubectl import KubectlError
from e2e.scenarios import manifests
from e2e.scenarios.release import CONTROLLER, NAMESPACE, WEBHOOK, Release
from e2e.scenarios.town import NewTown, until

ACCOUNT = f"--as=system:serviceaccount:{NAMESPACE}:"


def may(release: Release, who: str, *arguments: str) -> bool:
    try:
        return release.kubectl("auth", "can-i", *arguments, ACCOUNT + who).strip() == "yes"
    except KubectlError:
        return False


def test_the_controller_reads_the_secrets_that_a_resource_names_and_no_others(
    release: Release, new_town: NewTown
) -> None:
    town = new_town("secrets")
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "openai"}, "stringData": {"token": "sk-test"}}
    route = manifests.route()
    route["spec"]["fallbacks"][0]["endpoint"]["credentialsSecretRef"] = {"name": "openai", "key": "token"}
    town.put(key, route)
    until(lambda: may(release, CONTROLLER, "get", "secret/openai", "-n", town.name))
    assert not may(release, CONTROLLER, "get", "secret/other", "-n", town.name)
    assert not may(release, CONTROLLER, "list", "secrets", "-n", town.name)
    assert not may(release, WEBHOOK, "get", "secret/openai", "-n", town.name)
    town.kubectl("delete", "mroute", "chat")
    until(lambda: not may(release, CONTROLLER, "get", "secret/openai", "-n", town.name))


def test_the_controller_cannot_give_itself_more(release: Release, new_town: NewTown) -> None:
    town = new_town("greedy")
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "cachedistill-named-secrets", "namespace": town.name},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}],
    }
    with pytest.raises(KubectlError, match="Secrets by name"):
        release.kubectl("apply", "--server-side", ACCOUNT + CONTROLLER, "-f", "-", stdin=json.dumps(role))
    other = {**role, "metadata": {"name": "another", "namespace": town.name}}
    with pytest.raises(KubectlError, match="forbidden"):
        release.kubectl("apply", "--server-side", ACCOUNT + CONTROLLER, "-f", "-", stdin=json.dumps(other))


def test_neither_process_may_touch_what_is_not_its_own(release: Release) -> None:
    for who in (CONTROLLER, WEBHOOK):
        for what in (("create", "pods"), ("delete", "pods"), ("create", "clusterroles"), ("update", "nodes")):
            assert not may(release, who, *what, "--all-namespaces"), (who, what)
    assert not may(release, WEBHOOK, "patch", "pods", "--all-namespaces")
