"""The managed Redis' pod: restricted, configured as the resource says, restarted when what it reads has changed."""

from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.render import redis_storage
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.redis_server import FILES_ANNOTATION, stateful_set
from tests import model_routes

ACL = {"users.acl": "user default off"}


def rendered(files: dict[str, str] = ACL, managed: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    cache = Cache.of(model_routes.cache(redis={"managed": managed or {}}, **spec))
    assert cache.spec.redis.managed is not None
    claim = redis_storage.wanted(cache.spec.redis.managed)
    return stateful_set(cache, cache.spec.redis.managed, claim, files, model_routes.SETTINGS)


def template(manifest: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = manifest["spec"]["template"]
    return pod


def option(manifest: dict[str, Any], name: str) -> str | None:
    """The value of one of redis-server's options."""
    words: list[str] = template(manifest)["spec"]["containers"][0]["args"]
    return words[words.index(name) + 1] if name in words else None


def test_the_pod_is_restricted_and_has_no_token() -> None:
    spec = template(rendered())["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_the_images_own_entry_point_starts_it_so_that_its_modules_are_loaded() -> None:
    (container,) = template(rendered())["spec"]["containers"]
    assert "command" not in container
    assert container["args"][0] == "redis-server"
    assert container["args"][1].startswith("--")


def test_without_storage_nothing_is_written_to_disk() -> None:
    manifest = rendered()
    assert option(manifest, "--appendonly") == "no"
    assert option(manifest, "--save") == ""
    assert "volumeClaimTemplates" not in manifest["spec"]
    assert {"name": "data", "emptyDir": {}} in template(manifest)["spec"]["volumes"]


def test_with_storage_entries_are_logged_to_a_volume_of_that_size() -> None:
    manifest = rendered(managed={"storage": "8Gi", "storageClassName": "fast"})
    assert option(manifest, "--appendonly") == "yes"
    (claim,) = manifest["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "8Gi"}
    assert claim["spec"]["storageClassName"] == "fast"
    assert {"name": "data", "mountPath": "/data"} in template(manifest)["spec"]["containers"][0]["volumeMounts"]


def test_what_has_no_time_to_live_is_never_evicted() -> None:
    assert option(rendered(), "--maxmemory-policy") == "volatile-lfu"


@pytest.mark.parametrize(
    ("managed", "capacity", "limit"),
    [
        ({}, None, None),
        ({}, {"maxBytes": "2Gi"}, str(2 * 1024**3)),
        ({"resources": {"limits": {"memory": "1Gi"}}}, None, str(768 * 1024**2)),
        ({"resources": {"limits": {"memory": "1Gi"}}}, {"maxBytes": "900M"}, "900000000"),
    ],
)
def test_memory_ends_at_the_capacity_else_short_of_the_limit(
    managed: dict[str, Any], capacity: dict[str, str] | None, limit: str | None
) -> None:
    spec = {"capacity": capacity} if capacity else {}
    assert option(rendered(managed=managed, **spec), "--maxmemory") == limit


def test_with_tls_there_is_no_other_port() -> None:
    manifest = rendered({**ACL, "tls.crt": "c", "tls.key": "k"}, {"tls": True})
    assert option(manifest, "--port") == "0"
    assert option(manifest, "--tls-port") == "6379"
    assert option(manifest, "--tls-key-file") == "/etc/redis/tls.key"


def test_the_pod_sees_the_files_that_it_reads_and_no_password_beside_them() -> None:
    (volume,) = (each for each in template(rendered())["spec"]["volumes"] if each["name"] == "files")
    assert [item["key"] for item in volume["secret"]["items"]] == ["users.acl"]


def test_a_changed_file_restarts_it_and_the_same_file_does_not() -> None:
    def digest(files: dict[str, str]) -> str:
        found: str = template(rendered(files))["metadata"]["annotations"][FILES_ANNOTATION]
        return found

    assert digest(ACL) == digest(dict(ACL))
    assert digest(ACL) != digest({"users.acl": "user default on"})


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_the_volume_goes_or_stays_as_the_deletion_policy_says(policy: str) -> None:
    manifest = rendered(managed={"storage": "1Gi"}, deletionPolicy=policy)
    assert manifest["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == policy


def test_no_webhook_puts_a_sidecar_into_it() -> None:
    assert template(rendered())["metadata"]["labels"]["cachedistill.dev/inject"] == "disabled"
