"""The release, as the chart makes it, on an API server without nodes: its two processes run on this machine.

They run with the rights that the chart gives their service accounts, before its admission policies.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cachedistill_operator.certificates.authority import issue, make_authority
from e2e.cluster.api_server import ApiServer
from e2e.cluster.helm import Helm

NAMESPACE = "cachedistill-system"
CONTROLLER, WEBHOOK = "cachedistill-controller", "cachedistill-webhook"
_CHART = Path(__file__).resolve().parents[2] / "charts" / "cachedistill"
_SECRET = "webhook-tls"
# Helm doesn't ask the cluster when it only renders.
_KUBERNETES = "1.36.2"
_VALUES = {"webhook.certificates.source": "existingSecret", "webhook.certificates.existingSecret": _SECRET}

Manifest = dict[str, Any]


class Release:
    """`settings` and `tls` are the paths that a pod of the release would have mounted."""

    def __init__(self, server: ApiServer, folder: Path, webhook_port: int) -> None:
        self._server = server
        self._folder = folder
        self.settings = folder / "settings.yaml"
        self.tls = folder / "tls"
        self.tls.mkdir()
        self._install(webhook_port)

    def kubeconfig(self, account: str) -> Path:
        """That of a service account of the release."""
        config = yaml.safe_load(self._server.kubeconfig.read_text("utf8"))
        token = self._server.kubectl("create", "token", account, "-n", NAMESPACE).strip()
        config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
        path = self._folder / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(config), "utf8")
        return path

    def _install(self, port: int) -> None:
        kubectl = self._server.kubectl
        kubectl("create", "namespace", NAMESPACE)
        how = ["--namespace", NAMESPACE, "--no-hooks", "--skip-tests", "--kube-version", _KUBERNETES]
        how += [f"--set={name}={value}" for name, value in _VALUES.items()]
        text = Helm(self._server.kubeconfig)("template", "cachedistill", str(_CHART), *how)
        manifests = [each for each in yaml.safe_load_all(text) if each and each["kind"] != "Deployment"]
        for each in manifests:
            if each["metadata"]["name"] == "cachedistill-settings":
                self.settings.write_text(each["data"]["settings.yaml"], "utf8")
            if each["kind"] == "MutatingWebhookConfiguration":
                _move(each, port)
        definitions = [each for each in manifests if each["kind"] == "CustomResourceDefinition"]
        kubectl.apply(*definitions)
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        kubectl.apply(*self._certificate(), *(each for each in manifests if each not in definitions))

    def _certificate(self) -> list[Manifest]:
        now = datetime.now(UTC)
        authority = make_authority("bench", now)
        leaf = issue(authority, ["127.0.0.1"], now)
        data = {"tls.key": leaf.key, "tls.crt": leaf.certificate, "ca.crt": authority.certificate}
        for name, content in data.items():
            (self.tls / name).write_text(content, "ascii")
        encoded = {name: base64.b64encode(content.encode()).decode() for name, content in data.items()}
        meta = {"name": _SECRET, "namespace": NAMESPACE}
        return [{"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "data": encoded}]


def _move(configuration: Manifest, port: int) -> None:
    """Have the API server find the webhook on this machine. The controller tells it whom to trust."""
    for webhook in configuration["webhooks"]:
        webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}/inject"}
        webhook["timeoutSeconds"] = 30
        webhook["failurePolicy"] = "Fail"
