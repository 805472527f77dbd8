"""A SemanticCache with a managed Redis, against a real API server; and a real Redis run as it is rendered."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from cachedistill_operator.api.group import API_VERSION
from cachedistill_operator.render import redis_users
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_keys import usable
from cachedistill_operator.render.redis_secret import secret
from cachedistill_operator.render.redis_server import arguments
from cachedistill_sidecar.local.redis import find_server
from tests.component.cache_fixtures import stage as stage
from tests.component.cache_stage import CacheStage
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_stage import eventually
from tests.model_routes import cache
from tests.topologies import free_port, until

ANOTHER = b64encode(bytes(32)).decode()
CHILDREN = (
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "Secret"),
)


def managed(**more: Any) -> dict[str, Any]:
    return {"redis": {"managed": more}}


async def test_one_look_makes_all_of_it(stage: CacheStage) -> None:
    await stage.put(cache())
    assert await stage.look() is not None
    for api_version, kind in CHILDREN:
        child = await stage.get(kind, "support-redis", api_version)
        assert [owner["kind"] for owner in child["metadata"]["ownerReferences"]] == ["SemanticCache"]
    kept, client = await stage.secret("support-redis"), await stage.secret("support-cachedistill")
    assert kept is not None
    assert client is not None
    host = f"support-redis.{stage.namespace}.svc.cluster.local:6379"
    url = f"redis://sidecar:{kept['sidecar-password']}@{host}/0"
    assert client == {"url": url, "seal.key": kept["seal-key"]}
    assert usable(kept["seal-key"])
    assert kept["admin-password"] not in str(client)
    assert (await stage.conditions())["RedisReady"] == ("False", "Starting")
    assert (await stage.conditions())["Reconciling"] == ("True", "Starting")
    assert await stage.events("support") == []


async def test_further_looks_change_nothing_and_keep_the_passwords(stage: CacheStage) -> None:
    await stage.put(cache(**managed(tls=True, storage="1Gi"), capacity={"maxBytes": "1Gi"}))
    await stage.look()
    before = await stage.secret("support-redis")

    async def made() -> bool:
        return await stage.admin.get("v1", "Pod", "support-redis-0", stage.namespace) is not None

    await eventually(made)
    await stage.look()
    stage.writes()
    await stage.look()
    assert stage.writes() == []
    assert await stage.secret("support-redis") == before


async def test_an_older_secret_gets_a_sealing_key_and_keeps_its_passwords(stage: CacheStage) -> None:
    owned = {"app.kubernetes.io/managed-by": "cachedistill"}
    metadata = {"name": "support-redis", "namespace": stage.namespace, "labels": owned}
    passwords = {"admin-password": "one", "sidecar-password": "two"}
    await stage.admin.apply(secret(metadata, passwords))
    await stage.put(cache())
    await stage.look()
    kept = await stage.secret("support-redis")
    assert kept is not None
    assert {name: kept[name] for name in passwords} == passwords
    assert usable(kept["seal-key"])


async def test_a_sealing_key_that_somebody_replaces_reaches_sidecars(stage: CacheStage) -> None:
    await stage.put(cache())
    await stage.look()
    kept = await stage.secret("support-redis")
    assert kept is not None
    both = f"{kept['seal-key']}\n{ANOTHER}"
    patch = {"stringData": {"seal-key": both}}
    await stage.admin.patch("v1", "Secret", "support-redis", stage.namespace, patch)
    await stage.look()
    client = await stage.secret("support-cachedistill")
    assert client is not None
    assert client["seal.key"] == both


async def test_redis_pod_never_sees_a_key(stage: CacheStage) -> None:
    await stage.give_secret("keys", current=ANOTHER)
    await stage.put(cache(encryption={"keySecretRef": {"name": "keys", "key": "current"}}))
    await stage.look()
    spec = (await stage.get("StatefulSet", "support-redis", "apps/v1"))["spec"]["template"]["spec"]
    (files,) = (volume["secret"] for volume in spec["volumes"] if "secret" in volume)
    assert (files["secretName"], [item["key"] for item in files["items"]]) == ("support-redis", ["users.acl"])


async def test_a_controller_that_starts_anew_writes_nothing_either(stage: CacheStage) -> None:
    await stage.put(cache(**managed(storage="1Gi")))
    await stage.look()
    another = CacheStage.of(stage.admin, stage.on.client, stage.namespace)
    assert isinstance(another, CacheStage)
    stage.writes()
    await another.look()
    assert another.writes() == []


async def test_with_tls_clients_get_the_authority_and_redis_never_its_key(stage: CacheStage) -> None:
    await stage.put(cache(**managed(tls=True)))
    await stage.look()
    client = await stage.secret("support-cachedistill")
    assert client is not None
    assert client["url"].startswith("rediss://")
    assert "BEGIN CERTIFICATE" in client["ca.crt"]
    spec = (await stage.get("StatefulSet", "support-redis", "apps/v1"))["spec"]["template"]["spec"]
    (files,) = (volume["secret"] for volume in spec["volumes"] if "secret" in volume)
    assert [item["key"] for item in files["items"]] == ["tls.crt", "tls.key", "users.acl"]


async def test_a_pod_that_can_not_run_is_told(stage: CacheStage) -> None:
    await stage.put(cache())
    await stage.look()

    async def made() -> bool:
        return await stage.admin.get("v1", "Pod", "support-redis-0", stage.namespace) is not None

    await eventually(made)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "redis:8 isn't there"}}
    container = {"name": "redis", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    body = {"status": {"containerStatuses": [container]}}
    await stage.admin.patch("v1", "Pod", "support-redis-0", stage.namespace, body, subresource="status")
    await stage.look()
    assert (await stage.conditions())["Ready"] == ("False", "PodFailing")
    assert await stage.message("Ready") == "pod support-redis-0: ImagePullBackOff: redis:8 isn't there"
    await stage.look()
    assert await stage.events("support") == [("Warning", "PodFailing")]


async def test_what_is_retained_is_adopted_by_a_cache_of_the_same_name(stage: CacheStage) -> None:
    await stage.put(cache(**managed(storage="1Gi"), deletionPolicy="Retain"))
    await stage.look()
    kept = await stage.secret("support-redis")
    await stage.admin.delete(API_VERSION, "SemanticCache", "support", stage.namespace)

    async def rest_is_gone() -> bool:
        return await stage.secret("support-cachedistill") is None

    await eventually(rest_is_gone)
    await stage.put(cache(**managed(storage="1Gi"), deletionPolicy="Retain"))
    await stage.look()
    assert await stage.secret("support-redis") == kept


async def test_a_policy_of_delete_takes_the_passwords_too(stage: CacheStage) -> None:
    await stage.put(cache(**managed(storage="1Gi"), deletionPolicy="Retain"))
    await stage.look()
    await stage.put(cache(**managed(storage="1Gi"), deletionPolicy="Delete"))
    await stage.look()
    await stage.admin.delete(API_VERSION, "SemanticCache", "support", stage.namespace)

    async def all_is_gone() -> bool:
        return await stage.secret("support-redis") is None

    await eventually(all_is_gone)


async def test_a_volume_grows_where_its_class_allows_and_says_so_where_not(stage: CacheStage) -> None:
    storage_class = f"fast-{stage.namespace}"
    await stage.admin.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": storage_class},
            "provisioner": "example.com/none",
        }
    )
    await stage.put(cache(**managed(storage="1Gi", storageClassName=storage_class)))
    await stage.look()

    async def claimed() -> bool:
        return await stage.admin.get("v1", "PersistentVolumeClaim", "data-support-redis-0", stage.namespace) is not None

    await eventually(claimed)
    bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    claim = ("v1", "PersistentVolumeClaim", "data-support-redis-0", stage.namespace)
    await stage.admin.patch(*claim, bound, subresource="status")
    await stage.put(cache(**managed(storage="2Gi", storageClassName=storage_class)))
    await stage.look()
    assert (await stage.conditions())["Stalled"] == ("True", "StorageUnchanged")
    assert f"the storage class {storage_class} does not allow expansion" in await stage.message("Stalled")

    allowed = {"allowVolumeExpansion": True}
    await stage.admin.patch("storage.k8s.io/v1", "StorageClass", storage_class, None, allowed)
    await stage.admin.patch(*claim, bound, subresource="status")
    await stage.look()
    live = await stage.get("PersistentVolumeClaim", "data-support-redis-0")
    assert live["spec"]["resources"]["requests"] == {"storage": "2Gi"}
    assert (await stage.conditions())["Stalled"][0] == "False"
    await stage.admin.delete("storage.k8s.io/v1", "StorageClass", storage_class)


async def started(folder: Path, spec: Cache, users: redis_users.Users) -> tuple[asyncio.subprocess.Process, int]:
    """redis-server with the rendered arguments, and paths and the port of this machine instead of the pod's."""
    executable, modules = find_server()
    port = free_port()
    (folder / "users.acl").write_text(redis_users.acl_file(spec, users))
    (folder / "data").mkdir(exist_ok=True)
    assert spec.spec.redis.managed is not None
    rendered = arguments(spec, spec.spec.redis.managed, persistent=spec.spec.redis.managed.storage is not None)
    here = {"/data": str(folder / "data"), "/etc/redis/users.acl": str(folder / "users.acl"), "6379": str(port)}
    words = [here.get(word, word) for word in rendered[1:]]
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        executable, *words, "--loadmodule", str(modules[0]), stdout=nothing, stderr=nothing
    )

    async def answers() -> bool:
        async with Redis(port=port, username="admin", password=users.admin) as client:
            return bool(await client.ping())

    await until(answers)
    return process, port


async def test_redis_takes_the_arguments_and_keeps_entries_over_a_kill(tmp_path: Path) -> None:
    users = redis_users.Users("one", "two")
    support = Cache.of(cache(**managed(storage="1Gi"), capacity={"maxBytes": "64Mi"}))
    process, port = await started(tmp_path, support, users)
    async with Redis(port=port, username="sidecar", password="two", decode_responses=True) as client:
        await client.set(f"{support.prefix}e:1", "an answer")
        with pytest.raises(NoPermissionError):
            await client.get("cachedistill:other.cache:e:1")
        with pytest.raises(NoPermissionError):
            await client.flushall()
    async with Redis(port=port) as client:
        with pytest.raises(AuthenticationError):
            await client.get(f"{support.prefix}e:1")
    await asyncio.sleep(1.2)  # Redis writes its log once a second.
    process.kill()
    await process.wait()
    process, port = await started(tmp_path, support, users)
    async with Redis(port=port, username="admin", password="one", decode_responses=True) as client:
        assert await client.get(f"{support.prefix}e:1") == "an answer"
        assert (await client.config_get("maxmemory*"))["maxmemory"] == str(64 * 1024**2)
        assert (await client.config_get("maxmemory*"))["maxmemory-policy"] == "volatile-lfu"
    process.kill()
    await process.wait()
