"""A Redis URL says who knows where the entries are; a wrong one is refused with what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.redis_url import RedisUrl, Topology


@pytest.mark.parametrize(
    "url", ["redis://r", "redis://u:p@r:6380/2", "rediss://r?ssl_cert_reqs=none", "unix:///r.sock"]
)
def test_a_single_servers_url_is_left_to_the_client(url: str) -> None:
    read = RedisUrl.parse(url)
    assert (read.topology, read.text, read.tls) == (Topology.SERVER, url, url.startswith("rediss"))


def test_sentinels_know_the_primary_of_a_service() -> None:
    read = RedisUrl.parse("redis+sentinel://app:s%2Fc%40ret@s1:5000,s2/entries/3?sentinel_password=other")
    assert read.topology is Topology.SENTINEL
    assert read.nodes == (("s1", 5000), ("s2", 26379))
    assert (read.username, read.password) == ("app", "s/c@ret")
    assert (read.service, read.database, read.tls) == ("entries", 3, False)
    assert (read.sentinel_username, read.sentinel_password) == (None, "other")


def test_a_cluster_is_found_by_some_of_its_nodes() -> None:
    read = RedisUrl.parse("rediss+cluster://:secret@[::1]:7000,r2")
    assert (read.topology, read.tls) == (Topology.CLUSTER, True)
    assert read.nodes == (("::1", 7000), ("r2", 6379))
    assert (read.username, read.password) == (None, "secret")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://r", "must be one of redis://"),
        ("unix+cluster:///r", "must be one of redis://"),
        ("redis+ring://r", "must be one of redis://"),
        ("redis+sentinel://s1:5000", "names the service"),
        ("redis+sentinel://s1/entries/zero", "names the service"),
        ("redis+sentinel:///entries", "host or host:port"),
        ("redis+sentinel://s1:70000/entries", "host or host:port"),
        ("redis+cluster://r1:7000,", "host or host:port"),
        ("redis+cluster://r1:7000/1", "database 0 only"),
        ("redis+cluster://r1?protocol=3", "'protocol' is not an option"),
        ("redis+sentinel://s1/entries?password=x", "sentinel_password and sentinel_username"),
    ],
)
def test_a_wrong_url_is_refused_with_what_is_allowed(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        RedisUrl.parse(url)


@given(st.sampled_from(["redis+sentinel", "redis+cluster"]), st.text("abc/@:%?#", min_size=1, max_size=12))
def test_whatever_stands_in_a_url_is_read_or_refused_without_its_password(scheme: str, rest: str) -> None:
    assert "Pa55w0rd" not in refusal(f"{scheme}://:Pa55w0rd{rest}")


def refusal(url: str) -> str:
    """Why a URL is refused; nothing for one that isn't."""
    try:
        RedisUrl.parse(url)
    except ValueError as error:
        return str(error)
    return ""
