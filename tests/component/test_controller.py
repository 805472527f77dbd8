"""The controller as a process of its own, against a real API server and a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from cachedistill_sidecar.local.redis import EmbeddedRedis
from cachedistill_sidecar.route_parsing import parse
from e2e.cluster.kubectl import Kubectl
from tests.component.webhook_process import free_port
from tests.model_routes import SETTINGS
from tests.resources import Manifest, model_route, semantic_cache
from tests.running import Running


class Controller:
    """`python -m cachedistill_operator controller` in a namespace of its own, so that Leases don't meet."""

    def __init__(self, folder: Path, kubeconfig: Path, namespace: str) -> None:
        name = uuid.uuid4().hex[:6]
        settings = SETTINGS.model_copy(update={"namespace": namespace, "drift_seconds": 10})
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(settings.model_dump(mode="json", by_alias=True)), "utf8")
        self.log = folder / f"{name}.log"
        command = [sys.executable, "-m", "cachedistill_operator", "--log-format", "text", "controller"]
        command += ["--settings", str(path), "--http-port", str(free_port())]
        with self.log.open("wb") as log:
            environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "POD_NAME": name}
            self.process = subprocess.Popen(command, env=environment, stderr=log)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


Start = Callable[[], Controller]


@pytest.fixture
def namespace(kinds: Kubectl) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    kinds("create", "namespace", name)
    return name


@pytest.fixture
def start(kinds: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def new() -> Controller:
            controller = Controller(tmp_path, kinds.kubeconfig, namespace)
            stack.callback(controller.end, signal.SIGKILL)
            return controller

        yield new


def put(kinds: Kubectl, namespace: str, *resources: Manifest) -> None:
    for each in resources:
        each["metadata"]["namespace"] = namespace
    kinds.apply(*resources)


def until(what: Callable[[], Any], why: Callable[[], str] = lambda: "", seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError(f"it never came true: {why()}")


def conditions(kinds: Kubectl, namespace: str, kind: str, name: str) -> dict[str, str]:
    found = kinds.get(kind, name, "--namespace", namespace)
    return {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", ())}


def holder(kinds: Kubectl, namespace: str) -> str:
    leases = kinds.get("leases", "--namespace", namespace)["items"]
    return str(leases[0]["spec"].get("holderIdentity", "")).split("_")[0] if leases else ""


def test_a_cache_and_a_route_become_a_document_and_a_status(
    kinds: Kubectl, namespace: str, start: Start, tmp_path: Path
) -> None:
    controller = start()
    with Running(lambda: EmbeddedRedis(tmp_path / "redis", port=free_port())) as redis_url:
        _put_and_wait(kinds, namespace, redis_url, controller)
    document = kinds.get("configmap", "chat-cachedistill", "--namespace", namespace)["data"]["route.json"]
    assert parse(document).caches[0].name == f"{namespace}.support"
    assert orjson.loads(document)["namespace"] == namespace


def _put_and_wait(kinds: Kubectl, namespace: str, redis_url: str, controller: Controller) -> None:
    url = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "redis"}, "stringData": {"url": redis_url}}
    external = {"external": {"urlSecretRef": {"name": "redis", "key": "url"}}}
    put(kinds, namespace, url, semantic_cache(redis=external), model_route())
    until(
        lambda: (
            conditions(kinds, namespace, "modelroute", "chat").get("Ready") == "True"
            and conditions(kinds, namespace, "semanticcache", "support").get("RedisReady") == "True"
        ),
        lambda: controller.log.read_text() + kinds("get", "mroute,semcache", "-n", namespace, "-o", "yaml"),
    )


def test_a_changed_route_is_a_changed_document(kinds: Kubectl, namespace: str, start: Start) -> None:
    start()
    put(kinds, namespace, model_route())

    def document() -> dict[str, Any]:
        maps = kinds.get("configmaps", "--namespace", namespace)["items"]
        found = [each for each in maps if each["metadata"]["name"] == "chat-cachedistill"]
        return dict(orjson.loads(found[0]["data"]["route.json"])) if found else {}

    until(document)
    put(kinds, namespace, model_route(carbon={"gramsPerKilowattHour": 30}))
    until(lambda: document()["carbon"]["gramsPerKilowattHour"] == 30)


def test_a_cache_that_comes_after_its_route_is_found(kinds: Kubectl, namespace: str, start: Start) -> None:
    start()
    put(kinds, namespace, model_route())
    until(lambda: conditions(kinds, namespace, "modelroute", "chat").get("ResolvedRefs") == "False")
    put(kinds, namespace, semantic_cache())
    until(lambda: conditions(kinds, namespace, "modelroute", "chat").get("ResolvedRefs") == "True")


def test_a_controller_that_ends_hands_over_at_once(kinds: Kubectl, namespace: str, start: Start) -> None:
    first = start()
    until(lambda: holder(kinds, namespace))
    start()
    assert first.end() == 0, first.log.read_text()
    until(lambda: holder(kinds, namespace) not in ("", first.log.stem), seconds=10)
    put(kinds, namespace, model_route())
    until(lambda: conditions(kinds, namespace, "modelroute", "chat"))


def test_a_killed_controllers_work_is_finished_by_the_next(kinds: Kubectl, namespace: str, start: Start) -> None:
    first = start()
    until(lambda: holder(kinds, namespace))
    put(kinds, namespace, *(model_route(f"chat-{number}") for number in range(20)))
    first.end(signal.SIGKILL)
    start()
    names = [f"chat-{number}" for number in range(20)]
    until(lambda: all(conditions(kinds, namespace, "modelroute", name) for name in names), seconds=90)


def test_a_settings_file_that_is_wrong_is_one_sentence(kinds: Kubectl, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("namespace: x\nsidecar: {image: y, memory: 1Gi}\n")
    command = [sys.executable, "-m", "cachedistill_operator", "controller", "--settings", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "sidecar.memory" in done.stderr
    assert "Traceback" not in done.stderr
