"""Keeps the CA by which a namespace's sidecars show certificates for the hosts of its Transparent routes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from cryptography import x509
from pydantic import ValidationError

from cachedistill_operator.api.group import INTERCEPTION_CA_SECRET, MANAGED_BY
from cachedistill_operator.api.model_route import KIND, Interception, Mode
from cachedistill_operator.certificates.authority import Pair, is_due, is_usable, make_interception_authority
from cachedistill_operator.cluster.watched import key_of
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.named_secrets import patiently
from cachedistill_operator.render.named_secrets import owner

CERTIFICATE, PRIVATE_KEY = "tls.crt", "tls.key"

# Two routes of a namespace may be looked at together; they must not make a CA each.
_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


async def ensure(on: Ground, namespace: str) -> str:
    """The fingerprint of the namespace's CA, which is good for all hosts that its Transparent routes name.

    A new one is made when hosts are added and when two thirds of its life are over, of the same key, so that apps that
    trust the one before go on; the other Transparent routes are
    then looked at again, since their pods need it too. It goes with the last such route. Raises ApiError.
    """
    lock = _locks.setdefault(namespace, asyncio.Lock())
    async with lock:
        routes = list(_transparent(on, namespace))
        live = await patiently(lambda: on.client.get("v1", "Secret", INTERCEPTION_CA_SECRET, namespace))
        hosts = frozenset(host for _, interception in routes for host in interception.hosts)
        pair = known = _pair(live)
        if pair is None or not _suits(pair, hosts, on.now()):
            pair = make_interception_authority(f"cachedistill {namespace}", hosts, on.now(), before=known)
        manifest = _secret(namespace, [route for route, _ in routes], pair)
        if pair is not known or _owners(live) != _owners(manifest):
            await patiently(lambda: on.client.apply(manifest))
    if pair is not known:
        for route, _ in routes:
            on.requeue(KIND, key_of(route))
    return fingerprint(pair.certificate)


def fingerprint(certificate: str) -> str:
    """By which a route's status names its CA."""
    return f"sha256:{hashlib.sha256(certificate.encode()).hexdigest()}"


def _transparent(on: Ground, namespace: str) -> Iterator[tuple[dict[str, Any], Interception]]:
    for key, route in on.watched.routes.items():
        if key.namespace != namespace or "deletionTimestamp" in route["metadata"]:
            continue
        try:
            interception = Interception.model_validate(route["spec"].get("interception") or {})
        except ValidationError:
            continue
        if interception.mode is Mode.TRANSPARENT:
            yield route, interception


def _suits(pair: Pair, hosts: frozenset[str], now: datetime) -> bool:
    return is_usable(pair, now) and not is_due(pair.certificate, now) and hosts <= _permitted(pair.certificate)


def _permitted(certificate: str) -> frozenset[str]:
    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
        constraints = read.extensions.get_extension_for_class(x509.NameConstraints).value
    except (ValueError, x509.ExtensionNotFound):
        return frozenset()
    subtrees = constraints.permitted_subtrees or ()
    return frozenset(name.value for name in subtrees if isinstance(name, x509.DNSName))


def _pair(secret: Mapping[str, Any] | None) -> Pair | None:
    data = (secret or {}).get("data") or {}
    try:
        return Pair(*(base64.b64decode(data[key], validate=True).decode() for key in (CERTIFICATE, PRIVATE_KEY)))
    except (KeyError, ValueError):
        return None


def _secret(namespace: str, routes: Iterable[dict[str, Any]], pair: Pair) -> dict[str, Any]:
    contents = {CERTIFICATE: pair.certificate, PRIVATE_KEY: pair.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": INTERCEPTION_CA_SECRET,
            "namespace": namespace,
            "labels": dict(MANAGED_BY),
            "ownerReferences": sorted(map(owner, routes), key=lambda each: str(each["uid"])),
        },
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in contents.items()},
    }


def _owners(secret: Mapping[str, Any] | None) -> set[str]:
    return {each["uid"] for each in (secret or {}).get("metadata", {}).get("ownerReferences") or ()}
