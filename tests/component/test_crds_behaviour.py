"""What a real API server makes of the two kinds: defaults, columns, and objects that the models can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cachedistill_operator.api import crd
from cachedistill_operator.api.model_route import ModelRouteSpec, ModelRouteStatus
from cachedistill_operator.api.semantic_cache import SemanticCacheSpec, SemanticCacheStatus, WrongHits
from e2e.cluster.kubectl import Kubectl
from tests.component.spec_strategies import model_route_specs, semantic_cache_specs
from tests.resources import Manifest, changed, model_route, semantic_cache, text

READY = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-02T03:04:05Z",
    "reason": "AllWell",
    "message": "all of it works",
}
SAVED = {"cost": "3.18", "currency": "EUR", "energyWattHours": "12.4", "carbonGrams": "5.9"}
PODS = {"matched": 4, "injected": 3, "outdated": 1}


@pytest.fixture
def namespace(kinds: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own."""
    name = kinds("create", "--filename=-", "--output=jsonpath={.metadata.name}", stdin=_NAMESPACE)
    yield Kubectl(kinds.kubeconfig, name)
    kinds("delete", "namespace", name, "--wait=false")


_NAMESPACE = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "crds-"}})


def stored(kubectl: Kubectl, *resources: Manifest) -> list[dict[str, Any]]:
    """What the API server would keep."""
    shown = kubectl("create", "--dry-run=server", "--filename=-", "--output=yaml", stdin=text(*resources))
    return list(yaml.safe_load_all(shown))


def table(kubectl: Kubectl, *arguments: str) -> dict[str, str]:
    """The one row of `kubectl get` by column."""
    head, row = (line.split() for line in kubectl("get", *arguments).splitlines())
    return dict(zip(head, row, strict=True))


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_the_api_server_serves_the_kind_and_finds_the_rules_cheap_enough(kinds: Kubectl, kind: crd.Kind) -> None:
    status = kinds.get("crd", f"{kind.plural}.cachedistill.dev")["status"]
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


def test_a_short_cache_is_filled_in_with_what_the_models_have_as_defaults(kinds: Kubectl) -> None:
    [cache] = stored(kinds, semantic_cache())
    model = SemanticCacheSpec.model_validate(semantic_cache()["spec"])
    assert cache["spec"] == json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def test_a_short_route_is_filled_in_with_what_the_models_have_as_defaults(kinds: Kubectl) -> None:
    [route] = stored(kinds, model_route())
    model = ModelRouteSpec.model_validate(model_route()["spec"])
    full = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
    assert route["spec"] == _without_empty(full)


def test_a_number_is_a_quantity(kinds: Kubectl) -> None:
    resources = {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"cpu": "2500m"}}
    [cache] = stored(kinds, semantic_cache(redis={"managed": {"resources": resources, "storage": 8000000}}))
    managed = SemanticCacheSpec.model_validate(cache["spec"]).redis.managed
    assert managed is not None
    assert managed.resources is not None
    assert (managed.resources.requests["cpu"], managed.storage) == ("2", "8000000")


def test_the_columns_of_a_cache_show_its_status(namespace: Kubectl) -> None:
    namespace("create", "--filename=-", stdin=text(semantic_cache("support")))
    status = {
        "conditions": [READY | {"type": "Certified", "reason": "Certified"}, READY],
        "entries": 18231,
        "hitPermille": 412,
        "wrongHitPermille": {"measured": 6, "upper": 9, "budget": 10, "labels": 5120, "since": "2026-01-01T00:00:00Z"},
        "bytes": "412Mi",
        "endpoint": "support-redis.shop.svc:6379",
        "embedding": {"model": "bge-small-en-v1.5"},
    }
    _set_status(namespace, "semcache/support", status)
    narrow = table(namespace, "semcache")
    assert narrow.pop("AGE")
    assert narrow == {
        "NAME": "support",
        "READY": "True",
        "ENTRIES": "18231",
        "HITS": "412",
        "WRONG": "6",
        "CERTIFIED": "True",
    }
    wide = table(namespace, "semcache", "--output=wide")
    assert {name: wide[name] for name in wide.keys() - narrow.keys() - {"AGE"}} == {
        "REASON": "AllWell",
        "ATMOST": "9",
        "BUDGET": "10",
        "CERTIFICATE": "Certified",
        "REDIS": "support-redis.shop.svc:6379",
        "MODEL": "bge-small-en-v1.5",
        "SIZE": "412Mi",
    }


def test_the_columns_of_a_route_show_its_status(namespace: Kubectl) -> None:
    namespace("create", "--filename=-", stdin=text(model_route("chat")))
    _set_status(namespace, "mroute/chat", {"conditions": [READY], "pods": PODS, "localPermille": 570, "saved": SAVED})
    narrow = table(namespace, "mroute")
    assert narrow.pop("AGE")
    assert narrow == {"NAME": "chat", "READY": "True", "PODS": "3", "LOCAL": "570", "SAVED": "3.18"}
    wide = table(namespace, "mroute", "--output=wide")
    assert {name: wide[name] for name in ("REASON", "CURRENCY", "MODE", "OUTDATED")} == {
        "REASON": "AllWell",
        "CURRENCY": "EUR",
        "MODE": "Environment",
        "OUTDATED": "1",
    }


def test_both_kinds_are_found_by_their_category(namespace: Kubectl) -> None:
    namespace("create", "--filename=-", stdin=text(semantic_cache("support"), model_route("chat")))
    assert set(namespace("get", "cachedistill", "--output=name").split()) == {
        "semanticcache.cachedistill.dev/support",
        "modelroute.cachedistill.dev/chat",
    }


def test_a_status_is_written_apart_from_the_spec(namespace: Kubectl) -> None:
    namespace("create", "--filename=-", stdin=text(semantic_cache("support")))
    _set_status(namespace, "semcache/support", {"conditions": [READY], "entries": 7, "bytes": "1Mi"})
    cache = namespace.get("semcache", "support")
    namespace("replace", "--filename=-", stdin=text(changed(cache, "status.entries", 8)))
    status = namespace.get("semcache", "support")["status"]
    assert SemanticCacheStatus.model_validate(status).entries == 7


def test_two_conditions_of_a_type_are_refused(namespace: Kubectl) -> None:
    namespace("create", "--filename=-", stdin=text(model_route("chat")))
    with pytest.raises(RuntimeError, match=r"status\.conditions\[1\]: Duplicate value"):
        _set_status(namespace, "mroute/chat", {"conditions": [READY, READY]})


def test_a_status_as_stored_is_one_that_the_model_reads(namespace: Kubectl) -> None:
    namespace("create", "--filename=-", stdin=text(model_route("chat")))
    wanted = {"conditions": [READY], "pods": PODS, "saved": SAVED, "decisionsPermille": {"exact": 80}, "requests": 9}
    _set_status(namespace, "mroute/chat", wanted)
    status = ModelRouteStatus.model_validate(namespace.get("mroute", "chat")["status"])
    assert (status.requests, status.conditions[0].reason) == (9, "AllWell")
    assert status.decisions_permille is not None
    assert status.decisions_permille.fallback == 0


def test_a_caches_share_of_wrong_answers_is_kept_as_it_is_written(namespace: Kubectl) -> None:
    namespace("create", "--filename=-", stdin=text(semantic_cache("support")))
    wanted = {"measured": 6, "upper": 9, "budget": 10, "labels": 5120, "since": "2026-01-01T00:00:00Z"}
    _set_status(namespace, "semcache/support", {"wrongHitPermille": wanted})
    status = SemanticCacheStatus.model_validate(namespace.get("semcache", "support")["status"])
    assert status.wrong_hit_permille == WrongHits.model_validate(wanted)


# Without shrinking: each try is a run of kubectl, and what it says names the field.
_few = settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@_few
@given(st.lists(semantic_cache_specs(), min_size=10, max_size=10))
def test_what_the_models_take_as_a_cache_the_api_server_keeps_unchanged(kinds: Kubectl, specs: list[Manifest]) -> None:
    resources = [semantic_cache(f"cache-{number}", **spec) for number, spec in enumerate(specs)]
    for sent, kept in zip(resources, stored(kinds, *resources), strict=True):
        assert SemanticCacheSpec.model_validate(kept["spec"]) == SemanticCacheSpec.model_validate(sent["spec"])


@_few
@given(st.lists(model_route_specs(), min_size=10, max_size=10))
def test_what_the_models_take_as_a_route_the_api_server_keeps_unchanged(kinds: Kubectl, specs: list[Manifest]) -> None:
    resources = [model_route(f"route-{number}", **spec) for number, spec in enumerate(specs)]
    for sent, kept in zip(resources, stored(kinds, *resources), strict=True):
        assert ModelRouteSpec.model_validate(kept["spec"]) == ModelRouteSpec.model_validate(sent["spec"])


def _set_status(kubectl: Kubectl, resource: str, status: Manifest) -> None:
    kubectl("patch", resource, "--subresource=status", "--type=merge", f"--patch={json.dumps({'status': status})}")


def _without_empty(value: Any) -> Any:
    """The API server fills in no empty lists and objects."""
    if isinstance(value, dict):
        parts = {key: _without_empty(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part not in ({}, [])}
    return [_without_empty(part) for part in value] if isinstance(value, list) else value
