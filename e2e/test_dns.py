"""The cluster's names."""

from __future__ import annotations

import struct
from typing import Any

from e2e.cluster.dns import ALIAS, Names, answer


def service(address: str, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}, "spec": {"clusterIP": address}}


def endpoints(of: str, **hosts: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": of}},
        "endpoints": [{"hostname": host, "addresses": [address]} for host, address in hosts.items()],
    }


NAMES = Names(
    {
        ("shop", "web"): service("10.96.0.7"),
        ("shop", "redis"): service("None"),
        ("shop", "provider"): service("10.96.0.9", **{ALIAS: "api.example.com"}),
    },
    {("shop", "redis-x"): endpoints("redis", **{"redis-0": "10.244.0.5", "redis-1": "10.244.0.6"})},
)


def test_a_service_is_known_by_its_address() -> None:
    assert NAMES.addresses("web.shop.svc.cluster.local") == ["10.96.0.7"]


def test_a_headless_service_is_known_by_its_pods() -> None:
    assert NAMES.addresses("redis.shop.svc.cluster.local") == ["10.244.0.5", "10.244.0.6"]
    assert NAMES.addresses("redis-1.redis.shop.svc.cluster.local") == ["10.244.0.6"]


def test_a_service_stands_in_for_a_host_of_the_world_outside() -> None:
    assert NAMES.addresses("api.example.com") == ["10.96.0.9"]


def test_other_names_are_unknown() -> None:
    for name in (
        "web.other.svc.cluster.local",
        "redis-7.redis.shop.svc.cluster.local",
        "example.org",
        "svc.cluster.local",
    ):
        assert NAMES.addresses(name) is None


def test_an_answer_repeats_the_question_and_gives_the_address() -> None:
    got = answer(query("Web.shop.svc.cluster.local", 1), NAMES)
    assert got[:2] == b"\0\7"
    assert got.endswith(bytes((10, 96, 0, 7)))
    assert code(got) == 0


def test_a_name_without_such_an_address_isnt_unknown() -> None:
    """A resolver that asks for IPv6 first would else give up at once."""
    got = answer(query("web.shop.svc.cluster.local", 28), NAMES)
    assert (code(got), struct.unpack(">H", got[6:8])) == (0, (0,))
    assert code(answer(query("example.org", 1), NAMES)) == 3


def query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def code(message: bytes) -> int:
    return message[3] & 15
