"""From a ModelRoute to the document that its sidecars read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cachedistill_operator.api.group import MOUNT, Key
from cachedistill_operator.api.model_route import ModelRouteSpec
from cachedistill_operator.inject.volumes import volumes
from cachedistill_operator.render import route_document
from cachedistill_operator.render.compiled_route import InvalidRoute
from cachedistill_operator.settings import SidecarDefaults
from cachedistill_sidecar.route_parsing import parse
from tests.model_routes import OPENAI, cache, compiled, key, route, rule


def document(*arguments: Any, **options: Any) -> dict[str, Any]:
    content = compiled(*arguments, **options).content
    parse(content)  # The sidecar takes it.
    read: dict[str, Any] = json.loads(content)
    return read


def test_the_document_names_route_and_namespace_and_the_sidecar_takes_it() -> None:
    read = document(route("chat", namespace="shop"))
    assert (read["name"], read["namespace"]) == ("chat", "shop")
    assert read["apiVersion"] == "route.cachedistill.dev/v1"


def test_a_rule_keeps_all_that_the_route_says_of_it() -> None:
    match = {"models": ["gpt-4o*"], "paths": ["/v1/chat/completions"], "headers": {"x-team": "support"}}
    use = {
        "ref": {"name": "support"},
        "semantic": {
            "maxErrorPermille": 10,
            "verifyPermille": 100,
            "judge": {"fallback": "cloud", "model": "small", "requestsPerHour": 5},
        },
        "conversations": "SameHistory",
        "temperatureLimitPermille": 100,
        "toolCalls": "Exact",
        "onDisconnect": "Finish",
    }
    [read] = document(route(rules=[rule(match=match) | {"cache": use}]), cache())["rules"]
    assert read == {"name": "all", "match": match, "cache": use | {"ref": "shop.support"}, "fallbacks": ["cloud"]}


def test_a_cache_is_read_from_mounted_files_and_named_with_its_namespace() -> None:
    spec: dict[str, Any] = {
        "scope": "Tenant",
        "tenantHeader": "x-tenant",
        "ttlSeconds": 60,
        "nearBytes": 0,
        "maxEntryBytes": 2048,
    }
    [read] = document(route(rules=[rule(cache="support")]), cache("support", **spec))["caches"]
    assert read["name"] == "shop.support"
    assert read["redis"] == {"urlFile": "/etc/cachedistill/caches/shop.support/url"}
    assert {name: read[name] for name in spec} == spec


def test_a_cache_is_always_sealed_and_encrypted_where_it_names_a_key() -> None:
    folder = "/etc/cachedistill/caches/shop.support"
    [plain] = document(route(rules=[rule(cache="support")]), cache("support"))["caches"]
    assert (plain["sealFile"], "encryptionFile" in plain) == (f"{folder}/seal.key", False)
    assert plain["poisoning"] == {"minimumAgreeingPrincipals": 1}
    spec: dict[str, Any] = {
        "encryption": {"keySecretRef": {"name": "any", "key": "of-it"}},
        "poisoning": {"minimumAgreeingPrincipals": 3},
    }
    [encrypted] = document(route(rules=[rule(cache="support")]), cache("support", **spec))["caches"]
    assert encrypted["encryptionFile"] == f"{folder}/encryption.key"
    assert encrypted["poisoning"] == spec["poisoning"]


def test_the_files_that_a_document_names_are_mounted() -> None:
    encryption = {"keySecretRef": {"name": "any", "key": "of-it"}}
    resource = route(rules=[rule(cache="support")])
    [read] = document(resource, cache("support", encryption=encryption, redis={"managed": {"tls": True}}))["caches"]
    named = {read["redis"]["urlFile"], read["redis"]["caFile"], read["sealFile"], read["encryptionFile"]}
    [files, *_] = volumes(key(resource), ModelRouteSpec.model_validate(resource["spec"]))
    [_, secret] = files["projected"]["sources"]
    assert {f"{MOUNT}/{item['path']}" for item in secret["secret"]["items"]} == named


@pytest.mark.parametrize(
    "redis",
    [
        {"managed": {"tls": True}},
        {"external": {"urlSecretRef": {"name": "r", "key": "u"}, "caSecretRef": {"name": "r", "key": "c"}}},
    ],
)
def test_a_cache_with_a_ca_has_its_file_named(redis: dict[str, Any]) -> None:
    [read] = document(route(rules=[rule(cache="support")]), cache(redis=redis))["caches"]
    assert read["redis"]["caFile"] == "/etc/cachedistill/caches/shop.support/ca.crt"


def test_the_embedding_is_the_one_that_the_cache_uses_now_not_the_one_it_is_to_use() -> None:
    resource = cache(embedding={"model": "new"}, status={"embedding": {"model": "old"}})
    [read] = document(route(rules=[rule(cache="support")]), resource)["caches"]
    assert read["embedding"]["model"] == "old"
    [fresh] = document(route(rules=[rule(cache="support")]), cache(embedding={"model": "new"}))["caches"]
    assert fresh["embedding"]["model"] == "new"


def test_two_rules_share_a_cache_that_is_there_once() -> None:
    rules = [rule("one", cache="support"), rule("two", cache="support")]
    read = document(route(rules=rules), cache("support"))
    assert [each["name"] for each in read["caches"]] == ["shop.support"]
    assert [each["cache"]["ref"] for each in read["rules"]] == ["shop.support", "shop.support"]


def test_a_missing_cache_leaves_its_rule_in_force_without_one() -> None:
    read = document(route(rules=[rule("one", cache="gone"), rule("two", cache="support")]), cache("support"))
    assert "cache" not in read["rules"][0]
    assert read["rules"][1]["cache"]["ref"] == "shop.support"


def test_a_service_becomes_its_name_in_the_cluster() -> None:
    service = {"name": "vllm", "port": 8000}
    fallbacks = [
        {"name": "cloud", "endpoint": {"service": service, "dialect": "OpenAI"}},
        {"name": "elsewhere", "endpoint": {"service": service | {"namespace": "models"}, "dialect": "OpenAI"}},
    ]
    read = document(route(fallbacks=fallbacks), cluster_domain="example.org")["fallbacks"]
    assert [each["endpoint"]["url"] for each in read] == [
        "http://vllm.shop.svc.example.org:8000",
        "http://vllm.models.svc.example.org:8000",
    ]


def test_credentials_are_a_path_never_a_value() -> None:
    endpoint = OPENAI["endpoint"] | {"credentialsSecretRef": {"name": "openai", "key": "token"}}  # type: ignore[operator]
    [read] = document(route(fallbacks=[{"name": "cloud", "endpoint": endpoint}]))["fallbacks"]
    assert read["credentialsFile"] == "/etc/cachedistill/credentials/cloud/token"


def test_a_fallback_keeps_price_energy_models_timeouts_and_retries() -> None:
    more = {
        "models": [{"from": "gpt-*", "to": "llama"}],
        "price": {"inputPerMillion": "2.50", "outputPerMillion": "10", "currency": "EUR"},
        "energy": {"profile": "LLaMA-7B"},
        "timeouts": {"connectSeconds": 1, "firstByteSeconds": 2, "chunkSeconds": 3},
        "retry": {"attempts": 3, "maxWaitSeconds": 1},
    }
    [read] = document(route(fallbacks=[OPENAI | more]))["fallbacks"]
    assert {name: read[name] for name in more} == more


def test_telemetry_goes_to_the_charts_endpoint_unless_the_route_names_one() -> None:
    defaults = SidecarDefaults(image="i", telemetry_endpoint="http://chart:4318")
    assert document(route(), sidecar=defaults)["telemetry"]["endpoint"] == "http://chart:4318"
    own = route(telemetry={"endpoint": "http://own:4318", "detail": True})
    assert document(own, sidecar=defaults)["telemetry"] == {"endpoint": "http://own:4318", "detail": True}
    assert "endpoint" not in document(route())["telemetry"]


def test_failure_policy_and_carbon_are_the_routes() -> None:
    read = document(route(failurePolicy="Fail", carbon={"gramsPerKilowattHour": 50}))
    assert (read["failurePolicy"], read["carbon"]) == ("Fail", {"gramsPerKilowattHour": 50})


def test_the_same_route_gives_the_same_text_and_another_gives_another_digest() -> None:
    one, again, other = compiled(route()), compiled(route()), compiled(route(failurePolicy="Fail"))
    assert one.content == again.content
    assert one.digest == again.digest != other.digest
    assert one.digest.startswith("sha256:")


def test_a_spec_that_no_document_can_hold_is_told_with_its_field() -> None:
    energy = {"profile": "LLaMA-7B", "inputJoulesPerToken": "1"}
    with pytest.raises(InvalidRoute, match=r"fallbacks\.0\.energy: .*either profile, or both"):
        compiled(route(fallbacks=[OPENAI | {"energy": energy}]))


def test_the_config_map_belongs_to_the_route() -> None:
    resource = route("chat")
    manifest = route_document.config_map(resource, "{}")
    meta = manifest["metadata"]
    assert (meta["name"], meta["namespace"], manifest["data"]) == ("chat-cachedistill", "shop", {"route.json": "{}"})
    [owner] = meta["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
        "ModelRoute",
        "chat",
        "route-chat",
        True,
    )


def test_a_cache_of_another_namespace_keeps_its_name() -> None:
    elsewhere = cache("shared", namespace="ml", allowedNamespaces={"from": "All"})
    read = compiled(route(rules=[rule(cache="shared", namespace="ml")]), elsewhere)
    assert list(read.caches) == [Key("ml", "shared")]
    assert json.loads(read.content)["rules"][0]["cache"]["ref"] == "ml.shared"
