"""The webhook as a process of its own, a namespace whose pods it reviews, and pods made there."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import yaml

from cachedistill_operator.certificates.authority import Pair, issue, make_authority
from e2e.cluster.kubectl import Kubectl, KubectlError
from tests.golden import FOLDER, case

INJECT = "cachedistill.dev/inject"
AUTHORITY = make_authority("test", datetime.now(UTC))


class Process:
    """`python -m cachedistill_operator webhook`, and the folder that the kubelet would keep its certificate in."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.tls = folder / "tls"
        self.tls.mkdir()
        self.port, self._http_port = free_port(), free_port()
        (folder / "settings.yaml").write_text((FOLDER / "settings.yaml").read_text("utf8"), "utf8")
        command = [sys.executable, "-m", "cachedistill_operator", "--log-format", "text", "webhook"]
        command += ["--settings", str(folder / "settings.yaml"), "--tls", str(self.tls)]
        command += ["--port", str(self.port), "--http-port", str(self._http_port)]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
            self._running = subprocess.Popen(command, env=environment, stderr=log)

    def certify(self, pair: Pair) -> None:
        """Put a certificate where it looks."""
        for name, text in (("tls.key", pair.key), ("tls.crt", pair.certificate)):
            (self.tls / f".{name}").write_text(text, "ascii")
            (self.tls / f".{name}").replace(self.tls / name)

    def http(self, path: str) -> tuple[int, str]:
        """What its plain port answers; 0 while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._http_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait(self, path: str, status: int) -> str:
        """Until it answers so; what it says then."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            answered, text = self.http(path)
            if answered == status:
                return text
            if self._running.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{path} never answered {status}: {self.log.read_text('utf8')}")

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self._running.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """SIGTERM, and its exit code."""
        self._running.terminate()
        return self._running.wait(30)


@contextmanager
def fresh_namespace(kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own; the webhook configurations in its name go with it."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    try:
        yield Kubectl(kubectl.kubeconfig, name)
    finally:
        kubectl("delete", "mutatingwebhookconfigurations", "-l", f"test={name}")
        kubectl("delete", "namespace", name, "--wait=false")


def leaf() -> Pair:
    """A certificate that the registered bundle knows."""
    return issue(AUTHORITY, ["127.0.0.1"], datetime.now(UTC))


SKIPPED = "there can be no sidecar"


def register(
    shop: Kubectl,
    port: int,
    *,
    name: str = "a",
    path: str = "/inject",
    policy: str = "Fail",
    sign: str = SKIPPED,
) -> None:
    """Have pods of the namespace reviewed by whoever listens at a port of loopback, and wait for the sign of that."""
    bundle = base64.b64encode(AUTHORITY.certificate.encode()).decode()
    webhook = {
        "name": f"{name}.cachedistill.dev",
        "clientConfig": {"url": f"https://127.0.0.1:{port}{path}", "caBundle": bundle},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",
        "reinvocationPolicy": "IfNeeded",
        "failurePolicy": policy,
        "timeoutSeconds": 5,
    }
    meta = {"name": f"{name}-{shop.namespace}", "labels": {"test": shop.namespace}}
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    shop.apply({**api, "metadata": meta, "webhooks": [webhook]})
    await_sign(shop, sign)


def await_sign(shop: Kubectl, sign: str) -> None:
    """Until the answer to a pod that must have a sidecar, and has no route, says so.

    The API server hears of its own webhook configurations through a watch. It is a dry run: no pod, no Event.
    """
    meta = {"name": "probe", "labels": {INJECT: "required"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": case("plain").pod["spec"]}
    until = time.monotonic() + 60
    while True:
        try:
            told = shop("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=yaml.safe_dump(pod))
        except KubectlError as error:
            told = str(error)
        if sign in told:
            return
        assert time.monotonic() < until, told
        time.sleep(0.1)


def route(shop: Kubectl, name: str = "plain") -> None:
    """Apply the route of a golden case."""
    manifest: dict[str, Any] = dict(case(name).route or {})
    meta = {"name": manifest["metadata"]["name"], "namespace": shop.namespace}
    shop.apply({**{key: value for key, value in manifest.items() if key != "status"}, "metadata": meta})


def create(shop: Kubectl, name: str = "plain", **metadata: Any) -> dict[str, Any]:
    """Make a pod of a golden case; what is stored of it."""
    pod = case(name).pod
    pod["metadata"] = {**pod["metadata"], "name": f"pod-{uuid.uuid4().hex[:8]}", **metadata}
    stored: dict[str, Any] = orjson.loads(shop("create", "-o", "json", "-f", "-", stdin=yaml.safe_dump(pod)))
    return stored


def sidecar(pod: dict[str, Any]) -> dict[str, Any] | None:
    """The first init container, if it is ours."""
    first: dict[str, Any] = (pod["spec"].get("initContainers") or [{"name": ""}])[0]
    return first if first["name"] == "cachedistill" else None


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
