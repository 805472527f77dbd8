"""What a ModelRoute names and isn't there: each is told with its field, and none stops the route."""

from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.api.route_reasons import RouteReason
from cachedistill_operator.render.route_references import (
    Missing,
    credentials,
    missing_secret,
    missing_service,
    services,
    unreadable_secret,
)
from tests.model_routes import OPENAI, cache, compiled, key, route, rule

ELSEWHERE = route(rules=[rule("small-talk", cache="shared", namespace="ml")])


def told(resource: dict[str, Any], *caches: dict[str, Any], labels: dict[str, str] | None = None) -> list[Missing]:
    return list(compiled(resource, *caches, labels=labels).missing)


def test_a_cache_that_is_not_there_is_named_with_its_rule() -> None:
    [missing] = told(route(rules=[rule("small-talk", cache="support")]))
    assert missing.reason is RouteReason.CACHE_NOT_FOUND
    assert str(missing) == "rules.small-talk.cache.ref: SemanticCache shop/support isn't there"


def test_a_cache_that_is_being_deleted_is_missing() -> None:
    going = cache("support")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    [missing] = told(route(rules=[rule(cache="support")]), going)
    assert missing.reason is RouteReason.CACHE_NOT_FOUND


def test_a_cache_with_an_unknown_field_is_told_not_raised() -> None:
    [missing] = told(route(rules=[rule(cache="support")]), cache("support", novelty=1))
    assert "novelty" in missing.message


def test_a_cache_of_another_namespace_may_be_used_only_when_it_allows_that() -> None:
    [missing] = told(ELSEWHERE, cache("shared", namespace="ml"))
    assert missing.reason is RouteReason.CACHE_NOT_ALLOWED
    assert "allowedNamespaces" in missing.message
    assert told(ELSEWHERE, cache("shared", namespace="ml", allowedNamespaces={"from": "All"})) == []


def test_a_selector_of_namespaces_looks_at_the_labels_of_the_routes_namespace() -> None:
    allowed = {"from": "Selector", "selector": {"matchLabels": {"team": "support"}}}
    shared = cache("shared", namespace="ml", allowedNamespaces=allowed)
    assert told(ELSEWHERE, shared, labels={"team": "support"}) == []
    assert [missing.reason for missing in told(ELSEWHERE, shared, labels={"team": "sales"})] == [
        RouteReason.CACHE_NOT_ALLOWED
    ]


def test_every_missing_cache_is_told() -> None:
    missing = told(route(rules=[rule("one", cache="a"), rule("two", cache="b"), rule("three")]))
    assert [each.where for each in missing] == ["rules.one.cache.ref", "rules.two.cache.ref"]


SECRET = OPENAI | {
    "endpoint": {
        "url": "https://x.test",
        "dialect": "OpenAI",
        "credentialsSecretRef": {"name": "openai", "key": "token"},
    }
}
[(FALLBACK, REF)] = credentials(compiled(route(fallbacks=[SECRET])).spec)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        (None, "Secret openai isn't there"),
        ({"data": {"other": "eA=="}}, "Secret openai has no key token"),
        ({}, "Secret openai has no key token"),
    ],
)
def test_a_missing_secret_or_key_is_named(secret: dict[str, Any] | None, sentence: str) -> None:
    missing = missing_secret(FALLBACK, REF, secret)
    assert missing is not None
    assert missing.reason is RouteReason.SECRET_NOT_FOUND
    assert str(missing) == f"fallbacks.cloud.endpoint.credentialsSecretRef: {sentence}"


def test_a_secret_that_has_the_key_is_not_missing() -> None:
    assert missing_secret(FALLBACK, REF, {"data": {"token": "eA=="}}) is None


def test_a_secret_that_may_not_be_read_is_another_matter_than_one_that_is_missing() -> None:
    assert unreadable_secret(FALLBACK, REF, "Forbidden").reason is RouteReason.SECRET_NOT_READABLE


SERVICE = {"name": "cloud", "endpoint": {"service": {"name": "vllm", "port": 8000}, "dialect": "OpenAI"}}
IN_CLUSTER = route(fallbacks=[SERVICE])
[(BEHIND, PLACE, SERVICE_REF)] = services(key(IN_CLUSTER), compiled(IN_CLUSTER).spec)


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        (None, "Service shop/vllm isn't there"),
        ({"spec": {"ports": [{"port": 80}, {"port": 443}]}}, "Service shop/vllm has no port 8000, only 80, 443"),
        ({"spec": {}}, "Service shop/vllm has no port 8000, only none"),
    ],
)
def test_a_missing_service_or_port_is_named(service: dict[str, Any] | None, sentence: str) -> None:
    missing = missing_service(BEHIND, PLACE, SERVICE_REF, service)
    assert missing is not None
    assert missing.reason is RouteReason.SERVICE_NOT_FOUND
    assert str(missing) == f"fallbacks.cloud.endpoint.service: {sentence}"


@pytest.mark.parametrize("spec", [{"ports": [{"port": 8000}]}, {"type": "ExternalName", "externalName": "x.test"}])
def test_a_service_with_the_port_or_a_name_elsewhere_is_not_missing(spec: dict[str, Any]) -> None:
    assert missing_service(BEHIND, PLACE, SERVICE_REF, {"spec": spec}) is None
