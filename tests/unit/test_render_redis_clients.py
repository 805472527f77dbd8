"""Who may use a cache, and by what it is reached."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from cachedistill_operator.api.group import Key
from cachedistill_operator.render import redis_network
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_keys import CacheKeys, complete, usable
from cachedistill_operator.render.redis_address import AddressError, endpoint_of
from cachedistill_operator.render.redis_clients import allows, client_secret, using
from cachedistill_operator.render.redis_secret import values
from cachedistill_sidecar.cache.keys import read_keys
from tests import model_routes

ONE = b64encode(bytes(32)).decode()
SELECTED = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}


def cache(**spec: Any) -> Cache:
    return Cache.of(model_routes.cache(**spec))


@pytest.mark.parametrize(
    ("allowed", "namespace", "labels", "may"),
    [
        ({"from": "Same"}, "shop", {}, True),
        ({"from": "Same"}, "other", {"team": "a"}, False),
        ({"from": "All"}, "other", {}, True),
        (SELECTED, "other", {"team": "a"}, True),
        (SELECTED, "other", {"team": "b"}, False),
        (SELECTED, "shop", {}, True),
    ],
)
def test_a_namespace_may_use_a_cache_when_the_cache_says_so(
    allowed: dict[str, Any], namespace: str, labels: dict[str, str], may: bool
) -> None:
    assert allows(cache(allowedNamespaces=allowed).spec, "shop", namespace, labels) is may


def test_a_route_that_is_being_deleted_does_not_count() -> None:
    going = model_routes.route("going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    routes = {Key("shop", "going"): going, Key("shop", "chat"): model_routes.route("chat")}
    assert using(cache(), routes, {"shop": {}}) == [Key("shop", "chat")]


def test_in_its_own_namespace_the_secret_goes_with_the_cache() -> None:
    manifest = client_secret(cache(), "shop", [model_routes.route()], "redis://x", None, CacheKeys("s"))
    assert manifest["metadata"]["name"] == "support-cachedistill"
    assert [owner["kind"] for owner in manifest["metadata"]["ownerReferences"]] == ["SemanticCache"]
    assert values(manifest) == {"url": "redis://x", "seal.key": "s"}


def test_in_another_namespace_it_goes_with_the_routes_there() -> None:
    routes = [model_routes.route("b", namespace="team-a"), model_routes.route("a", namespace="team-a")]
    manifest = client_secret(cache(), "team-a", routes, "rediss://x", "PEM", CacheKeys("s", "e"))
    assert manifest["metadata"]["namespace"] == "team-a"
    assert manifest["metadata"]["name"] == "shop.support-cachedistill"
    owners = manifest["metadata"]["ownerReferences"]
    assert [(owner["kind"], owner["name"], owner.get("controller")) for owner in owners] == [
        ("ModelRoute", "a", None),
        ("ModelRoute", "b", None),
    ]
    assert values(manifest) == {"url": "rediss://x", "ca.crt": "PEM", "seal.key": "s", "encryption.key": "e"}


def test_a_key_that_is_there_stays_and_a_missing_one_is_made_as_sidecars_read_it(tmp_path: Path) -> None:
    assert complete({"seal-key": "known"}, "seal-key", bytes) == "known"
    (tmp_path / "keys").write_text(complete({"other": "known"}, "seal-key", bytes))
    assert read_keys(str(tmp_path / "keys")) == (bytes(32),)


@pytest.mark.parametrize("text", ["", "\n", "hush", "aHVzaA==", f"{ONE}x", f"{ONE}\n{ONE[:-4]}", "ü"])
def test_what_sidecars_could_not_use_is_no_key(text: str, tmp_path: Path) -> None:
    assert not usable(text)
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ValueError, match="must hold keys"):
        read_keys(str(tmp_path / "keys"))


def test_several_keys_are_fine() -> None:
    assert usable(f"{ONE}\n{ONE}\n")


def test_keys_are_in_no_words_about_them() -> None:
    assert "hush" not in repr(CacheKeys("hush", "hush"))


def test_redis_is_reached_from_the_namespaces_that_use_it_its_jobs_and_the_controller_alone() -> None:
    settings = model_routes.SETTINGS.model_copy(update={"controller_pod_labels": {"app": "controller"}})
    policy = redis_network.policy(cache(), ["team-a", "shop"], settings)["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": 6379, "protocol": "TCP"}]
    sidecars, jobs, controller = rule["from"]
    assert sidecars["namespaceSelector"]["matchExpressions"][0]["values"] == ["shop", "team-a"]
    assert sidecars["podSelector"]["matchExpressions"] == [{"key": "cachedistill.dev/route", "operator": "Exists"}]
    assert jobs["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "index"
    assert controller["podSelector"] == {"matchLabels": {"app": "controller"}}
    assert controller["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "cachedistill-system"}


def test_a_drain_is_not_blocked_by_the_only_replica() -> None:
    assert redis_network.disruption_budget(cache())["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("redis://me:secret@redis.shop.svc:6380/2", "redis.shop.svc:6380"),
        ("rediss://redis", "redis:6379"),
        ("redis://[::1]:7", "[::1]:7"),
        ("redis+sentinel://:secret@a,b:7/primary", "a:26379,b:7/primary"),
        ("rediss+cluster://me:secret@a:1,b:2", "a:1,b:2"),
    ],
)
def test_people_are_told_where_redis_is_without_its_password(url: str, endpoint: str) -> None:
    assert endpoint_of(url, with_ca=False) == endpoint


@pytest.mark.parametrize(
    ("url", "with_ca", "words"),
    [
        ("http://redis:secret@host", False, "must be one of redis://"),
        ("unix:///run/redis.sock", False, "pods can't reach it"),
        ("redis://me:secret@redis", True, "caSecretRef goes with a URL for TLS"),
        ("redis://me:sec/ret@redis", False, "percent-encoded"),
        ("redis://", False, "names no host"),
        ("redis+sentinel://secret@host", False, "names the service"),
    ],
)
def test_a_bad_url_is_refused_without_quoting_its_password(url: str, with_ca: bool, words: str) -> None:
    with pytest.raises(AddressError) as refused:
        endpoint_of(url, with_ca=with_ca)
    assert words in str(refused.value)
    assert "sec" not in str(refused.value).replace("caSecretRef", "")
