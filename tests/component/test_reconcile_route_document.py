"""A ModelRoute's document and references, against a real API server."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cachedistill_operator.api.group import API_VERSION, DOCUMENT_ANNOTATION
from cachedistill_operator.cluster.client import ApiError
from cachedistill_operator.reconcile.model_route import MISSING_SECONDS
from cachedistill_operator.render.route_document import digest
from cachedistill_sidecar.route_parsing import parse
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_fixtures import stage as stage
from tests.component.route_stage import Stage
from tests.model_routes import OPENAI, cache, pod, route, rule

SECRET = {"name": "openai", "key": "token"}
WITH_SECRET = OPENAI | {"endpoint": {"url": "https://x.test", "dialect": "OpenAI", "credentialsSecretRef": SECRET}}


CHILDREN = (
    ("v1", "ConfigMap", "chat-cachedistill"),
    ("v1", "Secret", "cachedistill-interception-ca"),
    ("rbac.authorization.k8s.io/v1", "Role", "cachedistill-named-secrets"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "cachedistill-named-secrets"),
)


def secret(**data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "openai"}, "data": encoded}


async def test_one_look_makes_a_document_that_sidecars_take_and_a_status_that_people_read(stage: Stage) -> None:
    await stage.put(route("chat"))
    await stage.look()
    config_map = await stage.get("ConfigMap", "chat-cachedistill")
    document = parse(config_map["data"]["route.json"])
    assert (document.name, document.namespace) == ("chat", stage.namespace)
    status = await stage.status()
    assert status["routeDocument"] == {
        "configMap": "chat-cachedistill",
        "digest": digest(config_map["data"]["route.json"]),
    }
    assert status["pods"] == {"matched": 0, "injected": 0, "outdated": 0}
    assert (await stage.conditions())["Ready"] == ("True", "Ready")
    assert await stage.events("chat") == [("Normal", "Ready")]


async def test_looks_at_what_is_as_it_should_be_write_nothing(stage: Stage) -> None:
    await stage.put(cache("support"))
    await stage.put(secret(token="sk-1"))
    transparent = {"mode": "Transparent", "hosts": ["api.openai.com"]}
    await stage.put(route(rules=[rule(cache="support")], fallbacks=[WITH_SECRET], interception=transparent))
    await stage.settle()
    stage.writes()
    for _ in range(3):
        await stage.look()
    assert stage.writes() == []
    assert await stage.events("chat") == [("Normal", "Ready")]


async def test_a_document_that_somebody_changed_is_put_right(stage: Stage) -> None:
    await stage.put(route("chat"))
    await stage.settle()
    right = await stage.get("ConfigMap", "chat-cachedistill")
    await stage.admin.patch("v1", "ConfigMap", "chat-cachedistill", stage.namespace, {"data": {"route.json": "{}"}})
    await stage.look()
    assert (await stage.get("ConfigMap", "chat-cachedistill"))["data"] == right["data"]


async def test_a_changed_document_is_named_at_all_running_pods_that_read_it(stage: Stage) -> None:
    made = await stage.put(route("chat"))
    await stage.run(stage.injected(pod("app"), made))
    await stage.run(stage.injected(pod("of-a-job", owner=None), made))
    # The selector has let go of this one: it reads the document all the same.
    strayed = stage.injected(pod("strayed"), made)
    strayed["metadata"]["labels"]["app"] = "other"
    await stage.run(strayed)
    await stage.run(stage.injected(pod("over"), made), "Succeeded")
    await stage.settle()
    await stage.put(route("chat", failurePolicy="Fail"))
    await stage.look()
    newest = (await stage.status())["routeDocument"]["digest"]
    for name in ("app", "of-a-job", "strayed"):
        assert (await stage.get("Pod", name))["metadata"]["annotations"][DOCUMENT_ANNOTATION] == newest
    assert DOCUMENT_ANNOTATION not in (await stage.get("Pod", "over"))["metadata"]["annotations"]
    stage.writes()
    await stage.look()
    assert stage.writes() == []


async def test_missing_references_are_told_and_the_route_does_without(stage: Stage) -> None:
    service = {"name": "local", "endpoint": {"service": {"name": "vllm", "port": 8000}, "dialect": "OpenAI"}}
    await stage.put(route(rules=[rule("talk", cache="support")], fallbacks=[WITH_SECRET, service]))
    assert await stage.settle() == MISSING_SECONDS
    assert (await stage.conditions())["ResolvedRefs"] == ("False", "CacheNotFound")
    told = await stage.message("ResolvedRefs")
    assert told.startswith(f"rules.talk.cache.ref: SemanticCache {stage.namespace}/support isn't there; ")
    assert "fallbacks.cloud.endpoint.credentialsSecretRef: Secret openai isn't there" in told
    assert f"fallbacks.local.endpoint.service: Service {stage.namespace}/vllm isn't there" in told
    content = json.loads((await stage.get("ConfigMap", "chat-cachedistill"))["data"]["route.json"])
    assert "cache" not in content["rules"][0]
    assert content["fallbacks"][0]["credentialsFile"] == "/etc/cachedistill/credentials/cloud/token"
    assert await stage.events("chat") == [("Warning", "CacheNotFound")]


async def test_what_was_missing_and_has_come_resolves_with_one_event(stage: Stage) -> None:
    await stage.put(route(fallbacks=[WITH_SECRET]))
    await stage.settle()
    await stage.put(secret(wrong="x"))
    await stage.settle()
    assert await stage.message("ResolvedRefs") == (
        "fallbacks.cloud.endpoint.credentialsSecretRef: Secret openai has no key token"
    )
    await stage.put(secret(token="sk-1"))
    await stage.settle()
    conditions = await stage.conditions()
    assert (conditions["ResolvedRefs"], conditions["Ready"]) == (("True", "Resolved"), ("True", "Ready"))
    told = await stage.events("chat")
    assert told[0] == ("Warning", "SecretNotFound")
    assert sorted(told[1:]) in ([("Normal", "Ready"), ("Normal", "Resolved")], [("Normal", "Resolved")])


async def test_a_service_with_its_port_resolves(stage: Stage) -> None:
    spec = {"selector": {"app": "vllm"}, "ports": [{"port": 8000}]}
    await stage.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "vllm"}, "spec": spec})
    await stage.put(
        route(
            fallbacks=[{"name": "cloud", "endpoint": {"service": {"name": "vllm", "port": 8000}, "dialect": "OpenAI"}}]
        )
    )
    await stage.settle()
    assert (await stage.conditions())["ResolvedRefs"] == ("True", "Resolved")


async def test_the_document_follows_the_cache(stage: Stage) -> None:
    made = await stage.put(cache("support", embedding={"model": "new"}))
    await stage.put(route(rules=[rule(cache="support")]))
    await stage.settle()
    status = {"embedding": {"model": "old"}}
    await stage.admin.patch(
        API_VERSION, "SemanticCache", "support", stage.namespace, {"status": status}, subresource="status"
    )
    await stage.look()
    content = json.loads((await stage.get("ConfigMap", "chat-cachedistill"))["data"]["route.json"])
    assert content["caches"][0]["embedding"]["model"] == "old"
    assert made["metadata"]["name"] == "support"


async def test_of_two_routes_with_the_same_selector_the_younger_stands_back_until_the_older_goes(stage: Stage) -> None:
    await stage.put(route("a"))
    await stage.put(route("b"))
    await stage.settle("a")
    await stage.settle("b")
    assert (await stage.conditions("a"))["Accepted"] == ("True", "Accepted")
    assert (await stage.conditions("b"))["Accepted"] == ("False", "Conflicted")
    assert "ModelRoute a" in await stage.message("Accepted", "b")
    assert await stage.events("b") == [("Warning", "Conflicted")]
    await stage.admin.delete(API_VERSION, "ModelRoute", "a", stage.namespace)
    await stage.look("a")
    assert [(kind, key.name) for kind, key in stage.requeued] == [("ModelRoute", "b")]
    await stage.settle("b")
    assert (await stage.conditions("b"))["Accepted"] == ("True", "Accepted")


async def test_a_refusal_of_the_api_server_is_in_the_status_and_raised(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.put(route("chat"))
    await stage.settle()

    async def refuse(*_: object) -> None:
        raise ApiError(403, "Forbidden", "pods is forbidden")

    monkeypatch.setattr(stage.on.client, "list", refuse)
    with pytest.raises(ApiError):
        await stage.look()
    conditions = await stage.conditions()
    assert conditions["Ready"] == ("False", "Refused")
    assert conditions["Accepted"] == ("True", "Accepted")
    assert "pods is forbidden" in await stage.message("Ready")
    assert "routeDocument" in await stage.status()


async def test_a_deleted_route_leaves_nothing_behind(stage: Stage) -> None:
    await stage.put(secret(token="sk-1"))
    transparent = {"mode": "Transparent", "hosts": ["api.openai.com"]}
    made = await stage.put(route(fallbacks=[WITH_SECRET], interception=transparent))
    await stage.settle()
    children = [(*each, stage.namespace) for each in CHILDREN]
    for child in children:
        live = await stage.admin.get(*child)
        assert live is not None
        # Kubernetes' garbage collector takes them away even when no controller runs.
        assert [owner["uid"] for owner in live["metadata"]["ownerReferences"]] == [made["metadata"]["uid"]]
    await stage.admin.delete(API_VERSION, "ModelRoute", "chat", stage.namespace)
    await stage.look()
    assert [await stage.admin.get(*child) for child in children[1:]] == [None, None, None]
    assert await stage.get("Secret", "openai")
