"""A stored answer serves only who may have it, and only a request that must get the same answer."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson
import pytest

from tests.component.asking import AZURE, CHAT, DIALECTS, App, Headers, http_request, raw, settled
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
USER = {"role": "user", "content": ASKED}
PER_TENANT = {"scope": "Tenant", "tenantHeader": "x-tenant-id"}
PER_USER = {"scope": "User", "tenantHeader": "x-tenant-id", "userHeader": "x-user"}


@pytest.fixture
async def app(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> App:
    return App(http, (await start_sidecar(semantic=500)).url)


@pytest.fixture
async def tenants(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> App:
    return App(http, (await start_sidecar(semantic=500, cache_settings=PER_TENANT)).url)


@pytest.fixture
async def users(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> App:
    return App(http, (await start_sidecar(semantic=500, cache_settings=PER_USER)).url)


async def test_a_hit_never_crosses_tenants(tenants: App) -> None:
    for wording in (ASKED, "How can I reset my password?"):
        assert (await tenants.chat(wording, headers={"x-tenant-id": "red"})).decision != "passthrough"
    assert (await tenants.chat(ASKED, headers={"x-tenant-id": "red"})).decision == "exact_hit"
    other = await tenants.chat(ASKED, headers={"x-tenant-id": "blue"})
    assert (other.decision, other.reason) == ("fallback", "cold")


async def test_a_hit_never_crosses_users_of_a_tenant(users: App) -> None:
    await users.chat(ASKED, headers={"x-tenant-id": "red", "x-user": "ada"})
    assert (await users.chat(ASKED, headers={"x-tenant-id": "red", "x-user": "bob"})).reason == "cold"
    assert (await users.chat(ASKED, headers={"x-tenant-id": "red", "x-user": "ada"})).reason == "near"


async def test_a_hit_never_crosses_tenants_of_users_with_the_same_name(users: App) -> None:
    await users.chat(ASKED, headers={"x-tenant-id": "red", "x-user": "ada"})
    assert (await users.chat(ASKED, headers={"x-tenant-id": "blue", "x-user": "ada"})).reason == "cold"


async def test_what_belongs_to_the_tenants_name_is_not_taken_for_the_users(users: App) -> None:
    await users.chat(ASKED, headers={"x-tenant-id": "a", "x-user": "bc"})
    assert (await users.chat(ASKED, headers={"x-tenant-id": "ab", "x-user": "c"})).reason == "cold"


@pytest.mark.parametrize("headers", [{}, {"x-tenant-id": ""}, {"x-user": "ada"}])
async def test_who_names_no_tenant_is_neither_served_nor_stored(
    tenants: App, upstream: Upstream, headers: dict[str, str]
) -> None:
    for _ in range(2):
        assert (await tenants.chat(ASKED, headers=headers)).reason == "no_tenant"
    assert len(upstream.calls) == 2


async def test_who_names_no_user_is_not_served_what_his_tenant_has(users: App) -> None:
    assert (await users.chat(ASKED, headers={"x-tenant-id": "red"})).reason == "no_tenant"


async def test_a_tenants_name_may_be_any_bytes(tenants: App) -> None:
    body = orjson.dumps({"model": "gpt-4o", "messages": [USER]})

    async def reason(name: bytes) -> bytes:
        answer = await raw(tenants.url, http_request(CHAT, body, b"x-tenant-id: " + name))
        return answer.partition(b"x-cachedistill-reason: ")[2].split(b"\r\n")[0]

    assert [await reason(name) for name in (b"caf\xe9", b"caf\xe9", b"caf\xe8")] == [b"cold", b"near", b"cold"]


async def test_two_caches_on_one_redis_dont_mix(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    one = await start_sidecar(semantic=None, cache="shared-one")
    await App(http, one.url).chat(ASKED)
    await settled(one)
    other = await start_sidecar(semantic=None, cache="shared-other")
    assert (await App(http, other.url).chat(ASKED)).reason == "cold"


async def test_two_namespaces_that_share_a_cache_dont_mix(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    shop, bank = await start_sidecar(semantic=None, namespace="shop"), await start_sidecar(namespace="bank")
    await App(http, shop.url).chat(ASKED)
    await settled(shop)
    assert (await App(http, bank.url).chat(ASKED)).reason == "cold"


CHANGES: list[dict[str, Any]] = [
    {"model": "gpt-4o-mini"},
    {"messages": [{"role": "system", "content": "Answer in verse."}, USER]},
    {"messages": [{"role": "developer", "content": "Answer in verse."}, USER]},
    {"messages": [{"role": "user", "content": ASKED, "name": "ada"}]},
    {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": "Done."}, USER]},
    {"temperature": 0.2},
    {"top_p": 0.5},
    {"seed": 7},
    {"stop": ["."]},
    {"max_tokens": 300},
    {"frequency_penalty": 0.5},
    {"response_format": {"type": "json_object"}},
    {"reasoning_effort": "low"},
    {"a_field_of_tomorrow": True},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(change))
async def test_whatever_shapes_the_answer_keeps_apart(app: App, change: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"model": "gpt-4o", "messages": [USER]}
    await app.post(CHAT, plain)
    assert (await app.post(CHAT, plain)).reason == "near"
    assert (await app.post(CHAT, plain | change)).reason == "cold"


@pytest.mark.parametrize(
    "headers",
    [{"openai-beta": "assistants=v2"}, [("openai-beta", "one"), ("openai-beta", "two")]],
    ids=["a-header", "two-lines"],
)
async def test_a_header_that_shapes_the_answer_keeps_apart(app: App, headers: Headers) -> None:
    await app.chat(ASKED, headers={"openai-beta": "one"})
    assert (await app.chat(ASKED, headers=headers)).reason == "cold"


async def test_a_field_that_only_concerns_the_bill_does_not_keep_apart(app: App) -> None:
    await app.chat(ASKED, user="ada", metadata={"team": "red"}, service_tier="default")
    assert (await app.chat(ASKED, user="bob")).reason == "near"


async def test_no_dialect_is_served_what_another_stored(app: App) -> None:
    for dialect in DIALECTS:
        assert (await app.ask(dialect, ASKED)).reason == "cold", dialect
    for dialect in DIALECTS:
        assert (await app.ask(dialect, ASKED)).reason == "near", dialect


async def test_two_versions_of_azures_api_dont_mix(app: App) -> None:
    body = {"messages": [USER]}
    await app.post(AZURE, body)
    assert (await app.post(AZURE.replace("2024", "2023"), body)).reason == "cold"
    assert (await app.post(AZURE.replace("gpt-4o", "gpt-4o-mini"), body)).reason == "cold"


async def test_embeddings_are_served_by_exact_equality_alone(app: App) -> None:
    body = {"model": "text-embedding-3-small", "input": "How do I reset my password?"}
    first = await app.post("/v1/embeddings", body)
    again = await app.post("/v1/embeddings", body)
    assert again.reason == "near"
    assert again.json == first.json
    assert (await app.post("/v1/embeddings", body | {"input": "How can I reset my password?"})).reason == "cold"
