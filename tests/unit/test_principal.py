"""Different askers have different names, and nobody gets a second one by spelling a header otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from cachedistill_sidecar.cache.seal import Signed, Unsealed
from cachedistill_sidecar.path.principal import principal
from cachedistill_sidecar.route_document import Cache, Provider, Redis

REDIS = Redis(url="redis://r")
PLAIN = Cache(name="c", redis=REDIS)
BOTH = Cache(name="c", redis=REDIS, tenant_header="X-Tenant", user_header="X-User")
# Header values may hold bytes that are no UTF-8, which come as lone surrogates.
VALUE = st.binary(max_size=6).map(lambda raw: raw.decode(errors="surrogateescape"))


def name(cache: Cache = PLAIN, provider: Any = Provider.OPENAI, seal: Any = None, **headers: Any) -> str:
    given_headers = CIMultiDict({header.replace("_", "-"): value for header, value in headers.items()})
    return principal(given_headers, cache, provider, seal or Unsealed())


def test_nobody_has_no_name() -> None:
    assert name() == name(BOTH) == name(BOTH, x_tenant="", x_user="", authorization=" ") == ""


def test_the_user_counts_before_the_tenant_and_that_before_the_credential() -> None:
    key: dict[str, Any] = {"authorization": "Bearer k"}
    user = name(BOTH, x_user="ann", **key)
    assert user == name(BOTH, x_user="ann", authorization="Bearer other")
    tenant = name(BOTH, x_tenant="acme", **key)
    assert tenant == name(BOTH, x_tenant="acme")
    assert len({user, tenant, name(BOTH, **key)}) == 3


def test_a_user_is_another_one_in_another_tenant() -> None:
    assert name(BOTH, x_tenant="acme", x_user="ann") != name(BOTH, x_tenant="zenith", x_user="ann")


def test_user_tenant_and_credential_of_the_same_text_are_not_the_same() -> None:
    assert len({name(BOTH, x_user="x"), name(BOTH, x_tenant="x"), name(BOTH, authorization="x")}) == 3


@given(left=st.tuples(VALUE, VALUE), right=st.tuples(VALUE, VALUE))
def test_names_are_equal_exactly_when_tenant_and_user_are(left: tuple[str, str], right: tuple[str, str]) -> None:
    names = [name(BOTH, x_tenant=tenant, x_user=user) for tenant, user in (left, right)]
    assert (names[0] == names[1]) == (left == right)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer key"},
        {"Authorization": "bearer   key "},
        {"AUTHORIZATION": "key"},
        {"authorization": "Bearer key", "x_api_key": "anything", "api_key": "anything"},
    ],
)
def test_a_key_is_one_asker_however_it_is_written(headers: dict[str, Any]) -> None:
    assert name(**headers) == name(authorization="Bearer key")


@pytest.mark.parametrize(("provider", "own"), [(Provider.ANTHROPIC, "x_api_key"), (Provider.AZURE_OPENAI, "api_key")])
def test_the_header_that_the_provider_looks_at_counts(provider: Provider, own: str) -> None:
    key: dict[str, Any] = {own: "key"}
    expected = name(provider=provider, **key)
    assert name(provider=provider, authorization="Bearer other", **key) == expected
    assert name(provider=provider, authorization="Bearer key") == expected


def test_it_is_not_the_credential() -> None:
    assert "key" not in name(authorization="Bearer key")
    assert len(bytes.fromhex(name(authorization="Bearer key"))) == 8


def test_as_long_as_there_is_no_key_nobody_is_known() -> None:
    assert name(seal=Signed("/nowhere"), authorization="Bearer key") == ""
