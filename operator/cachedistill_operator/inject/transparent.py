"""Transparent mode: named hosts lead to the sidecar, and the app trusts the certificates that it shows for them."""

from __future__ import annotations

from typing import Any

from cachedistill_operator.api import group
from cachedistill_operator.inject.environment import set_unless_own
from cachedistill_operator.inject.skip import Skip, SkipReason
from cachedistill_operator.inject.volumes import TRUST, TRUST_FOLDER

_BUNDLE = f"{TRUST_FOLDER}/bundle.pem"
# The first three replace a client's roots, so the bundle holds the public ones too; Node's adds to its own.
_TRUST_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_SELF = "127.0.0.1"
_SYSCTL = "net.ipv4.ip_unprivileged_port_start"


def redirect(spec: dict[str, Any], hosts: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Have the pod's names for hosts lead to itself: those that do, and what is to be told of the others.

    An alias that the pod has of its own stays.
    """
    aliases = spec.get("hostAliases") or []
    named = {name: each["ip"] for each in aliases for name in each.get("hostnames") or []}
    missing = [host for host in hosts if host not in named]
    if missing:
        spec["hostAliases"] = [*aliases, {"ip": _SELF, "hostnames": missing}]
    elsewhere = [host for host in hosts if named.get(host, _SELF) != _SELF]
    warnings = [f"{host} is not intercepted: spec.hostAliases leads it to {named[host]}" for host in elsewhere]
    return [host for host in hosts if host not in elsewhere], warnings


def allow_low_port(spec: dict[str, Any]) -> None:
    """Let the sidecar, which is not root, listen at 443: containerd does so by itself only since 2.0. Raises Skip."""
    context = spec.get("securityContext") or {}
    for sysctl in context.get("sysctls") or []:
        if sysctl["name"] == _SYSCTL:
            if int(sysctl["value"]) > group.TLS_PORT:
                raise Skip(SkipReason.PRIVILEGED_PORT, f"the pod sets {_SYSCTL} to {sysctl['value']}")
            return
    sysctls = [*(context.get("sysctls") or []), {"name": _SYSCTL, "value": "0"}]
    spec["securityContext"] = {**context, "sysctls": sysctls}


def trust(container: dict[str, Any]) -> list[str]:
    """Have the clients in a container trust the sidecar; told is where the app has roots of its own."""
    mounts = container.get("volumeMounts") or []
    if not any(each["mountPath"] == TRUST_FOLDER for each in mounts):
        container["volumeMounts"] = [*mounts, {"name": TRUST, "mountPath": TRUST_FOLDER, "readOnly": True}]
    own = [name for name in _TRUST_VARIABLES if set_unless_own(container, name, _BUNDLE)]
    return [
        f"container {container['name']}: it sets {name} itself; those roots must include the sidecar's" for name in own
    ]
