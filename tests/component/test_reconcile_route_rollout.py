"""The pods of a ModelRoute when what is injected has changed, against real ReplicaSets and StatefulSets."""

from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.api.group import INJECT_LABEL, RESTART_ANNOTATION
from cachedistill_operator.inject import digest
from cachedistill_operator.reconcile.model_route import ROLLING_SECONDS
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_fixtures import stage as stage
from tests.component.route_stage import Stage, eventually
from tests.model_routes import SETTINGS, pod, route

Resource = dict[str, Any]

APPS = "apps/v1"


def workload(kind: str, name: str, template: Resource, **spec: Any) -> Resource:
    body = {"selector": {"matchLabels": {"app": "chat"}}, "template": template, **spec}
    return {"apiVersion": APPS, "kind": kind, "metadata": {"name": name}, "spec": body}


def template(pod: Resource) -> Resource:
    meta = pod["metadata"]
    return {
        "metadata": {"labels": meta["labels"], "annotations": meta.get("annotations") or {}},
        "spec": {key: value for key, value in pod["spec"].items() if key != "restartPolicy"},
    }


async def started(stage: Stage, count: int = 1) -> None:
    async def there() -> bool:
        return len(await stage.admin.list("v1", "Pod", stage.namespace, "app=chat")) == count

    await eventually(there)


async def mark_of(stage: Stage, kind: str, name: str) -> str | None:
    live = await stage.get(kind, name, APPS)
    mark: str | None = (live["spec"]["template"]["metadata"].get("annotations") or {}).get(RESTART_ANNOTATION)
    return mark


async def wanted_mark(stage: Stage) -> str:
    live = await stage.get("ModelRoute", "chat", "cachedistill.dev/v1alpha1")
    return f"chat-{digest(live, stage.on.settings)}"


async def test_workloads_that_started_before_the_route_are_restarted_once(stage: Stage) -> None:
    await stage.put(workload("Deployment", "chat", template(pod())))
    await started(stage)
    await stage.put(route("chat"))
    assert await stage.settle() == ROLLING_SECONDS
    assert await mark_of(stage, "Deployment", "chat") == await wanted_mark(stage)
    conditions = await stage.conditions()
    assert conditions["InjectionUpToDate"] == ("False", "RollingOut")
    assert conditions["Reconciling"] == ("True", "RollingOut")
    stage.writes()
    for _ in range(2):
        await stage.look()
    assert not [write for write in stage.writes() if "deployments" in write]
    assert await stage.events("chat") == [("Normal", "Ready"), ("Normal", "Restarted"), ("Normal", "Restarted")]


async def test_a_restart_that_has_not_helped_is_not_tried_again_and_said(stage: Stage) -> None:
    # No webhook is here: the new pods have no sidecar either.
    await stage.put(workload("Deployment", "chat", template(pod()), strategy={"type": "Recreate"}))
    await started(stage)
    await stage.put(route("chat"))
    await stage.settle()
    mark = await wanted_mark(stage)

    async def replaced() -> bool:
        found = await stage.admin.list("v1", "Pod", stage.namespace, "app=chat")
        return [each["metadata"].get("annotations", {}).get(RESTART_ANNOTATION) for each in found] == [mark]

    await eventually(replaced)
    stage.writes()
    await stage.settle()
    assert not [write for write in stage.writes() if "deployments" in write]
    assert (await stage.conditions())["Reconciling"] == ("False", "Settled")
    assert "a restart has not helped" in await stage.message("InjectionUpToDate")
    assert ("Warning", "NotInjected") in await stage.events("chat")


async def test_outdated_pods_of_a_stateful_set_and_a_daemon_set_are_restarted(stage: Stage) -> None:
    before = stage.injected(pod(), route("chat", interception={"providers": ["Ollama"]}))
    await stage.put(workload("StatefulSet", "chat", template(before), serviceName="chat"))
    await started(stage)
    await stage.put(route("chat"))
    await stage.settle()
    assert (await stage.status())["pods"] == {"matched": 1, "injected": 1, "outdated": 1}
    assert await mark_of(stage, "StatefulSet", "chat") == await wanted_mark(stage)


async def test_a_changed_route_document_alone_restarts_nothing(stage: Stage) -> None:
    made = await stage.put(route("chat"))
    await stage.put(workload("Deployment", "chat", template(stage.injected(pod(), made))))
    await started(stage)
    await stage.settle()
    await stage.put(route("chat", failurePolicy="Fail"))
    await stage.settle()
    assert (await stage.conditions())["InjectionUpToDate"] == ("True", "UpToDate")
    assert await mark_of(stage, "Deployment", "chat") is None


async def test_manual_rollout_restarts_nothing_and_says_what_to_do(stage: Stage) -> None:
    await stage.put(workload("Deployment", "chat", template(pod())))
    await started(stage)
    await stage.put(route("chat", interception={"rollout": "Manual"}))
    await stage.settle()
    assert await mark_of(stage, "Deployment", "chat") is None
    assert "restart their workloads (rollout is Manual)" in await stage.message("InjectionUpToDate")
    assert ("Warning", "NotInjected") in await stage.events("chat")


async def test_jobs_and_pods_that_can_not_have_a_sidecar_are_never_restarted(stage: Stage) -> None:
    job = {"template": template(pod())}
    job["template"]["spec"]["restartPolicy"] = "Never"
    await stage.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": job})
    await stage.put(workload("Deployment", "host", template(pod(hostNetwork=True))))
    await started(stage, 2)
    await stage.put(route("chat"))
    stage.writes()
    await stage.settle()
    assert not [write for write in stage.writes() if "/apps/" in write or "/batch/" in write]
    told = await stage.message("InjectionUpToDate")
    assert "1 pod without a sidecar" in told
    assert "1 pod that can't have a sidecar (HostNetwork)" in told


async def test_pods_that_nobody_asked_for_are_left_alone(stage: Stage) -> None:
    silent = template(pod(labels={INJECT_LABEL: "disabled"}))
    await stage.put(workload("Deployment", "chat", silent))
    await started(stage)
    await stage.put(route("chat"))
    await stage.settle()
    assert (await stage.conditions())["InjectionUpToDate"] == ("True", "NoPods")
    assert await mark_of(stage, "Deployment", "chat") is None


ROLLED_OUT = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"availableReplicas": 0}, id="none answers"),
        pytest.param({"updatedReplicas": 0}, id="none is new"),
        pytest.param({"replicas": 2}, id="one of before is left"),
        pytest.param({"observedGeneration": 0}, id="its change was not seen yet"),
    ],
)
async def test_a_restart_waits_for_a_webhook_that_runs_and_is_as_new_as_the_controller(
    stage: Stage, state: dict[str, int]
) -> None:
    # Not one that Kubernetes' controllers would look after: paused, and what it is like is said here.
    labels = {"app": "webhook"}
    meta = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "webhook", "image": "webhook"}]}}
    webhook = workload("Deployment", SETTINGS.webhook.service, meta, selector={"matchLabels": labels}, paused=True)
    await stage.put(webhook)
    await stage.put(workload("Deployment", "chat", template(pod())))
    await started(stage)
    await stage.put(route("chat"))
    behind = ROLLED_OUT | state
    real_get = stage.on.client.get

    async def get(api_version: str, kind: str, name: str, namespace: str | None = None) -> Resource | None:
        live = await real_get(api_version, kind, name, namespace)
        if name == SETTINGS.webhook.service and live is not None:
            return live | {"status": behind}
        return live

    stage.on.client.get = get  # type: ignore[method-assign]
    await stage.settle()
    assert await mark_of(stage, "Deployment", "chat") is None
    assert (await stage.conditions())["Reconciling"] == ("True", "WaitingForWebhook")
    behind |= ROLLED_OUT
    await stage.look()
    assert await mark_of(stage, "Deployment", "chat") == await wanted_mark(stage)
