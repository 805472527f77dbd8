"""The webhook's certificate and the API server's trust in it, kept by the controller in a real cluster."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cachedistill_operator.certificates import webhook
from cachedistill_operator.certificates.authority import Pair, expiry, issue, make_authority
from cachedistill_operator.cluster.client import Client
from cachedistill_operator.settings import CertificateSource, Settings
from e2e.cluster.kubectl import Kubectl
from tests.component.webhook_process import SKIPPED, Process, await_sign, create, fresh_namespace, route, sidecar
from tests.golden import settings
from tests.handshake import shake_hands

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


class Release:
    """A release's namespace and its webhook's configuration."""

    def __init__(self, client: Client, kubectl: Kubectl) -> None:
        self.client = client
        self.kubectl = kubectl
        own = settings().webhook.model_copy(update={"configuration": f"release-{kubectl.namespace}"})
        self.settings = settings().model_copy(update={"namespace": kubectl.namespace, "webhook": own})

    async def reconcile(self, now: datetime) -> float:
        """As the controller does."""
        return await webhook.reconcile(self.client, self.settings, now)

    async def secret(self, suffix: str = "") -> dict[str, str]:
        """What is served with, or with suffix -ca the authority."""
        found = await self.client.get("v1", "Secret", self.settings.webhook.secret + suffix, self.settings.namespace)
        return {key: base64.b64decode(value).decode() for key, value in (found or {"data": {}})["data"].items()}

    async def trusted(self) -> list[str]:
        """The bundle of each entry of the configuration."""
        found = await self.configuration()
        return [base64.b64decode(each["clientConfig"].get("caBundle", "")).decode() for each in found["webhooks"]]

    async def configuration(self) -> dict[str, Any]:
        """The MutatingWebhookConfiguration."""
        name = self.settings.webhook.configuration
        found = await self.client.get("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", name)
        assert found is not None
        return found

    async def versions(self) -> set[str]:
        """Of all that reconcile writes."""
        secret = self.settings.webhook.secret
        found = [
            await self.client.get("v1", "Secret", name, self.settings.namespace) for name in (secret, f"{secret}-ca")
        ]
        return {each["metadata"]["resourceVersion"] for each in [*found, await self.configuration()] if each}

    def register(self, url: str | None = None) -> None:
        """The configuration as the chart has it: two entries, no bundle."""
        service = {"service": {"name": self.settings.webhook.service, "namespace": self.settings.namespace}}
        entry = {
            "clientConfig": {"url": url} if url else service,
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.settings.namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "NoneOnDryRun",
            "failurePolicy": "Fail",
        }
        meta = {"name": self.settings.webhook.configuration, "labels": {"test": self.settings.namespace}}
        api = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
        names = ["namespaces.cachedistill.dev", "pods.cachedistill.dev"]
        self.kubectl.apply({**api, "metadata": meta, "webhooks": [{"name": name, **entry} for name in names]})


@pytest.fixture
async def release(kinds: Kubectl) -> AsyncIterator[Release]:
    with fresh_namespace(kinds) as kubectl:
        async with await Client.connect("test", str(kinds.kubeconfig)) as client:
            yield Release(client, kubectl)


async def test_a_new_release_has_a_certificate_that_the_api_server_trusts(release: Release, tmp_path: Path) -> None:
    release.register()
    await release.reconcile(NOW)
    served = await release.secret()
    service = f"{release.settings.webhook.service}.{release.settings.namespace}.svc"
    for trusted in await release.trusted():
        shake_hands(Pair(served["tls.crt"], served["tls.key"]), trusted, service, tmp_path)


async def test_the_authoritys_key_is_not_where_the_webhook_can_read_it(release: Release) -> None:
    release.register()
    await release.reconcile(NOW)
    assert (await release.secret()).keys() == {"tls.crt", "tls.key", "ca.crt"}
    assert "PRIVATE KEY" in (await release.secret("-ca"))["ca.key"]


async def test_where_all_is_well_nothing_is_written(release: Release) -> None:
    release.register()
    await release.reconcile(NOW)
    before = await release.versions()
    assert await release.reconcile(NOW + DAY) > 1
    assert await release.versions() == before


async def test_a_bundle_that_somebody_took_away_comes_back(release: Release) -> None:
    release.register()
    await release.reconcile(NOW)
    before = await release.trusted()
    patch = [{"op": "remove", "path": "/webhooks/1/clientConfig/caBundle"}]
    name = release.settings.webhook.configuration
    await release.client.patch("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", name, None, patch)
    await release.reconcile(NOW)
    assert await release.trusted() == before


async def test_a_configuration_that_comes_late_is_looked_for_soon(release: Release) -> None:
    assert await release.reconcile(NOW) <= 10
    assert await release.secret()
    release.register()
    await release.reconcile(NOW)
    assert all(await release.trusted())


async def test_what_is_served_is_trusted_at_every_step_of_two_years(release: Release, tmp_path: Path) -> None:
    release.register()
    service = f"{release.settings.webhook.service}.{release.settings.namespace}.svc"
    begin = NOW - 730 * DAY
    await release.reconcile(begin)
    roots: list[str] = []
    leaves, widened = set(), 0
    for days in range(0, 731, 15):
        for _ in range(3):
            now = begin + days * DAY
            # What was trusted before this step still has to fit to what is served after it, and the reverse.
            trusted_before, served_before = await release.trusted(), await release.secret()
            wait = await release.reconcile(now)
            trusted_after, served_after = await release.trusted(), await release.secret()
            widened += trusted_before != trusted_after
            assert not (trusted_before != trusted_after and served_before != served_after), "both at once"
            for trusted, served in ((trusted_before[0], served_after), (trusted_after[0], served_before)):
                assert served["ca.crt"].strip() in trusted
            # A replica whose kubelet is slow still shows what was signed before the authority changed.
            assert all(root.strip() in trusted_after[0] for root in roots[-2:] if expiry(root) > now)
            assert now < expiry(served_after["tls.crt"])
            assert wait > 0
            roots = list(dict.fromkeys([*roots, (await release.secret("-ca"))["ca.crt"]]))
            leaves.add(served_after["tls.crt"])
    assert (len(roots), len(leaves)) == (3, 14)
    assert widened >= 4
    served = await release.secret()
    shake_hands(Pair(served["tls.crt"], served["tls.key"]), (await release.trusted())[1], service, tmp_path)


async def test_a_lost_authority_is_replaced_without_a_gap(release: Release) -> None:
    release.register()
    await release.reconcile(NOW)
    served = await release.secret()
    await release.client.delete("v1", "Secret", f"{release.settings.webhook.secret}-ca", release.settings.namespace)
    await release.reconcile(NOW)
    assert await release.secret() == served
    assert served["ca.crt"] in (await release.trusted())[0]
    await release.reconcile(NOW)
    assert (await release.secret())["ca.crt"] == (await release.secret("-ca"))["ca.crt"] != served["ca.crt"]


async def test_another_name_of_the_service_gets_another_certificate(release: Release, tmp_path: Path) -> None:
    release.register()
    await release.reconcile(NOW)
    renamed = release.settings.webhook.model_copy(update={"service": "renamed"})
    release.settings = release.settings.model_copy(update={"webhook": renamed})
    await release.reconcile(NOW)
    served = await release.secret()
    name = f"renamed.{release.settings.namespace}.svc"
    shake_hands(Pair(served["tls.crt"], served["tls.key"]), (await release.trusted())[0], name, tmp_path)


def sourced(release: Release, source: CertificateSource) -> Settings:
    own = release.settings.webhook.model_copy(update={"certificates": source})
    return release.settings.model_copy(update={"webhook": own})


async def test_of_an_existing_secret_only_the_trust_is_taken_over(release: Release) -> None:
    release.register()
    authority = make_authority("own", NOW)
    pair = issue(authority, ["own.svc"], NOW)
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.certificate}
    meta = {"name": release.settings.webhook.secret, "namespace": release.settings.namespace}
    await release.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
    release.settings = sourced(release, CertificateSource.EXISTING_SECRET)
    await release.reconcile(NOW)
    assert await release.trusted() == [authority.certificate] * 2
    assert await release.secret() == data
    assert await release.secret("-ca") == {}


async def test_with_cert_manager_nothing_is_touched(release: Release) -> None:
    release.register()
    release.settings = sourced(release, CertificateSource.CERT_MANAGER)
    await release.reconcile(NOW)
    assert await release.trusted() == ["", ""]
    assert await release.secret() == {}


async def test_no_pod_goes_without_a_sidecar_while_authority_and_certificate_change(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The webhook is called at 127.0.0.1 here: there is no Service in this cluster.
    monkeypatch.setattr(webhook, "_names", lambda _: ["127.0.0.1"])
    # An authority that is due now, with a certificate that is not.
    for ago in (250, 10):
        await release.reconcile(NOW - ago * DAY)
    process = await asyncio.to_thread(Process, tmp_path, release.kubectl.kubeconfig)
    try:
        await mounted(release, process)
        await asyncio.to_thread(process.wait, "/readyz", 200)
        release.register(f"https://127.0.0.1:{process.port}/inject")
        await release.reconcile(NOW - 10 * DAY)
        await asyncio.to_thread(await_sign, release.kubectl, SKIPPED)
        await asyncio.to_thread(route, release.kubectl)
        first = await release.secret()
        async with asyncio.TaskGroup() as group:
            stream = group.create_task(pods(release))
            await asyncio.sleep(1)
            assert await release.reconcile(NOW) == 10
            await asyncio.sleep(1)
            await release.reconcile(NOW)
            await mounted(release, process)
            await asyncio.sleep(3)
            stream.cancel()
        assert (await release.secret())["ca.crt"] != first["ca.crt"]
        assert process.log.read_text("utf8").count("serving with the certificate") == 2
    finally:
        assert await asyncio.to_thread(process.end) == 0


async def mounted(release: Release, process: Process) -> None:
    served = await release.secret()
    process.certify(Pair(served["tls.crt"], served["tls.key"]))


async def pods(release: Release) -> None:
    """Make pods, one after the other, until cancelled; each must have a sidecar, or be refused (failurePolicy Fail)."""
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            assert sidecar(await asyncio.to_thread(create, release.kubectl)) is not None
