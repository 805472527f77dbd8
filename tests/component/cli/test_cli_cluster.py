"""`cachedistill install` and `cachedistill status`, against a real API server."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cachedistill_operator.api.group import INJECTION_ANNOTATION, ROUTE_LABEL
from cachedistill_operator.inject import digest
from cachedistill_sidecar.cli import cachedistill
from e2e.binaries import tool
from e2e.cluster.api_server import ApiServer
from e2e.cluster.kubectl import Kubectl
from tests.model_routes import SETTINGS
from tests.resources import Manifest, model_route, semantic_cache


def run(kubeconfig: Path, *arguments: str, path: str = "") -> Result:
    environment = {"KUBECONFIG": str(kubeconfig), "PATH": path, "KUBERNETES_SERVICE_HOST": None}
    return CliRunner().invoke(cachedistill, arguments, env=environment)


def pod(name: str, app: str, **meta: Manifest) -> Manifest:
    labels = {"app": app, "cachedistill.dev/inject": "enabled"} | meta.get("labels", {})
    container = {"name": "app", "image": "example.com/app:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": meta.get("annotations", {})},
        "spec": {"containers": [container]},
    }


@pytest.fixture
def namespace(kinds: Kubectl) -> Iterator[str]:
    """With the settings of a release, as the chart writes them."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kinds("create", "namespace", name)
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": name, "labels": {"app.kubernetes.io/part-of": "cachedistill"}},
        "data": {"settings.yaml": yaml.safe_dump(SETTINGS.model_dump(mode="json", by_alias=True))},
    }
    kinds.apply(settings)
    yield name
    kinds("delete", "namespace", name, "--wait=false")


class TestStatus:
    def test_it_tells_routes_caches_and_what_is_wrong_with_them(self, kinds: Kubectl, namespace: str) -> None:
        here = kinds.within(namespace)
        here.apply(
            *(
                each | {"metadata": {**each["metadata"], "namespace": namespace}}
                for each in (model_route(), semantic_cache())
            )
        )
        condition = {
            "type": "ResolvedRefs",
            "status": "False",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "RefNotFound",
            "message": "no such thing",
        }
        status = {"conditions": [condition], "localPermille": 412, "pods": {"matched": 4, "injected": 3, "outdated": 1}}
        here("patch", "mroute", "chat", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        told = run(kinds.kubeconfig, "status", "--namespace", namespace)
        assert told.exit_code == 0, told.output
        row = next(line.split() for line in told.output.splitlines() if line.startswith(namespace))
        assert row == [namespace, "chat", "Unknown", "3/4", "1", "41.2%", "-"]
        assert "ResolvedRefs is false, RefNotFound: no such thing" in told.output
        assert "support" in told.output

    @pytest.mark.parametrize(
        ("known", "told"),
        [
            ({"measured": 6, "upper": 9, "budget": 20, "labels": 5120}, ["0.6% ≤ 0.9%", "2.0%"]),
            ({"budget": 20, "labels": 30}, ["-", "2.0%"]),
            (None, ["-", "-"]),
        ],
        ids=["verified", "labels only", "no labels"],
    )
    def test_it_tells_the_wrong_share_of_a_cache_with_its_bound_and_budget(
        self, kinds: Kubectl, namespace: str, known: dict[str, Any] | None, told: list[str]
    ) -> None:
        here = kinds.within(namespace)
        cache = semantic_cache()
        here.apply(cache | {"metadata": {**cache["metadata"], "namespace": namespace}})
        wrong = {} if known is None else {"wrongHitPermille": known | {"since": "2026-01-01T00:00:00Z"}}
        status = {"entries": 18231, "hitPermille": 412, **wrong}
        here(
            "patch", "semcache", "support", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
        )
        output = run(kinds.kubeconfig, "status", "--namespace", namespace).output
        row = next(re.split(" {2,}", line) for line in output.splitlines() if line.startswith(namespace))
        assert row == [namespace, "support", "Unknown", "18231", "41.2%", *told, "-"]

    def test_it_tells_which_pods_have_no_sidecar_and_why(self, kinds: Kubectl, namespace: str) -> None:
        here = kinds.within(namespace)
        route = model_route()
        route["metadata"]["namespace"] = namespace
        here.apply(route)
        here.apply(pod("too-early", "chat"), pod("nobodys", "other"), outdated := pod("before", "chat"))
        assert outdated["metadata"]["name"] == "before"
        told = run(kinds.kubeconfig, "status", "--namespace", namespace).output
        lines = {line.split()[1]: line for line in told.splitlines() if line.startswith(namespace) and "none" in line}
        assert "restart its workload" in lines["too-early"]
        assert "NoRoute" in lines["nobodys"]

    def test_it_tells_which_sidecars_are_outdated(self, kinds: Kubectl, namespace: str) -> None:
        here = kinds.within(namespace)
        route = model_route()
        route["metadata"]["namespace"] = namespace
        here.apply(route)
        live = here.get("modelroute", "chat")
        for name, mark in (("current", digest(live, SETTINGS)), ("before", "0123456789abcdef")):
            made = pod(name, "chat", labels={ROUTE_LABEL: "chat"}, annotations={INJECTION_ANNOTATION: mark})
            sidecar = {"name": "cachedistill", "image": "example.com/sidecar:1", "restartPolicy": "Always"}
            made["spec"]["initContainers"] = [sidecar]
            here.apply(made)
        told = run(kinds.kubeconfig, "status", "--namespace", namespace).output
        assert [line.split()[1] for line in told.splitlines() if "outdated" in line] == ["before"]

    def test_without_a_cluster_it_says_so_in_a_sentence(self, tmp_path: Path) -> None:
        told = run(tmp_path / "none", "status")
        assert told.exit_code == 1
        assert "The cluster can't be reached" in told.output


class TestInstall:
    def test_a_dry_run_lists_what_would_be_made_and_makes_nothing(self, api_server: ApiServer) -> None:
        folder = str(tool("helm").parent)
        before = api_server.kubectl("get", "namespaces", "-o", "name").split()
        told = run(
            api_server.kubeconfig, "install", "--dry-run", "--set", "crds.enabled=false", "-n", "default", path=folder
        )
        assert told.exit_code == 0, told.output
        assert "ok  Kubernetes v1." in told.output
        assert "Deployment default/cachedistill-controller" in told.output
        assert "Nothing was changed" in told.output
        # Those of other tests may be on their way out.
        assert set(api_server.kubectl("get", "namespaces", "-o", "name").split()) <= set(before)
        assert api_server.kubectl("get", "deployments", "-n", "default", "-o", "name") == ""

    def test_who_may_not_install_is_told_before_anything_is_changed(
        self, api_server: ApiServer, tmp_path: Path
    ) -> None:
        token = api_server.kubectl("create", "token", "default", "-n", "default").strip()
        config = yaml.safe_load(api_server.kubeconfig.read_text())
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        told = run(tmp_path / "config", "install", "--dry-run", path=str(tool("helm").parent))
        assert told.exit_code == 1
        assert "NO  you may create clusterroles.rbac.authorization.k8s.io" in told.output
        assert "nothing was changed" in told.output

    def test_without_helm_it_says_so(self, api_server: ApiServer) -> None:
        told = run(api_server.kubeconfig, "install", "--dry-run")
        assert told.exit_code == 1
        assert "helm is needed" in told.output
