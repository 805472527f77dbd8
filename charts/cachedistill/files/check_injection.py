"""`helm test`: a pod that asks for a sidecar gets one.

Makes a ModelRoute, asks the API server for a pod by dry run (so no pod is ever made), and deletes the route again.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

NAME = "cachedistill-helm-test"
SECONDS = 60.0
ROUTES = ("cachedistill.dev", "v1alpha1")


def route() -> dict[str, Any]:
    """A ModelRoute that selects the test's pod only."""
    return {
        "apiVersion": "/".join(ROUTES),
        "kind": "ModelRoute",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": {"app": NAME}},
            "rules": [{"name": "all", "fallbacks": ["nowhere"]}],
            "fallbacks": [{"name": "nowhere", "endpoint": {"url": "http://127.0.0.1:9", "dialect": "OpenAI"}}],
        },
    }


def pod() -> client.V1Pod:
    """A pod that asks for a sidecar, and keeps to restricted pod security, lest the namespace demand it."""
    security = client.V1SecurityContext(
        allow_privilege_escalation=False,
        capabilities=client.V1Capabilities(drop=["ALL"]),
        run_as_non_root=True,
        run_as_user=65532,
        seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
    )
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=NAME, labels={"app": NAME, "cachedistill.dev/inject": "enabled"}),
        spec=client.V1PodSpec(containers=[client.V1Container(name="app", image="none", security_context=security)]),
    )


def injected(namespace: str) -> bool:
    """Whether the API server would give the pod a sidecar."""
    asked = client.CoreV1Api().create_namespaced_pod(namespace, pod(), dry_run="All")
    return asked.spec is not None and any(each.name == "cachedistill" for each in asked.spec.init_containers or ())


def check(namespace: str) -> bool:
    """Whether the pod gets its sidecar within SECONDS: the webhook may be starting."""
    custom = client.CustomObjectsApi()
    remove(custom, namespace)
    custom.create_namespaced_custom_object(*ROUTES, namespace, "modelroutes", route())
    try:
        end = time.monotonic() + SECONDS
        while not (done := injected(namespace)) and time.monotonic() < end:
            time.sleep(1)
        return done
    finally:
        remove(custom, namespace)


def remove(custom: client.CustomObjectsApi, namespace: str) -> None:
    """Delete the test's route, if it is there."""
    try:
        custom.delete_namespaced_custom_object(*ROUTES, namespace, "modelroutes", NAME)
    except ApiException as error:
        if error.status != 404:
            raise


def main() -> int:
    """Say what came of it."""
    namespace = os.environ["TEST_NAMESPACE"]
    config.load_config()
    if check(namespace):
        print(f"A pod in {namespace} that asks for a sidecar gets one.")
        return 0
    print(
        f"A pod in {namespace} that asks for a sidecar gets none. Look at the webhook's Deployment, its log, and the "
        "caBundle of its MutatingWebhookConfiguration; and whether webhook.excludedNamespaces names this namespace."
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
