"""The Secrets that the controller may touch: those that are named or made, and no other."""

from __future__ import annotations

from typing import Any

from cachedistill_operator.render.named_secrets import NamedSecrets, disposable, named, role, role_binding
from tests.model_routes import OPENAI, SETTINGS, cache, key, route, rule

Resource = dict[str, Any]

EXTERNAL = {
    "external": {"urlSecretRef": {"name": "redis", "key": "url"}, "caSecretRef": {"name": "redis-ca", "key": "c"}}
}


def gathered(namespace: str, *resources: Resource, labels: dict[str, str] | None = None) -> NamedSecrets:
    routes = {key(each): each for each in resources if each["kind"] == "ModelRoute"}
    caches = {key(each): each for each in resources if each["kind"] == "SemanticCache"}
    return named(namespace, routes, caches, {"shop": labels or {}})


def with_credentials(secret: str) -> Resource:
    endpoint = {"url": "https://x.test", "dialect": "OpenAI", "credentialsSecretRef": {"name": secret, "key": "token"}}
    return route(fallbacks=[OPENAI | {"endpoint": endpoint}])


def test_credentials_and_urls_are_read_and_nothing_more() -> None:
    secrets = gathered("shop", with_credentials("openai"), cache(redis=EXTERNAL))
    assert secrets.read == {"openai", "redis", "redis-ca"}
    [reading] = [rule for rule in role(secrets)["rules"] if "openai" in rule["resourceNames"]]
    assert reading["verbs"] == ["get"]


def test_an_encryption_key_is_read_in_the_caches_namespace_alone() -> None:
    encryption = {"keySecretRef": {"name": "keys", "key": "current"}}
    shared = cache("shared", namespace="ml", allowedNamespaces={"from": "All"}, encryption=encryption)
    user = route(rules=[rule(cache="shared", namespace="ml")])
    assert gathered("ml", user, shared).read == {"keys"}
    assert not gathered("shop", user, shared).read


def test_no_rule_is_without_names() -> None:
    for secrets in (gathered("shop", with_credentials("openai")), gathered("shop", cache(redis=EXTERNAL))):
        assert role(secrets)["rules"]
        assert all(rule["resourceNames"] and rule["resources"] == ["secrets"] for rule in role(secrets)["rules"])


def test_what_the_controller_makes_it_may_also_write() -> None:
    interception = {"mode": "Transparent", "hosts": ["api.openai.com"]}
    secrets = gathered("shop", cache("support"), route(rules=[rule(cache="support")], interception=interception))
    assert secrets.made == {"support-redis", "support-cachedistill", "cachedistill-interception-ca"}
    [making] = role(secrets)["rules"]
    assert making["verbs"] == ["create", "delete", "get", "patch"]


def test_a_cache_elsewhere_is_reached_by_a_secret_here_only_when_it_allows_that() -> None:
    user = route(rules=[rule(cache="shared", namespace="ml")])
    assert not gathered("shop", user, cache("shared", namespace="ml"))
    allowed = gathered("shop", user, cache("shared", namespace="ml", allowedNamespaces={"from": "All"}))
    assert allowed.made == {"ml.shared-cachedistill"}
    assert not allowed.read


def test_resources_of_other_namespaces_name_nothing_here() -> None:
    assert not gathered("other", with_credentials("openai"), cache(redis=EXTERNAL))


def test_a_cache_being_deleted_still_needs_its_secrets_and_a_route_does_not() -> None:
    going, leaving = cache("support"), with_credentials("openai")
    for each in (going, leaving):
        each["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    secrets = gathered("shop", going, leaving)
    assert not secrets.read
    assert secrets.made == {"support-redis", "support-cachedistill"}


def test_role_and_binding_go_with_the_last_resource_that_needs_them() -> None:
    secrets = gathered("shop", with_credentials("openai"), cache(redis=EXTERNAL), route("idle"))
    owners = role(secrets)["metadata"]["ownerReferences"]
    assert [each["uid"] for each in owners] == ["cache-shop-support", "route-chat"]
    assert owners == role_binding(secrets, SETTINGS)["metadata"]["ownerReferences"]
    assert not any(each.get("controller") for each in owners)


def test_only_the_controller_is_bound() -> None:
    [subject] = role_binding(gathered("shop", cache()), SETTINGS)["subjects"]
    assert subject == {
        "kind": "ServiceAccount",
        "name": "cachedistill-controller",
        "namespace": "cachedistill-system",
    }


def test_a_secret_made_for_what_is_gone_is_disposable_but_a_redis_own_never_is() -> None:
    before = role(gathered("shop", cache("support"), cache("old"), with_credentials("openai")))
    after = gathered("shop", cache("support"))
    assert disposable(before, after) == ["old-cachedistill"]
    assert disposable(before, NamedSecrets("shop")) == ["old-cachedistill", "support-cachedistill"]
    assert disposable(None, after) == []
