"""What runs before an uninstall, what is left after it, and `helm test`: as the accounts that the chart gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster.api_server import ApiServer
from e2e.cluster.kubectl import Kubectl
from e2e.machine import Unavailable
from tests.chart import NAMESPACE, Manifest, one, release, render

ROLE = "cachedistill-named-secrets"
CACHES = "semanticcaches.cachedistill.dev"
ROUTES = "modelroutes.cachedistill.dev"


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """An API server of its own: this module takes the chart away."""
    try:
        with ApiServer() as running:
            yield running
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture
def kubectl(server: ApiServer) -> Iterator[Kubectl]:
    """With the chart installed, and what a controller would have made."""
    release(server.kubeconfig, "install")
    kubectl = server.kubectl
    kubectl("create", "namespace", "shop")
    yield kubectl
    release(server.kubeconfig, "uninstall", None, "--no-hooks", "--ignore-not-found")
    kubectl("delete", "namespace", "shop", NAMESPACE)


def run(server: ApiServer, script: str, values: Manifest | None = None, *, seconds: int | None = None) -> str:
    """Run a script of the chart as its Job would: with the Job's environment, and the rights of its account.

    `seconds` replaces the script's patience. Raises CalledProcessError.
    """
    manifests = render(values)
    name = {"before_uninstall.py": "cachedistill-uninstall", "check_injection.py": "cachedistill-test"}[script]
    hooks = [each for each in manifests if each["metadata"]["name"] == name]
    server.kubectl.apply(*(each for each in hooks if each["kind"] != "Job"))
    (container,) = one(hooks, "Job", name)["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", f"/scripts/{script}"]
    text = one(hooks, "ConfigMap", name)["data"][script]
    if seconds is not None:
        assert "\nSECONDS = 60.0\n" in text
        text = text.replace("\nSECONDS = 60.0\n", f"\nSECONDS = {seconds}\n")
    environment = {each["name"]: each["value"] for each in container["env"]}
    environment["KUBECONFIG"] = str(kubeconfig_of(server, name))
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout


def kubeconfig_of(server: ApiServer, account: str) -> Path:
    """That of a service account of the release's namespace."""
    config = yaml.safe_load(server.kubeconfig.read_text("utf8"))
    token = server.kubectl("create", "token", account, "-n", NAMESPACE).strip()
    config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
    file = server.folder / f"{account}.kubeconfig"
    file.write_text(yaml.safe_dump(config), "utf8")
    return file


def cache(*finalizers: str) -> Manifest:
    """A SemanticCache in shop."""
    return {
        "apiVersion": "cachedistill.dev/v1alpha1",
        "kind": "SemanticCache",
        "metadata": {"name": "answers", "namespace": "shop", "finalizers": list(finalizers)},
        "spec": {"redis": {"managed": {}}, "deletionPolicy": "Delete"},
    }


def controllers_own() -> list[Manifest]:
    """What the controller makes for itself, and a Role that is somebody else's."""

    def role(name: str) -> Manifest:
        meta = {"name": name, "namespace": "shop"}
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": []}

    binding = role(ROLE) | {
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROLE},
    }
    del binding["rules"]
    names = ("cachedistill-webhook-tls", "cachedistill-webhook-tls-ca")
    secrets = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}} for name in names
    ]
    lease = {"name": "cachedistill-controller", "namespace": NAMESPACE}
    leases = [{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": lease, "spec": {}}]
    return [role(ROLE), role("theirs"), binding, *secrets, *leases]


def test_nothing_hangs_or_stays_after_an_uninstall(server: ApiServer, kubectl: Kubectl) -> None:
    kubectl.apply(cache("cachedistill.dev/data", "example.com/theirs"), *controllers_own())
    run(server, "before_uninstall.py")
    assert kubectl.get(CACHES, "answers", "-n", "shop")["metadata"]["finalizers"] == ["example.com/theirs"]
    assert kubectl.get("deployment", "cachedistill-controller", "-n", NAMESPACE)["spec"]["replicas"] == 0
    assert kubectl("get", "role,rolebinding", "-n", "shop", "-o", "name").split() == [
        "role.rbac.authorization.k8s.io/theirs"
    ]
    for each in (each for each in render() if "helm.sh/hook" in each["metadata"].get("annotations", {})):
        place = ("-n", each["metadata"]["namespace"]) if "namespace" in each["metadata"] else ()
        kubectl("delete", each["kind"], each["metadata"]["name"], *place, "--ignore-not-found")
    release(server.kubeconfig, "uninstall", None, "--no-hooks")
    kinds = "deployment,service,configmap,secret,serviceaccount,role,rolebinding,lease,networkpolicy,pdb"
    assert set(kubectl("get", kinds, "-n", NAMESPACE, "-o", "name").split()) == {
        "configmap/kube-root-ca.crt",
        "serviceaccount/default",
    }
    clusterwide = (
        "clusterrole,clusterrolebinding,mutatingwebhookconfiguration,crd,"
        "validatingadmissionpolicy,validatingadmissionpolicybinding"
    )
    left = kubectl("get", clusterwide, "-o", "name").split()
    assert {name for name in left if "cachedistill" in name} == {
        f"customresourcedefinition.apiextensions.k8s.io/{ROUTES}",
        f"customresourcedefinition.apiextensions.k8s.io/{CACHES}",
    }
    patch = '{"metadata": {"finalizers": null}}'
    kubectl("-n", "shop", "patch", CACHES, "answers", "--type=merge", "-p", patch)


def test_resources_go_before_their_definitions_do(server: ApiServer, kubectl: Kubectl) -> None:
    values = {"crds": {"keep": False}}
    kubectl.apply(cache())
    told = run(server, "before_uninstall.py", values)
    assert told.splitlines() == ["deleting SemanticCache shop/answers"]
    assert kubectl("get", CACHES, "--all-namespaces", "-o", "name") == ""


def injecting() -> list[Manifest]:
    """A policy that does to pods what the webhook does, as far as `helm test` looks."""
    meta = {"name": "stand-in-for-the-webhook"}
    group = "admissionregistration.k8s.io/v1"
    expression = (
        "Object{spec: Object.spec{initContainers: [Object.spec.initContainers{"
        "name: 'cachedistill', image: 'none', restartPolicy: 'Always'}]}}"
    )
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
    asks = {"matchLabels": {"cachedistill.dev/inject": "enabled"}}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": rules, "objectSelector": asks},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
    }
    return [
        {"apiVersion": group, "kind": "MutatingAdmissionPolicy", "metadata": meta, "spec": spec},
        {
            "apiVersion": group,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": meta,
            "spec": {"policyName": meta["name"]},
        },
    ]


def test_helm_test_tells_whether_pods_get_their_sidecar(server: ApiServer, kubectl: Kubectl) -> None:
    kubectl("delete", "mutatingwebhookconfiguration", "cachedistill-webhook")  # Nobody is there to answer.
    assert run(server, "check_injection.py", seconds=0).startswith(
        "A pod in default that asks for a sidecar gets none."
    )
    kubectl.apply(*injecting())
    try:
        assert run(server, "check_injection.py") == "A pod in default that asks for a sidecar gets one.\n"
    finally:
        kubectl("delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", "stand-in-for-the-webhook")
    assert kubectl("get", ROUTES, "-n", "default", "-o", "name") == ""
    assert kubectl("get", "pod", "-n", "default", "-o", "name") == ""
