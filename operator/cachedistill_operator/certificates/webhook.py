"""The webhook's certificate, and the API server's trust in it.

Two Secrets in the release's namespace: one that the webhook serves with, and one beside it, `<secret>-ca`, which holds
the authority's key and which no pod mounts. The authority before the present one stays trusted until its life ends.
"""

from __future__ import annotations

import base64
import logging
from datetime import datetime
from typing import Any

from cachedistill_operator.api.group import MANAGED_BY
from cachedistill_operator.certificates.authority import (
    Pair,
    bundle,
    due,
    is_due,
    is_usable,
    issue,
    make_authority,
    serves,
)
from cachedistill_operator.cluster.client import Client
from cachedistill_operator.settings import CertificateSource, Settings

log = logging.getLogger(__name__)

_CONFIGURATION = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
# API servers hear of a changed configuration through a watch.
_HEARD_SECONDS = 10.0
_LOOK_SECONDS = 60.0


async def reconcile(client: Client, settings: Settings, now: datetime) -> float:
    """Bring Secrets and trust to where they should be; seconds until the next look. Raises ApiError.

    A call either widens what is trusted or has the webhook serve with what is trusted since an earlier call, never
    both: so there is no moment at which a certificate is shown that the API server doesn't know. The exception is a
    webhook that has nothing good to show: it can't get worse.
    """
    match settings.webhook.certificates:
        case CertificateSource.CERT_MANAGER:  # Its injector keeps the trust.
            return _LOOK_SECONDS
        case CertificateSource.EXISTING_SECRET:
            served = await _secret(client, settings, settings.webhook.secret)
            if "ca.crt" in served:  # Without it, whoever made the configuration has named the trust.
                await _trust(client, settings, served["ca.crt"])
            return _LOOK_SECONDS
        case CertificateSource.SELF:
            return await _own(client, settings, now)


async def _own(client: Client, settings: Settings, now: datetime) -> float:
    name = settings.webhook.secret
    kept = await _secret(client, settings, f"{name}-ca")
    authority, previous = Pair(kept.get("ca.crt", ""), kept.get("ca.key", "")), kept.get("previous.crt", "")
    if not is_usable(authority, now) or is_due(authority.certificate, now):
        authority, previous = make_authority(f"{settings.webhook.service} webhook", now), authority.certificate
        data = {"ca.crt": authority.certificate, "ca.key": authority.key, "previous.crt": previous}
        await _write(client, settings, f"{name}-ca", "Opaque", data)
        log.info("made a new authority for the webhook")
    served = await _secret(client, settings, name)
    widened = await _trust(client, settings, bundle([authority.certificate, previous, served.get("ca.crt", "")], now))
    if widened is None:
        log.warning("MutatingWebhookConfiguration %s is not there", settings.webhook.configuration)
    shown, names = Pair(served.get("tls.crt", ""), served.get("tls.key", "")), _names(settings)
    if serves(shown, authority.certificate, names, now) and not is_due(shown.certificate, now):
        return _wait(widened, authority, shown, now)
    if widened and serves(shown, served.get("ca.crt", ""), names, now):
        return _HEARD_SECONDS
    shown = issue(authority, names, now)
    data = {"tls.crt": shown.certificate, "tls.key": shown.key, "ca.crt": authority.certificate}
    await _write(client, settings, name, "kubernetes.io/tls", data)
    log.info("made a new certificate for the webhook")
    return _wait(widened, authority, shown, now)


def _wait(widened: bool | None, authority: Pair, shown: Pair, now: datetime) -> float:
    if widened is None:
        return _HEARD_SECONDS
    left = (min(due(authority.certificate), due(shown.certificate)) - now).total_seconds()
    return max(1.0, min(left, _LOOK_SECONDS))


def _names(settings: Settings) -> list[str]:
    """By which the API server calls the Service, and which a person may try."""
    service = f"{settings.webhook.service}.{settings.namespace}"
    return [f"{service}.svc", service, f"{service}.svc.{settings.cluster_domain}"]


async def _secret(client: Client, settings: Settings, name: str) -> dict[str, str]:
    found = await client.get("v1", "Secret", name, settings.namespace) or {}
    return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}


async def _write(client: Client, settings: Settings, name: str, type_: str, data: dict[str, str]) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": settings.namespace, "labels": MANAGED_BY}
    await client.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": encoded})


async def _trust(client: Client, settings: Settings, roots: str) -> bool | None:
    """Whether the API server's trust had to be changed; None when there is no configuration to change."""
    name = settings.webhook.configuration
    configuration = await client.get(*_CONFIGURATION, name)
    if configuration is None:
        return None
    wanted = base64.b64encode(roots.encode()).decode()
    changes: list[dict[str, Any]] = []
    for index, entry in enumerate(configuration.get("webhooks") or []):
        if entry["clientConfig"].get("caBundle") != wanted:
            changes.append({"op": "test", "path": f"/webhooks/{index}/name", "value": entry["name"]})
            changes.append({"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": wanted})
    if changes:
        await client.patch(*_CONFIGURATION, name, None, changes)
    return bool(changes)
