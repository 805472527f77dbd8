"""Bad input is refused by the API server, with the field's name and what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.cluster.kubectl import Kubectl, KubectlError
from tests.resources import Manifest, changed, model_route, semantic_cache, text

CACHE = semantic_cache()
ROUTE = model_route()
URL = {"urlSecretRef": {"name": "redis", "key": "url"}}
JUDGED = changed(ROUTE, "spec.rules.0.cache.semantic", {"judge": {"fallback": "cloud"}})
LIMITED = changed(CACHE, "spec.redis.managed.resources", {"limits": {"memory": "1Gi"}})


def refusal(kubectl: Kubectl, resource: Manifest) -> str:
    with pytest.raises(KubectlError) as refused:
        kubectl("create", "--dry-run=server", "--filename=-", stdin=text(resource))
    return str(refused.value)


@pytest.mark.parametrize(
    ("resource", "path", "value", "told"),
    [
        # What is no field, and values of another type.
        (CACHE, "spec.colour", "red", 'unknown field "spec.colour"'),
        (CACHE, "spec.embedding.dimensions", 384, 'unknown field "spec.embedding.dimensions"'),
        (ROUTE, "spec.rules.0.cache.semantik", {}, 'unknown field "spec.rules[0].cache.semantik"'),
        (CACHE, "spec.ttlSeconds", 1.5, "spec.ttlSeconds in body must be of type integer"),
        (CACHE, "spec.ttlSeconds", "1h", "spec.ttlSeconds in body must be of type integer"),
        (CACHE, "spec.redis.managed.tls", "yes", "spec.redis.managed.tls in body must be of type boolean"),
        (
            ROUTE,
            "spec.fallbacks.0.price",
            {"inputPerMillion": 0.15, "outputPerMillion": "0.6"},
            "spec.fallbacks[0].price.inputPerMillion in body must be of type string",
        ),
        # Out of range, or not one of.
        (CACHE, "spec.ttlSeconds", 0, "spec.ttlSeconds in body should be greater than or equal to 1"),
        (
            ROUTE,
            "spec.rules.0.cache.semantic",
            {"maxErrorPermille": 501},
            "spec.rules[0].cache.semantic.maxErrorPermille in body should be less than or equal to 500",
        ),
        (ROUTE, "spec.rules.0.cache.semantic", {"maxErrorPermille": -1}, "maxErrorPermille in body should be greater"),
        (ROUTE, "spec.rules.0.cache.semantic", {"maxErrorPermille": 0.5}, "maxErrorPermille in body must be of type"),
        (ROUTE, "spec.rules.0.cache.semantic", {"verifyPermille": 1001}, "verifyPermille in body should be less than"),
        (ROUTE, "spec.rules.0.cache.semantic", {"similarityPermille": 900}, 'semantic.similarityPermille"'),
        (ROUTE, "spec.rules.0.cache.semantic", {"judge": {}}, "semantic.judge.fallback: Required value"),
        (
            ROUTE,
            "spec.rules.0.cache.semantic",
            {"judge": {"fallback": "cloud", "requestsPerHour": 10001}},
            "semantic.judge.requestsPerHour in body should be less than or equal to 10000",
        ),
        (
            ROUTE,
            "spec.fallbacks.0.timeouts",
            {"connectSeconds": -1},
            "spec.fallbacks[0].timeouts.connectSeconds in body should be greater than or equal to 1",
        ),
        (CACHE, "spec.scope", "Cluster", 'spec.scope: Unsupported value: "Cluster": supported values: "Namespace"'),
        (ROUTE, "spec.fallbacks.0.endpoint.dialect", "openai", "spec.fallbacks[0].endpoint.dialect: Unsupported value"),
        (ROUTE, "spec.sidecar.logLevel", "trace", "spec.sidecar.logLevel: Unsupported value"),
        # Quantities.
        (CACHE, "spec.redis.managed.storage", "8 GB", 'spec.redis.managed.storage: Invalid value: "8 GB": must be'),
        (CACHE, "spec.redis.managed.storage", 0.5, "spec.redis.managed.storage in body must be of type integer,string"),
        (CACHE, "spec.redis.managed.storage", "0", "must be a quantity such as 8Gi"),
        (LIMITED, "spec.redis.managed.resources.requests", {"cpu": -1}, "resources.requests.cpu in body should be"),
        (LIMITED, "spec.redis.managed.resources.requests", {"CPU": 1}, "resources.requests: Invalid value: keys must"),
        # Least above most.
        (
            LIMITED,
            "spec.redis.managed.resources.requests",
            {"memory": "2Gi"},
            "spec.redis.managed.resources: Invalid value: requests must not be above limits",
        ),
        (
            LIMITED,
            "spec.capacity",
            {"maxBytes": "2Gi"},
            "spec.capacity.maxBytes: Invalid value: capacity.maxBytes must not be above redis.managed.resources.limits",
        ),
        # One of, and what goes together.
        (CACHE, "spec.redis", {}, "spec.redis: Invalid value: exactly one of managed and external must be set"),
        (CACHE, "spec.redis.external", URL, "exactly one of managed and external must be set"),
        (CACHE, "spec.scope", "Tenant", "spec.tenantHeader: Invalid value: tenantHeader must be set when scope"),
        (CACHE, "spec.scope", "User", "spec.userHeader: Invalid value: userHeader must be set when scope is User"),
        (
            semantic_cache(redis={"external": URL}),
            "spec.capacity",
            {"maxBytes": "2Gi"},
            "spec.capacity: Invalid value: capacity goes with redis.managed only",
        ),
        (
            CACHE,
            "spec.redis.managed.storageClassName",
            "fast",
            "storageClassName: Invalid value: storageClassName goes with storage only",
        ),
        (
            CACHE,
            "spec.allowedNamespaces",
            {"from": "Selector"},
            "spec.allowedNamespaces.selector: Invalid value: selector must be set when from is Selector, only then",
        ),
        (CACHE, "spec.allowedNamespaces.selector", {"matchLabels": {"a": "b"}}, "selector must be set when from is"),
        (
            ROUTE,
            "spec.fallbacks.0.endpoint",
            {"dialect": "OpenAI"},
            "spec.fallbacks[0].endpoint: Invalid value: exactly one of url and service must be set",
        ),
        (ROUTE, "spec.fallbacks.0.endpoint.service", {"name": "vllm", "port": 8000}, "exactly one of url and service"),
        (ROUTE, "spec.fallbacks.0.energy", {}, "spec.fallbacks[0].energy: Invalid value: either profile, or both"),
        (ROUTE, "spec.fallbacks.0.energy", {"profile": "a", "inputJoulesPerToken": "1"}, "either profile, or both"),
        (ROUTE, "spec.fallbacks.0.energy", {"inputJoulesPerToken": "1"}, "either profile, or both"),
        (
            ROUTE,
            "spec.interception.mode",
            "Transparent",
            "spec.interception.hosts: Invalid value: hosts must be set when mode is Transparent, only then",
        ),
        (ROUTE, "spec.interception.hosts", ["api.openai.com"], "hosts must be set when mode is Transparent, only then"),
        # Selectors.
        (ROUTE, "spec.selector", {}, "spec.selector: Invalid value: selector must name at least one label"),
        (ROUTE, "spec.selector", {"matchLabels": {}}, "selector must name at least one label"),
        (ROUTE, "spec.selector", {"matchLabels": {"a b": "c"}}, "spec.selector.matchLabels: Invalid value: keys must"),
        (
            ROUTE,
            "spec.selector",
            {"matchExpressions": [{"key": "app", "operator": "In"}]},
            "spec.selector.matchExpressions[0]: Invalid value: values must be set when operator is In or NotIn",
        ),
        (
            ROUTE,
            "spec.selector",
            {"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["a"]}]},
            "values must be set when operator is In or NotIn, only then",
        ),
        # Names.
        (ROUTE, "spec.rules.0.fallbacks", ["none"], "spec.rules: Invalid value: rules[*].fallbacks must be names of"),
        (
            ROUTE,
            "spec.rules.0.cache.semantic",
            {"judge": {"fallback": "none"}},
            "spec.rules: Invalid value: rules[*].cache.semantic.judge.fallback must be a name of spec.fallbacks, of",
        ),
        (JUDGED, "spec.fallbacks.0.endpoint.dialect", "Ollama", "a name of spec.fallbacks, of dialect OpenAI or Anth"),
        (ROUTE, "spec.rules.0.fallbacks", ["cloud", "cloud"], 'spec.rules[0].fallbacks[1]: Duplicate value: "cloud"'),
        (ROUTE, "spec.rules.0.fallbacks", [], "spec.rules[0].fallbacks in body should have at least 1 items"),
        (ROUTE, "spec.rules.1", ROUTE["spec"]["rules"][0], 'spec.rules[1]: Duplicate value: {"name":"all"}'),
        (ROUTE, "spec.fallbacks.1", ROUTE["spec"]["fallbacks"][0], 'spec.fallbacks[1]: Duplicate value: {"name":"clou'),
        (ROUTE, "spec.interception.providers", ["OpenAI", "OpenAI"], "spec.interception.providers[1]: Duplicate value"),
        (ROUTE, "spec.rules.0.match", {"headers": {"x team": "a"}}, "spec.rules[0].match.headers: Invalid value: keys"),
        (ROUTE, "spec.fallbacks.0.endpoint.url", "api.openai.com", "spec.fallbacks[0].endpoint.url in body should mat"),
        (
            changed(ROUTE, "spec.interception.mode", "Transparent"),
            "spec.interception.hosts",
            ["*.openai.com"],
            "spec.interception.hosts[0] in body should match",
        ),
        (
            CACHE,
            "spec.poisoning",
            {"minimumAgreeingPrincipals": 0},
            "minimumAgreeingPrincipals in body should be greate",
        ),
        (
            CACHE,
            "spec.poisoning",
            {"minimumAgreeingPrincipals": 17},
            "minimumAgreeingPrincipals in body should be less",
        ),
        (CACHE, "spec.encryption", {}, "spec.encryption.keySecretRef: Required value"),
        (
            CACHE,
            "spec.encryption",
            {"keySecretRef": {"name": "keys"}},
            "spec.encryption.keySecretRef.key: Required val",
        ),
        (CACHE, "spec.encryption", {"key": "hush"}, 'unknown field "spec.encryption.key"'),
        (CACHE, "metadata.name", "c" * 47, "metadata.name must have at most 46 characters"),
        (CACHE, "metadata.name", "1st", "metadata.name must have at most 46 characters and match ^[a-z]"),
        (CACHE, "metadata.name", "a.b", "metadata.name must have at most 46 characters and match ^[a-z]"),
        (ROUTE, "metadata.name", "r" * 53, "metadata.name must have at most 52 characters"),
        (ROUTE, "spec.rules.0.cache.ref.name", "", "spec.rules[0].cache.ref.name in body should be at least 1 chars"),
    ],
)
def test_bad_input_is_refused_by_its_field_s_name(
    kinds: Kubectl, resource: Manifest, path: str, value: Any, told: str
) -> None:
    assert told in refusal(kinds, changed(resource, path, value))


@pytest.mark.parametrize("dialect", ["OpenAI", "Anthropic"])
def test_a_judge_may_be_any_fallback_that_speaks_its_language(kinds: Kubectl, dialect: str) -> None:
    judged = changed(JUDGED, "spec.fallbacks.0.endpoint.dialect", dialect)
    kinds("create", "--dry-run=server", "--filename=-", stdin=text(judged))


@pytest.mark.parametrize("missing", ["selector", "rules", "fallbacks"])
def test_a_route_says_what_it_lacks(kinds: Kubectl, missing: str) -> None:
    resource = model_route()
    del resource["spec"][missing]
    assert f"spec.{missing}: Required value" in refusal(kinds, resource)


def test_a_long_list_is_refused(kinds: Kubectl) -> None:
    rules = [{"name": f"rule-{number}", "fallbacks": ["cloud"]} for number in range(33)]
    assert "spec.rules: Too many: 33: must have at most 32 items" in refusal(kinds, model_route(rules=rules))


def test_server_side_apply_refuses_an_unknown_field_too(kinds: Kubectl) -> None:
    with pytest.raises(KubectlError, match=r"\.spec\.colour: field not declared in schema"):
        kinds("apply", "--server-side", "--dry-run=server", "--filename=-", stdin=text(semantic_cache(colour="red")))


@pytest.mark.parametrize(
    ("before", "path", "value", "told"),
    [
        (CACHE, "spec.scope", "Tenant", "spec.scope: Invalid value: scope is immutable: make a new SemanticCache"),
        (CACHE, "spec.redis", {"external": URL}, "spec.redis: Invalid value: redis can't change between managed and"),
        (
            CACHE,
            "spec.redis.managed.storage",
            "8Gi",
            "spec.redis.managed.storage: Invalid value: storage can only grow",
        ),
        (
            semantic_cache(redis={"managed": {"storage": "8Gi"}}),
            "spec.redis.managed.storage",
            "8191Mi",
            "spec.redis.managed.storage: Invalid value: storage can only grow: make a new SemanticCache to have less",
        ),
        (
            semantic_cache(redis={"managed": {"storage": "8Gi", "storageClassName": "slow"}}),
            "spec.redis.managed.storageClassName",
            "fast",
            "spec.redis.managed.storageClassName: Invalid value: storageClassName is immutable",
        ),
    ],
)
def test_what_is_immutable_can_t_be_changed(kinds: Kubectl, before: Manifest, path: str, value: Any, told: str) -> None:
    name = "unchanging"
    kinds("create", "--filename=-", stdin=text(changed(before, "metadata.name", name)))
    try:
        after = changed(changed(before, "metadata.name", name), path, value)
        with pytest.raises(KubectlError) as refused:
            kinds("replace", "--filename=-", stdin=text(changed(after, "spec.tenantHeader", "x-tenant")))
        assert told in str(refused.value)
    finally:
        kinds("delete", "semanticcache", name)


def test_storage_may_grow_and_the_embedding_may_change(kinds: Kubectl) -> None:
    before = semantic_cache("changing", redis={"managed": {"storage": "8Gi"}})
    kinds("create", "--filename=-", stdin=text(before))
    try:
        larger = changed(before, "spec.redis.managed.storage", "10240Mi")
        kinds("replace", "--filename=-", stdin=text(changed(larger, "spec.embedding", {"model": "another"})))
    finally:
        kinds("delete", "semanticcache", "changing")
