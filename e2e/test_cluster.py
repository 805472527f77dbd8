"""The cluster itself: what all the other tests build on."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.cluster.cluster import Cluster
from e2e.cluster.kubectl import Kubectl
from e2e.conftest import AnyCluster, Images

READY = "--for=condition=Ready"
TIMEOUT = "--timeout=90s"
Manifest = dict[str, Any]


def test_a_native_sidecar_is_up_before_its_app_and_ends_with_its_job(
    kubectl: Kubectl, images: Images, namespace: str
) -> None:
    app = images["app"]
    sidecar = container("sidecar", app, "python", "-m", "http.server", "--bind", "127.0.0.1", "9000")
    sidecar |= {"restartPolicy": "Always", "startupProbe": {"exec": {"command": asking("http://127.0.0.1:9000")}}}
    pod = {
        "restartPolicy": "Never",
        # As process 1 the server doesn't heed SIGTERM.
        "terminationGracePeriodSeconds": 1,
        "initContainers": [sidecar],
        "containers": [container("app", app, *asking("http://127.0.0.1:9000"))],
    }
    kubectl.within(namespace).apply(job("asks-once", pod))
    kubectl.within(namespace)("wait", "--for=condition=Complete", TIMEOUT, "job/asks-once")


def test_a_job_reaches_a_service_by_its_name(kubectl: Kubectl, images: Images, namespace: str) -> None:
    app, here = images["app"], kubectl.within(namespace)
    here.apply(*provider(app), job("asks", {"restartPolicy": "Never", "containers": [container("app", app, *ASKS)]}))
    here("wait", "--for=condition=Complete", TIMEOUT, "job/asks")


def test_logs_and_exec_reach_a_container(kubectl: Kubectl, images: Images, namespace: str) -> None:
    here = kubectl.within(namespace)
    here.apply(*provider(images["app"]))
    here("wait", READY, TIMEOUT, "pod/provider")
    assert "http://" in here("logs", "provider")
    assert here("exec", "provider", "--", "python", "-c", "import openai, anthropic; print('here')") == "here\n"


def test_what_a_claim_holds_outlives_the_pod(kubectl: Kubectl, images: Images, namespace: str) -> None:
    app, here = images["app"], kubectl.within(namespace)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    here.apply(claim, with_claim("writes", container("app", app, "sh", "-c", "echo kept > /data/file")))
    here("wait", "--for=jsonpath={.status.phase}=Succeeded", TIMEOUT, "pod/writes")
    here("delete", "pod", "writes")
    here.apply(with_claim("reads", container("app", app, "grep", "kept", "/data/file")))
    here("wait", "--for=jsonpath={.status.phase}=Succeeded", TIMEOUT, "pod/reads")


def test_pods_run_on_while_the_api_server_is_away(
    cluster: AnyCluster, kubectl: Kubectl, images: Images, namespace: str
) -> None:
    if not isinstance(cluster, Cluster):
        pytest.skip("only a cluster of one's own can be asked to lose its API server")
    here = kubectl.within(namespace)
    here.apply(*provider(images["app"]))
    here("wait", READY, TIMEOUT, "pod/provider")
    before = here.get("pod", "provider")["status"]["containerStatuses"][0]["containerID"]
    cluster.restart_api_server()
    here("wait", READY, TIMEOUT, "pod/provider")
    assert here.get("pod", "provider")["status"]["containerStatuses"][0]["containerID"] == before


def asking(url: str) -> list[str]:
    """A command that gets a URL, until it's answered."""
    program = f"""
import time, urllib.error, urllib.request
for attempt in range(60):
    try:
        urllib.request.urlopen("{url}", timeout=2)
        break
    except urllib.error.HTTPError:
        break
    except OSError:
        time.sleep(0.5)
else:
    raise SystemExit(1)
"""
    return ["python", "-c", program]


ASKS = asking("http://provider:8000/v1/models")


def container(name: str, image: str, *command: str) -> Manifest:
    """A container under the restricted pod security standard."""
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def pod(name: str, **spec: Any) -> Manifest:
    """A pod that ends soon when it's told to."""
    metadata = {"name": name, "labels": {"app": name}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"terminationGracePeriodSeconds": 2} | spec,
    }


def job(name: str, template: Manifest) -> Manifest:
    """A Job that doesn't try again."""
    spec = {"backoffLimit": 0, "template": {"spec": template}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def provider(image: str) -> tuple[Manifest, Manifest]:
    """The tests' provider, as a pod and a Service."""
    serving = container("provider", image, "python", "-m", "tests.upstream", "--host", "0.0.0.0", "--port", "8000")
    serving["readinessProbe"] = {"tcpSocket": {"port": 8000}, "periodSeconds": 1}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "provider"},
        "spec": {"selector": {"app": "provider"}, "ports": [{"port": 8000}]},
    }
    return pod("provider", containers=[serving]), service


def with_claim(name: str, runs: Manifest) -> Manifest:
    """A pod whose container has the claim `data` at /data."""
    runs["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    return pod(name, restartPolicy="Never", containers=[runs], volumes=[volume], securityContext={"fsGroup": 65532})
