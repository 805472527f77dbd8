"""The operator's Kubernetes client, what it applies, and leadership, against a real API server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cachedistill_operator.cluster.applied import Applied
from cachedistill_operator.cluster.client import ApiError, Client
from cachedistill_operator.cluster.leader import Elector
from e2e.cluster.api_server import ApiServer


@pytest.fixture
async def client(api_server: ApiServer) -> AsyncIterator[Client]:
    async with await Client.connect("test", str(api_server.kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def namespace(client: Client) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def config_map(namespace: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": namespace},
        "data": data,
    }


async def read(client: Client, namespace: str) -> dict[str, Any]:
    found = await client.get("v1", "ConfigMap", "settings", namespace)
    assert found is not None
    return found


async def test_what_was_applied_and_is_wanted_no_more_goes(client: Client, namespace: str) -> None:
    await client.apply(config_map(namespace, a="1", b="2"))
    await client.apply(config_map(namespace, a="1"))
    assert (await read(client, namespace))["data"] == {"a": "1"}


async def test_what_is_not_there_is_none_and_no_error(client: Client, namespace: str) -> None:
    assert await client.get("v1", "ConfigMap", "none", namespace) is None
    assert await client.patch("v1", "ConfigMap", "none", namespace, {"data": {"a": "1"}}) is None
    assert await client.delete("v1", "ConfigMap", "none", namespace) is False


async def test_a_call_takes_no_thread(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(asyncio, "to_thread", refuse)
    assert await client.get("v1", "Namespace", namespace) is not None


async def test_a_refusal_tells_the_api_servers_reason(client: Client, namespace: str) -> None:
    with pytest.raises(ApiError, match="AlreadyExists") as refused:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


async def test_a_list_is_complete_over_pages(client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cachedistill_operator.cluster.client._PAGE", 2)
    for number in range(5):
        manifest = config_map(namespace, a="1")
        manifest["metadata"] |= {"name": f"map-{number}", "labels": {"even": str(number % 2 == 0)}}
        await client.create(manifest)
    found = await client.list("v1", "ConfigMap", namespace, "even=True")
    assert [each["metadata"]["name"] for each in found] == ["map-0", "map-2", "map-4"]
    assert found[0]["kind"] == "ConfigMap"


async def test_an_event_can_be_read_by_people(client: Client, namespace: str, api_server: ApiServer) -> None:
    about = await client.create(config_map(namespace, a="1"))
    await client.event(about, "Warning", "Odd", "Something is odd. " + "x" * 2000, "Test")
    told = api_server.kubectl("describe", "configmap", "settings", "-n", namespace)
    assert "Odd" in told
    assert "Something is odd." in told


async def test_an_event_that_cannot_be_written_is_no_error(client: Client) -> None:
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "no-such-namespace"}}
    await client.event(gone, "Normal", "Told", "nobody hears", "Test")


class TestApplied:
    async def test_the_same_manifest_again_is_no_write(self, client: Client, namespace: str) -> None:
        await Applied(client).ensure(config_map(namespace, a="1"))
        first = await read(client, namespace)
        # Another process: what it knows, it has from the object.
        await Applied(client).ensure(config_map(namespace, a="1"))
        assert (await read(client, namespace))["metadata"] == first["metadata"]

    async def test_drift_is_put_right(self, client: Client, namespace: str) -> None:
        applied = Applied(client)
        await applied.ensure(config_map(namespace, a="1"))
        await client.patch("v1", "ConfigMap", "settings", namespace, {"data": {"a": "other"}})
        await applied.ensure(config_map(namespace, a="1"))
        assert (await read(client, namespace))["data"] == {"a": "1"}

    async def test_a_field_that_a_manifest_has_lost_goes(self, client: Client, namespace: str) -> None:
        applied = Applied(client)
        await applied.ensure(config_map(namespace, a="1", b="2"))
        await applied.ensure(config_map(namespace, a="1"))
        assert (await read(client, namespace))["data"] == {"a": "1"}

    async def test_what_others_have_added_stays(self, client: Client, namespace: str) -> None:
        applied = Applied(client)
        await applied.ensure(config_map(namespace, a="1"))
        await client.patch("v1", "ConfigMap", "settings", namespace, {"metadata": {"labels": {"theirs": "yes"}}})
        await applied.ensure(config_map(namespace, a="2"))
        live = await read(client, namespace)
        assert live["metadata"]["labels"] == {"theirs": "yes"}
        assert live["data"] == {"a": "2"}


class TestLeadership:
    async def test_one_of_two_leads_and_the_other_follows_at_once_when_it_gives_up(
        self, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cachedistill_operator.cluster.leader.RETRY_SECONDS", 0.1)
        first, second = (Elector(client, namespace, "lease", name) for name in ("one", "two"))
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await asyncio.sleep(0.5)
        assert (first.leading, second.leading) == (True, False)
        await first.release()
        await asyncio.wait_for(waiting, 10)
        assert (first.leading, second.leading) == (False, True)

    async def test_a_lease_that_is_not_renewed_is_taken_over(
        self, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cachedistill_operator.cluster.leader.RETRY_SECONDS", 0.1)
        monkeypatch.setattr("cachedistill_operator.cluster.leader.LEASE_SECONDS", 1)
        dead, heir = (Elector(client, namespace, "lease", name) for name in ("dead", "heir"))
        await dead.acquire()
        await asyncio.wait_for(heir.acquire(), 10)
        lease = await client.get("coordination.k8s.io/v1", "Lease", "lease", namespace)
        assert lease is not None
        assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("heir", 1)

    async def test_who_cannot_renew_stops_before_another_may_begin(
        self, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cachedistill_operator.cluster import leader

        monkeypatch.setattr(leader, "RETRY_SECONDS", 0.05)
        monkeypatch.setattr(leader, "RENEW_SECONDS", 0.3)
        elector = Elector(client, namespace, "lease", "one")
        await elector.acquire()
        holding = asyncio.create_task(elector.hold())
        await asyncio.sleep(0.5)
        assert not holding.done()
        usurper = {"spec": {"holderIdentity": "two", "leaseDurationSeconds": 60}}
        await client.patch("coordination.k8s.io/v1", "Lease", "lease", namespace, usurper)
        with pytest.raises(leader.LeadershipLost):
            await asyncio.wait_for(holding, 10)
        assert not elector.leading
