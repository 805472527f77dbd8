"""The chart in a real API server: what it takes, what an upgrade leaves, and whom its policies refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import yaml

from e2e.cluster.api_server import ApiServer
from e2e.cluster.kubectl import Kubectl, KubectlError
from e2e.machine import Unavailable
from tests.chart import NAMESPACE, Manifest, release, render

CONTROLLER = f"system:serviceaccount:{NAMESPACE}:cachedistill-controller"
ROLE = "cachedistill-named-secrets"
RBAC = "rbac.authorization.k8s.io"
SECRET = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["get"]}
SELF = {"kind": "ServiceAccount", "name": "cachedistill-controller", "namespace": NAMESPACE}
# Nobody listens behind the webhook's Service here: labelled pods would wait for it.
VALUES = {"webhook": {"timeoutSeconds": 1}}

Grant = Callable[..., None]


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """An API server of its own, as the chart's webhook would meet the pods of other tests."""
    try:
        with ApiServer() as running:
            yield running
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def kubectl(server: ApiServer) -> Kubectl:
    """With the chart installed."""
    release(server.kubeconfig, "install", VALUES)
    kubectl = server.kubectl
    kubectl("create", "namespace", "shop")
    kubectl("-n", "shop", "wait", "--for=create", "serviceaccount/default")
    return kubectl


SETS: dict[str, Manifest] = {
    "defaults": {},
    "all replicated": {"controller": {"replicas": 3}, "webhook": {"replicas": 1}},
    "strict": {"webhook": {"failurePolicy": "Fail", "enforceRequired": False}, "crds": {"keep": False}},
    "placed": {
        "imagePullSecrets": [{"name": "mirror"}],
        "pods": {
            "labels": {"team": "platform"},
            "nodeSelector": {"pool": "system"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "priorityClassName": "system-cluster-critical",
            "extraEnv": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
        },
        "telemetry": {"endpoint": "http://collector:4318"},
    },
    "other certificates": {"webhook": {"certificates": {"source": "existingSecret", "existingSecret": "own"}}},
    "metrics for some": {"networkPolicy": {"metricsFrom": [{"namespaceSelector": {}}]}},
}


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_the_api_server_takes_every_manifest(server: ApiServer, values: Manifest) -> None:
    server.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    manifests = yaml.safe_dump_all(render(values))
    told = server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=manifests)
    assert "Deployment" in manifests
    assert "cachedistill-controller" in told


def test_an_upgrade_leaves_the_trust_in_the_webhook(server: ApiServer, kubectl: Kubectl) -> None:
    patch = [{"op": "add", "path": f"/webhooks/{each}/clientConfig/caBundle", "value": "Cg=="} for each in (0, 1)]
    name = ("mutatingwebhookconfiguration", "cachedistill-webhook")
    kubectl("patch", *name, "--type=json", "-p", json.dumps(patch))
    release(server.kubeconfig, "upgrade", VALUES | {"controller": {"replicas": 2}})
    release(server.kubeconfig, "upgrade", {"webhook": {"timeoutSeconds": 2}})
    release(server.kubeconfig, "upgrade", VALUES)
    webhooks = kubectl.get(*name)["webhooks"]
    assert [each["clientConfig"].get("caBundle") for each in webhooks] == ["Cg==", "Cg=="]
    assert [each["timeoutSeconds"] for each in webhooks] == [1, 1]


def pod(label: str | None, *, sidecar: bool = False, namespace: str = "shop") -> Manifest:
    """A pod that asks by its label."""
    first = [{"name": "cachedistill", "image": "none", "restartPolicy": "Always"}] if sidecar else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "app",
            "namespace": namespace,
            "labels": {"cachedistill.dev/inject": label} if label else {},
        },
        "spec": {"containers": [{"name": "app", "image": "none"}], "initContainers": first},
    }


def create(kubectl: Kubectl, manifest: Manifest) -> None:
    """By dry run. Raises KubectlError."""
    kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))


def test_a_pod_that_requires_a_sidecar_is_refused_without(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError, match=r"inject=required, but .* got no sidecar: no ModelRoute in namespace shop"):
        create(kubectl, pod("required"))
    create(kubectl, pod("required", sidecar=True))
    create(kubectl, pod("enabled"))
    create(kubectl, pod(None))


def test_a_namespace_can_require_it_and_a_pod_decline(kubectl: Kubectl) -> None:
    kubectl("label", "namespace", "shop", "cachedistill.dev/inject=required")
    try:
        for label in (None, "required", "nonsense"):
            with pytest.raises(KubectlError, match="has got no sidecar"):
                create(kubectl, pod(label))
        create(kubectl, pod("disabled"))
        create(kubectl, pod("enabled"))
    finally:
        kubectl("label", "namespace", "shop", "cachedistill.dev/inject-")


def test_the_clusters_own_namespaces_can_not_be_shut_by_a_label(kubectl: Kubectl) -> None:
    kubectl("label", "namespace", "kube-public", "cachedistill.dev/inject=required")
    create(kubectl, pod(None, namespace="kube-public"))
    with pytest.raises(KubectlError, match="has got no sidecar"):
        create(kubectl, pod("required", namespace="kube-public"))


def role(*rules: Manifest, name: str = ROLE) -> Manifest:
    """A Role in shop."""
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": list(rules)}


def binding(*subjects: Manifest, kind: str = "Role", name: str = ROLE) -> Manifest:
    """A RoleBinding in shop."""
    reference = {"apiGroup": RBAC, "kind": kind, "name": name}
    meta = {"name": ROLE, "namespace": "shop"}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": reference,
        "subjects": list(subjects),
    }


@pytest.fixture
def write(kubectl: Kubectl) -> Iterator[Grant]:
    """Server-side apply in the controller's name, as it does it itself."""

    def write(manifest: Manifest) -> None:
        options = ("--server-side", "--force-conflicts", "--field-manager=cachedistill", "--validate=false")
        kubectl("apply", f"--as={CONTROLLER}", *options, "-f", "-", stdin=json.dumps(manifest))

    yield write
    for kind in ("role", "rolebinding"):
        kubectl("-n", "shop", "delete", kind, ROLE, "--ignore-not-found")


def can(kubectl: Kubectl, who: str, verb: str, what: str, *more: str) -> bool:
    """Whether an account may do something."""
    try:
        return kubectl("auth", "can-i", verb, what, f"--as={who}", *more).strip() == "yes"
    except KubectlError:
        return False


def test_the_controller_reads_the_secrets_that_it_names_to_itself_and_no_other(kubectl: Kubectl, write: Grant) -> None:
    assert not can(kubectl, CONTROLLER, "get", "secret/mine", "-n", "shop")
    write(role(SECRET))
    write(binding(SELF))
    assert can(kubectl, CONTROLLER, "get", "secret/mine", "-n", "shop")
    assert not can(kubectl, CONTROLLER, "get", "secret/other", "-n", "shop")
    assert not can(kubectl, CONTROLLER, "list", "secrets", "-n", "shop")
    assert not can(kubectl, CONTROLLER, "get", "secret/mine", "-n", "default")
    assert not can(kubectl, CONTROLLER, "get", "secret/sh.helm.release.v1.cachedistill.v1", "-n", NAMESPACE)


@pytest.mark.parametrize(
    "wrong",
    [
        SECRET | {"resourceNames": []},
        SECRET | {"verbs": ["get", "list"]},
        SECRET | {"verbs": ["*"]},
        SECRET | {"resources": ["secrets", "pods"]},
        SECRET | {"resources": ["*"]},
        SECRET | {"apiGroups": ["", "apps"]},
    ],
    ids=["all secrets", "list", "any verb", "pods too", "anything", "apps too"],
)
def test_the_controller_can_grant_nothing_but_single_secrets(write: Grant, wrong: Manifest) -> None:
    with pytest.raises(KubectlError, match="may grant only get, create, patch and delete of Secrets by name"):
        write(role(SECRET, wrong))


def test_the_controller_can_grant_to_nobody_but_itself(write: Grant) -> None:
    for subject in (SELF | {"name": "default"}, SELF | {"namespace": "shop"}, {"kind": "User", "name": "eve"}):
        with pytest.raises(KubectlError, match="may bind only itself"):
            write(binding(SELF, subject))
    with pytest.raises(KubectlError, match="forbidden"):
        write(binding(SELF, kind="ClusterRole", name="cluster-admin"))
    with pytest.raises(KubectlError, match="forbidden"):
        write(role(SECRET, name="another"))


def deployment() -> Manifest:
    """Somebody's app."""
    labels = {"app": "app"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "shop"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "none"}]},
            },
        },
    }


def test_the_controller_can_restart_workloads_but_not_change_what_runs(kubectl: Kubectl) -> None:
    kubectl.apply(deployment(), pod(None))

    def patch(kind: str, path: str, value: object) -> None:
        body = json.dumps([{"op": "add", "path": path, "value": value}])
        kubectl("-n", "shop", "patch", kind, "app", f"--as={CONTROLLER}", "--type=json", "-p", body)

    restarted = {"cachedistill.dev/restarted-for": "x"}
    patch("pod", "/metadata/annotations", restarted)
    patch("deployment", "/spec/template/metadata/annotations", restarted)
    with pytest.raises(KubectlError, match="not what runs in them"):
        patch("pod", "/spec/containers/0/image", "evil")
    with pytest.raises(KubectlError, match="not what runs in them"):
        patch("deployment", "/spec/template/spec/containers/0/image", "evil")
    live = kubectl.get("deployment", "app", "-n", "shop")["spec"]["template"]
    assert live["metadata"]["annotations"] == restarted
    assert live["spec"]["containers"][0]["image"] == "none"


def test_who_may_view_or_edit_may_do_so_with_our_kinds(kubectl: Kubectl) -> None:
    for account in ("view", "edit"):
        kubectl("create", "rolebinding", account, f"--clusterrole={account}", f"--user={account}", "-n", "shop")
    assert can(kubectl, "view", "list", "modelroutes.cachedistill.dev", "-n", "shop")
    assert not can(kubectl, "view", "create", "modelroutes.cachedistill.dev", "-n", "shop")
    assert can(kubectl, "edit", "create", "semanticcaches.cachedistill.dev", "-n", "shop")
    assert not can(kubectl, "edit", "create", "semanticcaches.cachedistill.dev", "-n", "default")
