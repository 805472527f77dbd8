"""The webhook's own process before a real API server: what is stored is what was injected."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import web

from cachedistill_operator.webhook.serving import ServingContext
from e2e.cluster.kubectl import Kubectl, KubectlError
from tests.component.webhook_process import (
    INJECT,
    Process,
    create,
    free_port,
    fresh_namespace,
    leaf,
    register,
    route,
    sidecar,
)
from tests.golden import case


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, kinds: Kubectl) -> Iterator[Process]:
    """One webhook, ready."""
    running = Process(tmp_path_factory.mktemp("webhook"), kinds.kubeconfig)
    running.certify(leaf())
    try:
        running.wait("/readyz", 200)
        yield running
    finally:
        running.end()


@pytest.fixture
def shop(kinds: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own."""
    with fresh_namespace(kinds) as kubectl:
        yield kubectl


@pytest.mark.parametrize("name", ["plain", "init-containers", "proxy", "transparent", "annotations"])
def test_the_api_server_stores_the_pod_that_injection_made(process: Process, shop: Kubectl, name: str) -> None:
    route(shop, name)
    register(shop, process.port)
    stored, expected = create(shop, name), case(name).run().pod
    assert expected is not None
    own = expected["spec"]["initContainers"][0]
    first = sidecar(stored)
    assert first is not None
    assert {key: first[key] for key in own.keys() - {"startupProbe", "readinessProbe", "livenessProbe", "ports"}} == {
        key: own[key] for key in own.keys() - {"startupProbe", "readinessProbe", "livenessProbe", "ports"}
    }
    for before, after in zip(expected["spec"]["containers"], stored["spec"]["containers"], strict=True):
        assert after.get("env") == before.get("env")
    assert stored["spec"].get("hostAliases") == expected["spec"].get("hostAliases")
    assert stored["metadata"]["labels"]["cachedistill.dev/route"] == "chat"


def test_the_sidecar_has_no_service_account_token_though_the_app_has(process: Process, shop: Kubectl) -> None:
    route(shop)
    register(shop, process.port)
    stored = create(shop)
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    mounted = {
        each["name"]: {mount["mountPath"]: mount["name"] for mount in each["volumeMounts"]}[folder]
        for each in stored["spec"]["initContainers"] + stored["spec"]["containers"]
    }
    assert mounted["app"].startswith("kube-api-access-")
    assert mounted["cachedistill"] == "cachedistill-no-token"


def test_a_namespace_that_enforces_the_restricted_standard_takes_the_sidecar(process: Process, shop: Kubectl) -> None:
    shop("label", "namespace", str(shop.namespace), "pod-security.kubernetes.io/enforce=restricted")
    route(shop)
    register(shop, process.port)
    pod = case("plain").pod
    pod["metadata"]["name"] = "restricted"
    pod["spec"]["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod["spec"]["containers"][0]["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    stored = orjson.loads(shop("create", "-o", "json", "-f", "-", stdin=yaml.safe_dump(pod)))
    assert sidecar(stored) is not None


def test_a_route_that_is_gone_takes_no_pod_and_the_event_says_so(process: Process, shop: Kubectl) -> None:
    route(shop)
    register(shop, process.port)
    assert sidecar(create(shop)) is not None
    shop("delete", "modelroute", "chat")
    assert sidecar(create(shop, "job")) is None
    until = time.monotonic() + 30
    while "NoRoute" not in (told := shop("get", "events")):
        assert time.monotonic() < until, told
        time.sleep(0.1)
    assert "job/nightly" in told


def test_a_required_pod_without_route_is_refused(process: Process, shop: Kubectl) -> None:
    register(shop, process.port)
    with pytest.raises(KubectlError, match=r"required, and there can be no sidecar \(NoRoute\)"):
        create(shop, labels={"app": "chat", INJECT: "required"})


def test_the_namespaces_label_asks_for_all_its_pods_and_a_pods_own_wins(process: Process, shop: Kubectl) -> None:
    route(shop)
    register(shop, process.port)
    shop("label", "namespace", str(shop.namespace), f"{INJECT}=enabled")
    until = time.monotonic() + 30
    while sidecar(create(shop, labels={"app": "chat"})) is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert sidecar(create(shop, labels={"app": "chat", INJECT: "disabled"})) is None


def test_an_unreachable_webhook_lets_pods_pass_without_sidecar(shop: Kubectl) -> None:
    route(shop)
    port = free_port()
    register(shop, port, sign="failed calling webhook")
    register(shop, port, policy="Ignore", sign='"name": "probe"')
    assert sidecar(create(shop)) is None


async def test_a_container_that_another_webhook_adds_after_ours_is_completed(process: Process, shop: Kubectl) -> None:
    route(shop)
    async with adding_a_container() as port:
        # They are called in the order of their names.
        await asyncio.to_thread(register, shop, port, name="b", path="/add", sign="late")
        await asyncio.to_thread(register, shop, process.port, name="a")
        stored = await asyncio.to_thread(create, shop)
    assert [each["name"] for each in stored["spec"]["containers"]] == ["app", "late"]
    for container in stored["spec"]["containers"]:
        assert {"name": "OPENAI_BASE_URL", "value": "http://127.0.0.1:14080/v1"} in container["env"]
    assert [each["name"] for each in stored["spec"]["initContainers"]] == ["cachedistill"]


def test_it_is_ready_only_with_a_certificate_and_serves_on_for_a_while_when_it_ends(
    kinds: Kubectl, shop: Kubectl, tmp_path: Path
) -> None:
    running = Process(tmp_path, kinds.kubeconfig)
    try:
        assert "certificate" in (_until(running, "certificate"))
        running.certify(leaf())
        running.wait("/readyz", 200)
        route(shop)
        register(shop, running.port)
        assert sidecar(create(shop)) is not None
        metrics = running.http("/metrics")[1]
        assert re.search(r'cachedistill_webhook_review_duration_seconds_count{.*result="injected"} 1', metrics)
        running.ask_to_end()
        assert running.wait("/readyz", 503) == "ending\n"
        assert sidecar(create(shop)) is not None
    finally:
        assert running.end() == 0


def _until(running: Process, word: str) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        text = running.http("/readyz")[1]
        if word in text:
            return text
        time.sleep(0.05)
    raise AssertionError(f"not ready for another reason: {text}")


@asynccontextmanager
async def adding_a_container() -> AsyncIterator[int]:
    """Another injector: its container comes after ours have been looked at."""

    async def add(request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())["request"]
        response: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
        if len(asked["object"]["spec"]["containers"]) == 1:
            patch = [{"op": "add", "path": "/spec/containers/-", "value": {"name": "late", "image": "i"}}]
            encoded = base64.b64encode(orjson.dumps(patch)).decode()
            response |= {"patchType": "JSONPatch", "patch": encoded}
        answer = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    application = web.Application()
    application.router.add_post("/add", add)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"tls-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        pair = leaf()
        (folder / "tls.crt").write_text(pair.certificate, "ascii")
        (folder / "tls.key").write_text(pair.key, "ascii")
        serving = ServingContext(folder)
        serving.look()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving.context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        for each in (*folder.iterdir(), folder):
            each.unlink() if each.is_file() else each.rmdir()
