"""The keys of a cache in front of somebody's own Redis: one is made, one is the user's, and all sidecars get them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from redis.asyncio import Redis

from cachedistill_operator.render.cache_keys import usable
from tests.component.cache_fixtures import redis as redis
from tests.component.cache_fixtures import running as running
from tests.component.cache_fixtures import stage as stage
from tests.component.cache_stage import CacheStage, build_index, external
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.model_routes import cache, route, rule
from tests.topologies import Server

ONE, TWO = (b64encode(bytes([number]) * 32).decode() for number in (1, 2))
ENCRYPTED = {"encryption": {"keySecretRef": {"name": "keys", "key": "current"}}}


async def put(stage: CacheStage, running: Server, **spec: Any) -> None:
    await stage.give_secret("redis", url=f"redis://127.0.0.1:{running.port}")
    await stage.put(cache(**external(**spec)))


async def keys(stage: CacheStage, namespace: str | None = None) -> dict[str, str]:
    """What the sidecars of a namespace mount beside the URL."""
    name = "support-cachedistill" if namespace is None else f"{stage.namespace}.support-cachedistill"
    held = await stage.secret(name, namespace)
    assert held is not None
    return {key: value for key, value in held.items() if key != "url"}


async def test_a_sealing_key_is_made_once_and_kept(stage: CacheStage, running: Server) -> None:
    await put(stage, running)
    await stage.look()
    made = await keys(stage)
    assert list(made) == ["seal.key"]
    assert usable(made["seal.key"])
    another = CacheStage.of(stage.admin, stage.on.client, stage.namespace)
    assert isinstance(another, CacheStage)
    another.writes()
    await another.look()
    assert await keys(stage) == made
    assert not [write for write in another.writes() if "secrets" in write]
    await another.on.redis.close()


async def test_an_older_secret_gets_one_added(stage: CacheStage, running: Server) -> None:
    await stage.give_secret("support-cachedistill", url="redis://before")
    await put(stage, running)
    await stage.look()
    assert usable((await keys(stage))["seal.key"])


async def test_another_namespace_gets_the_same_keys(stage: CacheStage, running: Server, namespace: str) -> None:
    await stage.give_secret("keys", current=ONE)
    other = f"{namespace}-b"
    await stage.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    user = route(rules=[rule(cache="support", namespace=stage.namespace)], namespace=other)
    await stage.admin.create(user)
    await put(stage, running, allowedNamespaces={"from": "All"}, **ENCRYPTED)
    await stage.look()
    assert await keys(stage, other) == await keys(stage)
    assert (await keys(stage))["encryption.key"] == ONE


async def test_a_missing_encryption_key_is_named_and_waited_for_and_nothing_is_given_without_it(
    stage: CacheStage, redis: Redis, running: Server
) -> None:
    await put(stage, running, **ENCRYPTED)
    for held in (None, {"other": ONE}):
        if held is not None:
            await stage.give_secret("keys", **held)
        assert await stage.look() is not None
        assert (await stage.conditions())["Ready"] == ("False", "SecretNotFound")
        assert (await stage.conditions())["Stalled"] == ("True", "SecretNotFound")
        assert f"Secret {stage.namespace}/keys" in await stage.message("Ready")
    assert await stage.secret("support-cachedistill") is None
    await stage.give_secret("keys", current=ONE)
    await build_index(redis, stage.prefix, "bge-small-en-v1.5")
    await stage.look()
    assert (await stage.conditions())["Ready"] == ("True", "Ready")
    assert (await keys(stage))["encryption.key"] == ONE


@pytest.mark.parametrize("wrong", ["hush-hush", ONE[:-8], "", f"{ONE} hush"])
async def test_what_is_no_key_is_told_without_a_word_of_it(stage: CacheStage, running: Server, wrong: str) -> None:
    await stage.give_secret("keys", current=wrong)
    await put(stage, running, **ENCRYPTED)
    await stage.look()
    assert (await stage.conditions())["RedisReady"] == ("False", "InvalidKey")
    message = await stage.message("RedisReady")
    assert message.startswith(f"Secret {stage.namespace}/keys, key current: ")
    assert "hush" not in message
    assert ONE[:-8] not in message


async def test_a_replaced_encryption_key_reaches_sidecars_and_a_lost_one_is_not_taken_from_them(
    stage: CacheStage, running: Server
) -> None:
    await stage.give_secret("keys", current=ONE)
    await put(stage, running, **ENCRYPTED)
    await stage.look()
    await stage.give_secret("keys", current=f"{TWO}\n{ONE}\n")
    await stage.look()
    assert (await keys(stage))["encryption.key"] == f"{TWO}\n{ONE}"
    await stage.admin.delete("v1", "Secret", "keys", stage.namespace)
    await stage.look()
    assert (await stage.conditions())["Ready"] == ("False", "SecretNotFound")
    assert (await keys(stage))["encryption.key"] == f"{TWO}\n{ONE}"


async def test_the_job_that_builds_an_index_has_the_keys(stage: CacheStage, running: Server) -> None:
    await stage.give_secret("keys", current=ONE)
    await put(stage, running, **ENCRYPTED)
    await stage.look()
    (job,) = await stage.admin.list("batch/v1", "Job", stage.namespace)
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--seal-file") + 1] == "/etc/cachedistill/redis/seal.key"
    assert arguments[arguments.index("--encryption-file") + 1] == "/etc/cachedistill/redis/encryption.key"
