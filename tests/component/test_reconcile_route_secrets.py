"""What the controller may see of Secrets, as the service account that it runs as, against a real API server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cachedistill_operator.api.group import API_VERSION, NAMED_SECRETS_ROLE, Key, cache_secret
from cachedistill_operator.cluster.client import ApiError, Client
from cachedistill_operator.reconcile import named_secrets
from e2e.cluster.kubectl import Kubectl
from tests.chart import one, render
from tests.component.route_fixtures import admin as admin
from tests.component.route_fixtures import namespace as namespace
from tests.component.route_stage import CountingClient, Stage
from tests.model_routes import OPENAI, SETTINGS, cache, route, rule

RBAC = "rbac.authorization.k8s.io"
WITH_SECRET = OPENAI | {
    "endpoint": {
        "url": "https://x.test",
        "dialect": "OpenAI",
        "credentialsSecretRef": {"name": "openai", "key": "token"},
    }
}
EXTERNAL = {"external": {"urlSecretRef": {"name": "redis", "key": "url"}}}


@pytest.fixture(scope="session")
def rules() -> Any:
    """What the chart allows the controller, in all namespaces."""
    return one(render(), "ClusterRole", "cachedistill-controller")["rules"]


@pytest.fixture
async def stage(kinds: Kubectl, admin: Client, namespace: str, rules: Any, tmp_path: Path) -> AsyncIterator[Stage]:
    """A controller with its own service account, in the test's namespace."""
    account, role = SETTINGS.controller_service_account, f"controller-{namespace}"
    kinds.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        },
    )
    kubeconfig = as_account(kinds, namespace, account, tmp_path / "kubeconfig")
    async with await CountingClient.connect("controller", str(kubeconfig)) as client:
        yield Stage.of(admin, client, namespace)
    kinds("delete", f"clusterrole/{role}", f"clusterrolebinding/{role}")


def as_account(kubectl: Kubectl, namespace: str, account: str, path: Path) -> Path:
    """A kubeconfig with a token of a service account."""
    token = kubectl("create", "token", account, "-n", namespace).strip()
    content = yaml.safe_load(kubectl.kubeconfig.read_text("utf8"))
    [user] = content["users"]
    user["user"] = {"token": token}
    path.write_text(yaml.safe_dump(content), "utf8")
    return path


async def put_secret(stage: Stage, name: str, **data: str) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    await stage.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded})


async def may_read(stage: Stage, name: str) -> bool:
    try:
        await stage.on.client.get("v1", "Secret", name, stage.namespace)
    except ApiError as error:
        if error.status != 403:
            raise
        return False
    return True


async def test_a_route_is_reconciled_with_these_rights_alone(stage: Stage) -> None:
    await put_secret(stage, "openai", token="sk-1")
    interception = {"mode": "Transparent", "hosts": ["api.openai.com"]}
    await stage.put(route("chat", fallbacks=[WITH_SECRET], interception=interception))
    await stage.settle()
    conditions = await stage.conditions()
    assert conditions["ResolvedRefs"] == ("True", "Resolved")
    assert conditions["Ready"] == ("True", "Ready")
    assert (await stage.status())["interceptionCa"].startswith("sha256:")


async def test_a_secret_that_no_resource_names_can_not_be_read(stage: Stage) -> None:
    await put_secret(stage, "openai", token="sk-1")
    await put_secret(stage, "private", token="sk-2")
    assert not await may_read(stage, "openai")
    await stage.put(route("chat", fallbacks=[WITH_SECRET]))
    await stage.settle()
    assert await may_read(stage, "openai")
    assert not await may_read(stage, "private")
    with pytest.raises(ApiError, match="Forbidden"):
        await stage.on.client.list("v1", "Secret", stage.namespace)


async def test_looks_at_the_same_time_write_a_role_once(stage: Stage) -> None:
    await stage.put(route("chat", fallbacks=[WITH_SECRET]))
    await stage.see()
    await asyncio.gather(*(named_secrets.ensure(stage.on, stage.namespace) for _ in range(2)))
    client = stage.on.client
    assert isinstance(client, CountingClient)
    assert sorted(each.rpartition("/")[0].rpartition("/")[2] for each in client.writes) == ["rolebindings", "roles"]


async def test_the_right_to_read_goes_with_the_reference(stage: Stage) -> None:
    await put_secret(stage, "openai", token="sk-1")
    await stage.put(route("chat", fallbacks=[WITH_SECRET]))
    await stage.settle()
    await stage.put(route("chat"))
    await stage.settle()
    assert await stage.admin.get(f"{RBAC}/v1", "Role", NAMED_SECRETS_ROLE, stage.namespace) is None
    for _ in range(50):
        if not await may_read(stage, "openai"):
            return
        await asyncio.sleep(0.05)
    pytest.fail("still readable")


async def test_a_named_secret_can_be_read_but_not_changed(stage: Stage) -> None:
    await put_secret(stage, "redis", url="redis://redis.example")
    await stage.put(cache("support", redis=EXTERNAL))
    await stage.see()
    await named_secrets.ensure(stage.on, stage.namespace)
    read = await named_secrets.patiently(lambda: stage.on.client.get("v1", "Secret", "redis", stage.namespace))
    assert read is not None
    with pytest.raises(ApiError, match="Forbidden"):
        await stage.on.client.patch("v1", "Secret", "redis", stage.namespace, {"data": {}})
    with pytest.raises(ApiError, match="Forbidden"):
        await stage.on.client.delete("v1", "Secret", "redis", stage.namespace)


async def test_a_client_secret_made_for_a_route_goes_when_the_route_names_the_cache_no_more(stage: Stage) -> None:
    shared = cache("shared", namespace="elsewhere", allowedNamespaces={"from": "All"})
    name = cache_secret(Key("elsewhere", "shared"), stage.namespace)
    await stage.put(route("chat", rules=[rule(cache="shared", namespace="elsewhere")], fallbacks=[WITH_SECRET]))
    await stage.see()
    stage.on.watched.caches[Key("elsewhere", "shared")] = shared
    await named_secrets.ensure(stage.on, stage.namespace)
    manifest: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": stage.namespace},
        "stringData": {"url": "redis://redis.example"},
    }
    await named_secrets.patiently(lambda: stage.on.client.apply(manifest))
    await stage.put(route("chat", fallbacks=[WITH_SECRET]))
    await stage.see()
    stage.on.watched.caches[Key("elsewhere", "shared")] = shared
    await named_secrets.ensure(stage.on, stage.namespace)
    assert await stage.admin.get("v1", "Secret", name, stage.namespace) is None
    role = await stage.get("Role", NAMED_SECRETS_ROLE, f"{RBAC}/v1")
    assert [rule["resourceNames"] for rule in role["rules"]] == [["openai"]]


async def test_a_call_that_stays_forbidden_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_secrets, "_PATIENCE_SECONDS", (0.0, 0.0))
    calls = []

    async def forbidden() -> None:
        calls.append(1)
        raise ApiError(403, "Forbidden", "no")

    async def missing() -> None:
        calls.append(1)
        raise ApiError(404, "NotFound", "no")

    with pytest.raises(ApiError, match="Forbidden"):
        await named_secrets.patiently(forbidden)
    assert len(calls) == 3
    with pytest.raises(ApiError, match="NotFound"):
        await named_secrets.patiently(missing)
    assert len(calls) == 4


async def test_routes_of_one_namespace_grant_nothing_in_another(stage: Stage) -> None:
    await stage.put(route("chat", fallbacks=[WITH_SECRET]))
    await stage.settle()
    assert await stage.admin.get(API_VERSION, "ModelRoute", "chat", stage.namespace)
    with pytest.raises(ApiError, match="Forbidden"):
        await stage.on.client.get("v1", "Secret", "openai", "default")
